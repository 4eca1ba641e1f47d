"""Convolution and max-pooling as they are recorded: fast forms of the textbook's layers, in another order in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice, product
from math import prod
from typing import NamedTuple

import numpy as np

from backprop_cli.frozen import frozen
from backprop_cli.image_layers.patches import TURNS, Patches, by_rows, examples_last, inside, padded
from backprop_cli.nn.activations import Activation
from backprop_cli.nn.arrays import Array, Noise, Shape
from backprop_cli.nn.layers.convolution import Conv2D
from backprop_cli.nn.layers.layer import Cache, Layer
from backprop_cli.nn.layers.pooling import MaxPool
from backprop_cli.nn.layers.windows import Windows
from backprop_cli.nn.parameters import Gradient, Parameter, Params
from backprop_cli.objectives.objective import Backpropagation, GradientEstimator


def fast(estimator: GradientEstimator) -> GradientEstimator:
    """Return an estimator of the same costs and gradient, with the same parameters, whose layers of images are fast."""
    if not isinstance(estimator, Backpropagation):
        return estimator
    network = estimator.network
    layers = tuple(_fast_layers(network.layers))
    return estimator if layers == network.layers else replace(estimator, network=replace(network, layers=layers))


MANY_FILTERS = 32
"""From so many filters on, the arithmetic that `ConvolutionAndMaxPool` adds takes longer than what it saves."""


def _fast_layers(layers: tuple[Layer, ...]) -> Iterator[Layer]:
    """Yield the layers with fast ones in place of convolutions, and of their max-pooling where that is possible."""
    left = list(layers)
    while left:
        layer = left.pop(0)
        if not isinstance(layer, Conv2D):
            yield layer
            continue
        between = [f for f in left[:1] if isinstance(f, Activation) and f.monotone]
        pooled = left[len(between) : len(between) + 1] in ([MaxPool(2)], [MaxPool(2, 2)])
        together = pooled and layer.stride == 1 and layer.filters < MANY_FILTERS
        yield ConvolutionAndMaxPool(layer) if together else Convolution(layer)
        if pooled:  # the activation of the maximum, a quarter of the work
            left = [*between, *left[len(between) + 1 :]]
            if not together:
                yield SquareMaxPool(2)


@frozen
class Convolution(Layer):
    """Conv2D: patches side by side as (c size², h' w' m), and a product with W (filters, c size²)."""

    of: Conv2D

    def takes(self, in_shape: Shape) -> Shape:
        """Return (c, h, w)."""
        return self.of.takes(in_shape)

    def build(self, in_shape: Shape) -> tuple[Shape, tuple[Parameter, ...]]:
        """Return the shape of the output, and W and b."""
        return self.of.build(in_shape)

    def forward(self, p: Params, x: Array, noise: Noise | None = None) -> tuple[Array, Cache]:
        """Return z (m, filters, h', w')."""
        patches, W = Patches(padded(self.of, x), self.of.windows), _matrix(p.W, 1)
        z = np.empty_like(patches.images, shape=(len(W), *patches.shape), order="C")
        for part, some in patches.parts():
            np.matmul(W, _matrix(some, 3), out=_matrix(z[part], 1))
        z += p.b[:, None, None, None]
        return np.moveaxis(z, -1, 0), (x.shape[1:], patches)

    def backward(self, p: Params, cache: Cache, delta: Array, grad: Gradient) -> Array:
        """Add dC/dW and dC/db to grad; return dC/dx. delta (m, filters, h', w') is dC/dz."""
        in_shape, patches = cache
        W, d = _matrix(p.W, 1), by_rows(examples_last(delta))
        dx = np.zeros_like(patches.images, order="C")
        of_parts = [_matrix(by_rows(d[part]), 1) for part in patches.places]
        memory = patches.buffers(len(patches.images), self.of.size, self.of.size)
        for (part, some), of_part in zip(memory, of_parts, strict=True):
            np.matmul(W.mT, of_part, out=_matrix(some, 3))
            patches.add(some, part, dx)
        dW = _sum_of_products((o, _matrix(some, 3)) for (_, some), o in zip(patches.parts(), of_parts, strict=True))
        grad.add("W", dW.reshape(*p.W.shape))
        grad.add_sum("b", _matrix(d, 1).mT)
        return inside(self.of, dx, in_shape)

    def workspace(self, in_shape: Shape) -> int:
        """Return the numbers in the patches of an example."""
        return self.of.workspace(in_shape)


class _Found(NamedTuple):
    """What the way back needs: the shape of an example, its windows, W of all four, and where the maxima were."""

    in_shape: Shape
    windows: Patches
    W4: Array
    is_lower: Array
    is_right: Array


@frozen
class ConvolutionAndMaxPool(Convolution):
    """Conv2D and MaxPool(2) in one: z of the largest of four neighbours.

    The four patches of neighbours are in one window of (size + 1)² pixels. So one product with four copies of W, each
    moved to its place in the window and zero elsewhere, does all four convolutions: 1.44 times the arithmetic of 5x5
    kernels, and 2.8 times fewer numbers to gather.
    """

    def build(self, in_shape: Shape) -> tuple[Shape, tuple[Parameter, ...]]:
        """Return the shape of the pooled output, and W and b."""
        shape, parameters = self.of.build(in_shape)
        return MaxPool(2).build(shape)[0], parameters

    def forward(self, p: Params, x: Array, noise: Noise | None = None) -> tuple[Array, Cache]:
        """Return the largest z of each square, (m, filters, h', w')."""
        filters, c, k, _ = p.W.shape
        windows = Patches(padded(self.of, x), Windows(k + 1, 2))
        W4 = np.zeros_like(windows.images, shape=(4, filters, c, k + 1, k + 1))
        for place, (u, v) in enumerate(_SQUARE):
            W4[place, ..., u : u + k, v : v + k] = p.W
        z = np.empty_like(windows.images, shape=(filters, *windows.shape), order="C")
        is_lower, is_right = (np.empty_like(z, shape=(*rows, *z.shape), dtype=bool) for rows in ((), (2,)))
        for (part, some), (_, z4) in zip(windows.parts(), windows.buffers(4, filters), strict=True):
            np.matmul(_matrix(W4, 2), _matrix(some, 3), out=_matrix(z4, 2))
            for row in (0, 1):
                np.greater(z4[2 * row + 1], z4[2 * row], out=is_right[row][part])  # of equal ones, the first
                np.maximum(z4[2 * row], z4[2 * row + 1], out=z4[2 * row])
            np.greater(z4[2], z4[0], out=is_lower[part])
            np.maximum(z4[0], z4[2], out=z[part])
        z += p.b[:, None, None, None]
        return np.moveaxis(z, -1, 0), _Found(x.shape[1:], windows, W4, is_lower, is_right)

    def backward(self, p: Params, cache: Cache, delta: Array, grad: Gradient) -> Array:
        """Add dC/dW and dC/db to grad; return dC/dx. delta (m, filters, h', w') is dC/dz of the maxima."""
        windows, W4, k, d = cache.windows, cache.W4, self.of.size, by_rows(examples_last(delta))
        dx = np.zeros_like(windows.images, order="C")

        def pairs() -> Iterator[tuple[Array, Array]]:
            """Yield dC/dz of all four and the windows they see, part by part."""
            memory = (windows.buffers(*axes) for axes in (W4.shape[:2], W4.shape[2:]))
            for (part, some), (_, d4), (_, d_some) in zip(windows.parts(), *memory, strict=True):
                lower = d[part] * cache.is_lower[part]
                for row, of_row in enumerate((d[part] - lower, lower)):
                    np.multiply(of_row, cache.is_right[row][part], out=d4[2 * row + 1])
                    np.subtract(of_row, d4[2 * row + 1], out=d4[2 * row])
                np.matmul(_matrix(W4, 2).mT, _matrix(d4, 2), out=_matrix(d_some, 3))
                windows.add(d_some, part, dx)
                yield _matrix(d4, 2), _matrix(some, 3)

        dW4 = _sum_of_products(pairs()).reshape(*W4.shape)
        first, *others = (dW4[n, ..., u : u + k, v : v + k] for n, (u, v) in enumerate(_SQUARE))
        grad.add("W", sum(others, start=first))
        grad.add_sum("b", _matrix(d, 1).mT)
        return inside(self.of, dx, cache.in_shape)

    def workspace(self, in_shape: Shape) -> int:
        """Return the numbers in the windows of an example, and in the four z of each square."""
        (filters, h, w), (W, _) = self.build(in_shape)
        return h * w * (W.fan_in // self.of.size**2 * (self.of.size + 1) ** 2 + 4 * filters)


_SQUARE = tuple(product((0, 1), (0, 1)))
"""Row and column of the four neighbours."""


@frozen
class SquareMaxPool(MaxPool):
    """MaxPool(2): the larger of two neighbours, and of two such numbers one below the other."""

    def forward(self, p: Params, x: Array, noise: Noise | None = None) -> tuple[Array, Cache]:
        """Return y (m, c, h', w')."""
        squares = _squares(examples_last(x))
        left, right = squares[:, :, :, :, 0], squares[:, :, :, :, 1]
        rows, is_right = np.maximum(left, right), right > left  # of equal ones, the first
        upper, lower = rows[:, :, 0], rows[:, :, 1]
        return np.moveaxis(np.maximum(upper, lower), -1, 0), (x.shape[1:], lower > upper, is_right)

    def backward(self, p: Params, cache: Cache, delta: Array, grad: Gradient) -> Array:
        """Return dC/dx: delta at the place of the maximum, 0 elsewhere."""
        in_shape, is_lower, is_right = cache
        d = examples_last(delta)
        dx = np.zeros_like(d, shape=(*in_shape, len(delta)), order="C")
        squares = _squares(dx)
        rows = np.empty_like(d, shape=is_right.shape, order="C")
        np.multiply(d, is_lower, out=rows[:, :, 1])
        np.subtract(d, rows[:, :, 1], out=rows[:, :, 0])
        np.multiply(rows, is_right, out=squares[:, :, :, :, 1])
        np.subtract(rows, squares[:, :, :, :, 1], out=squares[:, :, :, :, 0])
        return np.moveaxis(dx, -1, 0)


def _sum_of_products(pairs: Iterable[tuple[Array, Array]]) -> Array:
    """Return Σ a b^T, for a (n, …), b (k, …): as Σ b a^T if that has more rows than columns, which is faster."""
    products = (_product(b, a.mT).mT if len(b) > len(a) else _product(a, b.mT) for a, b in pairs)
    totals = list(islice(products, TURNS))
    for number, term in enumerate(products):
        totals[number % TURNS] += term
    first, *others = totals
    return sum(others, start=first)


def _squares(x: Array) -> Array:
    """Return a view (c, h', 2, w', 2, m) of x (c, h, w, m) without an odd row or column."""
    c, h, w, m = x.shape
    return x[:, : h // 2 * 2, : w // 2 * 2].reshape(c, h // 2, 2, w // 2, 2, m)


def _matrix(x: Array, axes: int) -> Array:
    """Return x as a matrix, whose rows are so many axes of it."""
    return x.reshape(prod(x.shape[:axes]), -1)


def _product(a: Array, b: Array) -> Array:
    """Return a b, by rows: the engine would take the order of columns for large matrices."""
    out = np.empty_like(b, shape=(len(a), b.shape[1]), order="C")
    return np.matmul(a, b, out=out)
