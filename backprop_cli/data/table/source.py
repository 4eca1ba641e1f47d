"""The data set `table`: a CSV or TSV file with one or several target columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge

from backprop_cli.data.cache import tables_folder
from backprop_cli.data.dataset import Split
from backprop_cli.data.splits import RowSplit
from backprop_cli.data.table.columns import Columns, read_columns
from backprop_cli.data.table.kinds import cells_of
from backprop_cli.data.table.prepare import (
    ClassTarget,
    ColumnDecision,
    InputOptions,
    SplitOptions,
    Target,
    check_encoded,
    choose_inputs,
    choose_task,
    column_index,
    fit_values,
    make_split,
    split_by_column,
)
from backprop_cli.data.table.preprocessing import Preprocessing, Rows
from backprop_cli.errors import DataError

Amount = int | float
Column = str | int

TEST, VALIDATION = 0.2, 0.15
"""The default share of the rows that is for testing, and of the other rows that is for validation."""


@dataclass(frozen=True)
class TableOptions:
    """How a table is read."""

    file: str
    target: Column | tuple[Column, ...]
    task: Literal["auto", "classes", "values"] = "auto"
    test: Amount = TEST
    test_file: str | None = None
    split: Column | None = None
    stratify: bool = True
    group: Column | None = None
    shuffle: bool = True
    split_seed: Annotated[int, Ge(0)] = 0
    only: tuple[Column, ...] = ()
    ignore: tuple[Column, ...] = ()
    categories: tuple[Column, ...] = ()
    missing: tuple[str, ...] = ("",)
    fill: str = "auto"
    scale: str = "standard"
    target_scale: str = "standard"


@dataclass(frozen=True)
class PreparedTable:
    """A table and what has been decided about it.

    `split` has the numbers of the rows of each split; if `test_table` is given, the test split is all of that table.
    `unlabelled` rows have no target and are left out.
    """

    path: Path
    table: Columns
    split: RowSplit
    test_path: Path | None
    test_table: Columns | None
    preprocessing: Preprocessing
    target: Target
    decisions: tuple[ColumnDecision, ...]
    unlabelled: int

    def examples(self, dtype: Any = np.float32) -> tuple[Split, Split, Split]:
        """Return the training, validation and test examples. Raises DataError for cells that cannot be read."""
        parts = [(self.path, self.table, rows) for rows in (self.split.train, self.split.validation)]
        if self.test_table is None or self.test_path is None:
            parts.append((self.path, self.table, self.split.test))
        else:
            parts.append((self.test_path, self.test_table, np.arange(len(self.test_table))))
        train, validation, test = (self._examples(*part, dtype) for part in parts)
        return train, validation, test

    def _examples(self, path: Path, table: Columns, rows: Rows, dtype: Any) -> Split:
        encoded = self.preprocessing.encode(table, rows, dtype)
        check_encoded(path, table, encoded)
        return Split(encoded.x, self.target.read(path, table, rows, self.preprocessing.missing))


def prepare_table(options: TableOptions, validation: Amount | None, train_size: Amount | None) -> PreparedTable:
    """Return a table, read and decided about, given the sizes of the splits: numbers of rows, shares, or None.

    Raises DataError if the file cannot be read or is of no use, and UsageError for a column that is not there.
    """
    table = read_columns(Path(options.file), tables_folder())
    test = read_columns(Path(options.test_file), tables_folder()) if options.test_file else None
    return _prepare(options, validation, train_size, table, test)


@lru_cache(maxsize=4)
def _prepare(
    options: TableOptions, validation: Amount | None, train_size: Amount | None, table: Columns, test: Columns | None
) -> PreparedTable:
    given = options.target if isinstance(options.target, tuple) else (options.target,)
    targets = [column_index(table, name, "target") for name in given]
    missing = options.missing

    def indices(names: tuple[Column, ...], what: str) -> tuple[int, ...]:
        return tuple(column_index(table, name, what) for name in names)

    everything = np.arange(len(table))
    unlabelled = np.any([cells_of(table, t, everything, missing).missing for t in targets], axis=0)
    rows = everything[~unlabelled]
    if not len(rows):
        raise DataError(f"{options.file}: column '{table.names[targets[0]]}' has no values")
    task = options.task if options.task != "auto" else choose_task(table, targets, rows, missing)
    labels = None
    if task == "classes":
        cells = cells_of(table, targets[0], rows, missing)
        classes = cells.values()
        labels = cells.indices(classes)
        if len(classes) < 2:
            raise DataError(f"{options.file}: column '{given[0]}' has only one class, '{classes[0]}'; nothing to learn")
    split = _split(options, table, rows, labels, validation, train_size, test is not None)
    used = [*targets, *indices(tuple(c for c in (options.split, options.group) if c is not None), "split, group")]
    inputs, decisions = choose_inputs(
        table,
        split.train,
        InputOptions(
            indices(options.only, "only"),
            (*used, *indices(options.ignore, "ignore")),
            indices(options.categories, "categories"),
            missing,
            options.fill,
            options.scale,
        ),
    )
    if not inputs:
        raise DataError(f"{options.file}: no column can be an input; backprop data check shows why")
    target: Target = (
        ClassTarget(table.names[targets[0]], classes)
        if labels is not None
        else fit_values(table, targets, split.train, options.target_scale)
    )
    return PreparedTable(
        Path(options.file),
        table,
        split,
        Path(options.test_file) if options.test_file else None,
        test,
        Preprocessing(tuple(inputs), missing),
        target,
        tuple(decisions),
        int(unlabelled.sum()),
    )


def _split(
    options: TableOptions,
    table: Columns,
    rows: Rows,
    labels: Rows | None,
    validation: Amount | None,
    train_size: Amount | None,
    has_test_file: bool,
) -> RowSplit:
    if options.split is not None:
        return split_by_column(table, column_index(table, options.split, "split"), rows, options.missing)
    n_test = 0 if has_test_file else _count(options.test, len(rows))
    pool = len(rows) - n_test
    n_validation = _count(VALIDATION if validation is None else validation, pool)
    n_train = min(pool - n_validation, pool if train_size is None else _count(train_size, pool))
    if n_train < 1:
        raise DataError(
            f"{options.file}: {len(rows)} rows: with {n_validation} for validation and {n_test} for testing, none is "
            "left for training"
        )
    group = None if options.group is None else column_index(table, options.group, "group")
    how = SplitOptions(options.split_seed, options.stratify, group, not options.shuffle)
    return make_split(table, rows, (n_train, n_validation, n_test), labels, how)


def _count(amount: Amount, whole: int) -> int:
    return round(amount * whole) if isinstance(amount, float) else amount
