"""What is decided about a table: its task, its splits, what its columns are and how they become inputs.

Everything but the split itself is judged by the training rows alone.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_cli.data.splits import Fold, RowSplit, split_in_order, split_rows
from backprop_cli.data.tasks import Targets
from backprop_cli.errors import DataError, UsageError
from backprop_cli.frozen import frozen
from backprop_cli.tables.columns import Columns
from backprop_cli.tables.kinds import MAX_CATEGORIES, cells_of
from backprop_cli.tables.preprocessing import (
    BadCells,
    CategoryColumn,
    Encoded,
    InputColumn,
    Rows,
    fit_number,
)

MAX_CLASSES = 20
"""A target of at most so many different whole numbers is taken for classes."""

SHOWN = 5
"""Rows that are named in an error."""

SPLITS = {"train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "test": 2, "testing": 2}
"""Words of a split column, and the split they stand for."""


@frozen
class ClassTarget:
    """A column of classes: `classes` are their names in the order of the outputs."""

    columns: tuple[str]
    classes: tuple[str, ...]

    @property
    def known(self) -> dict[str, Any]:
        """What a DataSpec says about it."""
        return {"classes": len(self.classes), "class_names": self.classes, "targets": self.columns}

    def read(self, path: Path, table: Columns, rows: Rows, missing: tuple[str, ...]) -> Targets:
        """Return the labels (m,) of rows. Raises DataError for a class that is not among them."""
        (name,) = self.columns
        column = table.names.index(name)
        labels = cells_of(table, column, rows, missing).indices(self.classes)
        if (labels < 0).any():
            row = int(rows[labels < 0][0])
            raise DataError(f"{path}:{table.lines[row]}: {name}: unknown class {table.text(row, column)!r}")
        return labels.astype(np.uint8 if len(self.classes) <= 256 else np.intp)


@frozen
class ValueTarget:
    """Columns of values, of which a network outputs (value - center) / scale."""

    columns: tuple[str, ...]
    center: tuple[float, ...]
    scale: tuple[float, ...]

    @property
    def known(self) -> dict[str, Any]:
        """What a DataSpec says about them."""
        scaling = {"value_center": self.center, "value_scale": self.scale}
        return {"values": len(self.columns), "targets": self.columns, **scaling}

    def read(self, path: Path, table: Columns, rows: Rows, missing: tuple[str, ...]) -> Targets:
        """Return the values (m, k) of rows. Raises DataError for a cell that is no number."""
        places = [table.names.index(name) for name in self.columns]
        values = table.numbers[rows[:, None], places]
        for column, name in enumerate(self.columns):
            if (bad := np.isnan(values[:, column])).any():
                raise DataError(describe_bad(path, table, BadCells(name, rows[bad], missing=False)))
        return values


Target = ClassTarget | ValueTarget


def read_weights(path: Path, table: Columns, name: str | int, rows: Rows) -> npt.NDArray[np.float64]:
    """Return the weights (m,) of rows. Raises DataError for a cell that is no number of at least 0."""
    column = column_index(table, name, "weight")
    weights = table.numbers[rows, column].astype(np.float64)
    if (bad := ~(weights >= 0)).any():
        row = int(rows[bad][0])
        word = table.text(row, column)[:40]
        raise DataError(
            f"{path}:{table.lines[row]}: {table.names[column]}: {word!r} is not a weight, a number from 0 on"
        )
    return weights


@frozen
class ColumnDecision:
    """What is done with a column: its kind, how many training values are missing, and why it is left out, if it is."""

    name: str
    kind: str
    missing: int
    inputs: int
    reason: str = ""


def column_index(table: Columns, name: str | int, what: str) -> int:
    """Return the index of a column that is called by name or number (from 1). Raises UsageError with the nearest."""
    if isinstance(name, int) and str(name) not in table.names:
        if 1 <= name <= len(table.names):
            return name - 1
        raise UsageError(f"{what}: there is no column {name}; there are {len(table.names)}")
    if str(name) in table.names:
        return table.names.index(str(name))
    close = get_close_matches(str(name), table.names, n=1) or [n for n in table.names if n.lower() == str(name).lower()]
    shown = ", ".join(table.names[:10]) + (", …" if len(table.names) > 10 else "")
    hint = f"did you mean '{close[0]}'?" if close else f"the columns are {shown}"
    raise UsageError(f"{what}: there is no column '{name}'; {hint}")


def choose_task(table: Columns, targets: Sequence[int], rows: Rows, missing: tuple[str, ...]) -> str:
    """Return `classes` or `values`: values are numbers, except a few different whole numbers, which are classes."""
    if len(targets) > 1:
        return "values"
    cells = cells_of(table, targets[0], rows, missing)
    if cells.kind() != "number":
        return "classes"
    numbers = np.unique(cells.numbers[cells.numeric])
    whole = bool(np.all(numbers == np.round(numbers)))
    return "classes" if whole and len(numbers) <= MAX_CLASSES and len(numbers) < len(rows) / 2 else "values"


def split_by_column(table: Columns, column: int, rows: Rows, missing: tuple[str, ...]) -> RowSplit:
    """Return the splits that a column names for each row. Raises DataError for another word."""
    cells = cells_of(table, column, rows, missing)
    values = cells.values()
    name = table.names[column]
    if bad := [value for value in values if value.casefold() not in SPLITS]:
        words = ", ".join(map(repr, bad[:SHOWN]))
        raise DataError(f"split: column '{name}' contains {words}; expected train, validation and test")
    if cells.missing.any():
        raise DataError(f"split: column '{name}' is empty in line {table.lines[rows[cells.missing][0]]}")
    split = np.array([SPLITS[value.casefold()] for value in values])[cells.indices(values)]
    return RowSplit(*(rows[split == number] for number in range(3)))


@frozen
class SplitOptions:
    """How rows are split: at random and stratified by class, by groups of equal cells in a column, or in order."""

    seed: int = 0
    stratify: bool = True
    group: int | None = None
    in_order: bool = False


@frozen
class Splitter:
    """Splits some of the `rows` (n,) of a table, which are ascending and have `labels` (n,) if they have classes."""

    table: Columns
    rows: Rows
    labels: Rows | None
    options: SplitOptions

    def __post_init__(self) -> None:
        if self.options.in_order and self.options.group is not None:
            raise UsageError("group: has no effect with shuffle: false, which splits rows in their order; remove one")

    def split(self, rows: Rows, sizes: tuple[int, int, int]) -> RowSplit:
        """Return the rows of each split, given the sizes of train, validation and test."""
        if self.options.in_order:
            return split_in_order(rows, sizes)
        return split_rows(rows, sizes, self.options.seed, self._labels(rows), self._groups(rows))

    def fold(self, rows: Rows, fold: Fold) -> tuple[Rows, Rows]:
        """Return the rows to train on, and those of a fold."""
        if self.options.in_order:
            return fold.split_in_order(rows)
        return fold.split(rows, self._labels(rows), self._groups(rows))

    def _labels(self, rows: Rows) -> Rows | None:
        if self.labels is None or not self.options.stratify:
            return None
        return self.labels[np.searchsorted(self.rows, rows)]

    def _groups(self, rows: Rows) -> Rows | None:
        if self.options.group is None:
            return None
        cells = cells_of(self.table, self.options.group, rows)
        return cells.indices(("", *cells.values()))


@frozen
class InputOptions:
    """Which columns are inputs, and how they are prepared; `fill` and `scale` may differ by column."""

    only: tuple[int, ...] = ()
    ignore: tuple[int, ...] = ()
    categories: tuple[int, ...] = ()
    missing: tuple[str, ...] = ()
    fill: Mapping[str, str] | str = "auto"
    scale: Mapping[str, str] | str = "standard"


def choose_inputs(table: Columns, train: Rows, options: InputOptions) -> tuple[list[InputColumn], list[ColumnDecision]]:
    """Return the columns that are inputs, and what was decided about each column, judged by the training rows.

    Raises DataError if a column that is asked for is of no use.
    """
    inputs: list[InputColumn] = []
    decisions = []
    for index, name in enumerate(table.names):
        if index in options.ignore or (options.only and index not in options.only):
            continue
        cells = cells_of(table, index, train, options.missing)
        kind = "category" if index in options.categories else cells.kind()
        values = () if kind == "number" else cells.values()  # of numbers there may be as many as rows
        missing = int(cells.missing.sum())
        fill = _of(options.fill, name, "auto")
        reason = {
            "empty": "it has no values in the training rows",
            "date": "dates are not inputs; add columns of numbers for what matters about them",
            "text": f"text with {len(values):,} different words; at most {MAX_CATEGORIES} make categories",
        }.get(kind, "")
        if reason and index in options.only:
            raise DataError(f"column '{name}' cannot be an input: {reason}")
        column: InputColumn | None = None
        if kind == "number":
            numbers = np.where(cells.numeric, cells.numbers, np.nan)
            column = fit_number(
                name, numbers, "median" if fill == "auto" else fill, _of(options.scale, name, "standard")
            )
        elif kind == "category":
            column = CategoryColumn(name, (*[""] * (missing > 0 and fill != "error"), *values))
        if column:
            inputs.append(column)
        decisions.append(ColumnDecision(name, kind, missing, len(column.inputs) if column else 0, reason))
    return inputs, decisions


def fit_values(table: Columns, targets: Sequence[int], train: Rows, scaling: str) -> ValueTarget:
    """Return the columns of values, with the statistics of the training rows."""
    columns = [fit_number(table.names[t], table.numbers[train, t], "error", scaling) for t in targets]
    return ValueTarget(
        tuple(column.name for column in columns),
        tuple(column.center for column in columns),
        tuple(column.scale for column in columns),
    )


def check_encoded(path: Path, table: Columns, encoded: Encoded) -> None:
    """Raise DataError if cells could not be read, with their lines and what would make them valid."""
    if encoded.bad:
        raise DataError("\n".join(describe_bad(path, table, bad) for bad in encoded.bad))


def describe_bad(path: Path, table: Columns, bad: BadCells) -> str:
    """Return a line about the cells of a column that cannot be read."""
    column = table.names.index(bad.name)
    lines = [int(table.lines[row]) for row in bad.rows[:SHOWN]]
    more = ", …" if len(bad.rows) > SHOWN else ""
    several = f" ({len(bad.rows)} such cells: lines {', '.join(map(str, lines))}{more})" if len(bad.rows) > 1 else ""
    place = f"{path}:{lines[0]}: {bad.name}"
    if bad.missing:
        return f"{place}: no value{several}; use fill: median, or leave the column out with ignore"
    word = table.text(int(bad.rows[0]), column)
    return f"{place}: {word[:40]!r} is not a number{several}; to treat it as no value: {_option(word[:40])}"


def _option(word: str) -> str:
    """Return what makes a word stand for no value, to be typed in a shell."""
    plain = re.fullmatch(r"[A-Za-z][\w/.-]*", word, re.ASCII) and word.lower() not in ("null", "true", "false")
    return f"dataset.missing={word}" if plain else shlex.quote(f"dataset.missing={json.dumps(word)}")


def _of(option: Mapping[str, str] | str, name: str, default: str) -> str:
    return option if isinstance(option, str) else option.get(name, default)
