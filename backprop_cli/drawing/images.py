"""Images: misclassified examples, and the weights of a layer whose inputs are pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from backprop_cli.drawing.style import FAINT, SIGNED, WIDTH, Array, bare, plain, styled, title

TILES = 100
"""Weights are drawn for at most so many units, 10 by 10."""

MISTAKES = 24
"""At most so many mistakes are drawn, 3 rows of 8."""


@styled
def draw_mistakes(
    images: Array, truth: Array, predicted: Array, scores: Array, names: Sequence[str] | None = None
) -> Figure:
    """Draw misclassified images (n, h, w), with their true and predicted classes, which have names or numbers.

    scores (n, 2) are those of the predicted and of the true class.
    """
    columns = min(8, len(images))
    figure, axes = _tiles(len(images), columns, 0.86, 0.36)
    for axis, image, t, p, (given, due) in zip(axes, images, truth, predicted, scores, strict=False):
        axis.imshow(image, cmap="gray_r")
        t, p = (plain(names[c]) if names else str(c) for c in (t, p))
        long = len(t) + len(p) > 9
        axis.set_title(f"{t} →\n{p}" if long else f"{t} → {p}", fontsize=6 if long else 9, loc="center", pad=3)
        axis.set_xlabel(f"{given:.2f} | {due:.2f}", fontsize=6.5, color=FAINT, labelpad=2)
        axis.spines[:].set(visible=True, color="#D0D0D0")
    return title(figure, "true → predicted class; below, the scores of the predicted | true class")


@styled
def draw_weights(images: Array, names: list[str], limit: float | None = None) -> Figure:
    """Draw the weights of each unit as an image, of images (n, h, w), all on one scale from -limit to limit."""
    columns = 5 if len(images) <= 10 else 8 if len(images) <= 64 else 10
    figure, axes = _tiles(len(images), columns, 0.8, 0.19)
    limit = scale_of(images) if limit is None else limit
    drawn = None
    for axis, image, name in zip(axes, images, names, strict=False):
        drawn = axis.imshow(image, cmap=SIGNED, norm=Normalize(-limit, limit))
        axis.set_title(name, fontsize=7, fontweight="normal", loc="center", pad=2)
    assert drawn is not None
    bar = figure.colorbar(drawn, ax=axes, shrink=0.7, aspect=30, pad=0.015, extend="both")
    bar.set_label("weight")
    return figure


def scale_of(weights: Array) -> float:
    """Return a limit for weights: not their maximum, as a few are much larger than all others."""
    return max(float(np.quantile(np.abs(weights), 0.995)), 1e-12)


def _tiles(n: int, columns: int, height: float, caption: float) -> tuple[Figure, list[Axes]]:
    """Return a figure with n bare axes in rows of `columns`.

    The height of a row is `height` times the width of a tile, plus `caption` inches for text.
    """
    rows = -(-n // columns)
    side = WIDTH / max(columns, 5)
    figure = Figure(figsize=(max(side * columns, 4.8), rows * (side * height + caption) + 0.2))
    axes = cast("list[Axes]", list(np.ravel(cast(Any, figure.subplots(rows, columns, squeeze=False)))))
    for number, axis in enumerate(axes):
        bare(axis)
        axis.set_visible(number < n)
    return figure, axes[:n]
