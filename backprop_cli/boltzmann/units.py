"""The units of a restricted Boltzmann machine: what they are on average, and how they are sampled."""

from __future__ import annotations

from typing import ClassVar, Protocol

import numpy as np

from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.arrays import Array, Noise


class HiddenUnits(Protocol):
    """Units that are independent of each other given the visible ones, which reach them as z = W v + b.

    `binary` says that they are 0 or 1.
    """

    binary: ClassVar[bool] = False

    def mean(self, z: Array) -> Array:
        """Return E[h | v], of the shape of z."""

    def sample(self, mean: Array, noise: Noise) -> Array:
        """Return h drawn from p(h | v), given E[h | v], of the same shape."""

    def log_sum(self, z: Array) -> Array:
        """Return ln Σ_h exp(h z - e(h)) of each unit, of the shape of z; its derivative is the mean."""

    def own_energy(self, h: Array) -> Array:
        """Return e(h), the energy of each unit alone, of the shape of h."""


class Bernoulli(HiddenUnits):
    """h is 0 or 1, and 1 with probability σ(z)."""

    binary: ClassVar[bool] = True

    def mean(self, z: Array) -> Array:
        """Return σ(z)."""
        return ACTIVATIONS["sigmoid"].value(z)

    def sample(self, mean: Array, noise: Noise) -> Array:
        """Return 0 or 1."""
        return bernoulli(mean, noise)

    def log_sum(self, z: Array) -> Array:
        """Return ln(1 + e^z)."""
        return softplus(z)

    def own_energy(self, h: Array) -> Array:
        """Return 0."""
        return np.zeros_like(h)


class Gaussian(HiddenUnits):
    """h is any number, drawn from N(z, 1): e(h) = h²/2 (Hinton & Salakhutdinov 2006, the linear code layer)."""

    def mean(self, z: Array) -> Array:
        """Return z."""
        return z

    def sample(self, mean: Array, noise: Noise) -> Array:
        """Return the mean plus a standard normal number, which two uniform ones give (Box & Muller 1958)."""
        u, angle = (noise.random(mean.shape).astype(mean.dtype) for _ in range(2))
        return mean + np.sqrt(-2 * np.log(1 - u)) * np.cos(2 * np.pi * angle)

    def log_sum(self, z: Array) -> Array:
        """Return ln ∫ exp(h z - h²/2) dh = z²/2 + ln(2π)/2."""
        return 0.5 * z * z + 0.5 * float(np.log(2 * np.pi))

    def own_energy(self, h: Array) -> Array:
        """Return h²/2."""
        return 0.5 * h * h


HIDDEN_UNITS: dict[str, HiddenUnits] = {"sigmoid": Bernoulli(), "identity": Gaussian()}
"""The kinds of hidden units, by the activation that is their mean."""


def bernoulli(p: Array, noise: Noise) -> Array:
    """Return 1 with probability p, else 0, of the shape and dtype of p."""
    return (noise.random(p.shape) < p).astype(p.dtype)


def softplus(z: Array) -> Array:
    """Return ln(1 + e^z) = max(z, 0) + ln(1 + e^-|z|)."""
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))
