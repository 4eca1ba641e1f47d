"""Rows of a table for a trained network to predict: columns are found by name, statistics are those of training."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from backprop_cli.data.dataset import DataSpec
from backprop_cli.data.tasks import Targets
from backprop_cli.errors import DataError, UnreadableError
from backprop_cli.frozen import frozen
from backprop_cli.sources.prepare import describe_bad
from backprop_cli.tables.columns import Columns, read_columns, reader_of
from backprop_cli.tables.delimited import Delimited
from backprop_cli.tables.kinds import cells_of
from backprop_cli.tables.preprocessing import Preprocessing

SHOWN = 5
"""Columns that are named in a message."""

MAX_STDIN = 1 << 30


@frozen
class TableRows:
    """The rows of a table as inputs x (m, n_0): those numbered `rows`; the others, with reasons, are in `problems`.

    `targets` are the labels (m,), -1 where there is none, or the values (m, k), NaN where there are none; None if the
    table has no such columns. `data` is the table as text if it is not in the file `path`.
    """

    table: Columns
    x: npt.NDArray[Any]
    rows: npt.NDArray[np.intp]
    problems: list[tuple[str, str]]
    notes: list[str]
    targets: Targets | None
    path: Path
    data: bytes | None = None

    def cells(self) -> Iterator[list[str]]:
        """Yield the cells of every row, those of text as they are in the file."""
        with _as_file(self.data) if self.data is not None else nullcontext(self.path) as path, reader_of(path) as file:
            if isinstance(file, Delimited):
                yield from (cells for _, cells in file)
                return
        for row in range(len(self.table)):
            yield [self.table.text(row, column) for column in range(len(self.table.names))]


def read_rows(path: Path, name: str, spec: DataSpec, dtype: str) -> TableRows:
    """Return the rows of a CSV or TSV file as inputs of a network; `name` stands for the file in messages.

    Raises UnreadableError if it is no table, or lacks a column.
    """
    assert spec.preprocessing is not None
    try:
        table = read_columns(path)
    except DataError as error:
        raise UnreadableError(str(error).removeprefix(f"{path}: ").removeprefix(f"{path}:")) from error
    names = tuple(column.name for column in spec.preprocessing.columns)
    if table.names == tuple(map(str, range(1, len(names) + 1))) and table.names != names:
        table = replace(table, names=names)  # no header, and as many columns as there are inputs: in their order
    _check_names(table, names)
    everything = np.arange(len(table))
    encoded = spec.preprocessing.encode(table, everything, dtype)
    targets, unknown_classes = _targets(table, spec)
    problems: list[tuple[str, str]] = []
    good = np.ones(len(table), bool)
    for bad in encoded.bad:
        good[bad.rows] = False
        for row in bad.rows.tolist():
            one = replace(bad, rows=np.array([row]))
            _, _, reason = describe_bad(Path(), table, one).partition(": ")
            problems.append((f"{name}:{table.lines[row]}", reason.partition("; ")[0]))
    notes = [*_notes(table, spec, encoded.unknown), *unknown_classes]
    labels = None if targets is None else targets[good]
    return TableRows(table, encoded.x[good], everything[good], problems, notes, labels, path)


def read_stream(file: BinaryIO, name: str, spec: DataSpec, dtype: str) -> TableRows:
    """Return the rows of CSV on a stream such as stdin; see `read_rows`."""
    data = file.read(MAX_STDIN + 1)
    if len(data) > MAX_STDIN:
        raise UnreadableError("more than 1 GB; give the name of a file")
    with _as_file(data) as copy:
        return replace(read_rows(copy, name, spec, dtype), data=data)


@contextmanager
def _as_file(data: bytes) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(suffix=".csv") as copy:
        copy.write(data)
        copy.flush()
        yield Path(copy.name)


def _targets(table: Columns, spec: DataSpec) -> tuple[Targets | None, list[str]]:
    """Return the labels or values of the rows, if the table has the columns, and a note about classes that are new."""
    if not spec.targets or not set(spec.targets) <= set(table.names):
        return None, []
    places = [table.names.index(name) for name in spec.targets]
    if not spec.classes:
        return table.numbers[:, places], []
    assert spec.preprocessing is not None
    cells = cells_of(table, places[0], slice(None), spec.preprocessing.missing)
    labels = cells.indices(spec.class_names)
    new = int(np.sum((labels < 0) & ~cells.missing))
    return labels, [f"column {spec.targets[0]}: {new:,} cells with classes that training did not have"] if new else []


def _check_names(table: Columns, names: tuple[str, ...]) -> None:
    missing = [name for name in names if name not in table.names]
    if not missing:
        return
    shown = ", ".join(map(repr, missing[:SHOWN])) + (", …" if len(missing) > SHOWN else "")
    close = get_close_matches(missing[0], table.names, n=1)
    hint = f"; '{close[0]}' is there, is it '{missing[0]}'?" if close else ""
    raise UnreadableError(f"there is no column {shown}{hint}")


def _notes(table: Columns, spec: DataSpec, unknown: Any) -> Iterator[str]:
    preprocessing: Preprocessing | None = spec.preprocessing
    known = {column.name for column in preprocessing.columns} if preprocessing else set()
    if extra := [name for name in table.names if name not in known and name not in spec.targets]:
        shown = ", ".join(extra[:SHOWN]) + (", …" if len(extra) > SHOWN else "")
        yield f"columns that are not used: {shown}"
    for name, number in unknown.items():
        cells = f"{number:,} cell{'s' * (number != 1)} with words that training did not have"
        yield f"column {name}: {cells}, counted as no category"
