"""Square windows that move over images (..., c, h, w), as convolution and pooling have them."""

from __future__ import annotations

from math import prod

from backprop_cli.errors import UsageError
from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array, Shape


def image_shape(in_shape: Shape) -> Shape:
    """Return (c, h, w) of an example that is an image (c, h, w) or (h, w). Raises UsageError if it is none."""
    if len(in_shape) == 3:
        return in_shape
    if len(in_shape) == 2:
        return (1, *in_shape)
    raise UsageError(f"needs images as its input, not {prod(in_shape):,} numbers")


@frozen
class Windows:
    """Windows of size x size pixels, `stride` pixels apart; a remainder that no window fits into is left out."""

    size: int
    stride: int

    def along(self, length: int) -> int:
        """Return the number of windows along an axis."""
        return max(0, (length - self.size) // self.stride + 1)

    def left_out(self, in_shape: Shape) -> Shape:
        """Return the rows and the columns of an image (c, h, w) behind the last windows, () if there are none."""
        rest = tuple((length - self.size) % self.stride for length in in_shape[1:])
        return rest if any(rest) else ()

    def over(self, in_shape: Shape) -> Shape:
        """Return (c, h', w'), the windows over an image (c, h, w). Raises UsageError if there are none."""
        c, h, w = in_shape
        if self.size > min(h, w):
            raise UsageError(
                f"has windows of {self.size}x{self.size}, but its input is {h}x{w}; use {min(h, w)} or less"
            )
        return c, self.along(h), self.along(w)

    def field(self, first: int, last: int) -> tuple[int, int]:
        """Return the first and the last row of the windows number first … last along an axis."""
        return first * self.stride, last * self.stride + self.size - 1

    def pixels(self, x: Array) -> list[Array]:
        """Return size² views (..., c, h', w'): the first pixel of every window, the second, …, row by row."""
        rows, columns = ((self.along(length) - 1) * self.stride + 1 for length in x.shape[-2:])
        starts = [(u, v) for u in range(self.size) for v in range(self.size)]
        return [x[..., u : u + rows : self.stride, v : v + columns : self.stride] for u, v in starts]
