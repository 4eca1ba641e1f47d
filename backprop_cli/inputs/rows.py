"""Rows of a table for a trained network to predict: columns are found by name, statistics are those of training."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from backprop_cli.data.dataset import DataSpec, Inputs
from backprop_cli.data.tasks import Targets
from backprop_cli.errors import DataError, UnreadableError
from backprop_cli.sources.prepare import describe_bad
from backprop_cli.tables.columns import Columns, read_chunks, reader_of, state_of
from backprop_cli.tables.delimited import Delimited
from backprop_cli.tables.kinds import cells_of
from backprop_cli.tables.preprocessing import Preprocessing

SHOWN = 5
"""Columns that are named in a message."""

MAX_STDIN = 1 << 30


@dataclass
class TableRows:
    """The rows of a CSV, TSV or Parquet file: an iterable of their inputs (m, n_0), some rows at a time.

    `name` stands for the file in messages, and `data` is the table as text if it is not in the file `path`. After the
    inputs, `problems` has the rows that cannot be read, with reasons, and `columns` are the names of the table's.
    `place` is the form of a row's name. Iterating raises UnreadableError for what is no table, or lacks a column.
    """

    path: Path
    name: str
    spec: DataSpec
    dtype: str
    data: bytes | None = None
    place: str = "{name}:{line}"
    columns: tuple[str, ...] = field(default=(), init=False)
    problems: list[tuple[str, str]] = field(default_factory=list, init=False)
    _lines: list[npt.NDArray[np.int64]] = field(default_factory=list, init=False)
    _good: list[npt.NDArray[np.bool_]] = field(default_factory=list, init=False)
    _targets: list[Targets] = field(default_factory=list, init=False)
    _unknown: Counter[str] = field(default_factory=Counter, init=False)
    _new: int = field(default=0, init=False)
    _state: tuple[int, int, int] = field(default=(0, 0, 0), init=False)

    def __iter__(self) -> Iterator[Inputs]:
        with self._file() as path:
            try:
                self._state = state_of(path)
                for table in read_chunks(path):
                    yield self._inputs(self._named(table))
            except DataError as error:
                raise UnreadableError(str(error).removeprefix(f"{path}: ").removeprefix(f"{path}:")) from error

    @property
    def names(self) -> Iterator[str]:
        """The names of the rows that can be read."""
        good = np.concatenate(self._good)
        for row, line in zip(np.flatnonzero(good).tolist(), np.concatenate(self._lines)[good].tolist(), strict=True):
            yield self.place.format(name=self.name, row=row, line=line)

    @property
    def targets(self) -> Targets | None:
        """The labels (m,), -1 where there is none, or the values (m, k), NaN where there are none.

        None if the table has no such columns.
        """
        return np.concatenate(self._targets) if self._targets else None

    @property
    def notes(self) -> list[str]:
        """Lines for the user: columns that are not used, and words that training did not have."""
        used = {*(column.name for column in self._preprocessing.columns), *self.spec.targets}
        unused = [name for name in self.columns if name not in used]
        named = ", ".join(unused[:SHOWN]) + (", …" if len(unused) > SHOWN else "")
        cells = (
            f"column {name}: {number:,} cell{'s' * (number != 1)} with words that training did not have, counted as no "
            "category"
            for name, number in self._unknown.items()
        )
        found = [*([f"columns that are not used: {named}"] if named else []), *cells]
        if self._new:
            found.append(f"column {self.spec.targets[0]}: {self._new:,} cells with classes that training did not have")
        return found

    def cells(self) -> Iterator[tuple[list[str], bool]]:
        """Yield the cells of every row, those of text as they are in the file, and whether the row can be read."""
        with self._file() as path, reader_of(path) as file:
            if self.data is None and state_of(path) != self._state:
                raise DataError(f"{path}: the file changed while it was read; try again")
            rows = (cells for _, cells in file) if isinstance(file, Delimited) else _cells_of(read_chunks(path))
            yield from zip(rows, np.concatenate(self._good).tolist(), strict=True)

    def _file(self) -> AbstractContextManager[Path]:
        return nullcontext(self.path) if self.data is None else _as_file(self.data)

    def _inputs(self, table: Columns) -> Inputs:
        """Return the rows of a part of the table that can be read, and note what there is to say about it."""
        encoded = self._preprocessing.encode(table, np.arange(len(table)), self.dtype)
        good = np.ones(len(table), bool)
        for bad in encoded.bad:
            good[bad.rows] = False
            for row in bad.rows.tolist():
                one = replace(bad, rows=np.array([row]))
                _, _, reason = describe_bad(Path(), table, one).partition(": ")
                self.problems.append((f"{self.name}:{table.lines[row]}", reason.partition("; ")[0]))
        self._unknown.update(encoded.unknown)
        self._lines.append(table.lines)
        self._good.append(good)
        if self.spec.targets and set(self.spec.targets) <= set(table.names):
            self._targets.append(self._targets_of(table)[good])
        return encoded.x[good]

    def _targets_of(self, table: Columns) -> Targets:
        places = [table.names.index(name) for name in self.spec.targets]
        if not self.spec.classes:
            return table.numbers[:, places]
        cells = cells_of(table, places[0], slice(None), self._preprocessing.missing)
        labels = cells.indices(self.spec.class_names)
        self._new += int(np.sum((labels < 0) & ~cells.missing))
        return labels

    def _named(self, table: Columns) -> Columns:
        """Return a part of the table; one without a header, and as many columns as there are inputs, gets their names.

        Raises UnreadableError if it lacks a column.
        """
        names = tuple(column.name for column in self._preprocessing.columns)
        if table.names == tuple(map(str, range(1, len(names) + 1))):
            table = replace(table, names=names)
        _check_names(table, names)
        self.columns = table.names
        return table

    @property
    def _preprocessing(self) -> Preprocessing:
        assert self.spec.preprocessing is not None
        return self.spec.preprocessing


def read_stream(file: BinaryIO, name: str, spec: DataSpec, dtype: str) -> TableRows:
    """Return the rows of CSV on a stream such as stdin."""
    data = file.read(MAX_STDIN + 1)
    if len(data) > MAX_STDIN:
        raise UnreadableError("more than 1 GB; give the name of a file")
    return TableRows(Path(f"{name}.csv"), name, spec, dtype, data)


@contextmanager
def _as_file(data: bytes) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(suffix=".csv") as copy:
        copy.write(data)
        copy.flush()
        yield Path(copy.name)


def _cells_of(tables: Iterable[Columns]) -> Iterator[list[str]]:
    for table in tables:
        for row in range(len(table)):
            yield [table.text(row, column) for column in range(len(table.names))]


def _check_names(table: Columns, names: tuple[str, ...]) -> None:
    missing = [name for name in names if name not in table.names]
    if not missing:
        return
    shown = ", ".join(map(repr, missing[:SHOWN])) + (", …" if len(missing) > SHOWN else "")
    close = get_close_matches(missing[0], table.names, n=1)
    hint = f"; '{close[0]}' is there, is it '{missing[0]}'?" if close else ""
    raise UnreadableError(f"there is no column {shown}{hint}")
