"""What `plot` and `report` share: optional dependencies, the runs to draw, plots that were skipped."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from backprop_cli.cli.options import Selection
from backprop_cli.errors import BackpropError, RunError, UsageError, not_installed
from backprop_cli.files import is_stream
from backprop_cli.terminal.console import Console

if TYPE_CHECKING:
    from backprop_cli.results.collection import RunCollection


def require_extra(*modules: str) -> None:
    """Raise UsageError, with the command to install them, if a module is missing."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise UsageError(not_installed(*missing))


def load_runs(runs: Sequence[str], chosen: Selection, console: Console) -> RunCollection:
    """Return the given runs and those in the given folders of runs, each once. Of several, damaged ones are skipped.

    Raises BackpropError if there is no such run.
    """
    from backprop_cli.listing.summary import KILLED, RUNNING, find_runs
    from backprop_cli.results.collection import RunCollection
    from backprop_cli.results.run import DatasetCache

    folders = [folder for text in runs for folder in find_runs(text, chosen.runs_dir)]
    datasets = DatasetCache(chosen.cache())
    found = RunCollection.read(folders, datasets, chosen.checkpoint, lambda error: console.warn(f"{error}; skipped"))
    gc.freeze()  # ten thousand records stay to the end; collections that look at all of them take a second
    for run in found.summaries:
        if run.status in (RUNNING, KILLED):
            console.say(f"{run.path} is being trained or was killed; showing the epochs completed so far")
    return found


def refuse_links(paths: Iterable[Path]) -> None:
    """Raise RunError if a path in the folder of a run, which may be a stranger's, is a symbolic link."""
    for path in paths:
        if path.is_symlink():
            raise RunError(f"{path} is a symbolic link; choose another place with --output")


def check_suffix(path: Path, *allowed: str) -> None:
    """Raise UsageError if the name of an output, or of the file it links to, has a suffix of another kind of file.

    So a mistyped name does not replace a config, a checkpoint or the metrics of a run. A pipe, a device or stdout may
    have any name.
    """
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    if target.suffix.lower() not in allowed and not is_stream(path):
        raise UsageError(f"{target}: the name must end in {' or '.join(allowed)}")
    if target.name == "metrics.csv" and (target.parent / "run.json").exists():
        raise UsageError(f"{target}: the metrics of a run; choose another name")


class SkippedPlots:
    """Plots that could not be drawn, by reason."""

    def __init__(self) -> None:
        self._kinds: dict[str, list[str]] = {}
        self._first: BackpropError | None = None

    def add(self, kind: str, error: BackpropError) -> None:
        """Add a plot and the reason."""
        kinds = self._kinds.setdefault(str(error).splitlines()[0], [])
        if kind not in kinds:
            kinds.append(kind)
        self._first = self._first or error

    def report(self, console: Console, fatal: bool) -> None:
        """Warn of the skipped plots; if fatal, raise an error of the kind of the first one instead."""
        if self._first is None:
            return
        *lines, last = [f"no {' and '.join(kinds)}: {message}" for message, kinds in self._kinds.items()]
        for line in lines if fatal else [*lines, last]:
            console.warn(line)
        if fatal:
            error = BackpropError(last)
            error.exit_code = self._first.exit_code
            raise error
