"""Images: misclassified examples, and the weights of a layer whose inputs are pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from backprop_cli.drawing.style import Array, styled, title
from backprop_cli.drawing.tiles import Scale, Tiles, draw_tiles, in_rows

TILES = 100
"""Weights are drawn for at most so many units, 10 by 10."""

MISTAKES = 24
"""At most so many mistakes are drawn, 3 rows of 8."""


def draw_mistakes(
    images: Array, truth: Array, predicted: Array, scores: Array, names: Sequence[str] | None = None
) -> Figure:
    """Draw misclassified images, see `in_rows`, with their true and predicted classes, which have names or numbers.

    scores (n, 2) are those of the predicted and of the true class.
    """
    pairs = [[names[c] if names else str(c) for c in pair] for pair in zip(truth, predicted, strict=True)]
    above = [f"{t} →\n{p}" if len(t) + len(p) > 9 else f"{t} → {p}" for t, p in pairs]
    below = [f"{given:.2f} | {due:.2f}" for given, due in scores]
    grid = in_rows(images, min(8, len(images)))
    figure = draw_tiles([Tiles(grid, Scale.of(images), above=above, below=below)])
    return title(figure, "true → predicted class; below, the scores of the predicted | true class")


def draw_weights(images: Array, names: Sequence[str], scale: Scale) -> Figure:
    """Draw the weights of each unit as an image, of images (n, h, w), or in colour (n, h, w, 3)."""
    columns = 5 if len(images) <= 10 else 8 if len(images) <= 64 else 10
    return draw_tiles([Tiles(in_rows(images, columns), scale, above=names)])


@styled
def draw_manifold(images: Array, x: Array, y: Array) -> Figure:
    """Draw images (len(y), len(x), h, w), or in colour (..., 3), side by side, a pixel apart, in the plane of codes."""
    in_colour = images.ndim == 5
    images = Scale.of(images).in_colour(images) if in_colour else images
    border = [(0, 0), (0, 0), (1, 1), (1, 1), (0, 0)][: images.ndim]
    images = np.pad(images, border, constant_values=1 if in_colour else images.min())
    rows, columns, h, w, *channels = images.shape
    figure = Figure(figsize=(5.2, 5.2 * rows * h / (columns * w)))
    axis = figure.subplots()
    across, up = ((values[1] - values[0]) / 2 or 0.5 for values in (x, y))  # ½ where a unit is always the same
    extent = (x[0] - across, x[-1] + across, y[0] - up, y[-1] + up)
    whole = images[::-1].swapaxes(1, 2).reshape(rows * h, columns * w, *channels)
    axis.imshow(whole, cmap="gray_r", extent=extent, aspect="auto")
    axis.grid(False)
    axis.set(xlabel="unit 1 of the code", ylabel="unit 2 of the code")
    return figure
