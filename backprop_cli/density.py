"""The task of unsupervised models: to learn how likely the inputs are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from backprop_cli.data.dataset import Dataset, Inputs
from backprop_cli.data.tasks import Encoder, Outputs, Regression, Targets
from backprop_cli.errors import UsageError
from backprop_cli.frozen import frozen

ROWS = 10_000
"""Examples whose inputs are looked at together: they may be in a file that is larger than memory."""


@frozen
class Density(Regression):
    """The distribution of the inputs is to be learned; targets are not used.

    In their place, each example has the number of one of its inputs, chosen at random but always the same: the unit by
    which the pseudo-likelihood is estimated. The outputs of an evaluation are the metrics of each example, and its free
    energy.
    """

    kind: ClassVar[str] = "density estimation"
    unsupervised: ClassVar[bool] = True
    metric_names: ClassVar[tuple[str, ...]] = ("pseudo_likelihood", "reconstruction")
    further: ClassVar[tuple[str, ...]] = ()
    monitor: ClassVar[str] = "pseudo_likelihood"

    def encode(self, targets: Targets, dtype: Any) -> Outputs:
        """Return 1 where the chosen unit of an example is, (n, inputs)."""
        y = np.zeros((len(targets), self.outputs), dtype)
        self.encoder(dtype)(targets, y)
        return y

    def encoder(self, dtype: Any) -> Encoder:
        """Return what writes this into an array."""

        def write(targets: Targets, y: Outputs) -> None:
            y[...] = 0
            y[np.arange(len(targets)), targets] = 1

        return write

    def predict(self, outputs: Outputs) -> Outputs:
        """Return the outputs."""
        return outputs

    def measure(self, outputs: Outputs, targets: Targets) -> Any:
        """Return the sum of each metric."""
        return np.sum(outputs, axis=0, dtype=np.float64)

    def metrics(self, total: Any, targets: Targets) -> dict[str, float]:
        """Return the mean of each metric, and of the free energy."""
        means = (float(value) / len(targets) for value in total)
        return dict(zip((*self.metric_names, "free_energy"), means, strict=True))

    def further_metrics(self, outputs: Outputs, targets: Targets, names: Iterable[str]) -> dict[str, float]:
        """Return nothing."""
        return {}


def without_targets(data: Dataset) -> Dataset:
    """Return a data set whose task is a Density, with a unit for each example in place of its targets.

    Raises UsageError unless the training inputs, which stand for probabilities, are from 0 to 1.
    """
    extremes = [(part.min(), part.max()) for part in _parts(data)]
    low, high = min(low for low, _ in extremes) * data.scale, max(high for _, high in extremes) * data.scale
    if low < 0 or high > 1:
        needs = "the units of a Boltzmann machine need inputs from 0 to 1"
        raise UsageError(f"cost: {needs}; those of {data.name} are from {low:.4g} to {high:.4g}")
    train, validation, test = (
        replace(
            split, targets=np.random.default_rng(0).integers(data.task.outputs, size=len(split)), classes=split.labels
        )
        for split in (data.train, data.validation, data.test)
    )
    return replace(data, train=train, validation=validation, test=test)


def mean_input(data: Dataset) -> Outputs:
    """Return the mean of the training inputs, scaled, (n_0,)."""
    total = sum(np.sum(part, axis=0, dtype=np.float64) for part in _parts(data))
    return np.asarray(total / len(data.train) * data.scale)


def _parts(data: Dataset) -> Iterator[Inputs]:
    inputs = data.train.inputs
    return (np.asarray(inputs[start : start + ROWS]) for start in range(0, len(data.train), ROWS))
