"""The dense layer with the weights of another one, transposed: the second half of an autoencoder with tied weights."""

from __future__ import annotations

from dataclasses import replace

from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Shape
from backprop_cli.nn.layers.dense import Dense
from backprop_cli.nn.parameters import Parameter


@frozen
class TransposedDense(Dense):
    """z = x V + b, where V (n_in, n_out) is the W of layer number `of`; only b is its own.

    It is a dense layer with W = V^T. Both uses of V add to one gradient, dC/dV = dC/dV of layer `of` + (dC/dW)^T.
    """

    of: int

    @property
    def operation(self) -> str:
        """That of a dense layer."""
        return "dense"

    def build(self, in_shape: Shape) -> tuple[Shape, tuple[Parameter, ...]]:
        """Return (n_out,), and W and b."""
        shape, (W, b) = super().build(in_shape)
        return shape, (replace(W, transpose_of=self.of), b)
