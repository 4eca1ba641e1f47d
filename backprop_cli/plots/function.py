"""The function computed by a network: decision regions in the plane, or a curve."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from backprop_cli.plots.style import COLOURS, FAINT, INK, MARKERS, Array, styled

POINTS = 1000
"""At most so many examples are drawn."""

GRID = 300
"""The network is evaluated at so many points along each side of the plane."""


@styled
def draw_regions(points: Array, labels: Array, scores: Callable[[Array], Array]) -> Figure:
    """Draw points (n, 2) of classes labels (n,) over the regions of the class with the highest of scores(x) (m, k)."""
    points, labels = points[:POINTS], labels[:POINTS]
    figure = Figure(figsize=(4.2, 3.8))
    axis = figure.subplots()
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.12 * np.maximum(high - low, 1e-6)
    x, y = (np.linspace(low[i] - margin[i], high[i] + margin[i], GRID) for i in (0, 1))
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    given = scores(grid).reshape(GRID, GRID, -1)
    for c in range(given.shape[-1]):
        ahead = given[..., c] - np.delete(given, c, axis=-1).max(axis=-1)
        _fill(axis, x, y, ahead, COLOURS[c % len(COLOURS)])
        mine = labels == c
        axis.scatter(
            points[mine, 0],
            points[mine, 1],
            s=18 if len(points) > 50 else 60,
            color=COLOURS[c % len(COLOURS)],
            marker=MARKERS[c % len(MARKERS)],
            edgecolors="white",
            linewidths=0.5,
            label=f"class {c}",
            zorder=3,
            gid=f"class_{c}",
        )
    axis.grid(False)
    axis.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
    figure.legend(loc="outside lower center", ncols=5, handletextpad=0.2, columnspacing=1.2)
    return figure


def _fill(axis: Axes, x: Array, y: Array, ahead: Array, colour: str) -> None:
    """Colour the region where a class has the highest score, and draw its boundary."""
    if not ahead.max() > 0:  # contour lines of an empty region are a warning
        return
    axis.contourf(x, y, ahead, levels=[0, np.inf], colors=[colour], alpha=0.2)
    if ahead.min() < 0:
        axis.contour(x, y, ahead, levels=[0], colors=[INK], linewidths=0.9)


@styled
def draw_fit(x: Array, y: Array, f: Callable[[Array], Array]) -> Figure:
    """Draw examples x (n, 1), y (n, 1), and the outputs f(x) (m, 1) of the network as a curve."""
    x, y = x[:POINTS], y[:POINTS]
    figure = Figure(figsize=(4.8, 3.2))
    axis = figure.subplots()
    margin = 0.05 * max(float(np.ptp(x)), 1e-6)
    at = np.linspace(x.min() - margin, x.max() + margin, 500)[:, None]
    axis.plot(
        x[:, 0], y[:, 0], "o", color=FAINT, alpha=0.45, markersize=3, mew=0, label="training examples", gid="data"
    )
    axis.plot(at[:, 0], f(at)[:, 0], color=COLOURS[4], linewidth=2, label="network", gid="network")
    axis.set(xlabel="$x$", ylabel="$y$")
    figure.legend(loc="outside upper center", ncols=2)
    return figure
