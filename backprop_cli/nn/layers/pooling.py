"""Pooling: every window of an image becomes one number, its largest or its mean."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array, Noise, Shape
from backprop_cli.nn.layers.layer import Layer
from backprop_cli.nn.layers.windows import Windows, image_shape
from backprop_cli.nn.parameters import Gradient, Parameter, Params


@frozen
class _Pool(Layer):
    """Windows of size x size pixels of x (..., m, c, h, w), `stride` pixels apart: by default their size."""

    size: int
    stride: int = 0

    @property
    def windows(self) -> Windows:
        """What becomes one number each."""
        return Windows(self.size, self.stride or self.size)

    def options(self, in_shape: Shape) -> Mapping[str, tuple[int, ...]]:
        """Return size and stride."""
        return {"size": (self.size,) * 2, "stride": (self.windows.stride,) * 2}

    @property
    def window(self) -> int:
        """size²."""
        return self.size**2

    def takes(self, in_shape: Shape) -> Shape:
        """Return (c, h, w)."""
        return image_shape(in_shape)

    def build(self, in_shape: Shape) -> tuple[Shape, tuple[Parameter, ...]]:
        """Return (c, h', w')."""
        return self.windows.over(in_shape), ()

    def left_out(self, in_shape: Shape) -> Shape:
        """Return the rows and columns that no window contains."""
        return self.windows.left_out(in_shape)

    def field(self, length: int, first: int, last: int) -> tuple[int, int]:
        """Return the rows of the windows."""
        return self.windows.field(first, last)


@frozen
class MaxPool(_Pool):
    """y = the largest number of each window, the first of equal ones; only that one has a part in the gradient.

    With `same`, the last windows may reach over the lower and the right edge; they have fewer numbers.
    """

    same: bool = False

    def build(self, in_shape: Shape) -> tuple[Shape, tuple[Parameter, ...]]:
        """Return (c, h', w')."""
        c, *lengths = in_shape
        return self.windows.over((c, *(length + self._beyond(length) for length in lengths))), ()

    def _beyond(self, length: int) -> int:
        """Return how many pixels the last window reaches over the edge."""
        return -(length - self.size) % self.windows.stride if self.same else 0

    def forward(self, p: Params, x: Array, noise: Noise | None = None) -> tuple[Array, tuple[Shape, Array]]:
        """Return y (..., m, c, h', w')."""
        in_shape = x.shape[-2:]
        for axis in (-2, -1):  # a copy of the last pixel is never larger, and never the first of equal ones
            if beyond := self._beyond(x.shape[axis]):
                length = x.shape[axis]
                x = np.take(x, np.minimum(np.arange(length + beyond), length - 1), axis=axis)
        y, *others = self.windows.pixels(x)
        place = np.zeros_like(y)
        for k, pixel in enumerate(others, start=1):
            place = np.where(pixel > y, k, place)
            y = np.maximum(y, pixel)
        return y, (in_shape, place)

    def backward(self, p: Params, cache: tuple[Shape, Array], delta: Array, grad: Gradient) -> Array:
        """Return dC/dx: delta at the places of the maxima, added up where windows overlap."""
        (h, w), place = cache
        dx = np.zeros_like(delta, shape=(*delta.shape[:-2], h + self._beyond(h), w + self._beyond(w)))
        for k, pixel in enumerate(self.windows.pixels(dx)):
            pixel += delta * (place == k)
        return dx[..., :h, :w]

    def sides(self, cache: tuple[Shape, Array]) -> list[Array]:
        """Return the places of the maxima."""
        return [cache[1]]


@frozen
class MeanPool(_Pool):
    """y = the mean of each window."""

    def forward(self, p: Params, x: Array, noise: Noise | None = None) -> tuple[Array, Shape]:
        """Return y (..., m, c, h', w')."""
        y, *others = self.windows.pixels(x)
        for pixel in others:
            y = y + pixel
        return y / self.size**2, x.shape[-2:]

    def backward(self, p: Params, cache: Shape, delta: Array, grad: Gradient) -> Array:
        """Return dC/dx: an equal share of delta for every pixel of the window."""
        share = delta / self.size**2
        dx = np.zeros_like(delta, shape=(*delta.shape[:-2], *cache))
        for pixel in self.windows.pixels(dx):
            pixel += share
        return dx
