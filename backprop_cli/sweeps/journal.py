"""trials.jsonl: what a sweep is, and a line for each result. One process writes, and only appends.

A file that was cut off anywhere can be continued: what is lost is found again in the folders of the runs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO

from backprop_cli.errors import RunError, UsageError
from backprop_cli.files import hold_lock, to_json, with_path_in_error
from backprop_cli.search.spaces import Setting

NAME = "trials.jsonl"
PARTS = "trials-*-of-*.jsonl"
"""The journals of shards, see `journal_name`."""

FORMAT = 1


def journal_name(part: int, parts: int) -> str:
    """Return the name of the journal of a shard, from 1, or of the whole if there is one part."""
    return NAME if parts == 1 else f"trials-{part}-of-{parts}.jsonl"


@dataclass(frozen=True, slots=True)
class Entry:
    """The result of a run: of the setting number `trial` (from 0) with a seed.

    `status` is that of the run, or pruned. `best` are the metrics of its best epoch, of those up to `until` if given:
    then the run was paused there, to be compared with others.
    """

    trial: int
    seed: int
    run: str
    setting: Setting
    status: str
    epochs: int = 0
    best: dict[str, float] | None = None
    seconds: float = 0.0
    error: str | None = None
    until: int | None = None

    def __post_init__(self) -> None:
        for name in ("setting", "best"):  # a million entries share the names of keys and metrics
            if values := getattr(self, name):
                object.__setattr__(self, name, {sys.intern(key): value for key, value in values.items()})

    def to_line(self) -> str:
        """Return the entry as a line of the journal; what is None is left out."""
        return to_json({key: value for key, value in asdict(self).items() if value is not None}) + "\n"


_FIELDS = {field.name for field in fields(Entry)}
_REQUIRED = {"trial": int, "seed": int, "run": str, "setting": dict, "status": str}


@dataclass
class Journal:
    """The journal of a sweep, held by this process: its head, and the entries that were there."""

    path: Path
    head: dict[str, Any]
    entries: list[Entry]
    _file: BinaryIO

    def append(self, entry: Entry) -> None:
        """Add an entry. Raises OSError."""
        with with_path_in_error(self.path):
            self._file.write(entry.to_line().encode())
            self._file.flush()


@contextmanager
def open_journal(folder: Path, head: dict[str, Any], name: str = NAME) -> Iterator[Journal]:
    """Yield the journal in a folder, new with this head or continued; a line that was cut off is removed.

    Raises RunError if another process writes it, UsageError if it is that of another sweep.
    """
    path = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(hold_lock(folder / f".{name}.lock"))
        except BlockingIOError:
            raise RunError(f"{path} is being written by another process: this sweep is running already") from None
        with with_path_in_error(path):
            file = stack.enter_context(path.open("a+b"))
            file.seek(0)
            data = file.read()
            whole = data.rfind(b"\n") + 1
            file.truncate(whole)
            lines = data[:whole].splitlines()
            if lines:
                head = _same_head(lines[0], head, path)
            else:
                head = {"format": FORMAT, **head}
                file.write((to_json(head) + "\n").encode())
                file.flush()
        yield Journal(path, head, read_entries(lines[1:]), file)


def read_entries(lines: list[bytes]) -> list[Entry]:
    """Return the entries in lines; those that are damaged are left out."""
    found = []
    for line in lines:
        with suppress(ValueError, TypeError):
            values = json.loads(line)
            if all(type(values[key]) is kind for key, kind in _REQUIRED.items() if key in values):
                found.append(Entry(**{key: value for key, value in values.items() if key in _FIELDS}))
    return found


def read_journal(path: Path) -> tuple[dict[str, Any], list[Entry]]:
    """Return the head and the entries of a journal. Raises RunError."""
    try:
        first, *lines = path.read_bytes().splitlines() or [b""]
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error
    return _read_head(first, path), read_entries(lines)


def _read_head(line: bytes, path: Path) -> dict[str, Any]:
    try:
        head = json.loads(line)
        head["sweep"].keys()
    except (ValueError, KeyError, TypeError, AttributeError):
        problem = "not the head of a sweep; remove the file and repeat the command: finished runs are kept"
        raise RunError(f"{path}:1:1: {problem}") from None
    if head.get("format") != FORMAT:
        raise RunError(f"{path}: made by a newer version of backprop (format {head.get('format')})")
    return dict(head)


def _same_head(line: bytes, ours: dict[str, Any], path: Path) -> dict[str, Any]:
    head = _read_head(line, path)
    if keys := differing(head, ours):
        raise UsageError(f"{path.parent} is another sweep (it differs in: {', '.join(keys)}); choose another --name")
    return head


def differing(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """Return in what the sweeps of two heads differ."""
    return [key for key, value in json.loads(to_json(ours["sweep"])).items() if theirs["sweep"].get(key) != value]
