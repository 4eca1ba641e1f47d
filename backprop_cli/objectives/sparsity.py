"""Sparsity: terms of the objective that keep the activities a (..., m, n) of a layer low, each beside its gradient.

Like a penalty they belong to the objective alone: the cost that is reported is without them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array

EPS = 1e-6
"""Mean activities are kept so far from 0 and 1, where the divergence is infinite."""


class Sparsity:
    """A term of the cost of each example; `of_batch` says that it depends on the other examples of the batch."""

    of_batch: ClassVar[bool] = False

    def of_examples(self, a: Array) -> Array:
        """Return the term of each example, (..., m), or (..., 1) if all have the same."""
        raise NotImplementedError

    def gradient(self, a: Array) -> Array:
        """Return d(Σ_x of_examples)/da, (..., m, n), or (..., 1, n)."""
        raise NotImplementedError

    def sides(self, a: Array) -> list[Array]:
        """Return on which side of the kinks each activity is."""
        return []

    def given(self, mean: Array) -> Sparsity:
        """Return the term for a part of a batch with this mean activity (1, n)."""
        return self


@frozen
class Divergence(Sparsity):
    """β Σ_j KL(ρ ‖ ρ̂_j) = β Σ_j [ρ ln(ρ/ρ̂_j) + (1 - ρ) ln((1 - ρ)/(1 - ρ̂_j))], ρ̂_j being the mean of a_j.

    The mean is over the batch, or given as `mean` (1, n). Source: A. Ng, *Sparse autoencoder* (CS294A), section 3.
    """

    of_batch: ClassVar[bool] = True
    target: float
    beta: float
    mean: Array | None = None

    def of_examples(self, a: Array) -> Array:
        """Return the divergence, the same for all examples: their mean is what is added to the cost."""
        rho, r = self.target, self._mean(a)
        return self.beta * np.sum(rho * np.log(rho / r) + (1 - rho) * np.log((1 - rho) / (1 - r)), axis=-1)

    def gradient(self, a: Array) -> Array:
        """Return β (-ρ/ρ̂ + (1 - ρ)/(1 - ρ̂)); the 1/m of the mean is in the weight of an example."""
        r = self._mean(a)
        return self.beta * ((1 - self.target) / (1 - r) - self.target / r)

    def given(self, mean: Array) -> Divergence:
        """Return the divergence of this mean."""
        return replace(self, mean=mean)

    def _mean(self, a: Array) -> Array:
        mean = np.mean(a, axis=-2, keepdims=True) if self.mean is None else self.mean
        return np.clip(mean, EPS, 1 - EPS)


@frozen
class L1Activity(Sparsity):
    """λ Σ_j |a_j| of each example."""

    strength: float

    def of_examples(self, a: Array) -> Array:
        """Return λ Σ |a|."""
        return self.strength * np.sum(np.abs(a), axis=-1)

    def gradient(self, a: Array) -> Array:
        """Return λ sign(a)."""
        return self.strength * np.sign(a)

    def sides(self, a: Array) -> list[Array]:
        """Return the sign of a."""
        return [np.sign(a)]
