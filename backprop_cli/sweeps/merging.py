"""Joining the parts of a sweep that were trained apart: shards, in one folder or in one for each machine."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from backprop_cli.errors import RunError, UsageError
from backprop_cli.files import hold_lock
from backprop_cli.frozen import frozen
from backprop_cli.runs.folder import RunFolder, remove
from backprop_cli.sweeps.journal import NAME, PARTS, Entry, differing, open_journal, read_journal
from backprop_cli.text import some_of

Key = tuple[int, int, int | None]
"""What an entry is about: the number of a setting, a seed, and the epoch at which the run was paused."""


@frozen
class Merged:
    """What a merge did: `results` are in the journal of `path` now, of which `added` are new, and `copied` runs."""

    path: Path
    results: int
    added: int
    copied: int

    def to_text(self) -> str:
        """Return the numbers in words."""
        return f"{self.path}: {self.results:,} results, {self.added:,} new; {self.copied:,} runs copied"

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as plain data."""
        return {**vars(self), "path": str(self.path)}


@dataclass
class _Found:
    """The results of several journals, each with the folder that its run is in."""

    results: dict[Key, tuple[Entry, Path]] = field(default_factory=dict)
    conflicts: list[str] = field(default_factory=list)

    def add(self, entry: Entry, folder: Path) -> None:
        """Take an entry, unless there is one already; a run that failed may have succeeded elsewhere."""
        key = (entry.trial, entry.seed, entry.until)
        known, where = self.results.get(key, (None, folder))
        if known is None or (known.status == "failed" and (entry.status != "failed" or where == folder)):
            self.results[key] = entry, folder
        elif where != folder and entry.status != "failed" and _content(entry) != _content(known):
            self.conflicts.append(f"{where / known.run} and {folder / entry.run}")


def merge_sweeps(folders: Sequence[Path], into: Path | None = None) -> Merged:
    """Join the results and the runs of the sweeps in these folders into one folder, by default the first of them.

    Journals of shards are joined too. Runs are copied, and the folders that they come from stay as they are. A merge
    can be repeated, also after it was interrupted. Raises UsageError if the folders have different sweeps, RunError if
    one of them is being trained, is damaged, or has another result of the same run; then nothing is changed.
    """
    into = into or folders[0]
    places = {folder.resolve(): folder for folder in (into, *folders)}
    with ExitStack() as stack:
        head, found = None, _Found()
        for folder in places.values():
            paths = _journals(folder)
            if not paths and folder != into:
                raise UsageError(f"{folder}: not the folder of a sweep (no {NAME})")
            for path in paths:
                if path != into / NAME:  # which open_journal locks
                    _lock(path, stack)
                its, entries = read_journal(path)
                head = head or its
                if keys := differing(head, its):
                    raise UsageError(f"{folder} is another sweep than {folders[0]} (it differs in: {', '.join(keys)})")
                for entry in entries:
                    found.add(entry, folder)
        if found.conflicts:
            raise RunError(f"different results of the same run: {some_of(found.conflicts)}; nothing was merged")
        if head is None:
            raise UsageError(f"{into}: not the folder of a sweep (no {NAME})")
        journal = stack.enter_context(open_journal(into, {k: v for k, v in head.items() if k != "format"}))
        known = {(entry.trial, entry.seed, entry.until): entry for entry in journal.entries}
        copied = added = 0
        for key, (entry, folder) in sorted(found.results.items(), key=lambda item: _order(item[0])):
            before = known.get(key)
            if before is None or _content(before) != _content(entry):
                copied += folder != into and _copy(folder / entry.run, into / entry.run)
                journal.append(entry)
                added += 1
        return Merged(into, len(found.results), added, copied)


def _journals(folder: Path) -> list[Path]:
    """Return the journals in a folder: that of the whole sweep, and those of its shards."""
    paths = [path for path in (folder / NAME, *sorted(folder.glob(PARTS))) if path.is_file()]
    return [path for path in paths if _first_line(path).endswith(b"\n")]  # else killed when it began


def _first_line(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.readline()


def _lock(path: Path, stack: ExitStack) -> None:
    try:
        stack.enter_context(hold_lock(path.with_name(f".{path.name}.lock")))
    except BlockingIOError:
        raise RunError(f"{path} is being written by another process: this sweep is running") from None


def _content(entry: Entry) -> Mapping[str, object]:
    """Return what is the same each time that a run is trained."""
    return asdict(replace(entry, seconds=0.0, error=None))


def _order(key: Key) -> tuple[int, int, int]:
    trial, seed, until = key
    return trial, seed, until or 0


def _copy(source: Path, target: Path) -> bool:
    """Copy a run, unless it was not kept; what is there of the same run, without a result, is replaced."""
    if not source.is_dir():
        return False
    temporary, there = target.with_name(f".{target.name}.tmp"), RunFolder(target)
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(source, temporary, ignore=shutil.ignore_patterns(".*"))
    if target.exists():
        if there.read_record().get("experiment") != RunFolder(temporary).read_record().get("experiment"):
            raise RunError(f"{target} is a run of another experiment than {source}; remove it, and merge again")
        remove(there)
    temporary.rename(target)
    return True
