"""A run in summary: status, config and the metrics of its best epoch.

Reads one small file per run and imports neither NumPy nor pydantic, so that 10,000 runs take a second or two.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from backprop_cli.errors import RunError
from backprop_cli.frozen import frozen
from backprop_cli.listing.columns import higher_is_better
from backprop_cli.listing.settings import Config, flatten, setting
from backprop_cli.runs.folder import RunFolder, find_run
from backprop_cli.runs.metrics import PHASE, read_rows
from backprop_cli.text import one_line

KILLED = "dead"
"""The status of a run whose record says `running` although no process trains it: the process was killed."""

STATUSES = ("running", "finished", "stopped_early", "interrupted", "diverged", "failed", KILLED)

MAX_DEPTH = 3
"""Levels of folders in a folder of runs in which runs are searched."""


@frozen
class RunSummary:
    """A run as a table shows it.

    `name` is its place in the folder of runs, such as sweep/run. `config` is the experiment by dotted key. `metrics`
    are numbers by the column names of metrics.csv: those of the best epoch, the test metrics with `test_`, and
    best_epoch, epochs (finished) and seconds.
    """

    path: Path
    name: str
    status: str
    record: Mapping[str, Any]
    experiment: Mapping[str, Any]
    config: Config
    metrics: Mapping[str, int | float]

    def value(self, column: str) -> Any:
        """Return the value of a column, a metric or a config key; None if there is none."""
        own = {"run": self.name, "status": self.status, "started": self.record.get("started")}
        own["warnings"] = len(self.warnings)
        return own[column] if column in own else self.metrics.get(column, setting(self.config, column))

    @property
    def planned(self) -> Any:
        """How many epochs the run is to have, those of pre-training included; None if the config does not say."""
        epochs, before = self.config.get("epochs"), self.record.get("pretraining")
        return epochs + before if before and isinstance(epochs, int) else epochs

    @property
    def warnings(self) -> list[str]:
        """What training warned of."""
        return list(self.record.get("warnings") or ())

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as plain data."""
        about = {"run": str(self.path), "status": self.status, "started": self.record.get("started")}
        about["warnings"] = self.warnings
        return {**about, **self.metrics, "experiment": self.experiment}


def read_summaries(runs: Path) -> tuple[list[RunSummary], list[str]]:
    """Return the runs in a folder and in the folders below it, by name, and a line for each that cannot be shown.

    These are damaged runs, and folders that neither are a run nor contain one.
    """
    found, problems = [], []
    names, others = run_names(runs)
    for name in names:
        try:
            found.append(read_summary(RunFolder(runs / name), name))
        except RunError as error:
            problems.append(one_line(str(error)))
    problems += [one_line(f"{runs / name}: not a run folder (no run.json)") for name in others]
    return found, sorted(problems)


def run_names(runs: Path, depth: int = MAX_DEPTH) -> tuple[list[str], list[str]]:
    """Return the runs in a folder and in the folders below it, by name, and the folders that contain no run.

    Runs are named by their place, such as sweep/run. Links to folders of runs are not followed.
    """
    found: list[str] = []
    others: list[str] = []
    try:
        with os.scandir(runs) as entries:
            folders = sorted((e.name, e.is_symlink()) for e in entries if not e.name.startswith(".") and e.is_dir())
    except FileNotFoundError:
        folders = []
    for name, is_link in folders:
        inner: list[str] = []
        rest: list[str] = []
        with suppress(OSError):  # not readable
            if RunFolder(runs / name).is_run():
                found.append(name)
                continue
            if depth and not is_link:
                inner, rest = run_names(runs / name, depth - 1)
        found += [f"{name}/{run}" for run in inner]
        others += [f"{name}/{other}" for other in rest] if inner else [name]
    return found, others


def find_runs(text: str, runs: Path) -> list[RunFolder]:
    """Return the run that `text` refers to, see `find_run`, or all runs in the folder of runs that it names.

    Raises UsageError if there is none.
    """
    places = (Path(text), runs / text)
    if not any(RunFolder(place).is_run() for place in places):
        for place in places:
            if place.is_dir() and (names := run_names(place)[0]):
                return [RunFolder(place / name) for name in names]
    return [find_run(text, runs)]


def read_summary(folder: RunFolder, name: str = "") -> RunSummary:
    """Return the run in a folder, by default under its name. Raises RunError if there is none, or it is damaged."""
    record = folder.read_record()
    if not record:
        raise RunError(f"{folder.path}: not a run folder (no run.json)")
    status, best, test = record.get("status"), record.get("best") or {}, record.get("test") or {}
    if status is None:
        raise RunError(f"{folder.record}: not the record of a run")
    experiment = record.get("experiment") or folder.read_config()
    config = flatten(experiment)
    epochs, seconds = record.get("epochs"), record.get("seconds")
    if status == "running":  # the record is from the start of the session, the rows are up to date
        status = status if folder.is_locked() else KILLED
        rows = read_rows(folder.metrics)
        best = best_row(rows, config)
        epochs, seconds = rows[-1]["epoch"] if rows else 0, None
    values = {
        **{key: value for key, value in best.items() if key != "epoch"},
        **{f"test_{key}": value for key, value in test.items()},
        "best_epoch": best.get("epoch"),
        "epochs": epochs,
        "seconds": seconds,
    }
    metrics = {key: value for key, value in values.items() if value is not None}
    return RunSummary(folder.path, name or folder.path.name, status, record, experiment, config, metrics)


def best_row(rows: Sequence[Mapping[str, float]], config: Mapping[str, Any]) -> Mapping[str, float]:
    """Return the row of metrics.csv that training selects as best; an empty mapping if there are no rows.

    That is the row with the best validation value of the monitored metric, of several such rows the one with the lowest
    validation cost, and of several of these the first; the last row if there is no validation split. Never epoch 0, the
    network before training, nor an epoch of pre-training.
    """
    rows = [row for row in rows if row["epoch"] > 0 and PHASE not in row]
    chosen = config.get("monitor") or config.get("early_stopping.monitor")
    monitor = chosen or ("accuracy" if rows and "train_accuracy" in rows[-1] else "cost")
    validated = [row for row in rows if f"val_{monitor}" in row]
    if not validated:
        return rows[-1] if rows else {}
    sign = 1 if higher_is_better(f"val_{monitor}") else -1
    return max(validated, key=lambda row: (sign * row[f"val_{monitor}"], -row.get("val_cost", 0)))
