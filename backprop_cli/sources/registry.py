"""The registry of data sets, and loading one with its splits."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from backprop_cli.data.cache import Cache
from backprop_cli.data.dataset import Dataset, Source
from backprop_cli.data.splits import Fold
from backprop_cli.data.tasks import Task
from backprop_cli.errors import UsageError
from backprop_cli.sources.arrays import Arrays, Idx
from backprop_cli.sources.digits import Digits
from backprop_cli.sources.given import Given
from backprop_cli.sources.image_folder import Images
from backprop_cli.sources.mnist import Mnist
from backprop_cli.sources.synthetic import GENERATED
from backprop_cli.sources.table import Table

_SOURCES: tuple[type[Source], ...] = (Mnist, Digits, *GENERATED, Given, Table, Arrays, Idx, Images)

DATASETS = {source.name: source for source in _SOURCES}
"""Every data set by name; the fields of each are options of the config."""


def get_dataset(name: str) -> Source:
    """Return a data set with its default options. Raises UsageError if it is unknown or has options without default."""
    if name not in DATASETS:
        raise UsageError(f"there is no data set '{name}'; choose one of: {', '.join(DATASETS)}")
    source: Any = DATASETS[name]
    required = [f"{f.name}: …" for f in dataclasses.fields(source) if f.default is dataclasses.MISSING]
    if required:
        options = ", ".join(required)
        raise UsageError(f"data set '{name}' needs options; set them in a config: dataset: {{name: {name}, {options}}}")
    return source()


def data_folder(source: Source, cache: Cache) -> Path | None:
    """Return the folder of a data set's files, or None if it has none."""
    if source.origin == "cache":
        return cache.folder / source.name
    return Path(__file__).parent if source.origin == "embedded" else None


def load_dataset(
    source: Source, task: Task, validation: int, train_size: int, cache: Cache, fold: Fold | None = None
) -> Dataset:
    """Return a data set with splits of these sizes. Raises DataError if it is not available."""
    spec = source.describe(validation, train_size, fold)
    train, held_out, test = source.splits(cache, validation, train_size, fold)
    return Dataset(source.name, task, spec.scale, train, held_out, test, spec.sha256, spec.image)
