"""A run in summary: status, config and the metrics of its best epoch; and how the configs of several runs differ.

Reads one small file per run and imports neither NumPy nor pydantic, so that 10,000 runs take a second or two.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from backprop_cli.errors import RunError
from backprop_cli.runs.folder import RunFolder
from backprop_cli.runs.metrics import read_rows
from backprop_cli.text import one_line

Config = Mapping[str, Any]
"""An experiment by dotted key, see `flatten`."""

T = TypeVar("T")

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
            problems.append(one_line(str(error)))
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


def value_text(value: Any) -> str:
    """Return a value as a config file contains it; nothing for None."""
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, bool | list | dict) else str(value)


def config_keys(configs: Iterable[Config]) -> list[str]:
    """Return every key of the configs in order, options next to the key they belong to."""
    keys: dict[str, Any] = {}
    for config in configs:
        keys.update(config)
    parents = list(dict.fromkeys(key.partition(".")[0] for key in keys))
    return sorted(keys, key=lambda key: parents.index(key.partition(".")[0]))


def differing_keys(configs: Sequence[Config]) -> list[str]:
    """Return the keys whose values are not the same in all configs; a missing key counts as None."""
    columns = {key: [config.get(key) for config in configs] for key in config_keys(configs)}
    return [key for key, values in columns.items() if values.count(values[0]) < len(values)]


def config_differences(configs: Sequence[Config]) -> list[dict[str, str]]:
    """Return for each config its values of the keys that differ, as text; a missing key has an empty text.

    Options that belong to only some of the choices (mu of momentum, where others use sgd) and do not differ among
    these are left out.
    """
    keys = []
    for key in differing_keys(configs):
        present = [config[key] for config in configs if key in config]
        if "." not in key or present.count(present[0]) < len(present):
            keys.append(key)
    return [{key: value_text(config.get(key)) for key in keys} for config in configs]


def group_by_seed(items: Iterable[T], config_of: Callable[[T], Config]) -> list[list[T]]:
    """Return the items in groups whose configs differ by nothing but the seed, in the order of their first items."""
    groups: dict[str, list[T]] = {}
    for item in items:
        config = {key: value for key, value in config_of(item).items() if key != "seed"}
        groups.setdefault(json.dumps(config, sort_keys=True, default=str), []).append(item)
    return list(groups.values())


def split_duplicates(
    group: Iterable[T], config_of: Callable[[T], Config], epochs_of: Callable[[T], float]
) -> tuple[list[T], list[T]]:
    """Return one item for each seed of a group, and the duplicates: same config, same seed, hence no replicates.

    Among items of the same seed the one with most epochs is kept, the first of these if there are several.
    """
    group = list(group)
    kept: dict[str, T] = {}
    for item in group:
        seed = json.dumps(config_of(item).get("seed"), default=str)
        if seed not in kept or epochs_of(item) > epochs_of(kept[seed]):
            kept[seed] = item
    chosen = list(kept.values())
    return chosen, [item for item in group if not any(item is one for one in chosen)]


def group_name(names: Sequence[str]) -> str:
    """Return a name for a group of runs: `a`, or `a … c`."""
    return names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}"
