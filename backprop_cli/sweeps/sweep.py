"""Sweeps from Python: open one, train what is missing, and look at the results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from backprop_cli.config.arguments import KEYWORD, words_of
from backprop_cli.data.cache import Cache
from backprop_cli.errors import UsageError
from backprop_cli.runs.folder import check_name
from backprop_cli.runs.session import versions
from backprop_cli.sweeps.definition import Definition, define_sweep, load_sweep
from backprop_cli.sweeps.driver import Driver
from backprop_cli.sweeps.journal import Entry, journal_name, open_journal
from backprop_cli.sweeps.local import LocalExecutor
from backprop_cli.sweeps.result import SweepResult
from backprop_cli.threads import cores

FEW = 10_000
"""Runs above which it must be said how many folders are kept."""

RUN_BYTES, RUN_FILES = 92_000, 7
"""What the folder of a run takes: bytes, for a network of some 8,000 parameters, and files and folders."""

OnResult = Callable[[Entry], None]


def sweep(
    config: Path | str | Mapping[str, Any],
    over: Mapping[str, Any] | None = None,
    *,
    trials: int | None = None,
    sampler: str | None = None,
    seeds: int | None = None,
    prune: str | None = None,
    keep: str | None = None,
    ask: int | None = None,
    stack: int | str | None = None,
    runs_dir: Path | str = "runs",
    name: str | None = None,
    jobs: int | None = None,
    executor: Executor | None = None,
    time: float | None = None,
    retry_failed: bool = False,
    data_dir: Path | str | None = None,
    offline: bool = False,
    on_result: OnResult | None = None,
    **overrides: Any,
) -> SweepResult:
    """Train an experiment with many settings and return the results; the same call again continues.

    `over` has the values of each key: a list, or text such as `"0.01..3:log"`. `over`, `trials`, `sampler`, `seeds`,
    `prune`, `keep`, `ask` and `stack` replace the options of the key `sweep` of a config; further keywords are keys of
    the config, as in `train`. The runs are in a folder in `runs_dir`, called `name`, or else after the config. Up to
    `jobs` of them are trained at a time in processes of this machine, by default one for each core, or by an `executor`
    of `concurrent.futures`. After `time` seconds the sweep is interrupted. Runs that failed are trained again with
    `retry_failed`. `on_result` is called with each result.

    Raises ConfigError, DataError, RunError, or UsageError if the folder has another sweep.

    >>> import backprop_cli
    >>> config = {"dataset": "digits", "layers": [64, 30, 10], "epochs": 2}
    >>> found = backprop_cli.sweep(config, {"eta": [0.3, 3]}, seeds=2, name="rates", jobs=1)
    >>> found.best.setting, len(found.best.values), sorted(found.test)
    ({'eta': 3}, 2, ['accuracy', 'cost'])
    """
    options = {"trials": trials, "sampler": sampler, "seeds": seeds, "prune": prune, "keep": keep, "ask": ask}
    given = {key: value for key, value in {"over": over, "stack": stack, **options}.items() if value is not None}
    words = words_of(overrides)
    if isinstance(config, Path | str):
        definition = load_sweep(Path(config), words, KEYWORD, given)
    else:
        definition = define_sweep(config, words, KEYWORD, given)
    cache = Cache(Path(data_dir) if data_dir else None, offline=offline)
    end = monotonic() + time if time else float("inf")
    opened = open_sweep(
        definition,
        Path(runs_dir),
        cache,
        name=name,
        jobs=jobs,
        executor=executor,
        retry_failed=retry_failed,
        stop=lambda: monotonic() > end,
    )
    with opened as driver:
        with closing(driver.run()) as results:  # type: ignore[type-var]  # a generator
            for entry in results:
                if on_result:
                    on_result(entry)
        return driver.result()


@contextmanager
def open_sweep(
    definition: Definition,
    runs_dir: Path,
    cache: Cache,
    *,
    name: str | None = None,
    jobs: int | None = None,
    executor: Executor | None = None,
    shard: tuple[int, int] = (1, 1),
    retry_failed: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Driver]:
    """Yield what runs a sweep, with its engine; in this context no other process runs it.

    `shard` (i, n) trains a part of the settings: each nth, from the ith. Raises UsageError or RunError.
    """
    folder = runs_dir / (check_name(name) if name else f"{definition.stem}-sweep-{definition.digest}")
    check_size(definition)
    part, parts = shard
    if parts > 1 and definition.in_batches:
        raise UsageError("--shard: this sweep decides by results, which shards do not share; use grid, random or sobol")
    given = definition.document.values.get("threads")
    usual = getattr(executor, "_max_workers", cores() // (given if isinstance(given, int) else 1))
    jobs = max(1, int(jobs or usual))
    threads = 1 if executor else max(1, cores() // jobs)
    head = {"sweep": definition.to_dict(), "threads": threads, "versions": versions()}
    with ExitStack() as stack:
        journal = stack.enter_context(open_journal(folder, head, journal_name(*shard)))
        engine = executor or stack.enter_context(LocalExecutor(jobs))
        place = folder.absolute() if executor else folder
        driver = Driver(
            definition, place, journal, engine, jobs, journal.head["threads"], cache, stop, (part - 1, parts)
        )
        if retry_failed:
            driver.standings.forget("failed")
        yield driver


def check_size(definition: Definition) -> None:
    """Raise UsageError if a sweep would fill the disk without having been asked to."""
    runs = definition.settings * len(definition.seeds)
    if runs > FEW and "keep" not in definition.options.model_fields_set:
        size = f"{runs:,} runs take about {runs * RUN_BYTES / 1e9:.1f} GB in {runs * RUN_FILES:,} files and folders"
        raise UsageError(f"{size}; write sweep.keep='best 100' to keep the best ones, or sweep.keep=all")
