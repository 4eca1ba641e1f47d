"""The short way: an experiment for a file or folder with data, without a config.

The network and its training are one set of values for all data, chosen on ten tables (docs/results.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from backprop_cli.data.dataset import DataSpec
from backprop_cli.errors import UsageError
from backprop_cli.experiment.schema import Experiment

COMMON: dict[str, Any] = {
    "layers": ["auto", 64, "auto"],
    "activation": "relu",
    "initializer": "he",
    "optimizer": "adam",
    "eta": 0.01,
    "schedule": "cosine",
    "batch_size": 32,
    "epochs": 60,
    "early_stopping": {"patience": 10},
    "monitor": "cost",
    "lambda": 1.0,
}
"""Keys for all data."""

CLASSES = {"output": "softmax", "cost": "cross_entropy"}
VALUES = {"output": "identity", "cost": "quadratic"}
"""Further keys for classes, and for values."""

FITTED_TO = {"optimizer": ("eta", "schedule"), "cost": ("output",)}
"""Keys that suit the value of another key, and are left to the program if that is changed."""

OF_DATA = ("dataset", "target", "targets", "validation", "train_size")
"""Keys that decide what is known about the data."""


def keys_for(dataset: Mapping[str, Any], data: DataSpec | None, changed: Sequence[str]) -> dict[str, Any]:
    """Return the keys of an experiment on a data set; `changed` are the keys that the user sets otherwise.

    `data` is what is known about the data set, None if its options have errors.
    """
    values = data is not None and not data.classes
    chosen = {"dataset": dataset, **COMMON, **(VALUES if values else CLASSES)}
    if data is not None and data.train < COMMON["batch_size"]:
        chosen["batch_size"] = "full"
    if data is not None and not data.validation:
        del chosen["early_stopping"]
    for key in set(FITTED_TO) & set(changed):
        for other in FITTED_TO[key]:
            chosen.pop(other)
    if values and "targets" in changed:
        chosen.pop("output", None)  # of an autoencoder, it depends on the inputs
    return chosen


def look_at(path: Path, values: Mapping[str, Any]) -> DataSpec | None:
    """Return what is known about the data in a file, given the keys about them; None if these have errors.

    Raises DataError if the data cannot be read.
    """
    try:
        return Experiment.model_validate({"layers": ["auto", "auto"], **values}).data
    except (ValidationError, UsageError):
        return None
