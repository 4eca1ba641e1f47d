"""The convolution: a dense layer on every patch of an image, with the same weights at all positions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array, Noise, Shape
from backprop_cli.nn.layers.layer import Layer
from backprop_cli.nn.layers.windows import Windows, image_shape
from backprop_cli.nn.parameters import Gradient, Parameter, Params


@frozen
class Conv2D(Layer):
    """z = patches W^T + b for images x (..., m, c, h, w), patches of size x size pixels, `stride` pixels apart.

    z_fij = Σ_cuv W_fcuv x_c,i+u,j+v + b_f (stride 1); the kernel is not flipped. W (filters, c, size, size),
    b (filters,). With `same`, zeros around the image make the output as large as the input, divided by the stride.
    """

    filters: int
    size: int
    stride: int = 1
    same: bool = False

    @property
    def windows(self) -> Windows:
        """The patches."""
        return Windows(self.size, self.stride)

    def options(self, in_shape: Shape) -> Mapping[str, tuple[int, ...]]:
        """Return size, stride, and the zeros before and after the image."""
        before, after = zip(*map(self._padding, in_shape[1:]), strict=True)
        return {"size": (self.size,) * 2, "stride": (self.stride,) * 2, "before": before, "after": after}

    def takes(self, in_shape: Shape) -> Shape:
        """Return (c, h, w)."""
        return image_shape(in_shape)

    def build(self, in_shape: Shape) -> tuple[Shape, tuple[Parameter, ...]]:
        """Return (filters, h', w'), and W and b."""
        c, n_in, n_out = in_shape[0], in_shape[0] * self.size**2, self.filters * self.size**2
        _, *positions = self.windows.over(self.padded_shape(in_shape))
        W = Parameter("W", (self.filters, c, self.size, self.size), penalized=True, fan_in=n_in, fan_out=n_out)
        b = Parameter("b", (self.filters,), penalized=False, fan_in=n_in, fan_out=n_out)
        return (self.filters, *positions), (W, b)

    def forward(self, p: Params, x: Array, noise: Noise | None = None) -> tuple[Array, tuple[Shape, Array]]:
        """Return z (..., m, filters, h', w')."""
        patches = self.patches(self.pad(x))  # (..., m, h', w', c, size, size)
        *stack, m, h, w, c, _, _ = patches.shape
        rows = patches.reshape(*stack, m * h * w, c * self.size**2)
        z = rows @ self._matrix(p).mT + p.b[..., None, :]  # as in a dense layer
        return np.moveaxis(z.reshape(*z.shape[:-2], m, h, w, self.filters), -1, -3), (x.shape[-3:], rows)

    def backward(self, p: Params, cache: tuple[Shape, Array], delta: Array, grad: Gradient) -> Array:
        """Add dC/dW and dC/db to grad; return dC/dx. delta (..., m, filters, h', w') is dC/dz."""
        in_shape, rows = cache
        *stack, m, _, h, w = delta.shape
        delta = np.moveaxis(delta, -3, -1).reshape(*stack, m * h * w, self.filters)
        d_patches = (delta @ self._matrix(p)).reshape(*stack, m, h, w, in_shape[0], self.size**2)  # BP2
        grad.add_product("W", delta.mT, rows)  # BP4, a sum over examples and positions
        grad.add_sum("b", delta)  # BP3, likewise
        dx = np.zeros_like(delta, shape=(*stack, m, *self.padded_shape(in_shape)))
        for k, pixel in enumerate(self.windows.pixels(dx)):  # a pixel has a part in every patch that contains it
            pixel += np.moveaxis(d_patches[..., k], -1, -3)
        return dx[self.inside(in_shape)]

    def left_out(self, in_shape: Shape) -> Shape:
        """Return the rows and columns that no patch contains."""
        return self.windows.left_out(self.padded_shape(in_shape))

    def multiplications(self, in_shape: Shape) -> int:
        """Return filters c size² for each position."""
        (filters, h, w), (W, _) = self.build(in_shape)
        return h * w * W.size

    def workspace(self, in_shape: Shape) -> int:
        """Return the numbers in the patches of an example."""
        (_, h, w), (W, _) = self.build(in_shape)
        return h * w * W.fan_in

    def field(self, length: int, first: int, last: int) -> tuple[int, int]:
        """Return the rows of the patches, some of which may be zeros around the image."""
        before, _ = self._padding(length)
        top, bottom = self.windows.field(first, last)
        return top - before, bottom - before

    def patches(self, x: Array) -> Array:
        """Return a view (..., m, h', w', c, size, size) of padded images x (..., m, c, h, w)."""
        windows = sliding_window_view(x, (self.size, self.size), axis=(-2, -1))
        every = slice(None, None, self.stride)
        return np.moveaxis(windows[..., every, every, :, :], -5, -3)

    def padded_shape(self, in_shape: Shape) -> Shape:
        """Return (c, h, w) with the zeros around the image."""
        c, *lengths = in_shape
        return c, *(length + sum(self._padding(length)) for length in lengths)

    def pad(self, x: Array) -> Array:
        """Return x with zeros around the images; x itself if there are none."""
        if self.padded_shape(x.shape[-3:]) == x.shape[-3:]:
            return x
        padded = np.zeros_like(x, shape=(*x.shape[:-3], *self.padded_shape(x.shape[-3:])))
        padded[self.inside(x.shape[-3:])] = x
        return padded

    def _padding(self, length: int) -> tuple[int, int]:
        """Return the zeros before and after an axis; an odd number leaves the larger half for the end."""
        zeros = max(0, (-(-length // self.stride) - 1) * self.stride + self.size - length) if self.same else 0
        return zeros // 2, zeros - zeros // 2

    def inside(self, in_shape: Shape) -> tuple[Any, ...]:
        """Return the indices of the image within its padded image."""
        starts = (self._padding(length)[0] for length in in_shape[1:])
        return ..., *(slice(start, start + length) for start, length in zip(starts, in_shape[1:], strict=True))

    def _matrix(self, p: Params) -> Array:
        """Return W with a row for each filter, (..., filters, c size²)."""
        return p.W.reshape(*p.W.shape[:-3], -1)
