"""The dense layer: every output depends on every input."""

from __future__ import annotations

from math import prod

from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array, Noise, Shape
from backprop_cli.nn.layers.layer import Layer
from backprop_cli.nn.parameters import Gradient, Parameter, Params


@frozen
class Dense(Layer):
    """z = x W^T + b, for a batch x (..., m, n_in). W (n_out, n_in), b (n_out,)."""

    units: int

    def takes(self, in_shape: Shape) -> Shape:
        """Return (n_in,): images are flattened, channel by channel and row by row."""
        return (prod(in_shape),)

    def build(self, in_shape: Shape) -> tuple[Shape, tuple[Parameter, ...]]:
        """Return (n_out,), and W and b."""
        (n_in,), n_out = in_shape, self.units
        W = Parameter("W", (n_out, n_in), penalized=True, fan_in=n_in, fan_out=n_out)
        b = Parameter("b", (n_out,), penalized=False, fan_in=n_in, fan_out=n_out)
        return (n_out,), (W, b)

    def forward(self, p: Params, x: Array, noise: Noise | None = None) -> tuple[Array, Array]:
        """Return z (..., m, n_out)."""
        z = x @ p.W.mT + p.b[..., None, :]
        return z, x

    def backward(self, p: Params, cache: Array, delta: Array, grad: Gradient) -> Array:
        """Add dC/dW and dC/db to grad; return dC/dx. delta (..., m, n_out) is dC/dz (Nielsen, chapter 2)."""
        x = cache
        dx = delta @ p.W  # BP2, without the slope of the layer below
        grad.add_product("W", delta.mT, x)  # BP4
        grad.add_sum("b", delta)  # BP3
        return dx

    def multiplications(self, in_shape: Shape) -> int:
        """Return n_in n_out."""
        return in_shape[0] * self.units
