"""Tables of many runs: grouped by seed, sorted, as text, CSV or plain data. Imports neither NumPy nor pydantic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import takewhile
from statistics import fmean, stdev
from typing import Any

from backprop_cli.config.shipped import keys_and_words
from backprop_cli.frozen import frozen
from backprop_cli.listing.columns import (
    ALIASES,
    FIXED,
    METRICS,
    higher_is_better,
    main_metric,
    metric_text,
    require_known,
)
from backprop_cli.listing.settings import (
    config_keys,
    differing_keys,
    group_by_seed,
    group_name,
    natural_key,
    split_duplicates,
    telling_keys,
    value_text,
)
from backprop_cli.listing.summary import RunSummary

ALL = "all"
"""Stands for every metric and every config key that differs."""

SHOWN = ("accuracy", "r2", "squared_error", "pseudo_likelihood")
"""Metrics that are columns unless others are chosen."""


@frozen
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
        if column == "warnings":
            return sum(len(run.warnings) for run in self.runs)
        if column == "status":
            counts = Counter(run.status for run in self.runs)
            return ", ".join(f"{n} {status}" for status, n in counts.items()) if len(counts) > 1 else first.status
        if numbers := self._numbers(column):
            return numbers[0] if len(numbers) == 1 else fmean(numbers)
        return None if column == "epochs" else first.value(column)

    def deviation(self, column: str) -> float | None:
        """Return the sample standard deviation of a metric over the seeds, None for fewer than two."""
        numbers = self._numbers(column)
        return stdev(numbers) if len(numbers) > 1 else None

    def cell(self, column: str) -> str:
        """Return the value of a column as text."""
        value = self.value(column)
        if column == "epochs" and value is not None:
            wanted = self.runs[0].planned
            return f"{value:g}" if value == wanted else f"{value:g}/{wanted}"
        if column == "status" and self.value("warnings"):
            return f"{value} (warning)"
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


@frozen
class RunTable:
    """Runs as the rows of a table, one row for each run or, if `grouped`, for each group of runs.

    `chosen` are the columns to show in place of the usual ones; `extra` is one that is shown in addition. Of the
    groups, only the first `limit` are shown.
    """

    groups: tuple[RunGroup, ...]
    grouped: bool = False
    limit: int | None = None
    chosen: tuple[str, ...] = ()
    extra: str | None = None

    @classmethod
    def of(cls, runs: Iterable[RunSummary], grouped: bool = False) -> RunTable:
        """Return the table of the runs, in their order."""
        runs = list(runs)
        groups = group_by_seed(runs, lambda run: run.config) if grouped else [[run] for run in runs]
        return cls(tuple(RunGroup(tuple(group)) for group in groups), grouped)

    @property
    def rows(self) -> tuple[RunGroup, ...]:
        """The groups that are shown."""
        return self.groups[: self.limit]

    @property
    def runs(self) -> list[RunSummary]:
        """The runs of the rows, in order."""
        return [run for group in self.rows for run in group.runs]

    @cached_property
    def metrics(self) -> list[str]:
        """The metrics that a run has."""
        have = {name for group in self.groups for run in group.runs for name in run.metrics}
        return [name for name in METRICS if name in have]

    @property
    def main_metric(self) -> str | None:
        """The metric by which the runs are ranked."""
        return main_metric(self.metrics)

    @cached_property
    def keys(self) -> list[str]:
        """The config keys that tell the rows apart, see `telling_keys`; `epochs` is a column anyway."""
        keys = telling_keys([group.runs[0].config for group in self.groups])
        return [key for key in keys if key not in self._hidden]

    @cached_property
    def own_columns(self) -> list[str]:
        """The columns that are shown whatever the configs are."""
        if self.chosen:
            return list(self.chosen)
        metrics = [f"{split}_{name}" for name in SHOWN for split in ("val", "test")]
        metrics = [name for name in metrics if name in self.metrics]
        if not any(name.startswith("val_") for name in metrics):  # no validation split, or only a cost
            metrics = [name for name in ("val_cost", "train_accuracy", "train_r2") if name in self.metrics] + metrics
        columns = ["run", "status", *self._count, *metrics, "epochs", "seconds"]
        shown = self.extra is None or self.extra in columns or self.extra in self.keys
        return columns if shown else [*columns, str(self.extra)]

    @property
    def columns(self) -> list[str]:
        """All columns: those that are chosen, or the usual ones and the config keys that tell the rows apart."""
        return self.own_columns if self.chosen else [*self.own_columns, *self.keys]

    @property
    def n_names(self) -> int:
        """How many columns at the left are names, not values."""
        return sum(1 for _ in takewhile(("run", "status").__contains__, self.columns))

    def with_columns(self, names: Sequence[str]) -> RunTable:
        """Return the table with the names of the runs and these columns.

        `all` stands for every metric and every config key that differs.

        Raises UsageError if no run has a column.
        """
        chosen = ["run"]
        for name in (ALIASES.get(name, name) for name in names):
            if name == ALL:
                differing = differing_keys([group.runs[0].config for group in self.groups])
                chosen += ["status", *self._count, "started", *self.metrics, "best_epoch", "epochs", "seconds"]
                chosen += [key for key in differing if key not in self._hidden]
            else:
                self._require_column(name)
                chosen.append(name)
        return replace(self, chosen=tuple(dict.fromkeys(chosen)))

    def sorted_by(self, column: str, descending: bool = False) -> RunTable:
        """Return the table sorted by a column, a metric or a config key; rows without a value come last.

        Raises UsageError if no run has the column.
        """
        column = ALIASES.get(column, column)
        self._require_column(column)
        valued = [(group, group.value(column)) for group in self.groups]
        present = [(group, value) for group, value in valued if value is not None]
        present.sort(key=lambda pair: natural_key(pair[1]), reverse=descending)
        groups = [group for group, _ in present] + [group for group, value in valued if value is None]
        return replace(self, groups=tuple(groups), extra=column)

    def ranked(self) -> RunTable:
        """Return the table with the best rows first, by the `main_metric` and then by the validation cost."""
        table = self
        for name in ("val_cost", self.main_metric):
            if name in self.metrics:
                table = table.sorted_by(str(name), descending=higher_is_better(str(name)))
        return table

    def top(self, n: int | None) -> RunTable:
        """Return the table of the first n rows, None for all, with the columns of all rows."""
        return replace(self, limit=n)

    def lines(self) -> list[list[str]]:
        """Return the header and the rows as text."""
        return [self.columns, *([group.cell(column) for column in self.columns] for group in self.rows)]

    def csv_lines(self) -> list[list[Any]]:
        """Return the header and the rows for CSV: full precision, deviations in columns of their own, paths.

        Without chosen columns, these are every metric and every config key, the same for any runs; keys that are
        unknown to this version follow at the end.
        """
        known = (key.removesuffix(".name") for key in keys_and_words())
        every = (*FIXED[:2], *self._count, *FIXED[2:], *known, *self._config_keys)
        columns = self.chosen or tuple(dict.fromkeys(key for key in every if key not in self._left_out))
        deviating = {name for name in columns if self.grouped and name in (*METRICS, "seconds")}
        lines = [[c for name in columns for c in ((name, f"{name}_std") if name in deviating else (name,))]]
        for group in self.rows:
            cells: list[Any] = []
            for name in columns:
                cells.append(self._csv_cell(group, name))
                cells += [group.deviation(name)] if name in deviating else []
            lines.append(cells)
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Return the table as plain data: `runs`, or `groups` if the table is grouped."""
        if self.grouped:
            return {"groups": [group.to_dict() for group in self.rows]}
        return {"runs": [run.to_dict() for run in self.runs]}

    @cached_property
    def _config_keys(self) -> list[str]:
        return config_keys(run.config for group in self.groups for run in group.runs)

    @property
    def _count(self) -> list[str]:
        return ["n"] if self.grouped else []

    @property
    def _left_out(self) -> list[str]:
        """The keys that a row has no value of: the seed of a group."""
        return ["seed"] if self.grouped else []

    @property
    def _hidden(self) -> list[str]:
        return ["epochs", *self._left_out]

    def _csv_cell(self, group: RunGroup, column: str) -> Any:
        if column == "run":
            return group_name([str(run.path) for run in group.runs])
        value = group.value(column)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else value_text(value)

    def _require_column(self, name: str) -> None:
        if self.groups:
            known = (*FIXED, *self._count, *self._config_keys)
            require_known(name, known, "no run has a column")
