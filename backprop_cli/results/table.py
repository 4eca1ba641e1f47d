"""Tables of many runs: filter, group by seed, sort; as text, CSV or plain data. Imports neither NumPy nor pydantic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from statistics import fmean, stdev
from typing import Any

from backprop_cli.errors import UsageError
from backprop_cli.results.summary import (
    METRICS,
    RunSummary,
    config_keys,
    differing_keys,
    flatten,
    group_by_seed,
    group_name,
    split_duplicates,
    value_text,
)
from backprop_cli.text import duration, metric

ALIASES = {"name": "run", "time": "seconds"}
"""Other names of columns."""


@dataclass(frozen=True)
class RunGroup:
    """A row of a table: one run, or runs whose configs differ by nothing but the seed.

    Runs with the same seed are duplicates: only one of them counts in means and standard deviations.
    """

    runs: tuple[RunSummary, ...]

    @cached_property
    def _split(self) -> tuple[list[RunSummary], list[RunSummary]]:
        return split_duplicates(self.runs, lambda run: run.config, lambda run: run.metrics.get("epochs", 0))

    @property
    def replicates(self) -> list[RunSummary]:
        """One run for each seed."""
        return self._split[0]

    @property
    def duplicates(self) -> list[RunSummary]:
        """The runs that repeat the seed of another one."""
        return self._split[1]

    def value(self, column: str) -> Any:
        """Return the value of a column, None if there is none; metrics are means over the runs that have them."""
        first = self.runs[0]
        if column == "run":
            return group_name([run.name for run in self.runs])
        if column == "n":
            return len(self.replicates)
        if column == "status":
            counts = Counter(run.status for run in self.runs)
            return ", ".join(f"{n} {status}" for status, n in counts.items()) if len(counts) > 1 else first.status
        if column == "started":
            return first.record.get("started")
        if numbers := self._numbers(column):
            return numbers[0] if len(numbers) == 1 else fmean(numbers)
        return None if column == "epochs" else first.config.get(column)

    def deviation(self, column: str) -> float | None:
        """Return the sample standard deviation of a metric over the seeds, None for fewer than two."""
        numbers = self._numbers(column)
        return stdev(numbers) if len(numbers) > 1 else None

    def cell(self, column: str) -> str:
        """Return the value of a column as text."""
        value = self.value(column)
        if column == "epochs" and value is not None:
            wanted = self.runs[0].config.get("epochs")
            return f"{value:g}" if value == wanted else f"{value:g}/{wanted}"
        return metric_text(column, value, self.deviation(column))

    def to_dict(self) -> dict[str, Any]:
        """Return the group as plain data."""
        names = dict.fromkeys(name for run in self.runs for name in run.metrics)
        metrics = {name: {"mean": self.value(name), "std": self.deviation(name)} for name in names}
        experiment = {key: value for key, value in self.runs[0].experiment.items() if key != "seed"}
        return {
            "runs": [str(run.path) for run in self.runs],
            "n": len(self.replicates),
            "duplicates": [str(run.path) for run in self.duplicates],
            "status": self.value("status"),
            **metrics,
            "experiment": experiment,
        }

    def _numbers(self, column: str) -> list[int | float]:
        return [run.metrics[column] for run in self.replicates if column in run.metrics]


@dataclass(frozen=True)
class RunTable:
    """Runs as the rows of a table, one row for each run or, if `grouped`, for each group of runs.

    `extra` is a column to show although the table would not show it by itself.
    """

    groups: tuple[RunGroup, ...]
    grouped: bool = False
    extra: str | None = None

    @classmethod
    def of(cls, runs: Iterable[RunSummary], grouped: bool = False) -> RunTable:
        """Return the table of the runs, in their order."""
        runs = list(runs)
        groups = group_by_seed(runs, lambda run: run.config) if grouped else [[run] for run in runs]
        return cls(tuple(RunGroup(tuple(group)) for group in groups), grouped)

    @property
    def runs(self) -> list[RunSummary]:
        """The runs of all rows, in order."""
        return [run for group in self.groups for run in group.runs]

    @cached_property
    def own_columns(self) -> list[str]:
        """The columns that do not depend on the configs."""
        have = {name for run in self.runs for name in run.metrics}
        metrics = [f"{split}_{name}" for name in ("accuracy", "r2") for split in ("val", "test")]
        metrics = [name for name in metrics if name in have]
        if not any(name.startswith("val_") for name in metrics):  # no validation split, or only a cost
            metrics = [name for name in ("val_cost", "train_accuracy", "train_r2") if name in have] + metrics
        columns = ["run", "status", *(["n"] if self.grouped else []), *metrics, "epochs", "seconds"]
        shown = self.extra is None or self.extra in columns or self.extra in self._differing
        return columns if shown else [*columns, str(self.extra)]

    @cached_property
    def _differing(self) -> list[str]:
        hidden = ("epochs", "seed") if self.grouped else ("epochs",)  # `epochs` is a column anyway
        configs = [group.runs[0].config for group in self.groups]
        return [key for key in differing_keys(configs) if key not in hidden]

    @property
    def columns(self) -> list[str]:
        """All columns: the fixed ones, the metrics, and the config keys that differ between the rows."""
        return [*self.own_columns, *self._differing]

    def sorted_by(self, column: str, descending: bool = False) -> RunTable:
        """Return the table sorted by a column, a metric or a config key; rows without a value come last.

        Raises UsageError if no run has the column.
        """
        column = ALIASES.get(column, column)
        if self.groups:
            known = (*self.own_columns, "started", "best_epoch", *METRICS, *config_keys(r.config for r in self.runs))
            require_known(column, known, "no run has a column")
        valued = [(group, group.value(column)) for group in self.groups]
        present = [(group, value) for group, value in valued if value is not None]
        present.sort(key=lambda pair: _sort_key(pair[1]), reverse=descending)
        groups = [group for group, _ in present] + [group for group, value in valued if value is None]
        return replace(self, groups=tuple(groups), extra=column)

    def lines(self) -> list[list[str]]:
        """Return the header and the rows as text."""
        return [self.columns, *([group.cell(column) for column in self.columns] for group in self.groups)]

    def csv_lines(self) -> list[list[Any]]:
        """Return the header and the rows for CSV: full precision, deviations in columns of their own, paths."""
        deviating = [name for name in self.own_columns if self.grouped and is_metric(name)]
        header = [c for name in self.own_columns for c in ((name, f"{name}_std") if name in deviating else (name,))]
        lines = [[*header, *self._differing]]
        for group in self.groups:
            cells: list[Any] = []
            for name in self.own_columns:
                paths = [str(run.path) for run in group.runs]
                cells.append(group_name(paths) if name == "run" else group.value(name))
                cells += [group.deviation(name)] if name in deviating else []
            lines.append([*cells, *(value_text(group.value(key)) for key in self._differing)])
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Return the table as plain data: `runs`, or `groups` if the table is grouped."""
        if self.grouped:
            return {"groups": [group.to_dict() for group in self.groups]}
        return {"runs": [run.to_dict() for run in self.runs]}


def where(runs: Sequence[RunSummary], conditions: Sequence[str]) -> list[RunSummary]:
    """Return the runs that meet all conditions: `KEY=VALUE` with a config key or `status`.

    Raises UsageError for a condition that cannot be read, or whose key no run has.
    """
    pairs = [_condition(text, runs) for text in conditions]
    return [run for run in runs if all(_matches(run, key, value) for key, value in pairs)]


def _condition(text: str, runs: Sequence[RunSummary]) -> tuple[str, Any]:
    from backprop_cli.config.reader import ALIASES as KEY_ALIASES
    from backprop_cli.config.reader import read_text

    name, equals, value = text.partition("=")
    if not (name and equals):
        raise UsageError(f"--where {text}: expected KEY=VALUE, such as eta=0.5")
    key = ".".join(KEY_ALIASES.get(part, part) for part in name.split(".")).removesuffix(".name")
    known = ("status", *config_keys(run.config for run in runs))
    if runs and not any(other.startswith(f"{key}.") for other in known):
        require_known(key, known, f"--where {text}: no run has a key")
    document = read_text(value, name, f"--where {text}")
    if document.problems:
        raise UsageError("\n".join(document.problems))
    return key, document.values


def _matches(run: RunSummary, key: str, value: Any) -> bool:
    """Whether the run has the value; None matches a missing key, 1 matches 1.0 but not true."""
    parts = flatten({key: value})
    actual = {part: run.status if part == "status" else run.config.get(part) for part in parts}
    return all(
        bool(actual[part] == wanted) and isinstance(actual[part], bool) == isinstance(wanted, bool)
        for part, wanted in parts.items()
    )


def require_known(word: str, known: Sequence[str], complaint: str) -> None:
    """Raise UsageError, with the nearest known word, if the word is not known."""
    if word not in known:
        close = get_close_matches(word, known, n=1)
        raise UsageError(f"{complaint} '{word}'" + (f"; did you mean '{close[0]}'?" if close else ""))


def is_metric(column: str) -> bool:
    """Whether a column contains a measured value, with a mean and a deviation over seeds."""
    return column == "seconds" or column.endswith(("_accuracy", "_cost", "_rmse", "_r2"))


def metric_text(column: str, value: Any, deviation: float | None = None) -> str:
    """Return the value of a column as text; nothing for None."""
    if not is_metric(column) or not isinstance(value, int | float):  # a config key may be named like a metric
        return value_text(value)
    if column == "seconds":
        return duration(value)
    if deviation is None:
        return metric(column, value)
    return f"{metric(column, value).rstrip('%')} ± {metric(column, deviation)}"


def _sort_key(value: Any) -> tuple[bool, float, str]:
    number = isinstance(value, int | float)
    return (not number, value if number else 0.0, "" if number else str(value))
