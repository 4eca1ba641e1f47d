"""Which layers of a trained network another network can have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TypeVar

from backprop_cli.errors import UsageError
from backprop_cli.nn.arrays import Array, Shape
from backprop_cli.nn.parameters import Layout

T = TypeVar("T")
Arrays = Mapping[str, Array]


def fitting(
    given: Arrays, layout: Layout, name: str, layers: int | None, decodes: bool = False
) -> tuple[dict[str, Array], list[str]]:
    """Return those of the arrays, which are called W1, b1, …, that a network of this layout takes, and lines about it.

    They are those of the first `layers` layers, or from the first on of all whose shapes agree. The lines say for each
    layer where it is from; `name` is that of the source. Raises UsageError for the first layer that has to fit and does
    not: without `layers`, each one below the outputs of both networks, and the first. If the source `decodes`, what is
    behind its narrowest layer leads back to its inputs, and is not taken either.
    """
    theirs = _by_layer(given)
    ours = _by_layer({entry.name: entry.parameter.shape for entry in layout.entries})
    hidden = range(1, len(theirs))
    code = min(hidden, key=lambda number: theirs[number][f"b{number}"].size) if decodes and hidden else len(theirs)
    n_taken = _count_fitting(theirs, ours, name, layers, code)
    taken = {key: theirs[number][key] for number in range(1, n_taken + 1) for key in ours[number]}
    return taken, list(_fates(theirs, ours, n_taken, name))


def _by_layer(of_all: Mapping[str, T]) -> dict[int, dict[str, T]]:
    found: dict[int, dict[str, T]] = {}
    for name, one in of_all.items():
        found.setdefault(int(re.sub("[^0-9]", "", name)), {})[name] = one
    return found


def _count_fitting(
    given: Mapping[int, Arrays], wanted: Mapping[int, Mapping[str, Shape]], name: str, layers: int | None, code: int
) -> int:
    """Return how many layers are taken."""
    most = min(len(given), len(wanted))
    if layers and layers > most:
        which = f"{name} has" if len(given) == most else "this network has"
        raise UsageError(f"{which} {most} layer{'s' * (most > 1)} with weights, so {layers} cannot be taken")
    needed, most = layers or max(1, min(most - 1, code)), layers or min(most, code)
    for number in range(1, most + 1):
        shapes = {key: array.shape for key, array in given.get(number, {}).items()}
        for key, shape in wanted[number].items():
            if shapes.get(key) != shape and number > needed:
                return number - 1
            if shapes.get(key) != shape:
                has = f"is {_size(shapes[key])}" if key in shapes else "is missing"
                fewer = (
                    f"; to take only what is below, write {{run: {name}, layers: {number - 1}}}" if number > 1 else ""
                )
                raise UsageError(f"{key} of {name} {has}, but that of this network is {_size(shape)}{fewer}")
    return most


def _fates(
    given: Mapping[int, Arrays], wanted: Mapping[int, Mapping[str, Shape]], n_taken: int, name: str
) -> Iterator[str]:
    """Yield a line for each layer of the network, and for what the checkpoint has besides."""
    for number, shapes in wanted.items():
        origin = f"from {name} ({_size(next(iter(shapes.values())))})" if number <= n_taken else "new"
        yield f"{', '.join(shapes)} {origin}"
    for number, arrays in given.items():
        if rest := [key for key in arrays if number > n_taken or key not in wanted[number]]:
            yield f"{', '.join(rest)} of {name} not used ({_size(arrays[rest[0]].shape)})"


def _size(shape: Shape) -> str:
    return "x".join(map(str, shape))
