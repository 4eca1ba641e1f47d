"""The data sets there are, what is known of each before it is loaded, and how to load it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from backprop_cli.data.cache import Cache
from backprop_cli.data.dataset import Dataset, Split
from backprop_cli.data.digits import SHA256 as DIGITS_SHA256
from backprop_cli.data.digits import load_digits
from backprop_cli.data.mnist import FILES, load_mnist
from backprop_cli.errors import UsageError


@dataclass(frozen=True)
class Source:
    """A data set by name, and how many examples it has: a pool to train and validate on, and a test split.

    The last `validation` examples of the pool are the validation split by default. `load` returns the pool and
    the test split; pixels run from 0 to `brightest`. `sha256` are the digests of its files, which loading verifies.
    """

    name: str
    inputs: int
    classes: int
    pool: int
    validation: int
    test: int
    brightest: int
    sha256: Mapping[str, str]
    load: Callable[[Cache], tuple[Split, Split]]
    embedded: bool = False

    def folder(self, cache: Cache) -> Path:
        """Return where its files lie: in the program, or in the cache's folder of its name."""
        return Path(__file__).parent if self.embedded else cache.folder / self.name


DATASETS: dict[str, Source] = {
    "mnist": Source(
        "mnist", 784, 10, 60_000, 10_000, 10_000, 255, {f.unpacked_name: f.unpacked_sha256 for f in FILES}, load_mnist
    ),
    "digits": Source("digits", 64, 10, 1_497, 300, 300, 16, {"digits.npz": DIGITS_SHA256}, load_digits, embedded=True),
}
"""Every data set, by name."""


def find_source(name: str) -> Source:
    """Return the data set of a name. Raises UsageError if there is none."""
    if name not in DATASETS:
        raise UsageError(f"there is no data set '{name}'; choose one of: {', '.join(DATASETS)}")
    return DATASETS[name]


def load_dataset(name: str, validation: int, train_size: int, cache: Cache) -> Dataset:
    """Return a data set: the last `validation` examples of its pool, and the first `train_size` of the rest.

    Raises DataError if it is not to be had.
    """
    source = DATASETS[name]
    pool, test = source.load(cache)
    rest = len(pool) - validation
    train = pool[: min(train_size, rest)]
    return Dataset(name, source.classes, 1 / source.brightest, train, pool[rest:], test, source.sha256)
