"""Rows of a Parquet file, a batch of a row group at a time. Needs pyarrow, the extra `parquet`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from backprop_cli.errors import DataError, UsageError
from backprop_cli.files import open_regular_file
from backprop_cli.tables.delimited import FREE_BYTES, MAX_FIELD, MAX_RATIO, Chunk, Parser, check_names

BYTES_PER_CELL = 12
"""Memory that a cell of a table takes."""


@dataclass
class Parquet:
    """An open Parquet file: a context manager; see `Delimited`. Rows are numbered from 1."""

    path: Path
    names: tuple[str, ...] = ()
    delimiter: str = ""
    sha256: str = ""
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Parquet:
        try:
            import pyarrow.parquet
        except ImportError:
            raise UsageError(
                f"{self.path}: pyarrow not installed: pip install pyarrow, or install the extra 'parquet'"
            ) from None
        self._errors: tuple[type[Exception], ...] = (pyarrow.ArrowException, OSError, ValueError)
        with ExitStack() as stack:
            try:
                opened = stack.enter_context(open_regular_file(self.path))
            except OSError as error:
                raise DataError(f"{self.path}: cannot be read: {error.strerror}") from error
            try:
                self.sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
                size = opened.tell()
                self._file: Any = pyarrow.parquet.ParquetFile(opened)
                names, n = self._file.schema_arrow.names, self._file.metadata.num_rows
            except self._errors as error:
                raise DataError(f"{self.path}: not a complete Parquet file") from error
            self.names = check_names(names, str(self.path))
            if n * len(names) * BYTES_PER_CELL > max(FREE_BYTES, MAX_RATIO * size):
                raise DataError(f"{self.path}: {n:,} rows in {size:,} bytes; more than {MAX_RATIO} times its size")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def chunks(self, rows: int, parsers: Sequence[Parser]) -> Iterator[Chunk]:
        """Yield the cells of up to so many rows. Raises DataError for a column of lists, bytes or other structures."""
        done = 0
        try:
            for batch in self._file.iter_batches(rows):
                m = len(batch)
                columns = zip(self.names, batch.columns, parsers, strict=True)
                yield np.arange(done + 1, done + m + 1), [self._parse(*column) for column in columns]
                done += m
        except self._errors as error:
            raise DataError(f"{self.path}: not a complete Parquet file") from error

    def _parse(self, name: str, values: Any, parser: Parser) -> Any:
        from pyarrow import types

        kind = values.type
        if types.is_dictionary(kind):
            values = values.dictionary_decode()
            kind = values.type
        if types.is_integer(kind) or types.is_floating(kind):
            numbers = values.cast("float64", safe=False).to_numpy(zero_copy_only=False)
            if not np.isinf(numbers).any():
                return parser.numbers(numbers)
        if types.is_nested(kind) or types.is_binary(kind) or types.is_large_binary(kind):
            raise DataError(f"{self.path}: column '{name}' has cells of type {kind}; expected numbers or text")
        cells = ["" if value is None else str(value) for value in values.to_pylist()]
        if max(map(len, cells), default=0) > MAX_FIELD:
            raise DataError(f"{self.path}: column '{name}' has a cell of more than {MAX_FIELD:,} characters")
        return parser.parse(cells)
