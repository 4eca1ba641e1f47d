"""Dropout: in training, a random part of the signals is set to zero."""

from __future__ import annotations

import numpy as np

from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array, Noise
from backprop_cli.nn.layers.layer import Layer
from backprop_cli.nn.parameters import Gradient, Params


@frozen
class Dropout(Layer):
    """y = x ⊙ mask, the mask being 0 with probability p and 1/(1 - p) elsewhere (Srivastava et al. 2014, section 4).

    With that scaling the expected y is x, which is what the trained network passes on.
    """

    p: float

    @property
    def operation(self) -> str:
        """A trained network drops nothing."""
        return "identity"

    def forward(self, p: Params, x: Array, noise: Noise | None = None) -> tuple[Array, Array | None]:
        """Return x ⊙ mask, or x itself without noise."""
        if noise is None:
            return x, None
        kept = noise.random(x.shape) >= np.float32(self.p)
        mask = kept * x.dtype.type(1 / (1 - self.p))
        return x * mask, mask

    def backward(self, p: Params, cache: Array | None, delta: Array, grad: Gradient) -> Array:
        """Return delta ⊙ mask."""
        return delta if cache is None else delta * cache
