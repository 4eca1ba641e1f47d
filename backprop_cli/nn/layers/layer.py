"""What every layer offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from backprop_cli.nn.arrays import Array, Noise, Shape
from backprop_cli.nn.parameters import Gradient, Parameter, Params

Cache = Any
"""What a layer remembers of the way forward for the way back."""


class Layer(Protocol):
    """A function y = forward(x) of a batch x (..., m, *in_shape), with its derivative.

    `noise` is where a layer that is random in training draws from; without it the layer does what it does once the
    network is trained.
    """

    @property
    def operation(self) -> str:
        """The name of what the trained layer computes, for formats that other programs read."""
        return type(self).__name__.lower()

    def options(self, in_shape: Shape) -> Mapping[str, tuple[int, ...]]:
        """Return what such a format has to know besides shapes and arrays, by name, along (h, w)."""
        return {}

    @property
    def window(self) -> int:
        """The numbers of its input that become one of its output, where it pools."""
        return 1

    def takes(self, in_shape: Shape) -> Shape:
        """Return the shape in which the layer takes examples of in_shape: the same numbers, by default as they are."""
        return in_shape

    def build(self, in_shape: Shape) -> tuple[Shape, tuple[Parameter, ...]]:
        """Return the shape of an output and the parameters, given the shape of an input: by default, it and none.

        Raises UsageError if the layer cannot have such inputs.
        """
        return in_shape, ()

    def forward(self, p: Params, x: Array, noise: Noise | None = None) -> tuple[Array, Cache]:
        """Return y and what `backward` needs."""

    def backward(self, p: Params, cache: Cache, delta: Array, grad: Gradient) -> Array:
        """Add dC/dp to grad for every parameter p; return dC/dx. delta is dC/dy, of the shape of y."""

    def sides(self, cache: Cache) -> list[Array]:
        """Return, for each kink of the layer, on which side of it each number was on the way forward."""
        return []

    def left_out(self, in_shape: Shape) -> Shape:
        """Return how many rows at the bottom and columns at the right of an image no window contains, () if none."""
        return ()

    def multiplications(self, in_shape: Shape) -> int:
        """Return how many multiplications `forward` makes for one example; 0 where they do not matter."""
        return 0

    def workspace(self, in_shape: Shape) -> int:
        """Return how many numbers `forward` keeps for one example, besides its output."""
        return 0
