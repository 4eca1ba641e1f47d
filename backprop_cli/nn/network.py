"""The network: layers one after another, signals forward, deltas backward."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from backprop_cli.nn.activations import Activation
from backprop_cli.nn.arrays import Array, Noise, Shape
from backprop_cli.nn.initializers import Initializer
from backprop_cli.nn.layers.dense import Dense
from backprop_cli.nn.layers.dropout import Dropout
from backprop_cli.nn.layers.layer import Cache, Layer
from backprop_cli.nn.parameters import Gradient, Layout


@dataclass(frozen=True)
class Unit:
    """A layer with parameters, number `index` of the network, and the activation behind it: a = f(layer(a_prev))."""

    index: int
    layer: Layer
    activation: Activation


@dataclass(frozen=True)
class Network:
    """A feed-forward network: `layers` one after another give z of the output layer, and a = output(z).

    It holds no parameters: they live in the vector theta that is passed in (see `Layout`).
    """

    in_shape: Shape
    layers: tuple[Layer, ...]
    output: Activation

    @cached_property
    def _built(self) -> tuple[tuple[Shape, ...], Layout]:
        shapes, parameters = [self.in_shape], []
        for layer in self.layers:
            shape, own = layer.build(shapes[-1])
            shapes.append(shape)
            parameters.append(own)
        return tuple(shapes), Layout(tuple(parameters))

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The shapes of the signals of one example: of the input, and of the output of each layer."""
        return self._built[0]

    @property
    def layout(self) -> Layout:
        """Where the parameters lie in theta."""
        return self._built[1]

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        """The layers that the mathematics numbers 1 … L, those with parameters, each with its activation."""
        behind = [*self.layers[1:], self.output]
        return tuple(
            Unit(index, layer, f)
            for index, layer in enumerate(self.layers)
            if self.layout.layers[index]
            for f in [next(f for f in behind[index:] if isinstance(f, Activation))]
        )

    @cached_property
    def width(self) -> int:
        """The numbers in all signals of one example, for estimates of memory."""
        return sum(prod(shape) for shape in self.shapes)

    @cached_property
    def multiplications(self) -> int:
        """The multiplications for one example in the layer that has most of them."""
        return max(layer.multiplications(shape) for layer, shape in zip(self.layers, self.shapes, strict=False))

    def initialize(self, initializer: Initializer, rng: np.random.Generator, dtype: str) -> Array:
        """Return a new theta (n,), drawn layer after layer from rng."""
        theta = np.empty(self.layout.size, dtype)
        views = self.layout.named(theta)
        for entry in self.layout.entries:
            views[entry.name][...] = initializer.draw(entry.parameter, rng)
        return theta

    def forward(self, theta: Array, x: Array, noise: Noise | None = None) -> tuple[list[Array], list[Cache]]:
        """Send the examples x (..., m, *in_shape) through all layers.

        Returns the signals, x and the output of each layer, and what each layer remembers for the way back.
        """
        signals, caches = [x], []
        for layer, p in zip(self.layers, self.layout.split(theta), strict=True):
            y, cache = layer.forward(p, signals[-1], noise)
            signals.append(y)
            caches.append(cache)
        return signals, caches

    def backward(self, theta: Array, caches: list[Cache], delta: Array, grads: Sequence[Gradient]) -> list[Array]:
        """Carry delta = dC/dz of the output layer back through all layers, whose gradients are added to grads.

        Returns dC/d(signal) for each of the signals that `forward` returned.
        """
        deltas = [delta]
        parts = list(zip(self.layers, self.layout.split(theta), caches, grads, strict=True))
        for layer, p, cache, grad in reversed(parts):
            deltas.append(layer.backward(p, cache, deltas[-1], grad))
        return deltas[::-1]

    def outputs(self, theta: Array, x: Array) -> Array:
        """Return a of the output layer, (..., m, *out_shape), for the examples x."""
        signals, _ = self.forward(theta, x)
        return self.output.value(signals[-1])


def dense_network(sizes: Sequence[int], activations: Sequence[Activation], dropouts: Sequence[float] = ()) -> Network:
    """Return a network of dense layers: n_0, …, n_L units, and the activation of each layer 1 … L.

    `dropouts`, if there are any, are the probabilities to drop a unit of layer 0 (the inputs) to L - 1.
    """

    def layers() -> Iterator[Layer]:
        for l, units in enumerate(sizes[1:]):
            if l > 0:
                yield activations[l - 1]
            if dropouts and dropouts[l]:
                yield Dropout(dropouts[l])
            yield Dense(units)

    return Network((sizes[0],), tuple(layers()), activations[-1])
