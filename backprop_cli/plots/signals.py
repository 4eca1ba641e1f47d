"""The signals of a trained network for examples of its data, layer by layer, as images where they are images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop_cli.nn.arrays import Array, Shape
from backprop_cli.nn.network import Network
from backprop_cli.results.run import Run

CHUNK = 10_000_000
"""Examples are worked through in pieces of at most so many numbers."""


@dataclass(frozen=True)
class Stage:
    """A layer with its activation: its `name`, and the place and the `shape` of what leaves it among all signals.

    Layers with weights are numbered, as W and b are.
    """

    name: str
    place: int
    shape: Shape
    weighted: bool

    @property
    def has_maps(self) -> bool:
        """Whether images leave it, (maps, h, w), and not the numbers of units."""
        return len(self.shape) == 3

    @property
    def size(self) -> str:
        """How many maps or units it has, and of which size."""
        return f"{self.shape[0]} {self.noun}s" + (f" of {self.shape[1]}x{self.shape[2]}" if self.has_maps else "")

    @property
    def noun(self) -> str:
        """What it consists of."""
        return "map" if self.has_maps else "unit"


def stages_of(run: Run) -> list[Stage]:
    """Return the stages of a network, the output layer being the last."""
    e, network = run.config, run.config.network
    places = {unit.index: unit.index + 2 for unit in network.units}  # behind the activation
    places |= {
        i: i + 1
        for i, layer in enumerate(network.layers)
        if layer.operation != "identity" and i not in places and i - 1 not in places  # neither noise nor activation
    }
    numbers = {unit.index: number for number, unit in enumerate(network.units, start=1)}
    stages = []
    for entry, (i, place) in zip(e.layers[1:], sorted(places.items()), strict=True):
        name = f"layer {numbers[i]}: {entry.word}, {e.activations[numbers[i] - 1]}" if i in numbers else entry.word
        stages.append(Stage(name, place, network.shapes[i + 1], i in numbers))
    return stages


def signals_of(run: Run, inputs: Any) -> Iterator[list[Array]]:
    """Yield all signals for pieces of the inputs (n, n_0): those that enter, and those that leave each layer.

    The last one is a of the output layer.
    """
    network, theta = run.model.network, run.theta
    rows = max(1, CHUNK // network.width)
    for start in range(0, len(inputs), rows):
        signals, _ = network.forward(theta, run.data.x(inputs[start : start + rows], theta.dtype))
        yield [*signals, network.output.value(signals[-1])]


def image_shape(run: Run) -> Shape | None:
    """Return the (height, width) of the images that the inputs are, None if they are none."""
    shape = run.config.in_shape
    return shape[1:] if len(shape) == 3 else run.config.data.image


def no_images(run: Run) -> str | None:
    """Return why a run has no images, or None."""
    return None if image_shape(run) else f"the inputs of {run.config.dataset.name} are not images"


def as_images(run: Run, inputs: Any) -> Array:
    """Return inputs (n, n_0) as images (n, h, w); of images with channels, their mean."""
    shape = image_shape(run)
    assert shape is not None, "a plot of images is available only for images"
    images: Array = np.asarray(inputs).reshape(len(inputs), -1, *shape).mean(axis=1)
    return images


def field(network: Network, place: int, axis: int, position: int) -> tuple[int, int]:
    """Return the first and the last row (axis 1) or column (2) of an image that a signal's position depends on.

    They may be beyond the image, where a convolution adds zeros.
    """
    first = last = position
    for layer, shape in zip(network.layers[:place][::-1], network.taken[:place][::-1], strict=True):
        first, last = layer.field(shape[axis], first, last)
    return first, last
