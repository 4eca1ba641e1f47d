"""Parameters: their names and shapes, and where each lies in the vector theta.

All parameters of a network live in one vector theta (n,), or (K, n) for a stack of K networks. The penalized ones
come first, layer by layer, then the others (W1, W2, …, b1, b2, …), so that a penalty acts on one slice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from math import prod
from typing import NamedTuple, Protocol

import numpy as np

from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array, Shape


@frozen
class Parameter:
    """An array of parameters of one layer.

    `penalized` says whether penalties act on it: weights yes, biases no. `fan_in` and `fan_out` are the numbers of
    inputs and outputs of one unit, which initializers scale by. A parameter that is the transpose of the one of the
    same name in layer `transpose_of` (from 1) has no numbers of its own.
    """

    name: str
    shape: Shape
    penalized: bool
    fan_in: int
    fan_out: int
    transpose_of: int | None = None

    @property
    def size(self) -> int:
        """The number of numbers of its own."""
        return 0 if self.transpose_of else prod(self.shape)


class Params(dict[str, Array]):
    """The parameters of one layer by name, also as attributes: `p.W`."""

    def __getattr__(self, name: str) -> Array:
        """Return the array of that name."""
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Gradient(Protocol):
    """Takes in dC/dp for the parameters p of one layer; the layer does not know what becomes of it."""

    def add_product(self, name: str, a: Array, b: Array) -> None:
        """Add the product a b, of the size of the parameter, to its gradient."""

    def add_sum(self, name: str, delta: Array) -> None:
        """Add the sum of delta (..., m, n) over its rows to the gradient of the parameter, (..., n)."""

    def add(self, name: str, g: Array) -> None:
        """Add g, of the shape of the parameter, to its gradient."""


class GradientSum(Gradient):
    """Adds the gradient up in arrays that start at zero."""

    def __init__(self, arrays: Params) -> None:
        self._arrays = arrays

    def add_product(self, name: str, a: Array, b: Array) -> None:
        """Add a b."""
        self._arrays[name] += (a @ b).reshape(self._arrays[name].shape)

    def add_sum(self, name: str, delta: Array) -> None:
        """Add Σ delta over the rows."""
        self._arrays[name] += np.sum(delta, axis=-2)

    def add(self, name: str, g: Array) -> None:
        """Add g."""
        self._arrays[name] += g


class NoGradient(Gradient):
    """Takes in the gradient of a layer whose parameters stay as they are: nothing becomes of it."""

    def add_product(self, name: str, a: Array, b: Array) -> None:
        """Do nothing."""

    def add_sum(self, name: str, delta: Array) -> None:
        """Do nothing."""

    def add(self, name: str, g: Array) -> None:
        """Do nothing."""


class Entry(NamedTuple):
    """A parameter of a network: its name there (`W1`), the index of its layer, and its indices in theta."""

    name: str
    layer: int
    parameter: Parameter
    place: range


@frozen
class Layout:
    """Names, shapes and places of all parameters of a network, given those of each of its layers."""

    layers: tuple[tuple[Parameter, ...], ...]

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """Every parameter with numbers of its own, layer by layer."""
        return tuple(entry for entry in self.uses if not entry.parameter.transpose_of)

    @cached_property
    def uses(self) -> tuple[Entry, ...]:
        """Every parameter of every layer; the layers that have any are numbered from 1.

        One that is the transpose of another is at the place of that.
        """
        starts = [0, self.n_penalized]
        entries: list[Entry] = []
        for number, (index, layer) in enumerate(((i, layer) for i, layer in enumerate(self.layers) if layer), start=1):
            for parameter in layer:
                start = starts[not parameter.penalized]
                starts[not parameter.penalized] += parameter.size
                place = range(start, start + parameter.size)
                if parameter.transpose_of:
                    source = f"{parameter.name}{parameter.transpose_of}"
                    place = next(entry.place for entry in entries if entry.name == source)
                entries.append(Entry(f"{parameter.name}{number}", index, parameter, place))
        return tuple(entries)

    @cached_property
    def shared(self) -> frozenset[tuple[int, str]]:
        """Index of the layer, and name, of the parameters whose transpose a later layer uses."""
        places = {entry.place for entry in self.uses if entry.parameter.transpose_of}
        return frozenset((entry.layer, entry.parameter.name) for entry in self.entries if entry.place in places)

    @property
    def separate(self) -> Layout:
        """The layout of the same layers if none shared a parameter."""
        return Layout(tuple(tuple(replace(p, transpose_of=None) for p in layer) for layer in self.layers))

    @cached_property
    def size(self) -> int:
        """The length of theta."""
        return sum(parameter.size for layer in self.layers for parameter in layer)

    @cached_property
    def n_penalized(self) -> int:
        """The length of the penalized part, theta[..., :n_penalized]."""
        return sum(parameter.size for layer in self.layers for parameter in layer if parameter.penalized)

    def split(self, theta: Array) -> list[Params]:
        """Return the parameters of each layer as views of theta (..., n); nothing is copied."""
        params = [Params() for _ in self.layers]
        for entry in self.uses:
            params[entry.layer][entry.parameter.name] = _view(theta, entry)
        return params

    def named(self, theta: Array) -> dict[str, Array]:
        """Return every parameter by its name in the network, W1, b1, W2, …, as views of theta (..., n)."""
        return {entry.name: _view(theta, entry) for entry in self.entries}

    def join(self, arrays: Mapping[str, Array], dtype: str) -> Array:
        """Return the theta (n,) of which these are the arrays by name. Raises ValueError if they do not fit."""
        if {name: a.shape for name, a in arrays.items()} != {e.name: e.parameter.shape for e in self.entries}:
            raise ValueError("the arrays are not those of this network")
        theta = np.empty(self.size, dtype)
        for name, view in self.named(theta).items():
            view[...] = arrays[name]
        return theta

    def name_of(self, index: int) -> str:
        """Return what mathematics calls theta[index]: `W2[3,17]` or `b1[4]`, indices from 0."""
        entry = next(entry for entry in self.entries if index in entry.place)
        indices = np.unravel_index(index - entry.place.start, entry.parameter.shape)
        return f"{entry.name}[{','.join(map(str, indices))}]"

    def sums(self, grad: Array) -> list[GradientSum]:
        """Return, for each layer, what adds its gradient up in its part of grad (..., n), which starts at zero."""
        return [GradientSum(params) for params in self.split(grad)]


def _view(theta: Array, entry: Entry) -> Array:
    part, shape = theta[..., entry.place.start : entry.place.stop], entry.parameter.shape
    if entry.parameter.transpose_of:
        return part.reshape(*theta.shape[:-1], *shape[::-1]).mT
    return part.reshape(*theta.shape[:-1], *shape)
