"""Rows of a text file of delimited values: CSV or TSV, plain or gzipped, with or without a header."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from backprop_cli.errors import DataError
from backprop_cli.files import open_regular_file

DELIMITERS = ",;\t|"

MAX_FIELD = 1 << 17
"""Characters in a cell."""

MAX_LINE = 1 << 24
"""Bytes in a line."""

MAX_COLUMNS = 100_000

MAX_RATIO, FREE_BYTES = 1000, 1 << 28
"""A gzipped file may not grow to more than so many times its size, once it has grown to so many bytes."""

Parsed = tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]
Chunk = tuple[npt.NDArray[np.int64], list[Parsed]]
"""The numbers of rows, or of their lines (m,), and the numbers (m,) and codes (m,) of each column."""


class Parser(Protocol):
    """Turns the cells of a column into numbers and codes of words."""

    def parse(self, cells: Sequence[str]) -> Parsed:
        """Return those of cells of text (m,)."""

    def numbers(self, values: npt.NDArray[np.float64]) -> Parsed:
        """Return those of cells that are numbers (m,), or NaN for no value."""


NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?", re.ASCII)
"""A number as a cell contains it; `inf` and `nan` are words."""


@dataclass
class Delimited:
    """An open file of delimited values: a context manager, and an iterator over (line, cells) of the rows.

    `names` are those of the columns, from the header, or `1`, `2`, … if the first row contains a number. Empty lines
    are skipped. Raises DataError, with the place, for anything but text with the same number of cells in every row;
    `sha256` is the digest of the file once all rows have been read.
    """

    path: Path
    names: tuple[str, ...] = ()
    delimiter: str = ","
    has_header: bool = True
    sha256: str = ""
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Delimited:
        with ExitStack() as stack:  # closes the file if it is no table
            try:
                file = stack.enter_context(open_regular_file(self.path))
            except OSError as error:
                raise DataError(f"{self.path}: cannot be read: {error.strerror}") from error
            self._bytes = _Hashed(file)
            self._text = _Lines(self.path, self._bytes, gzipped=self.path.suffix.lower() == ".gz")
            first = self._text.peek()
            self.delimiter = max(DELIMITERS, key=lambda mark: len(next(csv.reader([first], delimiter=mark), [])))
            self._reader = csv.reader(self._text, delimiter=self.delimiter, strict=True)
            self._first = self._next_row()
            if self._first is None:
                raise DataError(f"{self.path}: the file is empty")
            line, cells = self._first
            self.has_header = not any(NUMBER.fullmatch(cell.strip()) for cell in cells)
            self.names = self._read_names(line, cells)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        assert self._first is not None
        if not self.has_header:
            yield self._first
        while row := self._next_row():
            line, cells = row
            if len(cells) != len(self.names):
                raise DataError(
                    f"{self.path}:{line}: {_count(len(cells), 'cell')}, but the first row has {len(self.names)}; "
                    f"put cells that contain '{self.delimiter}' in double quotes"
                )
            yield line, cells
        self.sha256 = self._bytes.digest.hexdigest()

    def chunks(self, rows: int, parsers: Sequence[Parser]) -> Iterator[Chunk]:
        """Yield the cells of up to so many rows, as the parsers of the columns make them."""
        found = iter(self)
        while chunk := list(islice(found, rows)):
            columns = zip(*(cells for _, cells in chunk), strict=True)
            parsed = [parser.parse(cells) for parser, cells in zip(parsers, columns, strict=True)]
            yield np.array([line for line, _ in chunk], np.int64), parsed

    def _next_row(self) -> tuple[int, list[str]] | None:
        """Return the next row that is not empty, and the number of its first line."""
        while True:
            line = self._reader.line_num + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return None
            except csv.Error as error:
                raise DataError(f"{self.path}:{line}: {_reason(str(error), self._text)}") from error
            if cells and (len(cells) > 1 or cells[0].strip()):
                return line, cells

    def _read_names(self, line: int, cells: list[str]) -> tuple[str, ...]:
        names = cells if self.has_header else [str(number) for number in range(1, len(cells) + 1)]
        return check_names(names, f"{self.path}:{line}")


def check_names(names: Sequence[str], place: str) -> tuple[str, ...]:
    """Return the names of columns; those without get one. Raises DataError if one occurs twice."""
    if len(names) > MAX_COLUMNS:
        raise DataError(f"{place}: {len(names):,} columns; there may be {MAX_COLUMNS:,}")
    found = tuple(name.strip() or f"column {number}" for number, name in enumerate(names, start=1))
    if twice := sorted(name for name, number in Counter(found).items() if number > 1):
        shown = ", ".join(name[:40] for name in twice[:5]) + (", …" if len(twice) > 5 else "")
        raise DataError(f"{place}: duplicate column name{'s' * (len(twice) > 1)} {shown}")
    return found


class _Hashed(io.RawIOBase):
    """A file whose bytes are hashed as they are read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self.digest.update(data)
        self.count += len(data)
        return len(data)


class _Lines:
    """The lines of a text file, as a CSV reader takes them, each checked."""

    def __init__(self, path: Path, file: _Hashed, gzipped: bool) -> None:
        self._path, self._hashed = path, file
        buffered = io.BufferedReader(file, 1 << 20)
        self._file: Any = gzip.GzipFile(fileobj=buffered) if gzipped else buffered
        self._gzipped = gzipped
        self._bytes = self._number = 0
        self._peeked: str | None = None
        self.at_end = False

    def peek(self) -> str:
        """Return the first line, which is read again afterwards; an empty text if there is none."""
        self._peeked = next(self, "")
        return self._peeked

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self._peeked:
            first, self._peeked = self._peeked, None
            return first
        try:
            data = self._file.readline(MAX_LINE)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{self._path}: not a complete gzip file") from error
        except OSError as error:
            raise DataError(f"{self._path}: cannot be read: {error.strerror}") from error
        if not data:
            self.at_end = True
            raise StopIteration
        self._number += 1
        self._bytes += len(data)
        place = f"{self._path}:{self._number}"
        if len(data) == MAX_LINE:
            raise DataError(f"{place}: a line of more than {MAX_LINE:,} bytes; not a table of delimited values")
        if self._gzipped and self._bytes > max(FREE_BYTES, MAX_RATIO * self._hashed.count):
            raise DataError(f"{place}: the file grows to more than {MAX_RATIO} times its size; unpack it first")
        try:
            line: str = data.decode("utf-8-sig" if self._number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{place}: not UTF-8 text, at byte {error.start + 1}; save it as UTF-8") from error
        if "\0" in line:
            raise DataError(f"{place}: a binary file; expected text such as CSV")
        return line


def _reason(message: str, text: _Lines) -> str:
    """Return a csv.Error in plain words."""
    if "field larger" in message:
        return f"a cell of more than {csv.field_size_limit():,} characters; is a double quote never closed?"
    if "unexpected end" in message:
        return "a double quote opens here and is never closed"
    return f"not CSV: {message}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
