"""Costs: how far the output a = f(z) is from the target y, each beside dC/dz (BP1).

z, a and y have shape (..., m, n_out). The cost of a batch is the mean over its m examples of the cost of
each, and that 1/m enters here, as the `weight` of an example, and nowhere else.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from backprop_cli.nn.activations import ACTIVATIONS, Activation
from backprop_cli.nn.arrays import Array


class Cost(Protocol):
    """A cost, for the output activations in `outputs`."""

    @property
    def name(self) -> str:
        """The word for it in a config."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the output activations it goes with."""

    def of_examples(self, output: Activation, z: Array, a: Array, y: Array) -> Array:
        """Return the cost of each example, of shape (..., m)."""

    def delta(self, output: Activation, z: Array, a: Array, y: Array, weight: Array | float) -> Array:
        """Return d(weight · Σ_x C_x)/dz, of the shape of z (BP1); weight = 1/m makes it the mean's."""


class Quadratic:
    """C = 1/(2m) Σ ‖a - y‖² (Nielsen, eq. 6)."""

    name = "quadratic"
    outputs = tuple(ACTIVATIONS)

    def of_examples(self, output: Activation, z: Array, a: Array, y: Array) -> Array:
        """Return ½ ‖a - y‖² of each example."""
        difference = a - y
        costs: Array = 0.5 * np.sum(difference * difference, axis=-1)
        return costs

    def delta(self, output: Activation, z: Array, a: Array, y: Array, weight: Array | float) -> Array:
        """Return weight · (a - y) ⊙ f'(z), or what softmax has in place of f' (BP1)."""
        return output.pull_back(z, a, weight * (a - y))


class CrossEntropy:
    """The cross-entropy of a sigmoid output or of a softmax output, the two that have one.

    Sigmoid: C = -1/m Σ Σ [y ln a + (1 - y) ln(1 - a)] (Nielsen, eq. 63).
    Softmax: C = -1/m Σ Σ y ln a (Nielsen, eq. 80, for targets that sum to one).
    Both are computed from z, where ln a never sees an a that was rounded to 0 or 1.
    """

    name = "cross_entropy"
    outputs = ("sigmoid", "softmax")

    def of_examples(self, output: Activation, z: Array, a: Array, y: Array) -> Array:
        """Return the cross-entropy of each example."""
        return {"sigmoid": _of_sigmoid, "softmax": _of_softmax}[output.name](z, y)

    def delta(self, output: Activation, z: Array, a: Array, y: Array, weight: Array | float) -> Array:
        """Return weight · (a - y) (BP1): the slope of the output cancels (Nielsen, eq. 68 and problem 3.1)."""
        delta: Array = weight * (a - y)
        return delta


def _of_sigmoid(z: Array, y: Array) -> Array:
    """-ln σ(z) = ln(1 + e^-z) and -ln(1 - σ(z)) = ln(1 + e^z), together max(z, 0) - y z + ln(1 + e^-|z|)."""
    costs: Array = np.sum(np.maximum(z, 0) - y * z + np.log1p(np.exp(-np.abs(z))), axis=-1)
    return costs


def _of_softmax(z: Array, y: Array) -> Array:
    """-ln a_j = ln Σ_k e^{z_k} - z_j, the largest z taken out of the sum."""
    top = np.max(z, axis=-1, keepdims=True)
    log_sum = top + np.log(np.sum(np.exp(z - top), axis=-1, keepdims=True))
    costs: Array = np.sum(y * (log_sum - z), axis=-1)
    return costs


COSTS: dict[str, Cost] = {cost.name: cost for cost in (Quadratic(), CrossEntropy())}
"""Every cost, by name."""

OUTPUT_PAIRS: tuple[tuple[str, str], ...] = tuple(
    (cost.name, output) for cost in COSTS.values() for output in cost.outputs
)
"""Every (cost, output activation) that there is; any other is a config error."""
