"""Options of the command line that say where and how long a sweep runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeVar, cast

from backprop_cli.errors import UsageError, not_installed
from backprop_cli.sweeps.definition import Definition, load_sweep
from backprop_cli.sweeps.driver import Driver
from backprop_cli.sweeps.sweep import open_sweep

FILE_TIME = 60.0
"""Seconds in which the file of a Dask scheduler has to appear; it may be started with the sweep."""

T = TypeVar("T")


def define(config: Path, words: Sequence[str], threads: int | None) -> Definition:
    """Return the sweep of a config and words, each run with so many threads if given. Raises ConfigError."""
    return load_sweep(config, [*words, *([f"threads={threads}"] if threads else [])])


def open_with_options(
    definition: Definition, options: Mapping[str, Any], stop: Callable[[], bool]
) -> AbstractContextManager[Driver]:
    """Return what runs a sweep, see `open_sweep`, with the options of the command line. Raises UsageError."""
    return open_sweep(
        definition,
        options["runs_dir"],
        options["cache"](),
        name=options["name"],
        jobs=options["jobs"],
        executor=engine(options["on"]),
        shard=parse_shard(options["shard"]),
        retry_failed=options["retry_failed"],
        stop=stop_after(options["time"], stop),
    )


_UNITS = {"": 1, "s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400}


def stop_after(text: str | None, stop: Callable[[], bool]) -> Callable[[], bool]:
    """Return stop, true also after a time from now: `90`, `90s`, `15min`, `2h`, `1d`. Raises UsageError."""
    if text is None:
        return stop
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(s|min|m|h|d|)", text)
    if not match:
        raise UsageError(f"--time {text}: write a time such as 90s, 15min or 2h")
    end = monotonic() + float(match[1]) * _UNITS[match[2]]
    return lambda: stop() or monotonic() > end


def parse_shard(text: str | None) -> tuple[int, int]:
    """Return (2, 8) for `2/8`, the second of eight parts; (1, 1), the whole, for None. Raises UsageError."""
    if text is None:
        return 1, 1
    match = re.fullmatch("([0-9]{1,6})/([0-9]{1,6})", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"--shard {text}: write a part such as 1/8, from 1/8 to 8/8")
    return int(match[1]), int(match[2])


def engine(text: str | None) -> Executor | None:
    """Return the executor at a place: `dask:tcp://HOST:PORT`, `dask:FILE`, or MODULE:FUNCTION, which returns one.

    None stands for the processes of this machine. Raises UsageError.
    """
    if text is None:
        return None
    kind, _, place = text.partition(":")
    if not place:
        raise UsageError(f"--on {text}: write dask:tcp://HOST:PORT, dask:scheduler.json, or MODULE:FUNCTION")
    if kind == "dask":
        return _dask(place)
    try:
        found = getattr(import_module(kind), place)()
    except (ImportError, AttributeError) as error:
        raise UsageError(f"--on {text}: {error}") from error
    if not isinstance(found, Executor):
        raise UsageError(f"--on {text}: returned {type(found).__name__}, not a concurrent.futures.Executor")
    return found


def _dask(place: str) -> Executor:
    try:
        from distributed import Client
    except ImportError:
        raise UsageError(not_installed("distributed", extra="dask")) from None
    is_address = "://" in place or re.search(":[0-9]+$", place)
    end = monotonic() + FILE_TIME
    while not (is_address or Path(place).exists()):  # Dask would wait for ever
        if monotonic() > end:
            start = f"dask scheduler --scheduler-file {place}"
            raise UsageError(f"--on dask:{place}: there is no such file after {FILE_TIME:g} seconds; start {start}")
        sleep(0.1)
    at: dict[str, Any] = {"address" if is_address else "scheduler_file": place}
    try:
        client: Any = Client(**at, timeout=10)  # type: ignore[no-untyped-call]  # of Dask
    except (OSError, ValueError) as error:
        raise UsageError(f"--on dask:{place}: no scheduler there: {error}") from error
    return DaskExecutor(client)


class DaskExecutor(Executor):
    """The workers of a Dask cluster. Futures of a client whose scheduler is gone never end, so it is asked for."""

    def __init__(self, client: Any) -> None:
        self._client, self._workers = client, client.get_executor(pure=False)
        self._max_workers = max(1, sum(client.nthreads().values()))

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Start a call on a worker."""
        return cast("Future[T]", self._workers.submit(fn, *args, **kwargs))

    def is_lost(self) -> bool:
        """Whether the scheduler is gone for good."""
        return self._client.status not in ("running", "connecting")
