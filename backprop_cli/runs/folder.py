"""Claiming, finding and describing the folder of a run."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backprop_cli.errors import RunError, UsageError
from backprop_cli.files import atomic_write, remove_leftovers, sync_folder, to_json

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # the name stands for a module elsewhere

LAST = "@last"
"""What stands for the run that was started last."""


@dataclass(frozen=True)
class RunFolder:
    """A run's folder and where things lie in it."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved experiment."""
        return self.path / "config.yaml"

    @property
    def metrics(self) -> Path:
        """A row per epoch."""
        return self.path / "metrics.csv"

    @property
    def record(self) -> Path:
        """Status, versions, figures."""
        return self.path / "run.json"

    def checkpoint(self, which: str) -> Path:
        """Return the path of the `best` or the `last` checkpoint."""
        return self.path / "checkpoints" / f"{which}.npz"

    def read_record(self) -> dict[str, Any]:
        """Return what run.json says, nothing if there is none. Raises RunError if it is not whole."""
        try:
            record = json.loads(self.record.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(f"{self.record}: cannot be read: {error}") from error
        if not isinstance(record, dict):
            raise RunError(f"{self.record}: not the record of a run")
        return record

    def write_record(self, record: dict[str, Any]) -> None:
        """Replace run.json."""
        atomic_write(self.record, (to_json(record, indent=2) + "\n").encode())

    def is_run(self) -> bool:
        """Whether this is a run's folder: one with a record, or with the checkpoint that comes just before it."""
        return self.record.is_file() or self.checkpoint("last").is_file()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Own the run while in this context; the owner's death, of whatever kind, ends it too.

        Raises RunError if another process owns it. Where folders cannot be locked (Windows, some network file
        systems), nothing is.
        """
        handle = os.open(self.path, os.O_RDONLY) if fcntl else -1
        try:
            if fcntl:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise RunError(f"{self.path} is being trained by another process") from None
                except OSError:  # no locks on this file system
                    pass
            yield
        finally:
            if handle >= 0:
                os.close(handle)

    def has_owner(self) -> bool:
        """Whether a process is training the run. Where folders cannot be locked, nobody can tell, and it may be."""
        if not fcntl:
            return True
        try:
            handle = os.open(self.path, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who ask are not in each other's way
            finally:
                os.close(handle)
        except OSError:
            return True
        return False

    def prepare(self) -> None:
        """Make the folder ready to be written to by its owner: whole, and without what a killed process left."""
        checkpoints = self.path / "checkpoints"
        checkpoints.mkdir(exist_ok=True)
        sync_folder(self.path)
        for folder in (self.path, checkpoints):
            remove_leftovers(folder)


def claim(runs: Path, stem: str, name: str | None = None, overwrite: bool = False) -> RunFolder:
    """Make the folder of a new run: `name`, or the first free `stem-NNN`. It is empty, and waits for its lock.

    Raises RunError if the name is taken, unless overwrite is true and a run is there to be removed.
    """
    try:
        runs.mkdir(parents=True, exist_ok=True)
        folder = _claim_name(runs / check_name(name), overwrite) if name is not None else _claim_number(runs, stem)
        sync_folder(runs)
    except OSError as error:
        raise RunError(f"{error.filename or runs}: the run's folder cannot be made: {error.strerror}") from error
    return RunFolder(folder)


def _claim_name(folder: Path, overwrite: bool) -> Path:
    try:
        folder.mkdir()
    except FileExistsError:
        if not overwrite:
            raise RunError(f"{folder} exists; give another --name, or --overwrite to replace that run") from None
        if not _may_be_removed(folder):
            raise RunError(f"{folder} is not a run's folder, so --overwrite leaves it alone") from None
        with RunFolder(folder).lock():  # the folder stays, and with it the lock that others look at
            _empty(folder)
    return folder


def remove(run: RunFolder) -> None:
    """Remove a run with all that is in its folder; what links in it lead to stays.

    Raises RunError if it is being trained, is a link itself, or is not what `claim` made for a run.
    """
    check_removable(run)
    with run.lock():
        shutil.rmtree(run.path.resolve())  # rmtree wants a name, which `.` is not


def check_removable(run: RunFolder) -> None:
    """Raise RunError if `remove` would refuse the run."""
    if run.path.is_symlink():
        raise RunError(f"{run.path} is a link to a folder elsewhere; remove the link, or name that folder")
    if not (run.record.is_file() and (run.path / "checkpoints").is_dir()):
        raise RunError(f"{run.path} is not a run's folder (no run.json, or no checkpoints), so it is left alone")
    with run.lock():
        pass


def _may_be_removed(folder: Path) -> bool:
    """Whether a folder is a run's, or that of a run which was killed before its first checkpoint."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    run, checkpoints = RunFolder(folder), folder / "checkpoints"
    there = {path for path in folder.rglob("*") if not re.fullmatch(r"\..*\.tmp", path.name)}
    return run.is_run() or there in (set(), {checkpoints}, {checkpoints, run.config})


def _empty(folder: Path) -> None:
    """Remove all that is in a run's folder; the record last, so that a half emptied folder is known for what it is."""
    for path in sorted(folder.iterdir(), key=lambda path: path.name == "run.json"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _claim_number(runs: Path, stem: str) -> Path:
    stem = re.sub(r"[^\w.-]+", "-", stem).strip(".-") or "run"
    pattern = re.compile(re.escape(stem) + r"-([0-9]{3,9})")
    taken = [int(match[1]) for entry in runs.iterdir() if (match := pattern.fullmatch(entry.name))]
    number = max(taken, default=0) + 1
    while True:
        folder = runs / f"{stem}-{number:03d}"
        try:
            folder.mkdir()
        except FileExistsError:  # somebody else was quicker
            number += 1
        else:
            return folder


def check_name(name: str) -> str:
    """Return a run's name if it may be one: a plain file name. Raises UsageError."""
    if not re.fullmatch(r"[^\W_][\w.-]{0,99}", name) or ".." in name:
        raise UsageError(
            f"run name {name!r}: use letters, digits, '.', '_' and '-', at most 100, beginning with a letter or digit"
        )
    return name


def find_run(text: str, runs: Path) -> RunFolder:
    """Return the run that a user means: a folder, a name or unique prefix under `runs`, or @last.

    Raises UsageError if there is none, or more than one.
    """
    if text == LAST:
        started = [f for f in _runs_in(runs) if f.config.exists()]
        if not started:
            raise UsageError(f"{LAST}: there is no run in {runs}")
        return max(started, key=lambda f: f.config.stat().st_mtime_ns)
    for folder in (RunFolder(Path(text)), RunFolder(runs / text)):
        if folder.is_run():
            return folder
    if Path(text).is_file():
        raise UsageError(f"{text} is a file; name the run's folder")
    if Path(text).is_dir():
        raise UsageError(f"{text}: not a run's folder (no run.json and no checkpoint)")
    candidates = [f for f in _runs_in(runs) if f.path.name.startswith(text)]
    if len(candidates) > 1:
        names = ", ".join(sorted(f.path.name for f in candidates)[:5])
        raise UsageError(f"'{text}' could be {len(candidates)} runs: {names}{', …' if len(candidates) > 5 else ''}")
    if not candidates:
        raise UsageError(f"'{text}' is no checkpoint, no run's folder, and no run in {runs}")
    return candidates[0]


def find_checkpoint(text: str, runs: Path, which: str) -> Path:
    """Return the checkpoint that a user means: a file, or the `best` or `last` one of a run (see `find_run`)."""
    path = Path(text)
    return path if path.is_file() else find_run(text, runs).checkpoint(which)


def _runs_in(runs: Path) -> list[RunFolder]:
    found = []
    with contextlib.suppress(OSError):
        for entry in runs.iterdir():
            with contextlib.suppress(OSError):  # one that may not be read
                found += [RunFolder(entry)] if RunFolder(entry).is_run() else []
    return found
