"""Many small images in a grid: weights, feature maps, examples, samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from backprop_cli.drawing.style import FAINT, SIGNED, WIDTH, Array, bare, plain, styled
from backprop_cli.frozen import frozen

GAP = 0.12
"""The distance between tiles, in widths of a tile."""

LARGEST = 0.9
"""The largest width of a tile in inches."""

BETWEEN = "#CFDCEB"
"""The colour of NaN within an image, such as the space between the patches that it consists of."""

LINE = 0.15
"""The height of a line of text in inches."""


@frozen
class Scale:
    """The numbers that have the first and the last colour. With a `label`, a colour bar explains them."""

    low: float
    high: float
    label: str = ""
    colours: str | Colormap = "gray_r"

    @classmethod
    def around_zero(cls, values: Array, label: str = "") -> Scale:
        """Return a scale with grey at 0, dark below and light above, whose ends a few values may exceed."""
        limit = float(np.nanquantile(np.abs(values), 0.995)) or 1.0
        return cls(-limit, limit, label, SIGNED)

    @classmethod
    def of(cls, values: Array, label: str = "") -> Scale:
        """Return a scale from white, 0 or the smallest value if that is lower, to black, the largest."""
        low, high = min(float(np.nanmin(values)), 0.0), float(np.nanmax(values))
        return cls(low, high if high > low else low + 1, label)


@dataclass(frozen=True, eq=False)
class Tiles:
    """Images (rows, columns, h, w) on one scale, with a title. An image of NaN is left out.

    `rows` and `columns` are names beside and above the grid; `above` and `below` are the texts of the images, row by
    row.
    """

    images: Array
    scale: Scale
    title: str = ""
    rows: Sequence[str] = ()
    columns: Sequence[str] = ()
    above: Sequence[str] = ()
    below: Sequence[str] = ()

    def text_above(self, side: float) -> float:
        """Return the height of the texts above a row, in widths of a tile, which is `side` inches wide."""
        return _lines(self.above) * LINE / side

    def pitch(self, side: float) -> float:
        """Return the distance from row to row, in widths of a tile."""
        h, w = self.images.shape[2:]
        return h / w + GAP + (_lines(self.above) + _lines(self.below)) * LINE / side

    def height(self, side: float) -> float:
        """Return the height in inches."""
        return (len(self.images) * self.pitch(side) - GAP) * side + (bool(self.title) + bool(self.columns)) * 1.6 * LINE


def in_rows(images: Array, columns: int) -> Array:
    """Return images (n, h, w) as (rows, columns, h, w), with NaN at the end of the last row."""
    n, h, w = images.shape
    grid = np.full((-(-n // columns) * columns, h, w), np.nan)
    grid[:n] = images
    return grid.reshape(-1, columns, h, w)


def tiles(images: Array, scale: Scale, rows: Sequence[str] = (), columns: Sequence[str] = ()) -> Figure:
    """Draw images (rows, columns, h, w) on one scale, with names beside the rows and above the columns."""
    return draw_tiles([Tiles(images, scale, rows=rows, columns=columns)])


@styled
def draw_tiles(blocks: Sequence[Tiles]) -> Figure:
    """Draw grids of images below one another."""
    most = max(block.images.shape[1] for block in blocks)
    names = 0.1 + 0.07 * max((len(name) for block in blocks for name in block.rows), default=0)
    beside = names + 0.7 * any(block.scale.label for block in blocks)
    side = min((WIDTH - beside) / (most * (1 + GAP)), LARGEST)
    heights = [block.height(side) for block in blocks]
    width = max(most * (1 + GAP) * side + beside, 3)
    figure = Figure(figsize=(width, sum(heights) + 0.1 * len(blocks) + 0.2))
    axes: list[Axes] = list(figure.subplots(len(blocks), 1, squeeze=False, height_ratios=heights)[:, 0])
    for axis, block, height in zip(axes, blocks, heights, strict=True):
        _draw(axis, block, side, most)
        if block.scale.label:
            drawn = figure.colorbar(axis.images[0], ax=axis, shrink=0.7, aspect=7 * height, pad=0.015, extend="both")
            drawn.set_label(block.scale.label)
    return figure


def _draw(axis: Axes, block: Tiles, side: float, most: int) -> None:
    """Draw images on an axis whose unit is the width of a tile, and whose width is that of so many tiles."""
    bare(axis)
    scale, colours = block.scale, mpl.colormaps.get_cmap(block.scale.colours).with_extremes(bad=BETWEEN)
    large = 9 if side > 0.7 else 7
    (n_rows, n_columns, h, w), pitch, top = block.images.shape, block.pitch(side), block.text_above(side)
    for number, image in enumerate(block.images.reshape(-1, h, w)):
        row, column = divmod(number, n_columns)
        if np.isnan(image).all():
            continue
        x, y = column * (1 + GAP), row * pitch + top
        place = (x, x + 1, y + h / w, y)
        axis.imshow(image, cmap=colours, vmin=scale.low, vmax=scale.high, extent=place, gid=f"{row},{column}")
        axis.add_artist(Rectangle((x, y), 1, h / w, fill=False, edgecolor="#D0D0D0", linewidth=0.5))
        if number < len(block.above):
            at, text = (x + 0.5, y - 0.03 / side), _plain(block.above[number])
            axis.text(*at, text, ha="center", va="bottom", fontsize=large if len(text) <= 6 else 6.5)
        if number < len(block.below):
            at, text = (x + 0.5, y + h / w + 0.03 / side), _plain(block.below[number])
            axis.text(*at, text, ha="center", va="top", fontsize=6.5, color=FAINT)
    axis.set(xlim=(-0.02, most * (1 + GAP) - GAP + 0.02), ylim=(n_rows * pitch - GAP + 0.02, -0.02))
    axis.set(aspect="equal", anchor="NW")
    middles = top + h / w / 2 + pitch * np.arange(len(block.rows)), 0.5 + (1 + GAP) * np.arange(len(block.columns))
    axis.set_yticks(middles[0], list(map(plain, block.rows)))
    axis.set_xticks(middles[1], list(map(plain, block.columns)))
    axis.tick_params(length=0, labeltop=True, labelbottom=False)
    axis.set_title(plain(block.title))


def _lines(texts: Sequence[str]) -> int:
    return max((text.count("\n") + 1 for text in texts), default=0)


def _plain(text: str) -> str:
    return "\n".join(map(plain, text.split("\n")))
