"""The data sets `arrays` and `idx`: NumPy arrays, and files in the format of MNIST."""

from __future__ import annotations

import gzip
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_cli.data.idx import parse_idx
from backprop_cli.data.npy import MAX_BYTES, read_npy, read_npz
from backprop_cli.errors import DataError, UnreadableError, UsageError
from backprop_cli.files import open_regular_file
from backprop_cli.frozen import frozen
from backprop_cli.sources.own import LARGE, TEST, Examples, File, MaybeFile, OwnSource, Seed, Share, digest_of, reading
from backprop_cli.sources.pixels import Pixels

MAX_CLASSES = 100_000

BLOCK = 1 << 22
"""Numbers that are checked at a time."""


@frozen
class Arrays(Pixels, OwnSource):
    """NumPy arrays: an .npz file with x and y (and x_test, y_test), or an .npy file for each.

    x (n, ...) are bytes, which are divided by 255, or numbers; y are labels 0, 1, … (n,) or floating values (n,) or
    (n, k). A large .npy file of uint8 or float32 stays on disk, and may be larger than memory.
    """

    name = "arrays"
    file: MaybeFile = None
    x: MaybeFile = None
    y: MaybeFile = None
    x_test: MaybeFile = None
    y_test: MaybeFile = None
    test: Share = TEST
    shuffle: bool = True
    split_seed: Seed = 0

    def files(self) -> list[Path]:
        """Return the files."""
        return [Path(file) for file in (self.file, self.x, self.y, self.x_test, self.y_test) if file]

    def read(self) -> Examples:
        """Return the arrays. Raises DataError."""
        if (self.file is None) == (self.x is None or self.y is None) or (self.x_test is None) != (self.y_test is None):
            raise UsageError("dataset 'arrays' needs file: FILE.npz, or x: FILE.npy and y: FILE.npy")
        found = {}
        if self.file:
            found = reading(Path(self.file), read_npz)
            if missing := [name for name in ("x", "y") if name not in found]:
                names = ", ".join(found) or "no arrays"
                raise DataError(f"{self.file}: there is no array '{missing[0]}' in it, but {names}")
        else:
            for name in ("x", "y", "x_test", "y_test"):
                if file := getattr(self, name):
                    mapped = name.startswith("x") and (not self.shuffle or Path(file).stat().st_size > LARGE)
                    found[name] = reading(Path(file), partial(read_npy, mapped=mapped))
        x, y = _checked(found["x"], found["y"], str(self.file or self.x), str(self.file or self.y))
        x_test = y_test = None
        if "x_test" in found and "y_test" in found:
            files = str(self.file or self.x_test), str(self.file or self.y_test)
            x_test, y_test = _checked(found["x_test"], found["y_test"], *files)
            if x_test.shape[1:] != x.shape[1:] or y_test.shape[1:] != y.shape[1:]:
                raise DataError(f"x_test {x_test.shape} and y_test {y_test.shape} do not fit x {x.shape}, y {y.shape}")
        image = (x.shape[1], x.shape[2]) if x.ndim == 3 else None
        return Examples(x, y, x_test, y_test, (), image, {path.name: digest_of(path) for path in self.files()})


@frozen
class Idx(Pixels, OwnSource):
    """Files in the format of MNIST, plain or gzipped: Fashion-MNIST, EMNIST and others."""

    name = "idx"
    images: File = ""
    labels: File = ""
    test_images: MaybeFile = None
    test_labels: MaybeFile = None
    test: Share = TEST
    shuffle: bool = True
    split_seed: Seed = 0

    def files(self) -> list[Path]:
        """Return the files."""
        return [Path(file) for file in (self.images, self.labels, self.test_images, self.test_labels) if file]

    def read(self) -> Examples:
        """Return the images, at most 2 GB, and the labels. Raises DataError."""
        if (self.test_images is None) != (self.test_labels is None):
            raise UsageError("dataset 'idx' needs both test_images and test_labels, or neither")
        arrays = [reading(path, _read_idx) for path in self.files()]
        for images, labels, path in zip(arrays[::2], arrays[1::2], self.files()[::2], strict=True):
            if images.ndim < 2 or labels.ndim != 1 or len(images) != len(labels):
                raise DataError(f"{path}: images {images.shape} do not fit the labels {labels.shape}")
        x, y = arrays[:2]
        x_test, y_test = arrays[2:] if len(arrays) == 4 else (None, None)
        image = (x.shape[1], x.shape[2]) if x.ndim == 3 else None
        return Examples(x, y, x_test, y_test, (), image, {path.name: digest_of(path) for path in self.files()})


def _read_idx(path: Path) -> npt.NDArray[Any]:
    try:
        with open_regular_file(path) as packed:
            data = (gzip.GzipFile(fileobj=packed) if path.suffix == ".gz" else packed).read(MAX_BYTES + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableError("not a complete gzip file") from error
    if len(data) > MAX_BYTES:
        raise UnreadableError("more than 2 GB")
    return parse_idx(data, str(path))


def _checked(
    x: npt.NDArray[Any], y: npt.NDArray[Any], x_name: str, y_name: str
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return inputs and targets as they are used. Raises DataError, with the name of the file, for others."""
    if x.ndim < 2 or len(x) != len(y) or not len(x):
        raise DataError(f"{x_name}: x {x.shape} and y {y.shape}; expected x (n, ...) and y (n,) or (n, k)")
    if x.dtype not in (np.uint8, np.float32):
        with np.errstate(over="ignore"):
            x = x.astype(np.float32)
    _check_finite(x, f"{x_name}: x")
    if y.dtype.kind == "f":
        _check_finite(y, f"{y_name}: y")
        return x, y.reshape(len(y), -1).astype(np.float64)
    if y.ndim != 1 or y.min() < 0:
        raise DataError(f"{y_name}: y {y.dtype} {y.shape}: labels must be 0, 1, … (n,)")
    if y.max() >= MAX_CLASSES:
        k = int(np.argmax(y))
        raise DataError(f"{y_name}: y has the label {y[k]} in row {k}; labels must be 0, 1, … below {MAX_CLASSES:,}")
    return x, y.astype(np.uint8 if y.max() < 256 else np.intp)


def _check_finite(values: npt.NDArray[Any], name: str) -> None:
    """Raise DataError, with the row, if not all values (n, ...) are finite; a block of rows at a time."""
    rows = max(1, BLOCK // max(1, values[:1].size))
    for start in range(0, len(values) if values.dtype.kind == "f" else 0, rows):
        block = values[start : start + rows]
        if not np.isfinite(block).all():
            row = start + int(np.flatnonzero(~np.isfinite(block).reshape(len(block), -1).all(axis=1))[0])
            raise DataError(f"{name} has values that are not finite, first in row {row}")
