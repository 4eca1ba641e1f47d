"""Activation functions a = f(z), each beside its derivative.

z and a have shape (..., m, n): m examples, n units.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array, Mask, Noise
from backprop_cli.nn.layers.layer import Layer
from backprop_cli.nn.parameters import Gradient, Params


@frozen
class Activation(Layer):
    """a = f(z), a layer without parameters.

    `kinks` are the z at which f or f' jumps, which the gradient check keeps away from. `hidden` says whether hidden
    layers may use it, `sums_to_one` whether the outputs of an example sum to one. `largest_slope` is max f' of an f
    that saturates on both sides; a unit `can_die` if f' is 0 for all z on one side. `squashes` says that a is between
    0 and 1 and that its derivatives are at most 1/4, which allows larger steps; `monotone` that f falls nowhere, so
    that max f(z) = f(max z). In training a is `random` around the mean f(z), and its gradient is that of the mean.
    `initializer` names the one that suits hidden layers with this f.
    """

    name: str
    kinks: tuple[float, ...] = ()
    hidden: bool = True
    sums_to_one: bool = False
    largest_slope: float | None = None
    can_die: bool = False
    squashes: bool = False
    monotone: bool = True
    random: bool = False
    initializer: str = "scaled"

    @property
    def operation(self) -> str:
        """Its name."""
        return self.name

    @property
    def as_output(self) -> str:
        """The name of the activation of the output layer behind hidden layers with this one."""
        return "sigmoid" if self.can_die or self.random else self.name

    def value(self, z: Array) -> Array:
        """Return a = f(z)."""
        raise NotImplementedError

    def slope(self, z: Array, a: Array) -> Array | Mask | None:
        """Return f'(z), of the shape of z, or None where a unit's a depends on other units' z too."""
        return None

    def pull_back(self, z: Array, a: Array, dC_da: Array) -> Array:
        """Return dC/dz, given a = f(z) and dC/da."""
        raise NotImplementedError

    def forward(self, p: Params, x: Array, noise: Noise | None = None) -> tuple[Array, tuple[Array, Array]]:
        """Return f(x)."""
        a = self.value(x)
        return a, (x, a)

    def backward(self, p: Params, cache: tuple[Array, Array], delta: Array, grad: Gradient) -> Array:
        """Return dC/dz, given delta = dC/da."""
        return self.pull_back(*cache, delta)

    def sides(self, cache: tuple[Array, Array]) -> list[Array]:
        """Return the sides of the kinks that each z is on."""
        return [np.sign(cache[0] - kink) for kink in self.kinks]


def _one(z: Array, a: Array) -> Array:
    return np.ones_like(z)


@frozen
class Elementwise(Activation):
    """An f that acts on each unit alone, so that dC/dz = dC/da ⊙ f'(z)."""

    f: Callable[[Array], Array] = np.positive
    df: Callable[[Array, Array], Array | Mask] = _one
    """(z, a) -> f'(z), from whichever of the two is simpler."""

    def value(self, z: Array) -> Array:
        """Return f(z)."""
        return self.f(z)

    def slope(self, z: Array, a: Array) -> Array | Mask:
        """Return f'(z)."""
        return self.df(z, a)

    def pull_back(self, z: Array, a: Array, dC_da: Array) -> Array:
        """Return dC/da ⊙ f'(z)."""
        return dC_da * self.df(z, a)


@frozen
class Softmax(Activation):
    """a_j = exp(z_j) / Σ_k exp(z_k): each output depends on every z of its example."""

    name: str = "softmax"
    hidden: bool = False
    sums_to_one: bool = True
    squashes: bool = True

    def value(self, z: Array) -> Array:
        """Return the softmax of each row; the largest z is subtracted first, so that nothing overflows."""
        e = np.exp(z - np.max(z, axis=-1, keepdims=True))
        return e / np.sum(e, axis=-1, keepdims=True)

    def pull_back(self, z: Array, a: Array, dC_da: Array) -> Array:
        """Return dC/dz_j = a_j (g_j - Σ_k g_k a_k) with g = dC/da, since da_k/dz_j = a_k (1[j = k] - a_j)."""
        return a * (dC_da - np.sum(dC_da * a, axis=-1, keepdims=True))


def _sigmoid(z: Array) -> Array:
    with np.errstate(over="ignore"):  # exp(-z) = inf gives exactly 0, as it should
        return 1 / (1 + np.exp(-z))


def _sigmoid_slope(z: Array, a: Array) -> Array:
    return a * (1 - a)


@frozen
class Bernoulli(Elementwise):
    """a = 1 with probability σ(z), else 0, in training; its mean σ(z) once the network is trained.

    The gradient is the straight-through estimator: that of the mean, dC/dz = dC/da ⊙ σ'(z), as if a were σ(z) (Bengio,
    Léonard and Courville 2013, section 4).
    """

    name: str = "bernoulli"
    largest_slope: float | None = 0.25
    squashes: bool = True
    monotone: bool = False  # the largest of random numbers is not the random number of the largest mean
    random: bool = True
    f: Callable[[Array], Array] = _sigmoid
    df: Callable[[Array, Array], Array | Mask] = _sigmoid_slope

    @property
    def operation(self) -> str:
        """A trained network computes the mean."""
        return "sigmoid"

    def forward(self, p: Params, x: Array, noise: Noise | None = None) -> tuple[Array, tuple[Array, Array]]:
        """Return 0 or 1 for every number of x, or the means without noise."""
        mean = self.value(x)
        a = mean if noise is None else (noise.random(x.shape) < mean) * x.dtype.type(1)
        return a, (x, mean)


def _tanh_slope(z: Array, a: Array) -> Array:
    return 1 - a * a


def _relu(z: Array) -> Array:
    return np.maximum(z, 0)


def _relu_slope(z: Array, a: Array) -> Mask:
    return a > 0  # where z > 0; the slope at 0 is taken as 0


LEAK = 0.01


def _leaky_relu(z: Array) -> Array:
    return np.where(z > 0, z, LEAK * z)


def _leaky_relu_slope(z: Array, a: Array) -> Array:
    return np.where(z > 0, 1, LEAK)


def _elu(z: Array) -> Array:
    return np.where(z > 0, z, np.expm1(np.minimum(z, 0)))


def _elu_slope(z: Array, a: Array) -> Array:
    return np.where(z > 0, 1, a + 1)


SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def _selu(z: Array) -> Array:
    return SELU_SCALE * np.where(z > 0, z, SELU_ALPHA * np.expm1(np.minimum(z, 0)))


def _selu_slope(z: Array, a: Array) -> Array:
    return np.where(z > 0, SELU_SCALE, a + SELU_SCALE * SELU_ALPHA)


def _softplus(z: Array) -> Array:
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def _softplus_slope(z: Array, a: Array) -> Array:
    return _sigmoid(z)


GELU_SCALE, GELU_CUBE = (2 / np.pi) ** 0.5, 0.044715


def _gelu(z: Array) -> Array:
    return 0.5 * z * (1 + np.tanh(GELU_SCALE * (z + GELU_CUBE * (z * z * z))))


def _gelu_slope(z: Array, a: Array) -> Array:
    square = z * z
    t = np.tanh(GELU_SCALE * (z + GELU_CUBE * (square * z)))
    return 0.5 * (1 + t) + 0.5 * z * (1 - t * t) * (GELU_SCALE * (1 + 3 * GELU_CUBE * square))


def _silu(z: Array) -> Array:
    return z * _sigmoid(z)


def _silu_slope(z: Array, a: Array) -> Array:
    s = _sigmoid(z)
    return s + a * (1 - s)


def _threshold(z: Array) -> Array:
    return np.heaviside(z, 1)


def _winner(z: Array) -> Array:
    return np.heaviside(z - np.max(z, axis=-1, keepdims=True), 1)


def _flat(z: Array, a: Array) -> Array:
    return np.zeros_like(z)


ACTIVATIONS: dict[str, Activation] = {
    f.name: f
    for f in (
        Elementwise("sigmoid", largest_slope=0.25, squashes=True, f=_sigmoid, df=_sigmoid_slope),
        Elementwise("tanh", largest_slope=1.0, f=np.tanh, df=_tanh_slope),
        Elementwise("relu", kinks=(0.0,), can_die=True, initializer="he", f=_relu, df=_relu_slope),
        Elementwise("leaky_relu", kinks=(0.0,), initializer="he", f=_leaky_relu, df=_leaky_relu_slope),
        Elementwise("elu", kinks=(0.0,), f=_elu, df=_elu_slope),  # f' is continuous there, f'' is not
        # Klambauer et al. 2017, section 2: with `scaled`, signals keep mean 0 and variance 1 from layer to layer
        Elementwise("selu", kinks=(0.0,), f=_selu, df=_selu_slope),
        Elementwise("softplus", f=_softplus, df=_softplus_slope),  # ln(1 + e^z), a smooth relu
        # z Φ(z), in the approximation with tanh of Hendrycks and Gimpel 2016
        Elementwise("gelu", monotone=False, f=_gelu, df=_gelu_slope),
        Elementwise("silu", monotone=False, f=_silu, df=_silu_slope),  # z σ(z), Elfwing et al. 2017; also called swish
        Elementwise("identity"),
        Bernoulli(),
        Softmax(),
        # the outputs of perceptrons: their slope is 0 wherever it exists, so only the perceptron's cost trains them
        Elementwise("threshold", kinks=(0.0,), hidden=False, f=_threshold, df=_flat),  # 1 where z >= 0 (Rosenblatt)
        Elementwise("winner", hidden=False, sums_to_one=True, f=_winner, df=_flat),  # 1 for the largest z of an example
    )
}
"""Every activation, by name."""

HIDDEN: dict[str, Activation] = {name: f for name, f in ACTIVATIONS.items() if f.hidden}
"""The activations of hidden layers."""

OUTPUTS: tuple[str, ...] = tuple(name for name, f in HIDDEN.items() if not f.random)
"""Those that may be used in the output layer as well."""
