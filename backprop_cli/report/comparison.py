"""The part of a report that compares runs: a table of their settings, and which of them are shown in detail."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from backprop_cli.frozen import frozen
from backprop_cli.listing.table import RunGroup, RunTable
from backprop_cli.plots.comparisons import Comparison
from backprop_cli.results.run import Run
from backprop_cli.text import some_of

MAX_ROWS = 1000
"""The most rows of the table; the others are counted."""

MAX_CURVES = 10
"""Of how many settings the learning curves are drawn."""

MAX_KEYS = 6
"""How many config keys are beside the metrics; the others are at the right of the table."""

FACTS = ("n", "best_epoch", "epochs", "seconds", "parameters", "status")
"""The columns after the metrics."""


@frozen
class Overview:
    """Several runs, grouped by setting unless `each`, the best first; `n_details` settings are shown in detail."""

    runs: Sequence[Run]
    each: bool
    n_details: int

    @cached_property
    def table(self) -> RunTable:
        """The settings, the best first."""
        return Comparison(self.runs, self.each).table

    @cached_property
    def detailed(self) -> list[Run]:
        """The best run of each of the best settings."""
        return [self._best_run(group) for group in self.table.groups[: self.n_details]]

    @property
    def drawn(self) -> list[Run]:
        """The runs whose learning curves are drawn: those of the best settings."""
        return [self._run_at[run.path] for group in self.table.groups[:MAX_CURVES] for run in group.runs]

    def notes(self) -> list[str]:
        """Return what the table contains, how it is sorted, and what the page leaves out."""
        groups, n_hidden = self.table.groups, len(self.runs) - len(self.detailed)
        replicated = any(len(group.replicates) > 1 for group in groups)
        duplicates = [run.name for group in groups for run in group.duplicates]
        notes = ["Validation metrics are those of the best epoch, test metrics those of its checkpoint."]
        if replicated:
            notes.append(
                f"The {len(self.runs)} runs have {len(groups)} settings. Runs that differ only by seed are one row:"
            )
            notes.append("mean ± standard deviation over n seeds.")
        if self.table.main_metric:
            notes.append(f"Rows are sorted by {self.table.main_metric}, the best first.")
        if len(groups) > MAX_ROWS:
            notes.append(f"{len(groups) - MAX_ROWS} more rows are not shown.")
        if len(groups) > MAX_CURVES:
            notes.append(f"Learning curves are those of the best {MAX_CURVES} settings.")
        if duplicates:
            notes.append(f"Not counted, same config and seed as another run: {some_of(duplicates)}.")
        if self.detailed:
            whose = "settings follow, each by its best run" if replicated else "runs follow"
            notes.append(f"Details of the best {len(self.detailed)} {whose}.")
        if n_hidden:
            notes.append(f"The other {n_hidden} runs are only in the table and the charts.")
        return notes

    def to_dict(self) -> dict[str, Any]:
        """Return the columns and the rows of the table; a row has the place of its details on the page, if any."""
        metrics = [name for name in self.table.own_columns if name in self.table.metrics]
        facts = [name for name in FACTS if name != "n" or self._grouped]
        keys = self.table.keys
        columns = [*metrics[:1], *keys[:MAX_KEYS], *metrics[1:], *facts, *keys[MAX_KEYS:]]
        rows = [
            {
                "name": group.value("run"),
                "details": place if place <= len(self.detailed) else None,
                "cells": [_cell(group, column) for column in columns],
            }
            for place, group in enumerate(self.table.groups[:MAX_ROWS], start=1)
        ]
        return {"columns": columns, "rows": rows, "notes": self.notes()}

    @property
    def _grouped(self) -> bool:
        return any(len(group.runs) > 1 for group in self.table.groups)

    @cached_property
    def _run_at(self) -> dict[Any, Run]:
        return {run.path: run for run in self.runs}

    def _best_run(self, group: RunGroup) -> Run:
        (best, *_) = RunTable.of(group.replicates).ranked().runs
        return self._run_at[best.path]


def _cell(group: RunGroup, column: str) -> dict[str, Any]:
    """Return the text of a cell, and the number by which it is sorted, if it is one."""
    value, text = group.value(column), group.cell(column)
    if column == "parameters":
        value = group.runs[0].record.get(column)
        text = f"{value:,}" if value is not None else ""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    shown = text.replace("_", " ") if column == "status" else text
    return {"text": shown or "–", "value": value if is_number else None}
