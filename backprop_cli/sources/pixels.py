"""Options of every data set of images: pixels that are 0 or 1, and shifted copies of the training images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt, Lt

from backprop_cli.data.cache import Cache
from backprop_cli.data.dataset import Amount, DataSpec, Source, Split
from backprop_cli.data.splits import Fold

DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1))
"""(rows, columns) of the shifts: down, up, right, left."""


@dataclass(frozen=True, kw_only=True)
class Pixels(Source):
    """A data set whose images are changed after it is loaded. A subclass has it before the source that loads.

    With `binary`, a pixel is 1 if it is above that share of the largest one, else 0. With `shifts`, the training images
    are followed by four copies of them, shifted by so many pixels down, up, right and left; zeros move in.
    """

    binary: Annotated[float, Gt(0), Lt(1)] | None = None
    shifts: Annotated[int, Ge(1)] | None = None

    def problems(self, spec: DataSpec) -> Iterator[tuple[str, str]]:
        """Yield what prevents shifts."""
        if self.shifts and not spec.image:
            yield "shifts", f"needs grey images, but the examples of {self.name} have no height and width"
        elif self.shifts and spec.image and self.shifts >= min(spec.image):
            size = "x".join(map(str, spec.image))
            yield "shifts", f"{self.shifts} pixels move images of {size} out of view; use {min(spec.image) - 1} or less"

    def describe(self, validation: Amount | None, train_size: Amount | None, fold: Fold | None = None) -> DataSpec:
        """Return what is known: the sizes of the splits are those before training images are shifted."""
        spec = super().describe(validation, train_size, fold)
        if not (self.binary or self.shifts):
            return spec
        return replace(spec, binary=self.binary, copies=1 + len(DIRECTIONS) * bool(self.shifts), mapped=False)

    def splits(
        self, cache: Cache, validation: int, train_size: int, fold: Fold | None = None
    ) -> tuple[Split, Split, Split]:
        """Return the training, validation and test examples, after the options have changed them."""
        train, *others = super().splits(cache, validation, train_size, fold)
        if self.binary or self.shifts:
            spec = self.describe(validation, train_size, fold)
            train, *others = (_cut(split, spec) for split in (train, *others))
            train = _shifted(train, spec, self.shifts) if self.shifts else train
        return train, others[0], others[1]


def _cut(split: Split, spec: DataSpec) -> Split:
    """Return examples whose pixels are 0 or the largest pixel."""
    if spec.limit is None:
        return split
    x = np.asarray(split.inputs)
    largest = x.dtype.type(round(1 / spec.scale))
    return replace(split, inputs=(x > spec.limit) * largest)


def _shifted(split: Split, spec: DataSpec, pixels: int) -> Split:
    """Return the examples, and behind them all of them shifted in each of the directions."""
    assert spec.image is not None
    x = np.asarray(split.inputs).reshape(-1, *spec.image)
    every: npt.NDArray[Any] = np.zeros((1 + len(DIRECTIONS), *x.shape), x.dtype)
    every[0] = x
    for copies, (rows, columns) in zip(every[1:], DIRECTIONS, strict=True):
        to_rows, from_rows = _overlap(rows * pixels)
        to_columns, from_columns = _overlap(columns * pixels)
        copies[:, to_rows, to_columns] = x[:, from_rows, from_columns]
    return Split(
        every.reshape(-1, spec.inputs), np.tile(split.targets, (len(every),) + (1,) * (split.targets.ndim - 1))
    )


def _overlap(shift: int) -> tuple[slice, slice]:
    """Return the indices along an axis that are written and read by a shift."""
    start, end = slice(abs(shift), None), slice(None, -abs(shift) or None)
    return (start, end) if shift > 0 else (end, start) if shift < 0 else (slice(None), slice(None))
