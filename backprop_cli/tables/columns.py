"""A table in memory, without any guess about what its columns mean; and its cache on disk.

Every cell is kept: a number as a number, any other text as the index of a word. What a column is, what is missing and
which rows are for training is decided afterwards.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_cli.errors import DataError
from backprop_cli.files import read_regular_file
from backprop_cli.tables.delimited import NUMBER, Delimited

CHUNK = 1 << 14
"""Rows that are read at a time."""

MAX_WORDS = 10_000
"""Different words of a column that are kept apart."""

IS_NUMBER, EMPTY, OTHER = -1, -2, -3
"""Codes of cells that are no word: a number, an empty cell, a word beyond the first MAX_WORDS of the column."""

FORMAT = 1
"""The version of the cache; a table that is stored in another one is read again."""

SETTLED = 0.05
"""A file is stored only if its last change is so many seconds old: a later change must change its time."""

MAX_META = 1 << 28

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

    def text(self, row: int, column: int) -> str:
        """Return a cell as text, a number in its shortest form."""
        code = int(self.codes[row, column])
        if code == IS_NUMBER:
            return number_text(float(self.numbers[row, column]))
        return self.words[column][code] if code >= 0 else ""


def number_text(value: float) -> str:
    """Return a number in its shortest form: 3 for 3.0."""
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else repr(value)


def read_columns(path: Path, cache: Path | None = None) -> Columns:
    """Return the table in a CSV or TSV file, from the folder `cache` if the file has not changed since it was stored.

    Raises DataError, with the line, if the file is not a table.
    """
    try:
        before = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    return _read(path, str(path.resolve()), (before.st_ino, before.st_size, before.st_mtime_ns), cache)


@lru_cache(maxsize=4)
def _read(path: Path, resolved: str, state: tuple[int, int, int], cache: Path | None) -> Columns:
    """Return the table in a file that is in this state: inode, size and time of change."""
    key = (FORMAT, resolved, *state)
    name, digest = (hashlib.sha256(repr(part).encode()).hexdigest()[:16] for part in (resolved, key))
    folder = cache / f"{name}-{digest}" if cache else None
    if folder and (stored := _load(folder)):
        return stored
    settled = time.time() - state[2] / 1e9 > SETTLED
    if folder is None or not settled:
        return _parse(path, _Memory(), _Memory(), _Memory())
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.mkdir(parents=True)
        sinks = [_File(temporary / part) for part in _PARTS]
    except OSError:  # no place for a cache
        return _parse(path, _Memory(), _Memory(), _Memory())
    try:
        columns = _parse(path, *sinks)
        after = path.stat()
        if state != (after.st_ino, after.st_size, after.st_mtime_ns):
            raise DataError(f"{path}: the file changed while it was read; try again")
        _store(columns, temporary, folder)
        return _load(folder) or columns
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _parse(path: Path, numbers: _Sink, codes: _Sink, lines: _Sink) -> Columns:
    with Delimited(path) as file:
        parsers = [_ColumnParser() for _ in file.names]
        rows = iter(file)
        while chunk := list(islice(rows, CHUNK)):
            lines.append(np.array([line for line, _ in chunk], np.int64))
            parsed = [
                parser.parse(cells)
                for parser, cells in zip(parsers, zip(*(c for _, c in chunk), strict=True), strict=True)
            ]
            numbers.append(np.stack([values for values, _ in parsed], axis=1))
            codes.append(np.stack([found for _, found in parsed], axis=1))
        words = tuple(tuple(parser.words) for parser in parsers)
        k = len(file.names)
        return Columns(
            file.names,
            numbers.array(np.float64).reshape(-1, k),
            codes.array(np.int32).reshape(-1, k),
            words,
            lines.array(np.int64),
            file.delimiter,
            file.sha256,
        )


class _ColumnParser:
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

    def _code(self, cell: str) -> int:
        if not cell:
            return EMPTY
        if NUMBER.fullmatch(cell) and not _LEADING_ZERO.match(cell) and math.isfinite(float(cell)):
            return IS_NUMBER
        if len(self.words) == MAX_WORDS:
            return OTHER
        return self.words.setdefault(cell, len(self.words))


class _Memory:
    """Parts of an array, kept in memory until the array is made."""

    def __init__(self) -> None:
        self._parts: list[npt.NDArray[Any]] = []

    def append(self, part: npt.NDArray[Any]) -> None:
        self._parts.append(part)

    def array(self, dtype: Any) -> npt.NDArray[Any]:
        return np.concatenate(self._parts) if self._parts else np.empty(0, dtype)


class _File:
    """Parts of an array, written to a file, which is mapped into memory when the array is made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")

    def append(self, part: npt.NDArray[Any]) -> None:
        part.tofile(self._file)

    def array(self, dtype: Any) -> npt.NDArray[Any]:
        self._file.close()
        return _map(self._path, dtype)


_Sink = _Memory | _File
_PARTS = {"numbers": np.float64, "codes": np.int32, "lines": np.int64}


def _map(path: Path, dtype: Any) -> npt.NDArray[Any]:
    return np.memmap(path, dtype, "r") if path.stat().st_size else np.empty(0, dtype)


def _store(columns: Columns, temporary: Path, folder: Path) -> None:
    """Make the temporary folder of a table its folder in the cache; a cache that cannot be written is no error."""
    meta = {
        "rows": len(columns),
        "names": columns.names,
        "words": columns.words,
        "delimiter": columns.delimiter,
        "sha256": columns.sha256,
    }
    try:
        (temporary / "table.json").write_text(json.dumps(meta), encoding="utf-8")
        os.replace(temporary, folder)
    except OSError:
        return
    name = folder.name.partition("-")[0]
    for old in folder.parent.glob(f"{name}-*"):
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)


def _load(folder: Path) -> Columns | None:
    """Return the table that is stored in a folder, None if it is not there or not whole."""
    try:
        meta = json.loads(read_regular_file(folder / "table.json", MAX_META))
        names, words = tuple(meta["names"]), tuple(map(tuple, meta["words"]))
        n, k = int(meta["rows"]), len(names)
        numbers, codes, lines = (_map(folder / part, dtype) for part, dtype in _PARTS.items())
        return Columns(
            names,
            numbers.reshape(n, k),
            codes.reshape(n, k),
            words,
            lines.reshape(n),
            str(meta["delimiter"]),
            str(meta["sha256"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
