"""The data sets there are, and how one is split."""

from __future__ import annotations

from pathlib import Path

from backprop_cli.data import toys
from backprop_cli.data.cache import Cache
from backprop_cli.data.dataset import Dataset, Source
from backprop_cli.data.digits import Digits
from backprop_cli.data.mnist import Mnist
from backprop_cli.data.tasks import Task
from backprop_cli.errors import UsageError

DATASETS: dict[str, type[Source]] = {
    source.name: source
    for source in (
        Mnist,
        Digits,
        toys.And,
        toys.Or,
        toys.Nand,
        toys.Xor,
        toys.Majority,
        toys.Parity,
        toys.Blobs,
        toys.Moons,
        toys.Spirals,
        toys.Sine,
        toys.Bump,
    )
}
"""Every data set, by name; the fields of each are options of the config."""


def find_source(name: str) -> Source:
    """Return the data set of a name, with its defaults. Raises UsageError if there is none."""
    if name not in DATASETS:
        raise UsageError(f"there is no data set '{name}'; choose one of: {', '.join(DATASETS)}")
    return DATASETS[name]()


def folder_of(source: Source, cache: Cache) -> Path | None:
    """Return where the files of a data set lie, or None if it has none."""
    if source.home == "cache":
        return cache.folder / source.name
    return Path(__file__).parent if source.home == "embedded" else None


def load_dataset(source: Source, task: Task, validation: int, train_size: int, cache: Cache) -> Dataset:
    """Return a data set: the last `validation` examples of its pool, and the first `train_size` of the rest.

    Raises DataError if it is not to be had.
    """
    pool, test = source.load(cache)
    rest = len(pool) - validation
    train = pool[: min(train_size, rest)]
    return Dataset(source.name, task, source.scale, train, pool[rest:], test, source.sha256, source.image)
