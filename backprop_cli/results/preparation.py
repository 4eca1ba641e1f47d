"""What was done to the columns of a table before a network was trained on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from backprop_cli.data.dataset import Dataset, DataSpec, Inputs
from backprop_cli.errors import DataError
from backprop_cli.experiment.schema import Experiment
from backprop_cli.frozen import frozen
from backprop_cli.sources.table import PreparedTable, Table, prepare_table
from backprop_cli.sources.table_report import check_table


@frozen
class ColumnSummary:
    """A column in words: its kind, the training values, missing ones, and the inputs; or why it is not an input."""

    name: str
    kind: str
    values: str = ""
    missing: str = ""
    inputs: str = ""
    reason: str = ""


@frozen
class TableSummary:
    """A table: the name of its file, its columns, the rows of each split, also of each class, and further notes."""

    file: str
    columns: tuple[ColumnSummary, ...]
    rows: Mapping[str, int]
    classes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def summarize_table(e: Experiment) -> TableSummary:
    """Return what was done to the columns of the table that a network was trained on.

    What a column became is that of the checkpoint. The rest is counted in the file; if it is missing or has changed
    since, a note says so.
    """
    source, spec = cast(Table, e.dataset), e.data
    try:
        prepared = _prepared(e)
        table = prepared.table
    except DataError as error:
        sizes = {"training": spec.trained, "validation": spec.validation, "test": spec.test}
        return TableSummary(Path(source.file).name, tuple(_inputs(spec, {}).values()), sizes, notes=(str(error),))
    report = check_table(prepared)
    inputs = _inputs(spec, {column.name: column.missing for column in report.columns})
    left_out = {c.name: ColumnSummary(c.name, c.kind, reason=c.reason) for c in report.columns if not c.inputs}
    targets = {name: ColumnSummary(name, "target") for name in spec.targets}
    known = targets | inputs | left_out
    columns = [known.get(name) or ColumnSummary(name, "", reason="left out by the config") for name in table.names]
    notes = [f"Column {c.name} alone tells the target." for c in report.columns if c.gives_away]
    if report.duplicates:
        notes.append(f"{report.duplicates:,} rows repeat an earlier one.")
    if report.unlabelled:
        notes.append(f"{report.unlabelled:,} rows without a target are left out.")
    rows = {split.replace("train", "training"): count for split, count in report.rows.items()}
    classes = {split.replace("train", "training"): counts for split, counts in report.classes.items()}
    return TableSummary(Path(source.file).name, tuple(columns), rows, classes, tuple(notes))


@frozen
class Units:
    """The inputs of a network in the units of the data: input · scale + center."""

    center: Inputs
    scale: Inputs

    @classmethod
    def of(cls, spec: DataSpec) -> Units:
        """Return the units of the columns of a table, or those of other inputs themselves."""
        columns = spec.preprocessing.columns if spec.preprocessing else ()
        found = [constants[1:] for column in columns for constants in column.constants] or [(0.0, 1.0)]
        return cls(*np.array(found).T)

    def of_data(self, inputs: Inputs) -> Inputs:
        """Return inputs (n, n_0) in the units of the data."""
        return np.asarray(inputs * self.scale + self.center)

    def of_network(self, x: Inputs) -> Inputs:
        """Return x (n, n_0) in the units of the data as inputs of the network."""
        return np.asarray((x - self.center) / self.scale)


def raw_inputs(e: Experiment, load: Callable[[Experiment], Dataset], split: str) -> Inputs:
    """Return the inputs (n, n_0) of the examples of a split as a user has them; `load` returns a data set.

    Columns of a table are neither filled nor scaled, a missing number being NaN; images are not cut. Raises DataError
    if the table has changed.
    """
    preprocessing = e.data.preprocessing
    if preprocessing is None:
        source: Any = e.dataset
        uncut = replace(source, binary=None) if e.data.binary else source
        return load(e.model_copy(update={"dataset": uncut})).split(split).inputs
    prepared = _prepared(e)
    rows = {"train": prepared.split.train, "val": prepared.split.validation, "test": prepared.test_rows}[split]
    table = prepared.test_table if split == "test" and prepared.test_table else prepared.table
    return np.asarray(preprocessing.raw.encode(table, rows, np.float64).x)


def _prepared(e: Experiment) -> PreparedTable:
    """Return the table of an experiment, read again. Raises DataError if it is not the one that was trained on."""
    source = cast(Table, e.dataset)
    prepared = prepare_table(source, e.validation, e.train_size)
    if prepared.sha256 != dict(e.data.sha256):
        raise DataError(f"{source.file} has changed since this network was trained")
    return prepared


def _inputs(spec: DataSpec, missing: Mapping[str, int]) -> dict[str, ColumnSummary]:
    found = {}
    for column in spec.preprocessing.columns if spec.preprocessing else ():
        fill = column.filling
        count = missing.get(column.name)
        absent = f"{count:,}, {fill}" if count else fill if count is None else "none"
        found[column.name] = ColumnSummary(column.name, column.kind, column.values, absent, column.becomes)
    return found
