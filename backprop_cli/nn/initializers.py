"""How the weights and biases of a layer start; every number is drawn from the generator that is passed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backprop_cli.nn.arrays import Array


@dataclass(frozen=True)
class Initializer:
    """Normal weights and biases of given standard deviations, as functions of (n_in, n_out)."""

    name: str
    weight_std: Callable[[int, int], float]
    bias_std: float

    def fill(self, W: Array, b: Array, rng: np.random.Generator) -> None:
        """Write a start into W (n_out, n_in) and b (n_out,): first the weights, then the biases.

        The numbers are drawn in float64 and rounded, so that float32 and float64 runs start alike.
        """
        n_out, n_in = W.shape
        W[...] = self.weight_std(n_in, n_out) * rng.standard_normal(W.shape)
        b[...] = self.bias_std * rng.standard_normal(b.shape)


INITIALIZERS: dict[str, Initializer] = {
    start.name: start
    for start in (
        # Nielsen, chapter 3: weights N(0, 1/n_in), biases N(0, 1)
        Initializer("scaled", lambda n_in, n_out: n_in**-0.5, bias_std=1.0),
        # Nielsen, chapter 1: everything N(0, 1); large weights saturate sigmoids
        Initializer("normal", lambda n_in, n_out: 1.0, bias_std=1.0),
        # Glorot and Bengio 2010, eq. 12, as a normal distribution of the same variance
        Initializer("xavier", lambda n_in, n_out: (2 / (n_in + n_out)) ** 0.5, bias_std=0.0),
        # He et al. 2015, eq. 10: relu halves the variance, the 2 puts it back
        Initializer("he", lambda n_in, n_out: (2 / n_in) ** 0.5, bias_std=0.0),
        # every unit of a layer alike, for ever: what randomness is for
        Initializer("zeros", lambda n_in, n_out: 0.0, bias_std=0.0),
    )
}
"""Every initializer, by name."""
