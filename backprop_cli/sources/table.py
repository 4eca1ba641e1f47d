"""The data set `table`: a CSV or TSV file with one or several target columns."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge

from backprop_cli.data.cache import Cache, tables_folder
from backprop_cli.data.dataset import Amount, DataSpec, InputPath, Report, Source, Split, count
from backprop_cli.data.report import Note
from backprop_cli.data.splits import Fold, RowSplit
from backprop_cli.errors import DataError, UsageError
from backprop_cli.frozen import frozen
from backprop_cli.sources.prepare import (
    ClassTarget,
    ColumnDecision,
    InputOptions,
    SplitOptions,
    Splitter,
    Target,
    check_encoded,
    choose_inputs,
    choose_task,
    column_index,
    fit_values,
    read_weights,
    split_by_column,
)
from backprop_cli.tables.columns import Columns, read_columns
from backprop_cli.tables.kinds import cells_of
from backprop_cli.tables.preprocessing import Preprocessing, Rows

Column = str | int
Several = Column | tuple[Column, ...]
"""One column, or several."""

Share = Annotated[Amount, Ge(0)]

TEST, VALIDATION = 0.2, 0.15
"""The default share of the rows that is for testing, and of the other rows that is for validation."""


@frozen
class Table(Source):
    """A CSV or TSV file, plain or gzipped; what its columns are is found out."""

    name = "table"
    origin = "files"
    file: Annotated[str, InputPath()]
    target: Several
    task: Literal["auto", "classes", "values"] = "auto"
    test: Share = TEST
    test_file: Annotated[str | None, InputPath()] = None
    split: Column | None = None
    stratify: bool = True
    group: Column | None = None
    weight: Column | None = None
    shuffle: bool = True
    split_seed: Annotated[int, Ge(0)] = 0
    only: Several = ()
    ignore: Several = ()
    categories: Several = ()
    missing: str | tuple[str, ...] = ("",)
    fill: Literal["auto", "median", "mean", "error"] = "auto"
    scale: Literal["standard", "minmax", "robust", "none"] = "standard"
    target_scale: Literal["standard", "minmax", "robust", "none"] = "standard"

    def describe(self, validation: Amount | None, train_size: Amount | None, fold: Fold | None = None) -> DataSpec:
        """Return what is known about the table, judged by the training rows."""
        return prepare_table(self, validation, train_size, fold).spec

    def splits(
        self, cache: Cache, validation: int, train_size: int, fold: Fold | None = None
    ) -> tuple[Split, Split, Split]:
        """Return the training, validation and test examples. Raises DataError for cells that cannot be read."""
        return prepare_table(self, validation, train_size, fold).examples()

    def notes(self, validation: int, train_size: int, fold: Fold | None = None) -> Iterable[Note]:
        """Yield what was decided about the rows, the target and the columns."""
        from backprop_cli.sources.table_report import table_notes

        return table_notes(prepare_table(self, validation, train_size, fold))

    def check(self, cache: Cache, validation: int, train_size: int) -> Report:
        """Return what is worth knowing about the table."""
        from backprop_cli.sources.table_report import check_table

        return check_table(prepare_table(self, validation, train_size))


@frozen
class PreparedTable:
    """A table and what has been decided about it.

    `split` has the numbers of the rows of each split; if there is a test file, the test split is all of `test_table`.
    `pool` rows are not for testing, and `unlabelled` ones have no target and are left out.
    """

    source: Table
    table: Columns
    test_table: Columns | None
    split: RowSplit
    pool: int
    preprocessing: Preprocessing
    target: Target
    decisions: tuple[ColumnDecision, ...]
    unlabelled: int

    @property
    def spec(self) -> DataSpec:
        """What is known about the table."""
        return DataSpec(
            inputs=len(self.preprocessing.inputs),
            pool=self.pool,
            validation=len(self.split.validation),
            train=len(self.split.train),
            test=len(self.test_rows),
            sha256=self.sha256,
            preprocessing=self.preprocessing,
            **self.target.known,
        )

    @property
    def test_rows(self) -> Rows:
        """The numbers of the test rows, in the test file if there is one."""
        return self.split.test if self.test_table is None else np.arange(len(self.test_table))

    @property
    def sha256(self) -> dict[str, str]:
        """The digests of the files by name."""
        named = [(self.source.file, self.table), (self.source.test_file, self.test_table)]
        return {Path(file).name: table.sha256 for file, table in named if file and table}

    def examples(self, dtype: Any = np.float32) -> tuple[Split, Split, Split]:
        """Return the training, validation and test examples. Raises DataError for cells that cannot be read."""
        path, test_path = Path(self.source.file), Path(self.source.test_file or self.source.file)
        train, validation, test = (
            self._examples(path, self.table, self.split.train, dtype),
            self._examples(path, self.table, self.split.validation, dtype),
            self._examples(test_path, self.test_table or self.table, self.test_rows, dtype),
        )
        return train.relative_to(train), validation.relative_to(train), test.relative_to(train)

    def _examples(self, path: Path, table: Columns, rows: Rows, dtype: Any) -> Split:
        encoded = self.preprocessing.encode(table, rows, dtype)
        check_encoded(path, table, encoded)
        weights = None if self.source.weight is None else read_weights(path, table, self.source.weight, rows)
        return Split(encoded.x, self.target.read(path, table, rows, self.preprocessing.missing), weights)


def prepare_table(
    source: Table, validation: Amount | None, train_size: Amount | None, fold: Fold | None = None
) -> PreparedTable:
    """Return a table, read and decided about, given the sizes of the splits: numbers of rows, shares, or None.

    The rows of a fold of a cross-validation take the place of the test rows.

    Raises DataError if the file cannot be read or is of no use, and UsageError for a column that is not there.
    """
    table = read_columns(Path(source.file), tables_folder())
    test = read_columns(Path(source.test_file), tables_folder()) if source.test_file and not fold else None
    return _prepare(source, validation, train_size, fold, table, test)


@lru_cache(maxsize=4)
def _prepare(
    source: Table,
    validation: Amount | None,
    train_size: Amount | None,
    fold: Fold | None,
    table: Columns,
    test: Columns | None,
) -> PreparedTable:
    given = _listed(source.target)
    targets = [column_index(table, name, "target") for name in given]
    missing = _listed(source.missing)

    def indices(names: Several, what: str) -> tuple[int, ...]:
        return tuple(column_index(table, name, what) for name in _listed(names))

    everything = np.arange(len(table))
    unlabelled = np.any([cells_of(table, t, everything, missing).missing for t in targets], axis=0)
    rows = everything[~unlabelled]
    if not len(rows):
        raise DataError(f"{source.file}: column '{table.names[targets[0]]}' has no values")
    task = source.task if source.task != "auto" else choose_task(table, targets, rows, missing)
    labels = None
    if task == "classes":
        cells = cells_of(table, targets[0], rows, missing)
        classes = cells.values()
        labels = cells.indices(classes)
        if len(classes) < 2:
            raise DataError(f"{source.file}: column '{given[0]}' has only one class, '{classes[0]}'; nothing to learn")
    split, pool = _split(source, table, rows, labels, validation, train_size, fold)
    named = tuple(c for c in (source.split, source.group, source.weight) if c is not None)
    used = [*targets, *indices(named, "split, group, weight")]
    inputs, decisions = choose_inputs(
        table,
        split.train,
        InputOptions(
            indices(source.only, "only"),
            (*used, *indices(source.ignore, "ignore")),
            indices(source.categories, "categories"),
            missing,
            source.fill,
            source.scale,
        ),
    )
    if not inputs:
        raise DataError(f"{source.file}: no column can be an input; backprop data check shows why")
    target: Target = (
        ClassTarget((table.names[targets[0]],), classes)
        if labels is not None
        else fit_values(table, targets, split.train, source.target_scale)
    )
    unlabelled_rows = int(unlabelled.sum())
    return PreparedTable(
        source,
        table,
        test,
        split,
        pool,
        Preprocessing(tuple(inputs), missing),
        target,
        tuple(decisions),
        unlabelled_rows,
    )


def _listed(one_or_several: Any) -> tuple[Any, ...]:
    return one_or_several if isinstance(one_or_several, tuple) else (one_or_several,)


def _split(
    source: Table,
    table: Columns,
    rows: Rows,
    labels: Rows | None,
    validation: Amount | None,
    train_size: Amount | None,
    fold: Fold | None,
) -> tuple[RowSplit, int]:
    """Return the rows of each split, and how many are for training and validation."""
    if source.split is not None:
        if fold:
            raise UsageError("split: a column that names the splits cannot be combined with folds; remove it")
        index = column_index(table, source.split, "split")
        found = split_by_column(table, index, rows, _listed(source.missing))
        return found, len(rows) - (0 if source.test_file else len(found.test))
    group = None if source.group is None else column_index(table, source.group, "group")
    splitter = Splitter(
        table, rows, labels, SplitOptions(source.split_seed, source.stratify, group, not source.shuffle)
    )
    n_test = 0 if source.test_file else count(source.test, len(rows))
    held_out = None
    if fold:
        pool = splitter.split(rows, (len(rows) - n_test, 0, n_test)).train
        rows, held_out = splitter.fold(pool, fold)
        n_test = 0
    pool_size = len(rows) - n_test
    n_validation = count(VALIDATION if validation is None else validation, pool_size)
    rest = pool_size - n_validation
    n_train = rest if train_size is None else min(rest, count(train_size, rest))
    if n_train < 1:
        raise DataError(
            f"{source.file}: {len(rows)} rows: with {n_validation} for validation and {n_test} for testing, none is "
            "left for training"
        )
    found = splitter.split(rows, (n_train, n_validation, n_test))
    if held_out is not None:
        return RowSplit(found.train, found.validation, held_out), len(rows)
    return found, len(rows) - len(found.test)
