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

    @property
    def hidden(self) -> bool:
        """Whether hidden layers may use it; every activation may be used in the output layer."""

    @property
    def sums_to_one(self) -> bool:
        """Whether the outputs of an example sum to one, so that there has to be one output per class."""

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
    hidden: bool = True
    sums_to_one: bool = False

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
    hidden: bool = False
    sums_to_one: bool = True

    def value(self, z: Array) -> Array:
        """Return the softmax of each row; the largest z is taken off first, so that nothing overflows."""
        e = np.exp(z - np.max(z, axis=-1, keepdims=True))
        a: Array = e / np.sum(e, axis=-1, keepdims=True)
        return a

    def pull_back(self, z: Array, a: Array, g: Array) -> Array:
        """Return dC/dz_j = a_j (g_j - Σ_k g_k a_k), since da_k/dz_j = a_k (1[j = k] - a_j)."""
        delta: Array = a * (g - np.sum(g * a, axis=-1, keepdims=True))
        return delta


@dataclass(frozen=True)
class Dropout:
    """f(z) ⊙ mask, the mask being 0 where a unit is dropped and 1/keep elsewhere (Srivastava et al. 2014).

    With that scaling the expected input of the next layer is what it will be without dropout. The mask has the shape
    of z and is drawn anew for every step by whoever trains.
    """

    f: Activation
    mask: Array
    keep: float

    @property
    def name(self) -> str:
        """The name of f."""
        return self.f.name

    @property
    def kinks(self) -> tuple[float, ...]:
        """The kinks of f."""
        return self.f.kinks

    @property
    def hidden(self) -> bool:
        """As f: the mask changes nothing."""
        return self.f.hidden

    @property
    def sums_to_one(self) -> bool:
        """No: units are dropped."""
        return False

    def value(self, z: Array) -> Array:
        """Return f(z) ⊙ mask."""
        a = self.f.value(z)
        a *= self.mask
        return a

    def pull_back(self, z: Array, a: Array, g: Array) -> Array:
        """Return (g ⊙ mask) ⊙ f'(z). Where the mask is not 0, a · keep is f(z) again; where it is, g is 0."""
        g *= self.mask
        return self.f.pull_back(z, a * self.keep, g)


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


def _softplus(z: Array) -> Array:
    a: Array = np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))
    return a


def _softplus_slope(z: Array, a: Array) -> Array:
    return _sigmoid(z)


def _silu(z: Array) -> Array:
    a: Array = z * _sigmoid(z)
    return a


def _silu_slope(z: Array, a: Array) -> Array:
    s = _sigmoid(z)
    slope: Array = s + a * (1 - s)
    return slope


GELU_SCALE, GELU_CUBE = (2 / np.pi) ** 0.5, 0.044715


def _gelu(z: Array) -> Array:
    a: Array = 0.5 * z * (1 + np.tanh(GELU_SCALE * (z + GELU_CUBE * (z * z * z))))
    return a


def _gelu_slope(z: Array, a: Array) -> Array:
    square = z * z
    t = np.tanh(GELU_SCALE * (z + GELU_CUBE * (square * z)))
    slope: Array = 0.5 * (1 + t) + 0.5 * z * (1 - t * t) * (GELU_SCALE * (1 + 3 * GELU_CUBE * square))
    return slope


SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def _selu(z: Array) -> Array:
    a: Array = SELU_SCALE * (np.maximum(z, 0) + SELU_ALPHA * np.expm1(np.minimum(z, 0)))
    return a


def _selu_slope(z: Array, a: Array) -> Array:
    positive = np.heaviside(a, 0)
    slope: Array = SELU_SCALE * positive + (np.minimum(a, 0) + SELU_SCALE * SELU_ALPHA) * (1 - positive)
    return slope


def _threshold(z: Array) -> Array:
    return np.heaviside(z, 1)


def _winner(z: Array) -> Array:
    a: Array = np.heaviside(z - np.max(z, axis=-1, keepdims=True), 1)
    return a


def _flat(z: Array, a: Array) -> Array:
    return np.zeros(a.shape, a.dtype)


HIDDEN: dict[str, Activation] = {
    f.name: f
    for f in (
        Elementwise("sigmoid", _sigmoid, _sigmoid_slope),
        Elementwise("tanh", np.tanh, _tanh_slope),
        Elementwise("relu", _relu, _relu_slope, kinks=(0.0,)),
        Elementwise("leaky_relu", _leaky_relu, _leaky_relu_slope, kinks=(0.0,)),
        Elementwise("elu", _elu, _elu_slope, kinks=(0.0,)),  # f' is continuous there, f'' is not
        # Klambauer et al. 2017, section 2: with `scaled`, signals keep mean 0 and variance 1 from layer to layer
        Elementwise("selu", _selu, _selu_slope, kinks=(0.0,)),
        Elementwise("softplus", _softplus, _softplus_slope),  # ln(1 + e^z), a smooth relu
        # z Φ(z), by the formula with tanh that Hendrycks and Gimpel 2016 give for it
        Elementwise("gelu", _gelu, _gelu_slope),
        Elementwise("silu", _silu, _silu_slope),  # z σ(z), Elfwing et al. 2017; also called swish
        Elementwise("identity", _identity, _identity_slope),
    )
}
"""The activations of hidden layers, by name. Every one may stand on the output as well."""

THRESHOLDS: dict[str, Activation] = {
    f.name: f
    for f in (
        Elementwise("threshold", _threshold, _flat, kinks=(0.0,), hidden=False),  # 1 where z >= 0, Rosenblatt's unit
        # 1 for the largest z of an example, 0 for the others
        Elementwise("winner", _winner, _flat, hidden=False, sums_to_one=True),
    )
}
"""The units of perceptrons: their slope is 0 wherever it exists, so only the perceptron's own cost can train them."""

ACTIVATIONS: dict[str, Activation] = {**HIDDEN, "softmax": Softmax(), **THRESHOLDS}
"""Every activation, by name; those that are not in HIDDEN are for the output layer only."""
