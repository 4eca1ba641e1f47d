"""What a data set is, once it is in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Split:
    """Images and their labels: `pixels` (n, n_in), uint8, and `labels` (n,), uint8 from 0."""

    pixels: Pixels
    labels: Labels

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.labels)

    def __getitem__(self, rows: slice) -> Split:
        """Return the examples in a slice; nothing is copied."""
        return Split(self.pixels[rows], self.labels[rows])

    def one_hot(self, classes: int, dtype: str) -> npt.NDArray[Any]:
        """Return the targets y (n, classes): 1 at the label, 0 elsewhere."""
        return np.eye(classes, dtype=dtype)[self.labels]


@dataclass(frozen=True)
class Dataset:
    """The three splits of a data set; a network is fed pixels · scale, numbers from 0 to 1.

    `sha256` are the digests of the files it came from, by name.
    """

    name: str
    classes: int
    scale: float
    train: Split
    validation: Split
    test: Split
    sha256: Mapping[str, str]

    def split(self, name: str) -> Split:
        """Return the split called train, val or test."""
        return {"train": self.train, "val": self.validation, "test": self.test}[name]
