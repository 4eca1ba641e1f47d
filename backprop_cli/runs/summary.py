"""A run in summary: status, config and the metrics of its best epoch.

Reads one small file per run and imports neither NumPy nor pydantic, so that 10,000 runs take a second or two.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backprop_cli.errors import RunError
from backprop_cli.runs.configs import flatten
from backprop_cli.runs.folder import RunFolder
from backprop_cli.runs.metrics import read_rows

KILLED = "dead"
"""The status of a run whose record says `running` although no process trains it: the process was killed."""

STATUSES = ("running", "finished", "stopped_early", "interrupted", "diverged", "failed", KILLED)

METRICS = tuple(f"{split}_{name}" for split in ("val", "test", "train") for name in ("accuracy", "cost", "rmse", "r2"))
"""Metrics of the best epoch: accuracy for classification, rmse and r2 for regression, cost for both."""


@dataclass(frozen=True)
class RunSummary:
    """A run as a table shows it.

    `config` is the experiment by dotted key. `metrics` are numbers by the column names of metrics.csv: those of the
    best epoch, the test metrics with `test_`, and best_epoch, epochs (finished) and seconds.
    """

    path: Path
    status: str
    record: Mapping[str, Any]
    experiment: Mapping[str, Any]
    config: Mapping[str, Any]
    metrics: Mapping[str, int | float]

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.path.name

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as plain data."""
        about = {"run": str(self.path), "status": self.status, "started": self.record.get("started")}
        return {**about, **self.metrics, "experiment": self.experiment}


def read_summaries(runs: Path) -> tuple[list[RunSummary], list[str]]:
    """Return the runs in a folder by name, and one line for each subfolder that is not a run or is damaged."""
    found, problems = [], []
    try:
        with os.scandir(runs) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir())
    except FileNotFoundError:
        names = []
    for name in names:
        try:
            found.append(read_summary(RunFolder(runs / name)))
        except RunError as error:
            problems.append(str(error))
    return found, problems


def read_summary(folder: RunFolder) -> RunSummary:
    """Return the run in a folder. Raises RunError if there is none, or it is damaged."""
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
    return RunSummary(folder.path, status, record, experiment, config, metrics)


def best_row(rows: Sequence[Mapping[str, float]], config: Mapping[str, Any]) -> Mapping[str, float]:
    """Return the row of metrics.csv that training selects as best; an empty mapping if there are no rows.

    That is the first row with the best validation value of the monitored metric, or the last row if there is no
    validation split.
    """
    chosen = config.get("monitor") or config.get("early_stopping.monitor")
    monitor = chosen or ("accuracy" if rows and "train_accuracy" in rows[-1] else "cost")
    validated = [row for row in rows if f"val_{monitor}" in row]
    if not validated:
        return rows[-1] if rows else {}
    sign = -1 if monitor == "cost" else 1
    return max(validated, key=lambda row: sign * row[f"val_{monitor}"])
