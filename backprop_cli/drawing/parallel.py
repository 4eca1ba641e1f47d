"""Parallel coordinates: a line for each setting through its config values to its metric (Inselberg 1985)."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from backprop_cli.drawing.style import FAINT, INK, WIDTH, Array, plain, styled
from backprop_cli.frozen import frozen

FAN = 0.55
"""How much of the distance between two values the lines of one value are spread over, the best at the top."""

COLOURS = ListedColormap(mpl.colormaps["viridis_r"](np.linspace(0.08, 1, 256)))
"""The colours from the worst setting to the best."""


@frozen
class Coordinate:
    """A vertical axis: its name, the positions (n,) of n lines on it from 0 to 1, and its ticks with their texts."""

    name: str
    positions: Array
    ticks: Sequence[tuple[float, str]]

    @classmethod
    def of_values(cls, name: str, values: Sequence[str], order: Sequence[str], goodness: Array) -> Coordinate:
        """Return an axis of values at equal distances; lines with the same value are spread by their goodness (n,)."""
        step = 1 / len(order)
        places = {value: (place + 0.5) * step for place, value in enumerate(order)}
        positions = np.array([places[value] for value in values]) + (goodness - 0.5) * FAN * step
        return cls(name, positions, [(places[value], value or "–") for value in order])

    @classmethod
    def of_numbers(cls, name: str, values: Array, log: bool = False, percent: bool = False) -> Coordinate:
        """Return an axis of numbers (n,), on a linear or a logarithmic scale."""
        scaled = np.log10(values) if log else values
        low, high = scaled.min(), scaled.max()
        span = (high - low) or 1
        marks = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, high)
        marks = [float(mark) for mark in marks if low <= mark <= high] if high > low else [float(low)]
        texts = [f"{100 * m:.4g} %" if percent else f"{10**m if log else m:.3g}" for m in marks]
        return cls(
            name, (scaled - low) / span, [((m - low) / span, text) for m, text in zip(marks, texts, strict=True)]
        )


@styled
def draw_parallel(coordinates: Sequence[Coordinate], goodness: Array, title: str) -> Figure:
    """Draw a line through the coordinates for each of n settings; goodness (n,) from 0 to 1 is the colour.

    The best settings are dark, thick and on top.
    """
    figure = Figure(figsize=(min(max(1.15 * len(coordinates), WIDTH), 2 * WIDTH), 3.2))
    axis: Axes = figure.subplots()
    x = np.arange(len(coordinates))
    for line in np.argsort(goodness, kind="stable"):
        share = goodness[line]
        axis.plot(
            x,
            [coordinate.positions[line] for coordinate in coordinates],
            color=COLOURS(share),
            linewidth=0.6 + 1.4 * share**4,
            alpha=0.45 + 0.55 * share,
            gid=f"line_{line}",
        )
    for place, coordinate in enumerate(coordinates):
        axis.axvline(place, color=FAINT, linewidth=0.8, zorder=3)
        for at, text in coordinate.ticks:
            axis.annotate(
                plain(text),
                (place, at),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
                color=INK,
                zorder=4,
                bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
            )
    axis.set_title(plain(title))
    axis.set_xticks(x, [plain(coordinate.name) for coordinate in coordinates])
    axis.set(yticks=[], xlim=(-0.02 * len(x), x[-1] + 0.1 * len(x)), ylim=(-0.04, 1.04))
    axis.tick_params(length=0)
    axis.grid(False)
    axis.spines[:].set_visible(False)
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), COLOURS), ax=axis, shrink=0.5, aspect=18, pad=0.01)
    bar.set_ticks([0, 1], labels=["worst", "best"])
    bar.ax.tick_params(length=0)
    bar.ax.spines[:].set_visible(False)
    return figure
