"""The network: layers one after another, signals forward, deltas backward."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from math import prod
from typing import NamedTuple

import numpy as np

from backprop_cli.frozen import frozen
from backprop_cli.nn.activations import Activation
from backprop_cli.nn.arrays import Array, Noise, Shape
from backprop_cli.nn.initializers import Initializer
from backprop_cli.nn.layers.dense import Dense
from backprop_cli.nn.layers.dropout import Dropout
from backprop_cli.nn.layers.layer import Cache, Layer
from backprop_cli.nn.layers.transposed import TransposedDense
from backprop_cli.nn.parameters import Gradient, Layout

PIECE = 50_000_000
"""Batches with more numbers in their signals (`Network.width`) than this are worked through in pieces."""


@frozen
class Unit:
    """A layer with parameters, number `index` of the network, and the activation behind it: a = f(layer(a_prev))."""

    index: int
    layer: Layer
    activation: Activation


@frozen
class Network:
    """A feed-forward network: `layers` one after another give z of the output layer, and a = output(z).

    It holds no parameters: they live in the vector theta that is passed in (see `Layout`). Examples may also be given
    flat, as x (..., m, n_0). Between two layers, signals are given the shape that the next one takes (`Layer.takes`),
    so that an image is flattened where a dense layer follows, and at the end.
    """

    in_shape: Shape
    layers: tuple[Layer, ...]
    output: Activation

    @cached_property
    def _built(self) -> tuple[tuple[Shape, ...], Layout]:
        shapes, parameters = [self.in_shape], []
        for layer in self.layers:
            shape, own = layer.build(layer.takes(shapes[-1]))
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
    def taken(self) -> tuple[Shape, ...]:
        """The shapes in which the layers take the signals of one example."""
        return tuple(layer.takes(shape) for layer, shape in zip(self.layers, self.shapes, strict=False))

    @cached_property
    def width(self) -> int:
        """The numbers that are kept of one example, in signals and for the way back, for estimates of memory."""
        kept = sum(layer.workspace(shape) for layer, shape in zip(self.layers, self.taken, strict=True))
        return kept + sum(prod(shape) for shape in self.shapes)

    @cached_property
    def multiplications(self) -> int:
        """The multiplications for one example in the layer that has most of them."""
        return max(layer.multiplications(shape) for layer, shape in zip(self.layers, self.taken, strict=True))

    def initialize(
        self,
        initializer: Initializer,
        rng: np.random.Generator,
        dtype: str,
        others: Mapping[int, Initializer] | None = None,
    ) -> Array:
        """Return a new theta (n,), drawn layer after layer from rng.

        `others` are the initializers of some of the units, by their place in `units`.
        """
        theta = np.empty(self.layout.size, dtype)
        views = self.layout.named(theta)
        own = {unit.index: (others or {}).get(k, initializer) for k, unit in enumerate(self.units)}
        for entry in self.layout.entries:
            views[entry.name][...] = own[entry.layer].draw(entry.parameter, rng, self._window(entry.layer))
        return theta

    def _window(self, index: int) -> int:
        """Return the pixels of the windows that are pooled between a layer with parameters and the next one."""
        behind = range(index + 1, min((u.index for u in self.units if u.index > index), default=len(self.layers)))
        return prod(self.layers[k].window for k in behind)

    def forward(self, theta: Array, x: Array, noise: Noise | None = None) -> tuple[list[Array], list[Cache]]:
        """Send the examples x (..., m, *in_shape), or flat, through all layers.

        Returns the signals, x and the output of each layer, and what each layer remembers for the way back.
        """
        given = self.in_shape if x.shape[-len(self.in_shape) :] == self.in_shape else x.shape[-1:]
        signals, caches = [_shaped(x, given, self.in_shape)], []
        parts = zip(self.layers, self.layout.split(theta), self.shapes[:-1], self.taken, strict=True)
        for layer, p, shape, taken in parts:
            y, cache = layer.forward(p, _shaped(signals[-1], shape, taken), noise)
            signals.append(y)
            caches.append(cache)
        signals[-1] = _shaped(signals[-1], self.shapes[-1], (prod(self.shapes[-1]),))
        return signals, caches

    def backward(
        self,
        theta: Array,
        caches: list[Cache],
        delta: Array,
        grads: Sequence[Gradient],
        more: Mapping[int, Array] | None = None,
    ) -> list[Array]:
        """Carry delta = dC/dz of the output layer back through all layers, whose gradients are added to grads.

        Returns dC/d(signal) for each of the signals that `forward` returned. `more` is what else is in dC/d(signal),
        by the number of the signal.
        """
        deltas = [_shaped(delta, (prod(self.shapes[-1]),), self.shapes[-1])]
        shapes = self.shapes[:-1], self.taken
        parts = list(zip(self.layers, self.layout.split(theta), caches, grads, *shapes, strict=True))
        for number, (layer, p, cache, grad, shape, taken) in reversed(list(enumerate(parts))):
            deltas.append(_shaped(layer.backward(p, cache, deltas[-1], grad), taken, shape))
            if more and number in more:
                deltas[-1] = deltas[-1] + more[number]
        return deltas[::-1]

    def outputs(self, theta: Array, x: Array, layer: int | None = None) -> Array:
        """Return a of the output layer, (..., m, n_L), or what layer + 1 takes, (..., m, n), for the examples x."""
        signals, _ = self.forward(theta, x)
        if layer is None or layer == len(self.units):
            return self.output.value(signals[-1])
        index = self.units[layer].index
        return _shaped(signals[index], self.shapes[index], (prod(self.shapes[index]),))

    def units_of(self, layer: int) -> int:
        """Return the number of outputs of a layer, from 1: what the next one takes."""
        return prod(self.shapes[self.units[layer].index if layer < len(self.units) else -1])


def _shaped(x: Array, before: Shape, after: Shape) -> Array:
    """Return x (..., *before) as (..., *after), the same numbers in the same order."""
    return x if before == after else x.reshape(*x.shape[: x.ndim - len(before)], *after)


class Stage(NamedTuple):
    """A layer, the activation behind it if it has one, and the probability to drop a number of what leaves it."""

    layer: Layer
    activation: Activation | None = None
    dropout: float = 0.0


def network_of(in_shape: Shape, stages: Sequence[Stage], input_dropout: float = 0.0) -> Network:
    """Return the network of these stages for examples of in_shape. The last stage has an activation."""

    def layers() -> Iterator[Layer]:
        if input_dropout:
            yield Dropout(input_dropout)
        for stage in stages[:-1]:
            yield stage.layer
            if stage.activation:
                yield stage.activation
            if stage.dropout:
                yield Dropout(stage.dropout)
        yield stages[-1].layer

    output = stages[-1].activation
    assert output is not None, "the last stage has an activation"
    return Network(in_shape, tuple(layers()), output)


def tied(stages: Sequence[Stage], sizes: Sequence[int]) -> list[Stage]:
    """Return dense stages, an even number L, of which the second half has the weights of the first, transposed.

    `sizes` are the numbers of units, n_0 … n_L.
    """
    half = len(stages) // 2
    layers = [TransposedDense(n, half - k) for k, n in enumerate(sizes[half + 1 :])]
    return [*stages[:half], *(s._replace(layer=layer) for s, layer in zip(stages[half:], layers, strict=True))]


def dense_network(sizes: Sequence[int], activations: Sequence[Activation], dropouts: Sequence[float] = ()) -> Network:
    """Return a network of dense layers: n_0, …, n_L units, and the activation of each layer 1 … L.

    `dropouts`, if there are any, are the probabilities to drop a unit of layer 0 (the inputs) to L - 1.
    """
    input_dropout, *hidden = dropouts or (0.0,) * len(activations)
    stages = zip(map(Dense, sizes[1:]), activations, (*hidden, 0.0), strict=True)
    return network_of((sizes[0],), [Stage(*stage) for stage in stages], input_dropout)
