"""A table in memory, without any guess about what its columns mean; and its cache on disk.

Every cell is kept: a number as a number, any other text as the index of a word. What a column is, what is missing and
which rows are for training is decided afterwards.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_cli.errors import DataError
from backprop_cli.tables.delimited import NUMBER, Delimited
from backprop_cli.tables.parquet import Parquet
from backprop_cli.tables.store import Entry, Sink, Table, in_memory

CHUNK = 1 << 14
"""Rows that are read at a time."""

MAX_WORDS = 10_000
"""Different words of a column that are kept apart."""

IS_NUMBER, EMPTY, OTHER = -1, -2, -3
"""Codes of cells that are no word: a number, an empty cell, a word beyond the first MAX_WORDS of the column."""

FORMAT = 2
"""The version of the cache; a table that is stored in another one is read again."""

SETTLED = 0.05
"""A file is stored only if its last change is so many seconds old: a later change must change its time."""

_NOT_NUMERIC = re.compile(r"[^0-9.eE+\-\n ]|(^|\n) *[-+]?0[0-9]", re.ASCII)
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]")


@dataclass(frozen=True, eq=False)
class Columns:
    """A table of n rows and k columns.

    `numbers` (n, k) has the value of each cell that is a number, NaN elsewhere. `codes` (n, k) has the index of the
    cell's word in `words[column]`, or IS_NUMBER, EMPTY, OTHER. `lines` (n,) are the numbers of the rows' lines in the
    file, and `sha256` is the file's digest.
    """

    names: tuple[str, ...]
    numbers: npt.NDArray[np.float64]
    codes: npt.NDArray[np.int32]
    words: tuple[tuple[str, ...], ...]
    lines: npt.NDArray[np.int64]
    delimiter: str
    sha256: str

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.lines)

    @property
    def meta(self) -> dict[str, Any]:
        """What is stored beside the arrays."""
        return {"names": self.names, "words": self.words, "delimiter": self.delimiter, "sha256": self.sha256}

    def text(self, row: int, column: int) -> str:
        """Return a cell as text, a number in its shortest form."""
        code = int(self.codes[row, column])
        if code == IS_NUMBER:
            return number_text(float(self.numbers[row, column]))
        return self.words[column][code] if code >= 0 else ""


def number_text(value: float) -> str:
    """Return a number in its shortest form: 3 for 3.0."""
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else repr(value)


def reader_of(path: Path) -> Delimited | Parquet:
    """Return what reads the table in a file, not yet open."""
    return (Parquet if path.suffix.lower() == ".parquet" else Delimited)(path)


def read_columns(path: Path, cache: Path | None = None) -> Columns:
    """Return the table in a CSV, TSV or Parquet file, from the folder `cache` if it has not changed since it was read.

    Raises DataError, with the line, if the file is not a table; UsageError for Parquet without pyarrow.
    """
    return _read(path, str(path.resolve()), state_of(path), cache)


def read_chunks(path: Path) -> Iterator[Columns]:
    """Yield the rows of a CSV, TSV or Parquet file as tables of up to CHUNK rows, at least one; see `read_columns`.

    A word has the same code in all of them. They have no digest.
    """
    state = state_of(path)
    with reader_of(path) as file:
        parsers = [ColumnParser() for _ in file.names]
        nothing = [parser.parse([]) for parser in parsers]
        for lines, columns in chain(file.chunks(CHUNK, parsers), [(np.empty(0, np.int64), nothing)]):
            numbers, codes = (np.stack(parts, axis=1) for parts in zip(*columns, strict=True))
            words = tuple(tuple(parser.words) for parser in parsers)
            yield Columns(file.names, numbers, codes, words, lines, file.delimiter, "")
        if state_of(path) != state:
            raise DataError(f"{path}: the file changed while it was read; try again")


def state_of(path: Path) -> tuple[int, int, int]:
    """Return the inode, the size and the time of change of a file."""
    try:
        found = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    return found.st_ino, found.st_size, found.st_mtime_ns


@lru_cache(maxsize=4)
def _read(path: Path, resolved: str, state: tuple[int, int, int], cache: Path | None) -> Columns:
    """Return the table in a file that is in this state."""
    if cache is None or time.time() - state[2] / 1e9 <= SETTLED:
        return _parse(path, state, in_memory())
    name, digest = (hashlib.sha256(repr(key).encode()).hexdigest()[:16] for key in (resolved, (FORMAT, *state)))
    entry = Entry(cache, name, digest)
    if stored := entry.load():
        return _from_store(stored)
    with contextlib.suppress(OSError):  # no place for a cache, or no space in it
        with entry.lock():
            if stored := entry.load():  # by another process meanwhile
                return _from_store(stored)
            with entry.storing() as storing:
                storing.commit(_parse(path, state, storing.sinks).meta)
        if stored := entry.load():
            return _from_store(stored)
    return _parse(path, state, in_memory())


def _from_store(stored: Table) -> Columns:
    meta, arrays = stored
    k = len(meta["names"])
    return Columns(
        tuple(meta["names"]),
        arrays["numbers"].reshape(-1, k),
        arrays["codes"].reshape(-1, k),
        tuple(map(tuple, meta["words"])),
        arrays["lines"],
        meta["delimiter"],
        meta["sha256"],
    )


def _parse(path: Path, state: tuple[int, int, int], sinks: Mapping[str, Sink]) -> Columns:
    with reader_of(path) as file:
        parsers = [ColumnParser() for _ in file.names]
        for lines, columns in file.chunks(CHUNK, parsers):
            sinks["lines"].append(lines)
            sinks["numbers"].append(np.stack([numbers for numbers, _ in columns], axis=1))
            sinks["codes"].append(np.stack([codes for _, codes in columns], axis=1))
        if state_of(path) != state:
            raise DataError(f"{path}: the file changed while it was read; try again")
        words = [list(parser.words) for parser in parsers]
        meta = {"names": file.names, "words": words, "delimiter": file.delimiter, "sha256": file.sha256}
        return _from_store((meta, {name: sink.array() for name, sink in sinks.items()}))


class ColumnParser:
    """Turns the cells of a column into numbers and codes of words."""

    def __init__(self) -> None:
        self.words: dict[str, int] = {}

    def parse(self, cells: Sequence[str]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]:
        """Return the numbers (m,) and the codes (m,) of cells."""
        if not _NOT_NUMERIC.search("\n".join(cells)):  # the usual column of numbers, in one go
            try:
                numbers = np.array(list(map(float, cells)))
            except ValueError:  # an empty cell, or two signs
                numbers = np.array([math.inf])
            if np.isfinite(numbers).all():
                return numbers, np.full(len(cells), IS_NUMBER, np.int32)
        numbers = np.full(len(cells), np.nan)
        codes = np.empty(len(cells), np.int32)
        words = self.words
        for i, cell in enumerate(map(str.strip, cells)):
            code = words.get(cell)
            if code is None:
                code = self._code(cell)
            if code == IS_NUMBER:
                numbers[i] = float(cell)
            codes[i] = code
        return numbers, codes

    def numbers(self, values: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]:
        """Return the numbers (m,) and the codes (m,) of cells that are finite numbers, or NaN for no value."""
        return values, np.where(np.isnan(values), EMPTY, IS_NUMBER).astype(np.int32)

    def _code(self, cell: str) -> int:
        if not cell:
            return EMPTY
        if NUMBER.fullmatch(cell) and not _LEADING_ZERO.match(cell) and math.isfinite(float(cell)):
            return IS_NUMBER
        if len(self.words) == MAX_WORDS:
            return OTHER
        return self.words.setdefault(cell, len(self.words))
