"""Initial values of weights and biases, drawn from the generator that is passed in. A field is an option of the config.

`window` is the number of pixels of the pooling windows behind a convolution, 1 if there are none.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt

from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.parameters import Parameter


@frozen
class Initializer:
    """Biases N(0, bias²), and weights as a subclass draws them."""

    name: ClassVar[str]
    bias: Annotated[float, Ge(0)] = 0.0

    def weights(self, parameter: Parameter, rng: np.random.Generator, window: int) -> Array:
        """Return initial weights of the shape of a parameter."""
        raise NotImplementedError

    def draw(self, parameter: Parameter, rng: np.random.Generator, window: int = 1) -> Array:
        """Return initial values of a parameter, in float64, so that float32 and float64 runs start alike."""
        if parameter.penalized:
            return self.weights(parameter, rng, window)
        return self.bias * rng.standard_normal(parameter.shape)


@frozen
class _Spread(Initializer):
    """Weights of the standard deviation gain · std, which depends on the layer, with a normal or uniform distribution.

    The uniform one is U(-r, r) with r = √3 gain std.
    """

    gain: Annotated[float, Gt(0)] = 1.0
    distribution: Literal["normal", "uniform"] = "normal"

    def std(self, parameter: Parameter, window: int) -> float:
        """Return the standard deviation of weights, for a gain of 1."""
        raise NotImplementedError

    def weights(self, parameter: Parameter, rng: np.random.Generator, window: int) -> Array:
        """Return weights of this standard deviation."""
        std = self.gain * self.std(parameter, window)
        if self.distribution == "uniform":
            return 3**0.5 * std * rng.uniform(-1, 1, parameter.shape)
        return std * rng.standard_normal(parameter.shape)


@frozen
class Scaled(_Spread):
    """Variance 1/n_in (Nielsen, chapter 3), or with `fan: out` 1/n_out (chapter 6); biases N(0, 1).

    n_out of a convolution is filters · size² / window: the maps are counted after pooling, as in Nielsen's conv.py.
    """

    name: ClassVar[str] = "scaled"
    bias: Annotated[float, Ge(0)] = 1.0
    fan: Literal["in", "out"] = "in"

    def std(self, parameter: Parameter, window: int) -> float:
        """Return 1/√n_in or 1/√n_out."""
        return float((parameter.fan_in if self.fan == "in" else parameter.fan_out / window) ** -0.5)


@frozen
class Normal(Initializer):
    """N(0, sigma²); 1 for weights and biases in Nielsen, chapter 1, where large weights saturate sigmoids."""

    name: ClassVar[str] = "normal"
    bias: Annotated[float, Ge(0)] = 1.0
    sigma: Annotated[float, Gt(0)] = 1.0

    def weights(self, parameter: Parameter, rng: np.random.Generator, window: int) -> Array:
        """Return normal weights."""
        return self.sigma * rng.standard_normal(parameter.shape)


@frozen
class Uniform(Initializer):
    """U(-limit, limit)."""

    name: ClassVar[str] = "uniform"
    limit: Annotated[float, Gt(0)] = 0.05

    def weights(self, parameter: Parameter, rng: np.random.Generator, window: int) -> Array:
        """Return uniform weights."""
        return self.limit * rng.uniform(-1, 1, parameter.shape)


@frozen
class Xavier(_Spread):
    """Variance 2/(n_in + n_out) (Glorot and Bengio 2010, eq. 12); the uniform distribution is their eq. 16.

    n_out of a convolution is filters · size²; `pooled` divides it by window, as the Theano tutorials do.
    """

    name: ClassVar[str] = "xavier"
    pooled: bool = False

    def std(self, parameter: Parameter, window: int) -> float:
        """Return √(2/(n_in + n_out))."""
        n_out = parameter.fan_out / (window if self.pooled else 1)
        return float((2 / (parameter.fan_in + n_out)) ** 0.5)


@frozen
class He(_Spread):
    """Variance 2/n_in (He et al. 2015, eq. 10): relu halves the variance, and the 2 makes up for it."""

    name: ClassVar[str] = "he"

    def std(self, parameter: Parameter, window: int) -> float:
        """Return √(2/n_in)."""
        return float((2 / parameter.fan_in) ** 0.5)


@frozen
class Zeros(Initializer):
    """0: all units of a layer stay alike, which shows why initial weights are random; usual in a softmax layer."""

    name: ClassVar[str] = "zeros"

    def weights(self, parameter: Parameter, rng: np.random.Generator, window: int) -> Array:
        """Return zeros, after as many draws as other initializers make."""
        return 0.0 * rng.standard_normal(parameter.shape)


INITIALIZERS: dict[str, type[Initializer]] = {
    start.name: start for start in (Scaled, Normal, Uniform, Xavier, He, Zeros)
}
"""Every initializer, by name."""
