"""A heat map: a metric over the values of two config keys."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from backprop_cli.drawing.style import FAINT, INK, WIDTH, Array, plain, styled
from backprop_cli.frozen import frozen

MAX_VALUES = 20
"""The most rows or columns."""


@frozen
class Axis:
    """A config key and its values as text, in order."""

    key: str
    values: Sequence[str]


@styled
def draw_heatmap(
    x: Axis, y: Axis, values: Array, texts: Sequence[Sequence[str]], better: int, title: str, subtitle: str
) -> Figure:
    """Draw values (len(y), len(x)), NaN where there is none, with a text in each cell; the best cell has a frame.

    Light colours are better: high values if `better` is 1, low ones if it is -1. The first row is at the bottom.
    """
    n_lines = max(text.count("\n") + 1 for row in texts for text in row)
    longest = max(len(line) for row in texts for text in row for line in text.split("\n"))
    width = min(max(0.075 * longest + 0.25, 0.6), 1.4)
    height = len(y.values) * (0.2 + 0.16 * n_lines)
    figure = Figure(figsize=(min(max(len(x.values) * width, 3.2) + 1.2, 2 * WIDTH), height + 0.9))
    axis = figure.subplots()
    low, high = np.nanmin(better * values), np.nanmax(better * values)
    goodness = (better * values - low) / ((high - low) or 1)
    axis.imshow(goodness, cmap="viridis", vmin=0, vmax=1, aspect="auto", origin="lower")
    axis.grid(False)
    axis.spines[:].set_visible(False)
    axis.set_title(plain(title), pad=17)
    axis.annotate(plain(subtitle), (0, 1), (0, 5), xycoords="axes fraction", textcoords="offset points", color=FAINT)
    axis.set(xlabel=plain(x.key), ylabel=plain(y.key))
    axis.set_xticks(range(len(x.values)), [plain(value) for value in x.values], rotation=0 if _fits(x, width) else 30)
    axis.set_yticks(range(len(y.values)), [plain(value) for value in y.values])
    axis.tick_params(length=0)
    for (row, column), share in np.ndenumerate(goodness):
        rgb = mpl.colormaps["viridis"](share)[:3]
        light = np.isnan(share) or np.dot(rgb, (0.2126, 0.7152, 0.0722)) > 0.45
        colour = FAINT if np.isnan(share) else INK if light else "white"
        text = "\n".join(map(plain, texts[row][column].split("\n")))
        axis.text(column, row, text, ha="center", va="center", fontsize=7, color=colour, gid=f"{row},{column}")
    row, column = np.unravel_index(np.nanargmax(goodness), goodness.shape)
    frame = mpl.patches.Rectangle((column - 0.48, row - 0.48), 0.96, 0.96, fill=False, edgecolor=INK, linewidth=1.8)
    axis.add_patch(frame)
    return figure


def _fits(x: Axis, width: float) -> bool:
    return max(map(len, x.values)) * 0.08 < width
