"""Upsampling: every pixel becomes a square of equal pixels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array, Noise, Shape
from backprop_cli.nn.layers.layer import Layer
from backprop_cli.nn.layers.windows import Windows, image_shape
from backprop_cli.nn.parameters import Gradient, Parameter, Params


@frozen
class Upsample(Layer):
    """y = each pixel of x (..., m, c, h, w), size x size times: y (..., m, c, size h, size w)."""

    size: int

    def options(self, in_shape: Shape) -> Mapping[str, tuple[int, ...]]:
        """Return size."""
        return {"size": (self.size,) * 2}

    def takes(self, in_shape: Shape) -> Shape:
        """Return (c, h, w)."""
        return image_shape(in_shape)

    def build(self, in_shape: Shape) -> tuple[Shape, tuple[Parameter, ...]]:
        """Return (c, size h, size w)."""
        c, h, w = in_shape
        return (c, self.size * h, self.size * w), ()

    def forward(self, p: Params, x: Array, noise: Noise | None = None) -> tuple[Array, None]:
        """Return y."""
        *rest, h, w = x.shape
        y = np.zeros_like(x, shape=(*rest, self.size * h, self.size * w))
        for pixel in Windows(self.size, self.size).pixels(y):
            pixel[...] = x
        return y, None

    def backward(self, p: Params, cache: None, delta: Array, grad: Gradient) -> Array:
        """Return dC/dx, the sum of delta over each square."""
        dx, *others = Windows(self.size, self.size).pixels(delta)
        for pixel in others:
            dx = dx + pixel
        return dx

    def field(self, length: int, first: int, last: int) -> tuple[int, int]:
        """Return the rows of the pixels that are repeated."""
        return first // self.size, last // self.size
