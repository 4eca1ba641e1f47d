"""Initial values of weights and biases, drawn from the generator that is passed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backprop_cli.nn.arrays import Array
from backprop_cli.nn.parameters import Parameter


@dataclass(frozen=True)
class Initializer:
    """Normal weights and biases of given standard deviations; that of weights is a function of (fan_in, fan_out)."""

    name: str
    weight_std: Callable[[int, int], float]
    bias_std: float

    def draw(self, parameter: Parameter, rng: np.random.Generator) -> Array:
        """Return initial values of a parameter, in float64, so that float32 and float64 runs start alike."""
        weight_std = self.weight_std(parameter.fan_in, parameter.fan_out)
        std = weight_std if parameter.penalized else self.bias_std
        return std * rng.standard_normal(parameter.shape)


INITIALIZERS: dict[str, Initializer] = {
    start.name: start
    for start in (
        # Nielsen, chapter 3: weights N(0, 1/n_in), biases N(0, 1)
        Initializer("scaled", lambda n_in, n_out: n_in**-0.5, bias_std=1.0),
        # Nielsen, chapter 1: everything N(0, 1); large weights saturate sigmoids
        Initializer("normal", lambda n_in, n_out: 1.0, bias_std=1.0),
        # Glorot and Bengio 2010, eq. 12, as a normal distribution of the same variance
        Initializer("xavier", lambda n_in, n_out: (2 / (n_in + n_out)) ** 0.5, bias_std=0.0),
        # He et al. 2015, eq. 10: relu halves the variance, and the 2 makes up for it
        Initializer("he", lambda n_in, n_out: (2 / n_in) ** 0.5, bias_std=0.0),
        # all units of a layer stay alike: shows why initial weights are random
        Initializer("zeros", lambda n_in, n_out: 0.0, bias_std=0.0),
    )
}
"""Every initializer, by name."""
