"""What is worth knowing about a table before it is trained on: its columns, classes, duplicates, and leaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_cli.data.report import SHOWN, Note, class_counts, class_table, lines, size_note, target_note
from backprop_cli.frozen import frozen
from backprop_cli.sources.table import PreparedTable
from backprop_cli.tables.columns import Columns
from backprop_cli.tables.kinds import Cells, cells_of
from backprop_cli.tables.preprocessing import Rows
from backprop_cli.text import some_of, table

FEW = 20
"""Rows below which a column that matches the target may do so by chance."""

RARE = 5
"""Training rows of a class below which little can be learned about it."""

NEARLY = 0.999
"""A correlation with a target above this gives the target away."""


@frozen
class ColumnReport:
    """A column over the training rows.

    `low` and `high` are of its numbers, `words` those of a category; `becomes` is how it is prepared. `reason` says why
    it is left out, if it is; `gives_away` that it alone tells the target; `counts` that it seems to number the rows.
    """

    name: str
    kind: str
    missing: int
    different: int
    inputs: int
    low: float | None
    high: float | None
    words: tuple[str, ...]
    becomes: str
    reason: str
    gives_away: bool
    counts: bool

    @property
    def range(self) -> str:
        """The range of the numbers, or the words."""
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}" if self.low < self.high else f"always {self.low:g}"
        return some_of(self.words, 4) if len(self.words) != 1 else f"always {self.words[0]}"


@frozen
class TableReport:
    """A table: the columns, the rows of each split, the rows of each class, and how many rows are duplicates."""

    notes: tuple[Note, ...]
    columns: tuple[ColumnReport, ...]
    rows: dict[str, int]
    classes: dict[str, dict[str, int]]
    duplicates: int
    unlabelled: int

    def warnings(self) -> Iterator[Note]:
        """Yield what may be wrong with the table."""
        for column in self.columns:
            if column.gives_away:
                yield "warning", f"{column.name} alone tells the target; is it known at the time of a prediction?"
            if column.counts:
                yield (
                    "warning",
                    f"{column.name} seems to number the rows; to leave it out: dataset.ignore=[{column.name}]",
                )
        for name, number in next(iter(self.classes.values()), {}).items():
            if number < RARE:
                yield "warning", f"class {name} has {number} training row{'s' * (number != 1)}"
        if self.duplicates:
            yield "warning", f"rows that repeat an earlier one: {self.duplicates:,}"

    def to_text(self) -> str:
        """Return the report as lines and tables."""
        columns = table(
            ("column", "type", "missing", "values", "input"),
            [
                (c.name, c.kind, c.missing or "", c.range, f"ignored: {c.reason}" if c.reason else c.becomes)
                for c in self.columns
            ],
            left=5,
        )
        notes = lines([*self.notes[:2], *self.warnings()])
        return "\n\n".join(["\n".join(notes), columns, *([class_table(self.classes)] if self.classes else [])])

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        found = {key: value for key, value in asdict(self).items() if key != "notes"}
        return found | {"warnings": [text for _, text in self.warnings()]}


def table_notes(prepared: PreparedTable) -> Iterator[Note]:
    """Yield what was decided about a table: its rows, target, inputs, ignored columns and missing values."""
    spec, decisions = prepared.spec, prepared.decisions
    about, sizes = size_note(spec)
    left_out = f"; {prepared.unlabelled:,} rows without a target are left out" if prepared.unlabelled else ""
    yield about, sizes + left_out
    about, target = target_note(spec)
    other = "values" if spec.classes else "classes"
    guessed = prepared.source.task == "auto" and len(spec.targets) == 1
    yield about, target + (f"; for {other}: dataset.task={other}" if guessed and _either(prepared) else "")
    used = [decision.name for decision in decisions if decision.inputs]
    yield "inputs", f"{spec.inputs:,} from {len(used):,} columns: {some_of(used, SHOWN)}"
    for decision in decisions:
        if decision.reason:
            yield "ignored", f"{decision.name}: {decision.reason}"
    columns = {column.name: column for column in prepared.preprocessing.columns}
    filled = [(d, columns[d.name]) for d in decisions if d.missing and d.name in columns]
    if filled:
        words = [f"{d.name} {d.missing:,} ({column.filling})" for d, column in filled]
        yield "missing", f"{some_of(words, SHOWN)}; see dataset.fill"


def _either(prepared: PreparedTable) -> bool:
    """Whether the target could also be values: it is a column of numbers."""
    place = prepared.table.names.index(prepared.target.columns[0])
    return cells_of(prepared.table, place, prepared.split.train, prepared.preprocessing.missing).kind() == "number"


def check_table(prepared: PreparedTable) -> TableReport:
    """Return what is worth knowing about a table."""
    table, missing, names = prepared.table, prepared.preprocessing.missing, prepared.target.columns
    parts = {
        "train": (table, prepared.split.train),
        "validation": (table, prepared.split.validation),
        "test": (prepared.test_table or table, prepared.test_rows),
    }
    targets = [cells_of(table, table.names.index(name), prepared.split.train, missing) for name in names]
    class_names = prepared.spec.class_names
    labels = {
        split: cells_of(part, part.names.index(names[0]), rows, missing).indices(class_names)
        for split, (part, rows) in parts.items()
        if class_names
    }
    own = [rows for part, rows in parts.values() if part is table]
    return TableReport(
        tuple(table_notes(prepared)),
        tuple(_columns(prepared, targets)),
        {name: len(rows) for name, (_, rows) in parts.items()},
        class_counts(class_names, {split: found[found >= 0] for split, found in labels.items()}),
        _duplicates(table, np.concatenate(own)),
        prepared.unlabelled,
    )


def _columns(prepared: PreparedTable, targets: list[Cells]) -> Iterator[ColumnReport]:
    columns = {column.name: column for column in prepared.preprocessing.columns}
    for decision in prepared.decisions:
        place = prepared.table.names.index(decision.name)
        cells = cells_of(prepared.table, place, prepared.split.train, prepared.preprocessing.missing)
        numbers = cells.numbers[cells.numeric] if decision.kind == "number" else np.empty(0)
        values, column = cells.values(), columns.get(decision.name)
        yield ColumnReport(
            decision.name,
            decision.kind,
            decision.missing,
            len(values),
            decision.inputs,
            float(numbers.min()) if len(numbers) else None,
            float(numbers.max()) if len(numbers) else None,
            values if decision.kind == "category" else (),
            column.becomes if column else "",
            decision.reason,
            bool(decision.inputs) and any(_gives_away(cells, target) for target in targets),
            _counts(numbers, len(prepared.table)),
        )


def _counts(numbers: npt.NDArray[np.float64], rows: int) -> bool:
    """Whether numbers are whole, all different, and of a range that is not larger than the number of rows."""
    if len(numbers) < FEW or np.ptp(numbers) > rows or (numbers != np.round(numbers)).any():
        return False
    return len(np.unique(numbers)) == len(numbers)


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
