"""The signals of a trained network for examples of its data, layer by layer, as images where they are images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from backprop_cli.data.dataset import Split
from backprop_cli.errors import UsageError
from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array, Shape
from backprop_cli.nn.network import Network
from backprop_cli.nn.parameters import Params
from backprop_cli.plots import View
from backprop_cli.results.evaluation import SPLITS
from backprop_cli.results.run import Run

CHUNK = 10_000_000
"""Examples are worked through in pieces of at most so many numbers."""


@frozen
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
        return f"{self.shape[0]} {self.noun}{'s' * (self.shape[0] > 1)}" + (
            f" of {self.shape[1]}x{self.shape[2]}" if self.has_maps else ""
        )

    @property
    def noun(self) -> str:
        """What it consists of."""
        return "map" if self.has_maps else "unit"


def stages_of(run: Run) -> list[Stage]:
    """Return the stages of a network, the output layer being the last."""
    e, network = run.config, run.config.network
    numbers = {unit.index: number for number, unit in enumerate(network.units, start=1)}
    stages = []
    for entry, (i, place) in zip(e.layers[1:], _places(network).items(), strict=True):
        name = f"layer {numbers[i]}: {entry.word}, {e.activations[numbers[i] - 1]}" if i in numbers else entry.word
        stages.append(Stage(name, place, network.shapes[i + 1], i in numbers))
    return stages


def _places(network: Network) -> dict[int, int]:
    """Return, for each layer that is neither noise nor an activation, the place of what leaves its stage."""
    places = {unit.index: unit.index + 2 for unit in network.units}  # behind the activation
    for i, layer in enumerate(network.layers):
        if layer.operation != "identity" and i not in places and i - 1 not in places:
            places[i] = i + 1
    return dict(sorted(places.items()))


def fed(run: Run, inputs: Any) -> Array:
    """Return inputs (n, n_0) as the network is fed them."""
    x: Array = run.data.x(inputs, run.theta.dtype)
    return x


def with_noise(run: Run, x: Array) -> Array:
    """Return x (n, n_0) with the noise that training adds, corruption and dropout; x itself if it adds none."""
    network, noise = run.config.network, np.random.default_rng(0)
    if run.config.corrupt:
        x = run.config.corrupt.of(x, noise).astype(x.dtype)
    for layer in network.layers[: next(iter(_places(network)))]:
        x, _ = layer.forward(Params(), x, noise)
    return x


def signals_of(run: Run, x: Array) -> Iterator[list[Array]]:
    """Yield all signals for pieces of x (n, n_0): x, and what leaves each layer, a of the output layer being the last.

    The noise of training is off.
    """
    network = run.model.network
    rows = max(1, CHUNK // network.width)
    for start in range(0, len(x), rows):
        signals, _ = network.forward(run.theta, x[start : start + rows])
        a = network.output.value(signals[-1])
        yield [*signals, a.reshape(len(a), *network.shapes[-1])]  # maps as outputs are flat in it


def outputs_from(run: Run, stage: Stage, a: Array) -> Array:
    """Return the outputs (n, ...) for what leaves a stage, a (n, *stage.shape)."""
    network = run.config.network
    layers = list(zip(network.layers, network.layout.split(run.theta), network.taken, strict=True))
    for layer, p, taken in layers[stage.place :]:
        a, _ = layer.forward(p, a.reshape(len(a), *taken))
    return network.output.value(a)


def chosen_image(run: Run, view: View) -> Split:
    """Return the examples from the chosen image on. Raises UsageError if there is no such image."""
    examples = run.examples(view.split)
    if view.image >= len(examples):
        raise UsageError(f"the {SPLITS[view.split]} split has images 0 to {len(examples) - 1:,}, not {view.image:,}")
    return examples[view.image :]


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
