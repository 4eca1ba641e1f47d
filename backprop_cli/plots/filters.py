"""What the layers of a network respond to: weights as images, feature maps, and the patches that excite a map most."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from backprop_cli.data.splits import Rows
from backprop_cli.drawing.images import TILES, draw_weights
from backprop_cli.drawing.style import title
from backprop_cli.drawing.tiles import Scale, Tiles, draw_tiles, in_rows
from backprop_cli.nn.arrays import Array
from backprop_cli.plots import PlotResult, View
from backprop_cli.plots.quality import class_names, named
from backprop_cli.plots.signals import (
    Stage,
    as_images,
    chosen_image,
    fed,
    field,
    seen,
    signals_of,
    stages_of,
)
from backprop_cli.results.evaluation import SPLITS
from backprop_cli.results.run import Run

EXAMPLES = 2000
"""Activity, and the patches that excite a map most, are those of at most so many examples."""

MAPS = 40
"""At most so many maps of a layer are drawn."""

SIDE = 3
"""Of each map, the SIDE x SIDE patches that excite it most are drawn."""


def first_layer(run: Run) -> Stage:
    """Return the first layer with weights."""
    return next(stage for stage in stages_of(run) if stage.weighted)


def first_weights(run: Run) -> Array:
    """Return W of the first layer as images (units, channels, h, w), or in colour (units, 1, h, w, 3)."""
    W, network = run.parameters["W1"], run.config.network
    inputs = W.shape[1:] if W.ndim > 2 else network.shapes[network.units[0].index]
    shape = inputs[1:] if len(inputs) == 3 else run.config.image
    assert shape is not None, "weights are images only where the inputs are"
    W = W.reshape(len(W), -1, *shape)
    return seen(W)[:, None] if W.shape[1] == 3 else W


def weight_names(run: Run, W: Array) -> list[str]:
    """Return the names of the images of first_weights: units, or maps and their channels."""
    units, channels = W.shape[:2]
    if len(run.config.activations) == 1 and units == run.config.task.classes:
        return [f"class {name}" for name in class_names(run)]
    noun = first_layer(run).noun
    return [
        f"{noun} {unit}" if channels == 1 else f"{noun} {unit}, {channel}"
        for unit in range(1, units + 1)
        for channel in range(1, channels + 1)
    ]


def plot_weights(run: Run, view: View) -> PlotResult:
    """Draw the weights of the first layer as images, in the order of the units."""
    return _plot_weights(run, view, "weights", np.arange(len(first_weights(run))))


def plot_filters(run: Run, view: View) -> PlotResult:
    """Draw the weights of the first layer as images, those of the units with the largest mean activity first."""
    stage = first_layer(run)
    activity = np.zeros(stage.shape[0])
    for signals in signals_of(run, fed(run, run.examples(view.split).inputs[:EXAMPLES])):
        a = signals[stage.place]
        activity += a.reshape(*a.shape[:2], -1).mean(axis=2).sum(axis=0)
    order = np.argsort(-activity, kind="stable")
    return _plot_weights(run, view, "filters", order, f", the most active on the {SPLITS[view.split]} split first")


def _plot_weights(run: Run, view: View, kind: str, order: Rows, words: str = "") -> PlotResult:
    W = first_weights(run)
    n, channels, *shape = W.shape
    names = np.array(weight_names(run, W)).reshape(n, channels)[order].ravel()[:TILES].tolist()
    images, label = _scaled(W[order].reshape(-1, *shape)[:TILES], view, "weight")
    shown = f"all {n}" if len(images) == n * channels else f"the first {len(images) // channels} of {n}"
    count = f"{shown} {first_layer(run).noun}s{words}"
    light = f"light {'pixels' if images.ndim == 3 else 'colours'} have positive weights"
    figure = draw_weights(images, names, Scale.around_zero(images, label))
    return PlotResult(
        title(figure, named(run, f"{kind} of the first layer, {count}")),
        f"Weights of the first layer as images, {count}; {light}, dark ones negative.",
        f"Weights of the first layer as images, {count}.",
    )


def _scaled(images: Array, view: View, label: str) -> tuple[Array, str]:
    """Return images (n, ...) and what their numbers are: divided by the largest of each if its scale is its own."""
    if view.scale == "common":
        return images, label
    largest = np.abs(images).max(axis=tuple(range(1, images.ndim)), keepdims=True)
    return images / np.maximum(largest, 1e-12), f"{label} / largest {label} of the image"


def no_maps(run: Run) -> str | None:
    """Return why a run has no feature maps, or None."""
    return None if any(stage.has_maps for stage in stages_of(run)) else "its network has no layers of images"


def plot_maps(run: Run, view: View) -> PlotResult:
    """Draw the feature maps of an image: what leaves each layer of images, and the scores of the classes."""
    example = chosen_image(run, view)[:1]
    inputs = example.inputs
    (signals,) = signals_of(run, fed(run, inputs))
    stages = [stage for stage in stages_of(run) if stage.has_maps]
    image, which = as_images(run, inputs), f"image {view.image} of the {SPLITS[view.split]} split"
    most = max(run.config.task.classes, *(stage.shape[0] for stage in stages))
    columns = most if most <= 10 else min(20, max(10, -(-most // 2)))
    blocks = [Tiles(image[None], Scale.of(image), which)]
    for stage in stages:
        images, label = _scaled(signals[stage.place][0][:MAPS], view, "a")
        scale = Scale.around_zero(images, label) if images.min() < 0 else Scale.of(images, label)
        shown = f", the first {MAPS}" if stage.shape[0] > MAPS else ""
        blocks.append(Tiles(in_rows(images, columns), scale, f"{stage.name}: {stage.size}{shown}"))
    words = f"Feature maps of {which}: {', '.join(f'{stage.name}, {stage.size}' for stage in stages)}"
    if run.config.task.classes:
        scores, names = run.scores(inputs)[0][:MAPS], class_names(run)
        found = f"class {names[example.targets[0]]}, predicted {names[scores.argmax()]}"
        grid = in_rows(scores[:, None, None], columns)
        texts = [f"{score:.2f}" for score in scores]
        blocks.append(Tiles(grid, Scale(0, 1), f"scores of the classes: {found}", above=names, below=texts))
        words += f". {found[0].upper()}{found[1:]}"
    return PlotResult(title(draw_tiles(blocks), named(run, f"feature maps of {which}")), f"{words}.", f"{words}.")


def plot_maximal(run: Run, view: View) -> PlotResult:
    """Draw, for each map, the patches of different images that excite it most; for units, the whole images."""
    hidden = [stage for stage in stages_of(run)[:-1] if stage.weighted]
    stages = [stage for stage in hidden if stage.has_maps] or hidden or stages_of(run)
    inputs = run.examples(view.split).inputs[:EXAMPLES]
    found = [_Strongest(stage) for stage in stages]
    for signals in signals_of(run, fed(run, inputs)):
        for strongest in found:
            strongest.add(signals[strongest.stage.place])
    images = as_images(run, inputs)
    scale = Scale.of(images)
    blocks = [
        Tiles(in_rows(_mosaics(run, strongest, images), 10), scale, f"{strongest.stage.name}: {strongest.shown}")
        for strongest in found
    ]
    patches = "patches" if stages[0].has_maps else "images"
    words = (
        f"The {SIDE**2} {patches} that excite each {stages[0].noun} most, of the first {len(inputs):,} images of the "
        f"{SPLITS[view.split]} split, at most one of each image"
    )
    figure = title(draw_tiles(blocks), named(run, f"the {SIDE**2} {patches} that excite each {stages[0].noun} most"))
    alt = f"{words}: {', '.join(f'{stage.name}, {stage.shape[0]} {stage.noun}s' for stage in stages)}."
    return PlotResult(figure, f"{words}.", alt)


class _Strongest:
    """Where each map of a stage is largest on each example, and how large."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._values: list[Array] = []
        self._places: list[Any] = []
        self._lowest: list[Array] = []

    def add(self, a: Array) -> None:
        """Take in the signals of examples (m, maps, h, w), or (m, units)."""
        a = a.reshape(*a.shape[:2], -1)[:, :MAPS]
        self._values.append(a.max(axis=2))
        self._places.append(a.argmax(axis=2))
        self._lowest.append(a.min(axis=(0, 2)))

    @property
    def shown(self) -> str:
        """What is drawn of the stage."""
        dead = sum(not some for some in self.examples)
        first = f", the first {MAPS}" * (self.stage.shape[0] > MAPS)
        return self.stage.size + first + f", of which {dead} have the same output everywhere" * (dead > 0)

    @cached_property
    def examples(self) -> list[list[tuple[int, int]]]:
        """Return, for each map, examples and the positions in them that excite it most, without those that do not."""
        values, places = np.concatenate(self._values), np.concatenate(self._places)
        lowest = np.min(self._lowest, axis=0)
        rows = np.argsort(-values, axis=0, kind="stable")[: SIDE**2].T
        return [
            [(int(row), int(places[row, unit])) for row in some if values[row, unit] > lowest[unit]]
            for unit, some in enumerate(rows)
        ]


def _mosaics(run: Run, strongest: _Strongest, images: Array) -> Array:
    """Return the patches of each map as one image (maps, h, w, ...): SIDE rows of SIDE, a pixel of NaN between them.

    What a patch has beyond the border of its image is NaN too.
    """
    stage, network, (_, h, w, *channels) = strongest.stage, run.config.network, images.shape
    rows, columns = [(0, h - 1)], [(0, w - 1)]
    if stage.has_maps:
        rows, columns = ([field(network, stage.place, a, at) for at in range(stage.shape[a])] for a in (1, 2))
    height, width = (max(last - first + 1 for first, last in some) for some in (rows, columns))
    examples = strongest.examples
    mosaics = np.full((len(examples), SIDE * (height + 1) - 1, SIDE * (width + 1) - 1, *channels), np.nan)
    border = [(height,) * 2, (width,) * 2, (0, 0)][: images.ndim - 1]
    for mosaic, found in zip(mosaics, examples, strict=True):
        for number, (example, position) in enumerate(found):
            (i, j), (row, column) = divmod(position, len(columns)), divmod(number, SIDE)
            padded = np.pad(images[example].astype(float), border, constant_values=np.nan)
            top, left, y, x = rows[i][0] + height, columns[j][0] + width, row * (height + 1), column * (width + 1)
            mosaic[y : y + height, x : x + width] = padded[top : top + height, left : left + width]
    return mosaics
