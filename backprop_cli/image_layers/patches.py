"""Images with the examples last, and the patches of them that windows show.

Signals are (m, c, h, w) as everywhere, but lie in memory as (c, h, w, m): patches are then copied in long pieces, all
products have long rows, and a dense layer that follows sees a matrix by columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from backprop_cli.nn.arrays import Array, Shape
from backprop_cli.nn.layers.convolution import Conv2D
from backprop_cli.nn.layers.windows import Windows

Index = tuple[slice, slice, slice]

AT_ONCE = 330_000
"""About so many numbers are in the patches that are made at a time."""

TURNS = 2
"""The parts take turns with so many memories, so that as many threads can each work through parts of their own."""


def examples_last(x: Array) -> Array:
    """Return a view (c, h, w, m) of x (m, c, h, w)."""
    return np.moveaxis(x, 0, -1)


def by_rows(x: Array) -> Array:
    """Return x by rows, a copy unless it lies like this."""
    return x.reshape(-1).reshape(*x.shape)


def padded(layer: Conv2D, x: Array) -> Array:
    """Return x (m, c, h, w) with the zeros around it, contiguous as (c, h, w, m)."""
    m, *in_shape = x.shape
    shape = layer.padded_shape(tuple(in_shape))
    if shape == x.shape[1:]:
        return by_rows(examples_last(x))
    padded = np.zeros_like(x, shape=(*shape, m), order="C")
    inside(layer, padded, x.shape[1:])[...] = x
    return padded


def inside(layer: Conv2D, padded: Array, in_shape: Shape) -> Array:
    """Return the view (m, c, h, w) of what is inside the zeros of (c, h, w, m)."""
    return np.moveaxis(padded, -1, 0)[layer.inside(in_shape)]


class Patches:
    """The pixels of all windows of images (c, h, w, m), those of some windows at a time: (c, size, size, h', w', m)."""

    def __init__(self, images: Array, windows: Windows) -> None:
        self.images, self._size, self._stride = images, windows.size, windows.stride
        every, both = slice(None, None, windows.stride), (windows.size, windows.size)
        self._all = np.moveaxis(sliding_window_view(images, both, axis=(1, 2))[:, every, every], (-2, -1), (1, 2))
        h, w, m = self.shape = self._all.shape[3:]
        count = -(-self._all.size // AT_ONCE)
        count += -count % TURNS if count > 1 else 0
        rows = min(h, count)
        self.places = [
            (slice(None), row, column) for row in _slices(h, rows) for column in _slices(w, min(w, -(-count // rows)))
        ]
        self._kept: list[Array] = []

    def parts(self) -> Iterator[tuple[Index, Array]]:
        """Yield where parts of the windows are in (…, h', w', m), and a copy of their pixels, each time anew."""
        if self._kept:
            yield self.places[0], self._kept[0]
            return
        for part, some in self.buffers(*self._all.shape[:3]):
            some[...] = self._all[:, :, *part]
            if len(self.places) == 1:
                self._kept = [some]
            yield part, some

    def buffers(self, *axes: int) -> Iterator[tuple[Index, Array]]:
        """Yield the parts, and for each memory (*axes, h', w', m), which is that of earlier ones (see TURNS)."""
        found: dict[tuple[Shape, int], Array] = {}
        for number, part in enumerate(self.places):
            shape = (*axes, *self._all[:, :, *part].shape[3:])
            key = shape, number % TURNS
            if key not in found:
                found[key] = np.empty_like(self.images, shape=shape, order="C")
            yield part, found[key]

    def add(self, some: Array, part: Index, images: Array) -> None:
        """Add the pixels of the windows of a part to images (c, h, w, m)."""
        (_, _, _, h, w, _), size, stride = some.shape, self._size, self._stride
        top, left = (axis.start * stride for axis in part[1:])
        for i, v in product(range(h), range(size)):
            rows = slice(top + i * stride, top + i * stride + size)
            images[:, rows, left + v : left + v + w * stride : stride] += some[:, :, v, i]


def _slices(length: int, count: int) -> list[slice]:
    """Return so many slices of about the same length."""
    return [slice(length * i // count, length * (i + 1) // count) for i in range(count)]
