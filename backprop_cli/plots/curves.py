"""Learning curves: cost and accuracy, or the errors of values, over the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from backprop_cli.plots.style import COLOURS, FAINT, INK, MARKERS, WIDTH, Array, by_epoch, in_percent, styled

NAMES = {"cost": "cost", "accuracy": "accuracy", "rmse": "RMSE", "r2": "R²"}
SPLITS = {"train": "training", "val": "validation"}
WIDE = 100
"""Costs that span more than this are drawn on a logarithmic axis."""

RING: dict[str, Any] = {
    "color": INK,
    "marker": "o",
    "markersize": 9,
    "markerfacecolor": "none",
    "markeredgewidth": 1.1,
    "linestyle": "none",
}
"""Around the best epoch."""


@dataclass(frozen=True)
class Curves:
    """What is drawn as one: a run, or k runs that differ by seed alone, as their mean and standard deviation.

    `columns` are those of metrics.csv, each (k, epochs); `best` is the best epoch of the run, if it is one.
    """

    label: str
    epochs: Array
    columns: Mapping[str, Array]
    best: int | None = None

    def has(self, column: str) -> bool:
        """Whether the column has numbers to draw."""
        return column in self.columns and bool(np.isfinite(self.columns[column]).any())


@styled
def draw_curves(curves: Sequence[Curves]) -> Figure:
    """Draw a panel for each figure there is: of one, training and validation; of several, each in its own colour."""
    figures = [name for name in NAMES if any(c.has(f"{split}_{name}") for c in curves for split in SPLITS)]
    longest = max(len(one.label) for one in curves)
    columns = 3 if longest <= 24 else 2 if longest <= 44 else 1
    rows = -(-len(curves) // columns) if len(curves) > 1 else 0
    figure = Figure(figsize=(WIDTH, 2.6 + 0.18 * rows))
    axes: list[Axes] = list(figure.subplots(1, len(figures), squeeze=False)[0])
    for axis, name in zip(axes, figures, strict=True):
        for number, one in enumerate(curves):
            for split in SPLITS:
                if one.has(f"{split}_{name}"):
                    style = _style_alone(split) if len(curves) == 1 else _style_among(split, number)
                    if not one.has(f"val_{name}"):  # then these are the lines that the legend must lead to
                        style |= {"marker": MARKERS[number % len(MARKERS)]}
                    _draw(axis, one, f"{split}_{name}", style)
            _mark_best(axis, one, name)
        _dress(axis, name, [c.columns[f"{s}_{name}"] for c in curves for s in SPLITS if c.has(f"{s}_{name}")])
    axes[0].legend(handles=_key(curves))
    if len(curves) > 1:
        lines = [Line2D([], [], **_style_among("val", i), label=one.label) for i, one in enumerate(curves)]
        figure.legend(handles=lines, loc="outside lower center", ncols=columns)
    return figure


def _style_alone(split: str) -> dict[str, Any]:
    train: dict[str, Any] = {"color": COLOURS[0], "linestyle": (0, (4, 1.5)), "marker": "o", "label": SPLITS["train"]}
    return train if split == "train" else {"color": COLOURS[1], "marker": "s", "label": SPLITS["val"]}


def _style_among(split: str, number: int) -> dict[str, Any]:
    own: dict[str, Any] = {"color": COLOURS[number % len(COLOURS)]}
    if split == "train":
        return own | {"linestyle": (0, (2, 1.2)), "linewidth": 0.9, "alpha": 0.8}
    return own | {"marker": MARKERS[number % len(MARKERS)]}


def _draw(axis: Axes, curves: Curves, column: str, style: dict[str, Any]) -> None:
    """Draw a column: a line, and around the mean of several runs a band of one standard deviation."""
    values = curves.columns[column]
    mean = values.mean(axis=0)
    every = max(1, len(curves.epochs) // 8)
    axis.plot(curves.epochs, mean, markevery=every, gid=column, **style)
    if len(values) > 1:
        spread = values.std(axis=0, ddof=1)
        axis.fill_between(
            curves.epochs, mean - spread, mean + spread, color=style["color"], alpha=0.18, linewidth=0, gid=column
        )


def _mark_best(axis: Axes, curves: Curves, name: str) -> None:
    """Put a ring around the best epoch, on the curve it was chosen by."""
    at = np.flatnonzero(curves.epochs == curves.best)
    column = next((f"{split}_{name}" for split in ("val", "train") if curves.has(f"{split}_{name}")), None)
    if column is not None and len(at):
        value = curves.columns[column][0, at[0]]
        axis.plot(curves.epochs[at], [value], gid=f"best_{column}", clip_on=False, **RING)


def _dress(axis: Axes, name: str, drawn: Sequence[Array]) -> None:
    axis.set_title(NAMES[name])
    by_epoch(axis)
    values = np.concatenate([array.ravel() for array in drawn])
    values = values[np.isfinite(values)]
    if name == "accuracy":
        in_percent(axis)
    elif name != "r2" and values.min() > 0 and values.max() > WIDE * values.min():
        axis.set_yscale("log")


def _key(curves: Sequence[Curves]) -> list[Line2D]:
    """Return what explains the two kinds of line, and the ring."""
    splits = [split for split in SPLITS if any(one.has(f"{split}_{name}") for one in curves for name in NAMES)]
    if len(curves) == 1:
        lines = [Line2D([], [], **_style_alone(split)) for split in splits]
        best = f"best epoch, {curves[0].best}"
    else:
        plain: dict[str, Any] = {"color": FAINT, "marker": "", "alpha": 1}
        lines = [Line2D([], [], **(_style_among(split, 0) | plain), label=SPLITS[split]) for split in splits]
        best = "best epoch"
    if any(one.best is not None for one in curves):
        lines.append(Line2D([], [], label=best, **RING))
    return lines
