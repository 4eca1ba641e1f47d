"""What a data set is, before it is loaded and once it is in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy.typing as npt

from backprop_cli.data.cache import Cache
from backprop_cli.data.tasks import Targets, Task

Inputs = npt.NDArray[Any]
"""The inputs of n examples (n, n_0): uint8, as the pixels of images are kept, or floating."""


@dataclass(frozen=True)
class Split:
    """Examples: `inputs` (n, n_0) and `targets`, labels (n,) or values (n, k)."""

    inputs: Inputs
    targets: Targets

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.targets)

    def __getitem__(self, rows: slice) -> Split:
        """Return the examples in a slice; nothing is copied."""
        return Split(self.inputs[rows], self.targets[rows])


@dataclass(frozen=True)
class Dataset:
    """The three splits of a data set; a network is fed inputs · scale, and asked what the task says.

    `sha256` are the digests of the files it came from, by name; `image` is the (height, width) of the images that
    the inputs are, if they are.
    """

    name: str
    task: Task
    scale: float
    train: Split
    validation: Split
    test: Split
    sha256: Mapping[str, str] = field(default_factory=dict)
    image: tuple[int, int] | None = None

    def split(self, name: str) -> Split:
        """Return the split called train, val or test."""
        return {"train": self.train, "val": self.validation, "test": self.test}[name]


class Source(Protocol):
    """A data set as far as it is known before it is loaded: a pool to train and validate on, and a test split.

    The last `validation` examples of the pool are the validation split by default. A network is fed inputs · scale.
    `sha256` are the digests of its files, which loading verifies; `home` is where they lie: in the program
    ("embedded"), in the cache ("cache"), or nowhere ("made"), as they are made on the spot.
    """

    name: ClassVar[str]
    home: ClassVar[str]
    image: ClassVar[tuple[int, int] | None]
    scale: ClassVar[float]
    sha256: ClassVar[Mapping[str, str]]

    @property
    def inputs(self) -> int:
        """Numbers in an example."""

    @property
    def classes(self) -> int:
        """The number of classes; 0 where values are asked for."""

    @property
    def pool(self) -> int:
        """Examples to train and validate on."""

    @property
    def validation(self) -> int:
        """Of these, the examples to validate on by default."""

    @property
    def test(self) -> int:
        """Examples to test on."""

    def load(self, cache: Cache) -> tuple[Split, Split]:
        """Return the pool and the test split. Raises DataError if they are not to be had."""
