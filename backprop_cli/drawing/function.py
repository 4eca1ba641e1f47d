"""Examples in the plane or on a curve, and the function that a network computes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from backprop_cli.drawing.style import COLOURS, FAINT, INK, MARKERS, Array, plain, styled
from backprop_cli.frozen import frozen

POINTS = 1000
"""At most so many examples are drawn."""

GRID = 300
"""The network is evaluated at so many points along each side of the plane."""

DARKEST = 0.6
"""The share of the colour of a class where its probability is 1; the rest is white, so that points can be seen."""

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Probabilities of the contour lines."""


@frozen
class Names:
    """What a plot calls its classes and its axes, whose units then differ; by default they are numbered."""

    classes: Sequence[str] = ()
    axes: Sequence[str] = ()

    def of_class(self, c: int) -> str:
        """Return the name of a class."""
        return plain(self.classes[c]) if self.classes else f"class {c}"


@styled
def draw_points(points: Array, labels: Array, names: Names = Names()) -> Figure:  # noqa: B008 - it is frozen
    """Draw points (n, 2) of classes labels (n,)."""
    figure, axis = _plane(points[:POINTS], labels[:POINTS], labels.max() + 1, names)
    axis.margins(0.12)
    return figure


@styled
def draw_values(x: Array, y: Array) -> Figure:
    """Draw examples x (n, 1), y (n, 1)."""
    figure, axis = _examples(x[:POINTS], y[:POINTS])
    axis.margins(0.05)
    return figure


@styled
def draw_regions(
    points: Array,
    labels: Array,
    scores: Callable[[Array], Array],
    measure: str = "score",
    grid: int = GRID,
    names: Names = Names(),  # noqa: B008 - it is frozen
) -> Figure:
    """Draw points (n, 2) of classes labels (n,) over the regions of the class with the highest of scores(x) (m, k).

    A region is the darker, the higher the score of its class; `measure` says what scores are, and `grid` is the number
    of pixels along each side.
    """
    points, labels = points[:POINTS], labels[:POINTS]
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.12 * np.maximum(high - low, 1e-6)
    x, y = (np.linspace(low[i] - margin[i], high[i] + margin[i], grid) for i in (0, 1))
    given = scores(np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)).reshape(grid, grid, -1)
    k = given.shape[-1]
    figure, axis = _plane(points, labels, k, names)
    ahead = [given[..., c] - np.delete(given, c, axis=-1).max(axis=-1) for c in range(k)]
    if k == 2:  # one contour for both, whose probabilities have the sum 1
        shade, colours, words = (
            (1 + ahead[1]) / 2,
            _between(COLOURS[0], COLOURS[1]),
            f"{measure} of {names.of_class(1)}",
        )
        shown = colours(np.clip(shade, 0, 1))
    else:
        shade, colours, words = given.max(axis=-1), _between("#FFFFFF", FAINT), f"{measure} of the predicted class"
        shown = np.ones((grid, grid, 4))
        for c in range(k):
            mine = given.argmax(axis=-1) == c
            shown[mine] = _between("#FFFFFF", COLOURS[c % len(COLOURS)])(np.clip(shade[mine], 0, 1))
    axis.imshow(
        shown, origin="lower", extent=(x[0], x[-1], y[0], y[-1]), interpolation="bilinear", aspect=axis.get_aspect()
    )
    _contour(axis, x, y, shade, [p for p in LEVELS if k > 2 or p != 0.5], "levels", linewidths=0.5, alpha=0.6)
    for c in range(1 if k == 2 else 0, k):
        _contour(axis, x, y, ahead[c], [0], "boundary", linewidths=1.6)
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), colours), ax=axis, shrink=0.8, ticks=[0, *LEVELS, 1])
    bar.set_label(words)
    bar.ax.axhline(0.5, color=INK, linewidth=1.6 if k == 2 else 0.5)
    return figure


def _between(low: str, high: str) -> Colormap:
    """Return the colour map between two colours, made lighter, with white in the middle unless one is white."""
    white = np.ones(3)
    ends = [white + DARKEST * (np.array(_rgb(colour)) - white) for colour in (low, high)]
    return LinearSegmentedColormap.from_list("between", [*ends[:1], *([white] if low != "#FFFFFF" else []), *ends[1:]])


def _rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))


def _contour(axis: Axes, x: Array, y: Array, values: Array, levels: list[float], gid: str, **style: Any) -> None:
    if drawn := [level for level in levels if values.min() < level < values.max()]:  # others are a warning
        axis.contour(x, y, values, levels=drawn, colors=[INK], **style).set_gid(gid)


def _plane(points: Array, labels: Array, classes: int, names: Names) -> tuple[Figure, Axes]:
    """Return a figure with the points of each class in its colour."""
    figure = Figure(figsize=(4.6, 3.8))
    axis = figure.subplots()
    for c in range(classes):
        mine = labels == c
        axis.scatter(
            points[mine, 0],
            points[mine, 1],
            s=18 if len(points) > 50 else 60,
            color=COLOURS[c % len(COLOURS)],
            marker=MARKERS[c % len(MARKERS)],
            edgecolors="white",
            linewidths=0.5,
            label=names.of_class(c),
            zorder=3,
            gid=f"class_{c}",
        )
    axis.grid(False)
    x, y = map(plain, names.axes) if names.axes else ("$x_1$", "$x_2$")
    axis.set(xlabel=x, ylabel=y, aspect="auto" if names.axes else "equal")
    figure.legend(loc="outside lower center", ncols=5, handletextpad=0.2, columnspacing=1.2)
    return figure, axis


@styled
def draw_fit(x: Array, y: Array, f: Callable[[Array], Array], names: Names = Names()) -> Figure:  # noqa: B008 - frozen
    """Draw examples x (n, 1), y (n, 1), and the values f(x) (m, 1) of the network as a curve.

    The axes are those of the examples, with a margin, whatever the network does.
    """
    x, y = x[:POINTS], y[:POINTS]
    figure, axis = _examples(x, y)
    if names.axes:
        axis.set(xlabel=plain(names.axes[0]), ylabel=plain(names.axes[1]))
    margin = 0.05 * max(float(np.ptp(x)), 1e-6)
    at = np.linspace(x.min() - margin, x.max() + margin, 500)[:, None]
    axis.plot(at[:, 0], f(at)[:, 0], color=COLOURS[4], linewidth=2, label="network", gid="network")
    spread = max(float(np.ptp(y)), 1e-6)
    axis.set_ylim(float(y.min()) - 0.25 * spread, float(y.max()) + 0.25 * spread)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _examples(x: Array, y: Array) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(4.8, 3.2))
    axis = figure.subplots()
    axis.plot(x[:, 0], y[:, 0], "o", color=FAINT, alpha=0.45, markersize=3, mew=0, label="examples", gid="data")
    axis.set(xlabel="$x$", ylabel="$y$")
    return figure, axis
