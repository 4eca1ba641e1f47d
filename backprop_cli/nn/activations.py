"""Activation functions a = f(z), each beside its derivative.

Throughout, z and a have shape (..., m, n): m examples, n units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from backprop_cli.nn.arrays import Array, Mask


class Activation(Protocol):
    """What a layer needs to know of its f."""

    @property
    def name(self) -> str:
        """The word for it in a config."""

    @property
    def kinks(self) -> tuple[float, ...]:
        """Where f or f' jumps, on the axis of z; the gradient check keeps away from there."""

    def value(self, z: Array) -> Array:
        """Return a = f(z)."""

    def pull_back(self, z: Array, a: Array, g: Array) -> Array:
        """Return dC/dz, given a = f(z) and g = dC/da, which is used up."""


@dataclass(frozen=True)
class Elementwise:
    """An f that acts on each unit alone, so that dC/dz = dC/da ⊙ f'(z)."""

    name: str
    f: Callable[[Array], Array]
    slope: Callable[[Array, Array], Array | Mask]  # (z, a) -> f'(z), from whichever of the two is cheaper
    kinks: tuple[float, ...] = ()

    def value(self, z: Array) -> Array:
        """Return f(z)."""
        return self.f(z)

    def pull_back(self, z: Array, a: Array, g: Array) -> Array:
        """Return g ⊙ f'(z), written over g: on wide layers a further array costs 5 % of a step."""
        g *= self.slope(z, a)
        return g


@dataclass(frozen=True)
class Softmax:
    """a_j = exp(z_j) / Σ_k exp(z_k): each output depends on every z of its example."""

    name: str = "softmax"
    kinks: tuple[float, ...] = ()

    def value(self, z: Array) -> Array:
        """Return the softmax of each row; the largest z is taken off first, so that nothing overflows."""
        e = np.exp(z - np.max(z, axis=-1, keepdims=True))
        a: Array = e / np.sum(e, axis=-1, keepdims=True)
        return a

    def pull_back(self, z: Array, a: Array, g: Array) -> Array:
        """Return dC/dz_j = a_j (g_j - Σ_k g_k a_k), since da_k/dz_j = a_k (1[j = k] - a_j)."""
        delta: Array = a * (g - np.sum(g * a, axis=-1, keepdims=True))
        return delta


def _sigmoid(z: Array) -> Array:
    with np.errstate(over="ignore"):  # exp(-z) = inf gives exactly 0, as it should
        a: Array = 1 / (1 + np.exp(-z))
    return a


def _sigmoid_slope(z: Array, a: Array) -> Array:
    return a * (1 - a)


def _tanh_slope(z: Array, a: Array) -> Array:
    slope: Array = 1 - a * a
    return slope


def _relu(z: Array) -> Array:
    return np.maximum(z, 0)


def _relu_slope(z: Array, a: Array) -> Mask:
    return a > 0  # the slope at 0 is taken as 0


LEAK = 0.01


def _leaky_relu(z: Array) -> Array:
    a: Array = np.maximum(z, LEAK * z)
    return a


def _leaky_relu_slope(z: Array, a: Array) -> Array:
    return np.maximum(np.sign(a), LEAK)


def _elu(z: Array) -> Array:
    a: Array = np.maximum(z, 0) + np.expm1(np.minimum(z, 0))
    return a


def _elu_slope(z: Array, a: Array) -> Array:
    slope: Array = 1 + np.minimum(a, 0)
    return slope


def _identity(z: Array) -> Array:
    return +z


def _identity_slope(z: Array, a: Array) -> Array:
    return np.ones(a.shape, a.dtype)


HIDDEN: dict[str, Activation] = {
    f.name: f
    for f in (
        Elementwise("sigmoid", _sigmoid, _sigmoid_slope),
        Elementwise("tanh", np.tanh, _tanh_slope),
        Elementwise("relu", _relu, _relu_slope, kinks=(0.0,)),
        Elementwise("leaky_relu", _leaky_relu, _leaky_relu_slope, kinks=(0.0,)),
        Elementwise("elu", _elu, _elu_slope, kinks=(0.0,)),  # f' is continuous there, f'' is not
        Elementwise("identity", _identity, _identity_slope),
    )
}
"""The activations of hidden layers, by name. Every one may stand on the output as well."""

ACTIVATIONS: dict[str, Activation] = {**HIDDEN, "softmax": Softmax()}
"""Every activation, by name; softmax is for the output layer only."""
