"""Cross-validation: the runs of the folds, and their metrics with mean and deviation."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from backprop_cli.data.cache import Cache
from backprop_cli.frozen import frozen
from backprop_cli.listing.columns import METRICS, metric_text
from backprop_cli.nn.arrays import Array
from backprop_cli.results.run import DatasetCache, Run
from backprop_cli.runs.folder import RunFolder
from backprop_cli.text import TITLES, table


def fold_runs(k: int, name: str) -> dict[str, tuple[str, ...]]:
    """Return the name of the run of each of k folds, and the overrides that make an experiment this fold."""
    return {f"{name}-fold-{i}": (f"fold.k={k}", f"fold.i={i}") for i in range(1, k + 1)}


@frozen
class CrossValidation:
    """The finished runs of the k folds; each was tested on the examples of its fold, which no part of it has seen."""

    runs: tuple[Run, ...]

    @classmethod
    def read(cls, runs_dir: Path, names: Iterable[str], cache: Cache) -> CrossValidation:
        """Return the cross-validation whose runs have these names. Raises RunError if one is damaged."""
        datasets = DatasetCache(cache)
        return cls(tuple(Run(RunFolder(runs_dir / name), datasets) for name in names))

    def __str__(self) -> str:
        return self.to_text()

    @cached_property
    def metrics(self) -> dict[str, Array]:
        """The metrics on the examples of each fold, (k,) by name, those that are defined in every fold."""
        names = [name.removeprefix("test_") for name in METRICS if name.startswith("test_")]
        common = [name for name in names if all(name in run.test for run in self.runs)]
        return {name: np.array([run.test[name] for run in self.runs]) for name in common}

    @property
    def mean(self) -> dict[str, float]:
        """The mean of each metric over the folds."""
        return {name: fmean(values) for name, values in self.metrics.items()}

    @property
    def std(self) -> dict[str, float]:
        """The sample standard deviation of each metric over the folds."""
        return {name: stdev(values) for name, values in self.metrics.items()}

    @property
    def headline(self) -> float:
        """The mean accuracy, or the mean rmse of a regression."""
        return next(iter(value for name, value in self.mean.items() if name != "cost"))

    def to_text(self) -> str:
        """Return a table with a line for each fold, and one with mean ± standard deviation."""
        header = ("fold", *(TITLES.get(name, name) for name in self.metrics))
        rows = [
            (run.path, *(metric_text(f"test_{name}", float(run.test[name])) for name in self.metrics))
            for run in self.runs
        ]
        means = (metric_text(f"test_{name}", self.mean[name], self.std[name]) for name in self.metrics)
        return table(header, [*rows, ("mean ± standard deviation", *means)])

    def to_dict(self) -> dict[str, Any]:
        """Return the metrics as plain data."""
        return {
            "folds": [{"run": str(run.path), **run.test} for run in self.runs],
            **{name: {"mean": self.mean[name], "std": self.std[name]} for name in self.metrics},
        }
