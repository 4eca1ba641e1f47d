"""The task of unsupervised models: to learn how likely the inputs are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from backprop_cli.data.dataset import Dataset
from backprop_cli.data.tasks import Encoder, Outputs, Regression, Targets
from backprop_cli.errors import UsageError

ROWS = 10_000
"""Examples whose inputs are looked at together: they may be in a file that is larger than memory."""


@dataclass(frozen=True)
class Density(Regression):
    """The distribution of the inputs is to be learned; targets are not used.

    In their place, each example has the number of one of its inputs, chosen at random but always the same: the unit by
    which the pseudo-likelihood is estimated. The outputs of an evaluation are the metrics of each example.
    """

    kind: ClassVar[str] = "Boltzmann machine"
    unsupervised: ClassVar[bool] = True
    metric_names: ClassVar[tuple[str, ...]] = ("reconstruction", "pseudo_likelihood", "free_energy")
    gaps: ClassVar[tuple[str, ...]] = ("free_energy_gap",)
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
        """Return the mean of each metric."""
        return {name: float(value) / len(targets) for name, value in zip(self.metric_names, total, strict=True)}

    def further_metrics(self, outputs: Outputs, targets: Targets, names: Iterable[str]) -> dict[str, float]:
        """Return nothing."""
        return {}


def without_targets(data: Dataset) -> Dataset:
    """Return a data set whose task is a Density, with a unit for each example in place of its targets.

    Raises UsageError unless the training inputs, which stand for probabilities, are from 0 to 1.
    """
    inputs = data.train.inputs
    parts = [np.asarray(inputs[start : start + ROWS]) for start in range(0, len(data.train), ROWS)]
    low, high = min(part.min() for part in parts) * data.scale, max(part.max() for part in parts) * data.scale
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
