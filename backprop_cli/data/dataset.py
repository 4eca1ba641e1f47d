"""A data set before it is loaded (Source, DataSpec) and in memory (Dataset, Split)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, get_args, get_type_hints

import numpy as np
import numpy.typing as npt

from backprop_cli.data.cache import Cache
from backprop_cli.data.report import Note, check_examples, notes_of
from backprop_cli.data.splits import Fold, Rows
from backprop_cli.data.tasks import Reconstruction, Regression, Targets, Task
from backprop_cli.errors import DataError
from backprop_cli.frozen import frozen
from backprop_cli.tables.preprocessing import Preprocessing

Amount = int | float
"""A number of examples, or a share of them."""


def count(amount: Amount, whole: int) -> int:
    """Return a number of examples, given as such or as a share of the whole."""
    return round(amount * whole) if isinstance(amount, float) else amount


class InputPath:
    """Annotates an option of a data set that is the path of a file, relative to the config that it is written in."""


def input_paths(source: type[Source]) -> list[str]:
    """Return the names of the options that are paths of files, in order."""
    hints = get_type_hints(source, include_extras=True)
    return [name for name, hint in hints.items() if any(isinstance(m, InputPath) for m in get_args(hint)[1:])]


Inputs = npt.NDArray[Any]
"""The inputs of n examples (n, n_0): uint8 pixels, or floating."""


@frozen
class Split:
    """Examples: `inputs` (n, n_0), an array or a Selection, and `targets`: labels (n,), values (n, k), or the inputs.

    Where the targets are the inputs, `classes` (n,) are the labels, if there are any. Their costs count `weights` (n,)
    times, once each without any. The weights of training examples have the mean 1.
    """

    inputs: Inputs
    targets: Targets
    weights: npt.NDArray[Any] | None = None
    classes: Rows | None = None

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.targets)

    def in_precision(self, dtype: str) -> Split:
        """Return the examples with inputs, if they are floating, and weights of that dtype."""
        inputs = self.inputs.astype(dtype, copy=False) if self.inputs.dtype.kind == "f" else self.inputs
        return replace(self, inputs=inputs, weights=None if self.weights is None else self.weights.astype(dtype))

    def reconstructing(self) -> Split:
        """Return the examples with their inputs as targets; nothing is copied."""
        return replace(self, targets=self.inputs, classes=self.labels)

    def __getitem__(self, rows: slice | Rows) -> Split:
        """Return the examples in a slice, of which nothing is copied, or in these rows."""
        inputs = self.inputs[rows]
        targets = inputs if self.targets is self.inputs else self.targets[rows]
        weights, classes = (None if array is None else array[rows] for array in (self.weights, self.classes))
        return Split(inputs, targets, weights, classes)

    def relative_to(self, other: Split) -> Split:
        """Return the examples with weights divided by the mean of those of other examples, if they have any.

        Raises DataError if these are all 0.
        """
        if self.weights is None or other.weights is None:
            return self
        if not np.any(other.weights):
            raise DataError("the weights of all training examples are 0")
        return replace(self, weights=self.weights / (other.total / len(other)))

    @property
    def labels(self) -> Rows | None:
        """The classes of the examples, if they have any."""
        is_label = len(self.targets.shape) == 1 and self.targets.dtype.kind in "iu"
        return self.targets if is_label else self.classes

    @property
    def total(self) -> float:
        """The sum of the weights."""
        return len(self) if self.weights is None else float(np.sum(self.weights, dtype=np.float64)) or 1.0


@frozen
class Dataset:
    """The three splits of a data set, and the task to learn; a network is fed inputs · scale.

    `sha256` are the digests of its files by name; `image` is the (height, width) of the images that the inputs are, if
    they are.
    """

    name: str
    task: Task
    scale: float
    train: Split
    validation: Split
    test: Split
    sha256: Mapping[str, str] = field(default_factory=dict)
    image: tuple[int, int] | None = None

    def x(self, inputs: Inputs, dtype: Any) -> Inputs:
        """Return the inputs of examples (n, n_0) as a network is fed them: scaled, and of the given dtype."""
        return inputs * np.asarray(self.scale, dtype)

    def split(self, name: str) -> Split:
        """Return the split called train, val or test."""
        return {"train": self.train, "val": self.validation, "test": self.test}[name]


@frozen
class DataSpec:
    """What is known about a data set before it is loaded; a checkpoint keeps it for data that are the user's.

    An example has `inputs` numbers, and belongs to one of `classes` or has that many `values` to predict; one of the
    two is 0. Of the `pool` examples that are not for testing, `validation` are for validation (a default, until sizes
    are given) and `train` for training; `test` are for testing. `class_names` are empty where classes are called by
    their number; `targets` are the names of the columns of classes or values. `image` is the (height, width) of the
    images that the inputs are, if they are. A network is fed inputs · scale, and outputs
    (value - value_center) / value_scale for the values. `preprocessing` turns the rows of a table into inputs.
    `sha256` are the digests of the files by name, which loading verifies. `fractions` says that all values are between
    0 and 1; `mapped`, that the inputs stay in their file, so that they take no memory. With `binary`, scaled inputs are
    1 where they are above it, else 0. Each of the training examples is trained on in so many `copies`. `outside` says
    that inputs are known to be outside 0…1.
    """

    inputs: int
    pool: int
    validation: int
    test: int
    classes: int = 0
    values: int = 0
    class_names: tuple[str, ...] = ()
    image: tuple[int, int] | None = None
    scale: float = 1.0
    sha256: Mapping[str, str] = field(default_factory=dict)
    fractions: bool = False
    targets: tuple[str, ...] = ()
    value_center: tuple[float, ...] = ()
    value_scale: tuple[float, ...] = ()
    preprocessing: Preprocessing | None = None
    train: int = 0
    mapped: bool = False
    binary: float | None = None
    copies: int = 1
    outside: bool = False

    @property
    def trained(self) -> int:
        """The number of examples of an epoch."""
        return self.train * self.copies

    @property
    def limit(self) -> float | None:
        """The number above which a pixel is 1, in the units of the data, and else 0; None if pixels are not cut."""
        return None if self.binary is None else self.binary / self.scale

    def fed(self, x: Inputs, scale: float) -> Inputs:
        """Return inputs as a network is fed them: x · scale, or 0 or 1 if they are `binary`."""
        if self.binary is None:
            return np.asarray(x * np.asarray(scale, x.dtype))
        return (x > self.binary / scale).astype(x.dtype)

    def with_sizes(self, validation: Amount | None, train_size: Amount | None) -> DataSpec:
        """Return the same with these sizes of the splits; a share of training examples is of those that remain."""
        n_validation = self.validation if validation is None else count(validation, self.pool)
        rest = max(0, self.pool - n_validation)
        return replace(self, validation=n_validation, train=rest if train_size is None else count(train_size, rest))

    @property
    def is_scattered(self) -> bool:
        """Whether examples are points in the plane, each with a class, or values of one input: a chart shows them."""
        return (self.inputs, self.classes > 0) in ((2, True), (1, False))

    def reconstructing(self) -> DataSpec:
        """Return what is known where the inputs are the targets: they are values, and there are no classes."""
        columns = self.preprocessing.columns if self.preprocessing else ()
        constants = [of_input for column in columns for of_input in column.constants]
        spec = replace(self, classes=0, values=self.inputs, fractions=self.scale != 1, class_names=(), targets=())
        center, scale = (tuple(of_input[k] for of_input in constants) for k in (1, 2))
        return replace(spec, value_center=center, value_scale=scale)

    @property
    def reconstruction(self) -> Reconstruction:
        """The task of reconstructing the inputs."""
        return Reconstruction(self.inputs, self.value_center, self.value_scale, self.scale)

    @property
    def regression(self) -> Regression:
        """The task of predicting the values."""
        return Regression(self.values, self.value_center, self.value_scale)


class Report(Protocol):
    """What is worth knowing about a data set."""

    def to_text(self) -> str:
        """Return it as lines and tables."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""


class Source:
    """A data set that can be loaded; its fields are options of the config.

    `origin` is where its examples come from: files of the program ("embedded"), files in the cache ("cache"), the
    computer ("generated"), its fields ("config"), or files of the user ("files"). A source has `spec` and `load`; where
    the splits matter for what is known, it has `describe` and `splits` in place of them.
    """

    name: ClassVar[str]
    origin: ClassVar[str]

    @property
    def spec(self) -> DataSpec:
        """What is known before loading. A source that has to open a file for it raises DataError if it cannot."""
        return self.describe(None, None)

    @property
    def question(self) -> str:
        """What to ask where the data have neither classes nor values, which only some sources leave out."""
        return "what is to be predicted?"

    def load(self, cache: Cache) -> tuple[Split, Split]:
        """Return the pool and the test split. Raises DataError if they are not available."""
        raise NotImplementedError

    def describe(self, validation: Amount | None, train_size: Amount | None, fold: Fold | None = None) -> DataSpec:
        """Return what is known, given the sizes of the splits: numbers of examples, shares of the pool, or None.

        In a cross-validation the examples of a fold of the pool take the place of the test examples.
        """
        spec = self.spec
        if fold:
            spec = replace(spec, pool=spec.pool - fold.size(spec.pool), test=fold.size(spec.pool))
        return spec.with_sizes(validation, train_size)

    def problems(self, spec: DataSpec) -> Iterator[tuple[str, str]]:
        """Yield (option, sentence) for options that do not fit the data."""
        yield from ()

    def splits(
        self, cache: Cache, validation: int, train_size: int, fold: Fold | None = None
    ) -> tuple[Split, Split, Split]:
        """Return the training, validation and test examples: the pool's first, and its last. Raises DataError."""
        pool, test = self.load(cache)
        if fold:
            train, held_out = fold.split(np.arange(len(pool)), pool.labels)
            pool, test = pool[train], pool[held_out]
        rest = len(pool) - validation
        return pool[: min(train_size, rest)], pool[rest:], test

    @property
    def title(self) -> str:
        """The name of the data for a user: that of the first file, if they are the user's."""
        return next((Path(path).name for name in input_paths(type(self)) if (path := getattr(self, name))), self.name)

    def notes(self, validation: int, train_size: int, fold: Fold | None = None) -> Iterable[Note]:
        """Yield what was decided about the data, for a user who has not seen it."""
        return notes_of(self.describe(validation, train_size, fold))

    def check(self, cache: Cache, validation: int, train_size: int) -> Report:
        """Return what is worth knowing about the data before they are trained on. Raises DataError."""
        return check_examples(self.describe(validation, train_size), self.splits(cache, validation, train_size))
