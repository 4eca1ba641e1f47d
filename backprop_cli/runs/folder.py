"""Create, find, lock and remove the folder of a run."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from backprop_cli.errors import RunError, RunInUseError, UsageError
from backprop_cli.files import (
    Identity,
    atomic_write,
    hold_lock,
    identity,
    is_locked,
    read_regular_file,
    remove_temporaries,
    sync_folder,
    to_json,
)
from backprop_cli.runs.record import parse_record

LAST = "@last"
"""Refers to the run that was started last."""

MAX_RECORD = 4 << 20
"""Bytes of a run.json that is read."""


@dataclass
class RunFolder:
    """A run's folder and the paths in it."""

    path: Path
    _held: Identity | None = field(default=None, init=False, repr=False, compare=False)

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
        """Status, versions, metrics."""
        return self.path / "run.json"

    @property
    def lock_file(self) -> Path:
        """Locked by the process that trains the run; inside the folder, so that it moves with it."""
        return self.path / ".lock"

    def checkpoint(self, which: str) -> Path:
        """Return the path of the `best` or the `last` checkpoint, or of a kept epoch, which is its number."""
        name = f"epoch-{int(which):04d}" if which.isdecimal() else which
        return self.path / "checkpoints" / f"{name}.npz"

    def kept_epochs(self) -> list[int]:
        """Return the epochs whose checkpoints are kept in addition to the best and the last one, in order."""
        found = (re.fullmatch(r"epoch-([0-9]{4,9})\.npz", path.name) for path in self.path.glob("checkpoints/*"))
        return sorted(int(match[1]) for match in found if match)

    def read_record(self) -> dict[str, Any]:
        """Return the content of run.json, checked by `parse_record`; empty if there is no file. Raises RunError."""
        with _as_run_error(self.record):
            try:
                return parse_record(read_regular_file(self.record, MAX_RECORD))
            except FileNotFoundError:
                return {}

    def write_record(self, record: dict[str, Any]) -> None:
        """Replace run.json."""
        self.check_lock()
        atomic_write(self.record, (to_json(record, indent=2) + "\n").encode())

    def read_config(self) -> dict[str, Any]:
        """Return the content of config.yaml. Raises RunError."""
        from backprop_cli.config.reader import MAX_BYTES, read_text

        with _as_run_error(self.config):
            text = read_regular_file(self.config, MAX_BYTES).decode()
        document = read_text(text, str(self.config))
        if document.problems:
            raise RunError(document.problems[0])
        if not isinstance(document.values, dict):
            raise RunError(f"{self.config}: not an experiment")
        return document.values

    def is_run(self) -> bool:
        """Whether this is a run: it has a record, or the checkpoint that is written just before the record."""
        return self.record.is_file() or self.checkpoint("last").is_file()

    def is_unfinished(self) -> bool:
        """Whether this is what remains of a run whose creation or removal was killed: no more than its config."""
        checkpoints = self.path / "checkpoints"
        if self.path.is_symlink() or not self.path.is_dir():
            return False
        if not (names := _names_in(self.path)):
            return self.lock_file.exists()
        is_empty = checkpoints.is_dir() and not checkpoints.is_symlink() and not _names_in(checkpoints)
        return is_empty and names <= {"checkpoints", "config.yaml"}

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Own the run while in this context, or until the process ends.

        Raises RunError if another process owns it. On a file system without locks, nothing is locked.
        """
        with contextlib.ExitStack() as stack:
            try:
                self._held = stack.enter_context(hold_lock(self.lock_file))
            except BlockingIOError:
                raise RunInUseError(f"{self.path} is being trained by another process") from None
            except FileNotFoundError:
                raise RunError(f"{self.path} was removed by another process") from None
            try:
                yield
            finally:
                self._held = None

    def check_lock(self) -> None:
        """Raise RunError if `path` is no longer the folder that this process has locked."""
        if self._held and identity(self.lock_file) != self._held:
            raise RunError(f"{self.path} was moved, removed or replaced while it was being trained")

    def is_locked(self) -> bool:
        """Whether a process is training the run; True if the file system has no locks."""
        return is_locked(self.lock_file)

    def check_files(self) -> None:
        """Raise RunError if a file of the run is a pipe, or a link, which would be followed out of the folder."""
        files = (self.checkpoint("best"), self.checkpoint("last"), self.config, self.metrics, self.record)
        for path in (self.path / "checkpoints", *files):
            if path in files and path.exists() and not path.is_file():
                raise RunError(f"{path}: not a regular file")
            if path.is_symlink():
                raise RunError(f"{path} is a symbolic link; replace it by the file or folder that it points to")

    def prepare(self) -> None:
        """Make the folder ready for its owner to write to: complete, and without temporary files of killed processes.

        Raises RunError as `check_files`.
        """
        self.check_files()
        checkpoints = self.path / "checkpoints"
        checkpoints.mkdir(exist_ok=True)
        sync_folder(self.path)
        for folder in (self.path, checkpoints):
            remove_temporaries(folder)


def create_run_folder(runs: Path, stem: str, name: str | None = None, overwrite: bool = False) -> RunFolder:
    """Create the folder of a new run: `name`, or the first free `stem-NNN`. It is empty and not yet locked.

    Raises RunError if the name is taken, unless overwrite is true and the folder is a run, which is then removed.
    """
    try:
        runs.mkdir(parents=True, exist_ok=True)
        folder = _create_named(runs / check_name(name), overwrite) if name is not None else _create_numbered(runs, stem)
        sync_folder(runs)
    except OSError as error:
        raise RunError(f"{error.filename or runs}: cannot create the run's folder: {error.strerror}") from error
    return RunFolder(folder)


def _create_named(folder: Path, overwrite: bool) -> Path:
    try:
        folder.mkdir()
    except FileExistsError:
        if not overwrite:
            raise RunError(f"{folder} exists; choose another --name, or replace the run with --overwrite") from None
        run = RunFolder(folder)
        is_empty = folder.is_dir() and not _names_in(folder)
        if folder.is_symlink() or not (is_empty or run.is_run() or run.is_unfinished()):
            raise RunError(f"{folder} is not a run's folder, so --overwrite does not remove it") from None
        with run.lock():  # the folder remains, and with it the lock that other processes check
            _empty(run)
    return folder


def remove(run: RunFolder) -> None:
    """Remove a run's folder with everything in it; symbolic links in it are not followed.

    Raises RunError if it is being trained, is itself a link, or is not a folder that `create_run_folder` created.
    """
    check_removable(run)
    with run.lock():
        _empty(run)
    run.lock_file.unlink(missing_ok=True)  # where it could not be removed while it was locked
    run.path.resolve().rmdir()  # rmdir needs a name, which `.` is not


def check_removable(run: RunFolder) -> None:
    """Raise RunError if `remove` would refuse the run."""
    if run.path.is_symlink():
        raise RunError(f"{run.path} is a symbolic link; remove the link, or give the folder that it points to")
    if not (run.is_run() and (run.path / "checkpoints").is_dir() or run.is_unfinished()):
        raise RunError(f"{run.path} is not a run's folder (no run.json, or no checkpoints); it is not removed")
    if run.is_run():  # unlocking removes the lock file, which may be all that shows that a folder is unfinished
        with run.lock():
            pass


def _empty(run: RunFolder) -> None:
    """Remove everything but the lock file, in an order that leaves at any moment a run, or an unfinished one."""
    checkpoints = run.path / "checkpoints"
    last = {run.lock_file, run.record, checkpoints, run.checkpoint("last")}
    paths = [*run.path.iterdir(), *(() if checkpoints.is_symlink() else checkpoints.glob("*"))]
    for path in (*(path for path in paths if path not in last), run.record, checkpoints):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _create_numbered(runs: Path, stem: str) -> Path:
    stem = re.sub(r"[^\w.-]+", "-", stem).strip(".-") or "run"
    pattern = re.compile(re.escape(stem) + r"-([0-9]{3,9})")
    taken = [int(match[1]) for entry in runs.iterdir() if (match := pattern.fullmatch(entry.name))]
    number = max(taken, default=0) + 1
    while True:
        folder = runs / f"{stem}-{number:03d}"
        try:
            folder.mkdir()
        except FileExistsError:  # created by another process just now
            number += 1
        else:
            return folder


def check_name(name: str) -> str:
    """Return the name if it is valid for a run: a plain file name. Raises UsageError."""
    if not re.fullmatch(r"[^\W_][\w.-]{0,99}", name) or ".." in name:
        raise UsageError(
            f"run name {name!r}: use up to 100 letters, digits, '.', '_' and '-', starting with a letter or digit"
        )
    return name


def find_run(text: str, runs: Path) -> RunFolder:
    """Return the run that `text` refers to: a folder, a name or unique prefix of one in `runs`, or @last.

    Raises UsageError if there is none, or more than one.
    """
    if text == LAST:
        started = [f for f in runs_in(runs) if f.config.exists()]
        if not started:
            raise UsageError(f"{LAST}: no runs in {runs}")
        return max(started, key=lambda f: f.config.stat().st_mtime_ns)
    for folder in (RunFolder(Path(text)), RunFolder(runs / text)):
        if folder.is_run() or folder.is_unfinished():
            return folder
    if Path(text).is_file():
        raise UsageError(f"{text} is a file; give the run's folder")
    if Path(text).is_dir():
        raise UsageError(f"{text}: not a run's folder (no run.json and no checkpoint)")
    candidates = [f for f in runs_in(runs) if f.path.name.startswith(text)]
    if len(candidates) > 1:
        names = ", ".join(sorted(f.path.name for f in candidates)[:5])
        raise UsageError(f"'{text}' matches {len(candidates)} runs: {names}{', …' if len(candidates) > 5 else ''}")
    if not candidates:
        close = get_close_matches(text, [f.path.name for f in runs_in(runs)], n=1)
        hint = f"; did you mean '{close[0]}'?" if close else "; see 'backprop runs list'"
        raise UsageError(f"no checkpoint, run folder or run named '{text}' found (searched in {runs}){hint}")
    return candidates[0]


@contextmanager
def _as_run_error(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise RunError(f"{path}: cannot be read: {reason}") from error


def _names_in(folder: Path) -> set[str]:
    """Return the names in a folder, without the lock and temporary files."""
    return {name for name in os.listdir(folder) if not re.fullmatch(r"\..*\.tmp|\.lock", name)}


def runs_in(runs: Path) -> list[RunFolder]:
    """Return the runs in a folder; none if it does not exist."""
    found = []
    with contextlib.suppress(OSError):
        for entry in runs.iterdir():
            with contextlib.suppress(OSError):  # not readable
                found += [RunFolder(entry)] if RunFolder(entry).is_run() else []
    return found
