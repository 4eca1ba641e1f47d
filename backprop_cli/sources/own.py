"""What data sets from a user's files have in common: how their examples are split, and what is known about them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from annotated_types import Ge

from backprop_cli.data.cache import Cache
from backprop_cli.data.dataset import Amount, DataSpec, InputPath, Source, Split, count
from backprop_cli.data.selection import Selection
from backprop_cli.data.splits import Fold, Rows, RowSplit, split_in_order, split_rows
from backprop_cli.data.tasks import Targets
from backprop_cli.errors import DataError, UnreadableError
from backprop_cli.files import open_regular_file
from backprop_cli.frozen import frozen

TEST, VALIDATION = 0.2, 0.15
"""The default share of the examples that is for testing, and of the others that is for validation."""

LARGE = 1 << 26
"""Inputs of more bytes than this are not copied when they are split: batches are gathered from the whole array."""

File = Annotated[str, InputPath()]
MaybeFile = Annotated[str | None, InputPath()]
Share = Annotated[Amount, Ge(0)]
Seed = Annotated[int, Ge(0)]


@frozen
class Examples:
    """What a user's files contain: examples for training and validation, and for testing if these are apart.

    `x` (n, ...) are inputs and `y` labels (n,), or values (n, k).
    """

    x: npt.NDArray[Any]
    y: npt.NDArray[Any]
    x_test: npt.NDArray[Any] | None
    y_test: npt.NDArray[Any] | None
    class_names: tuple[str, ...]
    image: tuple[int, int] | None
    sha256: dict[str, str]


class OwnSource(Source):
    """Examples of the user. A subclass says how they are read; classes are stratified when they are split."""

    origin = "files"
    test: Amount = TEST
    shuffle: bool = True
    split_seed: int = 0

    def files(self) -> list[Path]:
        """Return the files that the examples are read from."""
        raise NotImplementedError

    def read(self) -> Examples:
        """Return the examples. Raises DataError, with the file, if they cannot be read."""
        raise NotImplementedError

    def describe(self, validation: Amount | None, train_size: Amount | None, fold: Fold | None = None) -> DataSpec:
        """Return what is known about the examples."""
        found = _examples(self)
        pool = len(found.x) - self._tested(found)
        n_test = self._tested(found) if found.x_test is None else len(found.x_test)
        if fold:
            rest, held_out = self._fold(np.arange(pool), None, fold)
            pool, n_test = len(rest), len(held_out)
        classes = len(found.class_names) or (int(found.y.max()) + 1 if found.y.dtype.kind in "iu" else 0)
        return DataSpec(
            inputs=int(np.prod(found.x.shape[1:])),
            pool=pool,
            validation=count(VALIDATION, pool),
            test=n_test,
            classes=classes,
            values=0 if classes else found.y.shape[1],
            class_names=found.class_names,
            image=found.image,
            scale=1 / 255 if found.x.dtype == np.uint8 else 1.0,
            sha256=found.sha256,
            mapped=isinstance(found.x, np.memmap),
        ).with_sizes(validation, train_size)

    def splits(
        self, cache: Cache, validation: int, train_size: int, fold: Fold | None = None
    ) -> tuple[Split, Split, Split]:
        """Return the training, validation and test examples; large arrays are not copied."""
        found = _examples(self)
        n, n_test = len(found.x), self._tested(found)
        labels = found.y if found.y.dtype.kind in "iu" else None
        if fold:
            pool = self._split(np.arange(n), (n - n_test, 0, n_test), labels).train
            rest, mine = self._fold(pool, labels, fold)
            parts = self._split(rest, (min(train_size, len(rest) - validation), validation, 0), labels)
            parts = RowSplit(parts.train, parts.validation, mine)
        else:
            sizes = (min(train_size, n - n_test - validation), validation, n_test)
            parts = self._split(np.arange(n), sizes, labels)
        train, held_out, test = (
            _rows_of(found.x, found.y, part, self.shuffle) for part in (parts.train, parts.validation, parts.test)
        )
        if found.x_test is not None and found.y_test is not None and not fold:
            test = _rows_of(found.x_test, found.y_test, np.arange(len(found.x_test)), shuffled=False)
        return train, held_out, test

    def _split(self, rows: Rows, sizes: tuple[int, int, int], labels: Rows | None) -> RowSplit:
        if not self.shuffle:
            return split_in_order(rows, sizes)
        return split_rows(rows, sizes, self.split_seed, None if labels is None else labels[rows])

    def _fold(self, rows: Rows, labels: Rows | None, fold: Fold) -> tuple[Rows, Rows]:
        if not self.shuffle:
            return fold.split_in_order(rows)
        return fold.split(rows, None if labels is None else labels[rows])

    def _tested(self, found: Examples) -> int:
        return 0 if found.x_test is not None else count(self.test, len(found.x))


def _rows_of(x: npt.NDArray[Any], y: Targets, rows: Rows, shuffled: bool) -> Split:
    """Return the examples in rows (m,), one after the other unless they are shuffled, without a copy of large ones."""
    flat: Any = x.reshape(len(x), -1)
    if x.nbytes > LARGE:
        return Split(Selection(flat, rows, x.dtype), y[rows])  # type: ignore[arg-type] # stands for an array
    chosen = rows if shuffled else slice(rows[0], rows[-1] + 1) if len(rows) else slice(0)
    return Split(flat[chosen], y[chosen])


@lru_cache(maxsize=2)
def _read(source: OwnSource, state: tuple[tuple[int, int], ...]) -> Examples:
    """Return the examples of files in this state: sizes and times of change."""
    return source.read()


def _examples(source: OwnSource) -> Examples:
    state = []
    for path in source.files():
        try:
            found = path.stat()
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from error
        state.append((found.st_size, found.st_mtime_ns))
    return _read(source, tuple(state))


def reading(path: Path, read: Callable[[Path], Any]) -> Any:
    """Return what `read` makes of a file; its errors get the file's name."""
    try:
        return read(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except UnreadableError as error:
        raise DataError(f"{path}: {error}") from error


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with open_regular_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
