"""What is worth knowing about a table before it is trained on: its columns, classes, duplicates, and leaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backprop_cli.sources.table import PreparedTable
from backprop_cli.tables.columns import Columns
from backprop_cli.tables.kinds import Cells, cells_of
from backprop_cli.tables.preprocessing import Rows

FEW = 20
"""Rows below which a column that matches the target may do so by chance."""

NEARLY = 0.999
"""A correlation with a target above this gives the target away."""


@dataclass(frozen=True)
class ColumnReport:
    """A column over the training rows; `low` and `high` are of its numbers, None for other columns.

    `reason` says why it is left out, if it is; `gives_away` that it alone tells the target.
    """

    name: str
    kind: str
    missing: int
    different: int
    inputs: int
    low: float | None
    high: float | None
    reason: str
    gives_away: bool


@dataclass(frozen=True)
class TableReport:
    """A table: the columns, the rows of each split, the rows of each class, and how many rows are duplicates."""

    columns: tuple[ColumnReport, ...]
    rows: dict[str, int]
    classes: dict[str, dict[str, int]]
    duplicates: int
    unlabelled: int


def check_table(prepared: PreparedTable) -> TableReport:
    """Return what is worth knowing about a table."""
    table, train = prepared.table, prepared.split.train
    splits = {"train": train, "validation": prepared.split.validation, "test": prepared.split.test}
    names = prepared.target.columns
    targets = [cells_of(table, table.names.index(name), train) for name in names]
    classes: dict[str, dict[str, int]] = {}
    if class_names := prepared.spec.class_names:
        for split, rows in splits.items():
            labels = cells_of(table, table.names.index(names[0]), rows).indices(class_names)
            counts = np.bincount(labels, minlength=len(class_names))
            classes[split] = dict(zip(class_names, counts.tolist(), strict=True))
    return TableReport(
        tuple(_columns(prepared, targets)),
        {name: len(rows) for name, rows in splits.items()},
        classes,
        _duplicates(table, np.concatenate(list(splits.values()))),
        prepared.unlabelled,
    )


def _columns(prepared: PreparedTable, targets: list[Cells]) -> Iterator[ColumnReport]:
    for decision in prepared.decisions:
        place = prepared.table.names.index(decision.name)
        cells = cells_of(prepared.table, place, prepared.split.train, prepared.preprocessing.missing)
        numbers = cells.numbers[cells.numeric] if decision.kind == "number" else np.empty(0)
        yield ColumnReport(
            decision.name,
            decision.kind,
            decision.missing,
            len(cells.values()),
            decision.inputs,
            float(numbers.min()) if len(numbers) else None,
            float(numbers.max()) if len(numbers) else None,
            decision.reason,
            bool(decision.inputs) and any(_gives_away(cells, target) for target in targets),
        )


def _gives_away(cells: Cells, target: Cells) -> bool:
    """Whether a column alone tells the target: each of its values belongs to one class, or both are proportional.

    A column of numbers tells the class if the classes lie one after the other on it.
    """
    known = ~cells.missing & ~target.missing
    if known.sum() < FEW:
        return False
    if target.kind() == "number" and len(target.values()) > FEW:
        if cells.kind() != "number":
            return False
        x, y = cells.numbers[known & cells.numeric], target.numbers[known & cells.numeric]
        return bool(x.std() and y.std() and abs(np.corrcoef(x, y)[0, 1]) > NEARLY)
    labels = target.indices(target.values())[known]
    if cells.kind() == "number":
        order = np.argsort(cells.numbers[known], kind="stable")
        changes = np.flatnonzero(np.diff(labels[order]))
        return len(changes) < len(np.unique(labels)) and len(np.unique(labels)) > 1
    values = cells.indices(cells.values())[known]
    pairs = np.unique(np.stack([values, labels]), axis=1)
    return (
        len(np.unique(pairs[0])) == pairs.shape[1] and len(np.unique(labels)) > 1 and pairs.shape[1] < known.sum() / 2
    )


def _duplicates(table: Columns, rows: Rows) -> int:
    """Return how many rows repeat an earlier one, target and all."""
    if not len(rows):
        return 0
    rng = np.random.default_rng(0)
    odd = rng.integers(1, 2**63, (2, len(table.names)), dtype=np.uint64) | np.uint64(1)
    keys = np.empty(len(rows), np.uint64)
    for start in range(0, len(rows), 1 << 16):
        part = rows[start : start + (1 << 16)]
        bits = np.nan_to_num(table.numbers[part]).view(np.uint64)
        codes = table.codes[part].astype(np.int64).view(np.uint64)
        mixed: npt.NDArray[np.uint64] = (bits ^ (bits >> np.uint64(31))) * odd[0] + codes * odd[1]
        keys[start : start + len(part)] = (mixed ^ (mixed >> np.uint64(29))).sum(axis=1, dtype=np.uint64)
    return len(keys) - len(np.unique(keys))
