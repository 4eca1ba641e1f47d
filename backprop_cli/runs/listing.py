"""Many runs at a glance: what each has come to, in what their configs differ, their order and their groups.

Reads one small file per run and imports neither NumPy nor the config, so that ten thousand runs take a second or two.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from backprop_cli.errors import RunError
from backprop_cli.runs.folder import RunFolder
from backprop_cli.runs.metrics import read_rows

DEAD = "dead"
"""The status of a run that says it is running while no process trains it: that process was killed."""

FIGURES = tuple(f"{split}_{name}" for split in ("val", "test", "train") for name in ("accuracy", "cost", "rmse", "r2"))
"""What can be known of a run's best epoch: a run that predicts classes has an accuracy, one that predicts values r2."""


@dataclass(frozen=True)
class Run:
    """A run as a listing sees it.

    `config` is the experiment by dotted key (see `flatten`). `figures` are numbers by the names of metrics.csv: those
    of the best epoch, the same with `test_`, and best_epoch, epochs (done) and seconds.
    """

    path: Path
    status: str
    record: Mapping[str, Any]
    experiment: Mapping[str, Any]
    config: Mapping[str, Any]
    figures: Mapping[str, int | float]


@dataclass(frozen=True)
class Row:
    """A line of a listing: a run, or runs whose configs differ by nothing but the seed."""

    runs: tuple[Run, ...]

    def value(self, column: str) -> Any:
        """Return what stands in a column: a figure is the mean over the runs that have it; None if none has."""
        first = self.runs[0]
        if column == "run":
            return first.path.name
        if column == "n":
            return len(self.runs)
        if column == "status":
            return first.status if len(self.runs) == 1 else _count(run.status for run in self.runs)
        if column == "started":
            return first.record.get("started")
        if numbers := self._numbers(column):
            return numbers[0] if len(numbers) == 1 else fmean(numbers)
        return None if column == "epochs" else first.config.get(column)

    def deviation(self, column: str) -> float | None:
        """Return the standard deviation of a figure over the runs that have it, if two have."""
        numbers = self._numbers(column) if len(self.runs) > 1 else []
        return stdev(numbers) if len(numbers) > 1 else None

    def _numbers(self, column: str) -> list[int | float]:
        return [run.figures[column] for run in self.runs if column in run.figures]


def _count(words: Iterable[str]) -> str:
    """Return `finished`, or `4 finished, 1 diverged`."""
    counts = Counter(words)
    return ", ".join(f"{n} {word}" for word, n in counts.items()) if len(counts) > 1 else next(iter(counts))


def read_runs(runs: Path) -> tuple[list[Run], list[str]]:
    """Return the runs in a folder by name, and a line for each folder in it that is none, or is damaged."""
    found, problems = [], []
    try:
        with os.scandir(runs) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir())
    except FileNotFoundError:
        names = []
    for name in names:
        try:
            found.append(read_run(RunFolder(runs / name)))
        except RunError as error:
            problems.append(str(error))
    return found, problems


def read_run(folder: RunFolder) -> Run:
    """Return the run in a folder. Raises RunError if there is none, or it is damaged."""
    record = folder.read_record()
    if not record:
        raise RunError(f"{folder.path}: not a run's folder (no run.json)")
    experiment = record["experiment"] if "experiment" in record else folder.read_config()
    status, best, test = record.get("status"), record.get("best") or {}, record.get("test") or {}
    if not (isinstance(status, str) and all(isinstance(part, dict) for part in (experiment, best, test))):
        raise RunError(f"{folder.record}: not the record of a run")
    config = flatten(experiment)
    epochs, seconds = record.get("epochs"), record.get("seconds")
    if status == "running":  # the record is as the sitting began; the rows are as it goes
        status = status if folder.is_locked() else DEAD
        rows = read_rows(folder.metrics)
        best = _best(rows, config.get("early_stopping.monitor"))
        epochs, seconds = rows[-1]["epoch"] if rows else 0, None
    figures = {
        **{key: value for key, value in best.items() if key != "epoch"},
        **{f"test_{key}": value for key, value in test.items()},
        "best_epoch": best.get("epoch"),
        "epochs": epochs,
        "seconds": seconds,
    }
    numbers = {key: value for key, value in figures.items() if isinstance(value, int | float)}
    return Run(folder.path, status, record, experiment, config, numbers)


def _best(rows: Sequence[Mapping[str, float]], monitor: str | None) -> Mapping[str, float]:
    """Return the row that the best checkpoint so far is of; nothing if there is no row yet."""
    monitor = monitor or ("accuracy" if rows and "train_accuracy" in rows[-1] else "cost")
    judged = [row for row in rows if f"val_{monitor}" in row]
    if not judged:  # no validation split: the last epoch counts as the best
        return rows[-1] if rows else {}
    sign = -1 if monitor == "cost" else 1
    return max(judged, key=lambda row: sign * row[f"val_{monitor}"])


def flatten(experiment: Mapping[str, Any]) -> dict[str, Any]:
    """Return an experiment by dotted key: `{optimizer: {name: momentum, mu: 0.9}}` has `optimizer` and `optimizer.mu`.

    Plain layers become one word, 784-30-10.
    """
    flat: dict[str, Any] = {}
    for key, value in experiment.items():
        if isinstance(value, dict):
            flat |= {key if option == "name" else f"{key}.{option}": inner for option, inner in value.items()}
        elif key == "layers" and isinstance(value, list) and all(isinstance(units, int) for units in value):
            flat[key] = "-".join(map(str, value))
        else:
            flat[key] = value
    return flat


def matches(run: Run, conditions: Iterable[tuple[str, Any]]) -> bool:
    """Whether the run has all these values, each by `status` or the key of a config; None is a key it does not have."""
    return all(
        same(run.status if part == "status" else run.config.get(part), wanted)
        for key, value in conditions
        for part, wanted in flatten({key.removesuffix(".name"): value}).items()
    )


def same(value: Any, other: Any) -> bool:
    """Whether two values of a config are the same: 1 and 1.0 are, 1 and true are not."""
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)


def config_keys(runs: Iterable[Run]) -> list[str]:
    """Return every key that the config of a run has, in order, options beside what they are options of."""
    keys: dict[str, Any] = {}
    for run in runs:
        keys.update(run.config)
    parents = list(dict.fromkeys(key.partition(".")[0] for key in keys))
    return sorted(keys, key=lambda key: parents.index(key.partition(".")[0]))


def differing(runs: Sequence[Run]) -> list[str]:
    """Return the keys whose values are not the same in the configs of all runs."""
    columns = {key: [run.config.get(key) for run in runs] for key in config_keys(runs)}
    return [key for key, values in columns.items() if values.count(values[0]) < len(values)]


def group_by_seed(runs: Iterable[Run]) -> list[Row]:
    """Return a row for the runs of each config, whatever its seed."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        config = {key: value for key, value in run.config.items() if key != "seed"}
        groups.setdefault(json.dumps(config, sort_keys=True, default=str), []).append(run)
    return [Row(tuple(group)) for group in groups.values()]


def sort_rows(rows: Iterable[Row], column: str, descending: bool = False) -> list[Row]:
    """Return the rows in the order of a column: numbers, then words; those that have nothing there come last."""
    valued = [(row, row.value(column)) for row in rows]
    there = [(row, value) for row, value in valued if value is not None]
    there.sort(key=lambda pair: _order(pair[1]), reverse=descending)
    return [row for row, _ in there] + [row for row, value in valued if value is None]


def _order(value: Any) -> tuple[bool, float, str]:
    number = isinstance(value, int | float)
    return (not number, value if number else 0.0, "" if number else str(value))
