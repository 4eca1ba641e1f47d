"""Learning curves: cost and accuracy, or the errors of a regression, over the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from backprop_cli.drawing.style import (
    COLOURS,
    FAINT,
    FIRST,
    INK,
    MARKERS,
    WIDTH,
    Array,
    by_epoch,
    in_percent,
    plain,
    styled,
)
from backprop_cli.errors import RunError

NAMES = {"cost": "cost", "accuracy": "accuracy", "rmse": "RMSE", "r2": "R²", "squared_error": "squared error"}
NAMES |= {"pseudo_likelihood": "pseudo-likelihood", "reconstruction": "reconstruction error"}
SPLITS = {"train": "training", "val": "validation"}
LOG_RATIO = 100
"""Costs whose largest and smallest values have a larger ratio are drawn on a logarithmic axis."""

LONGER = 10
"""Runs of which one has so many times the epochs of another one are drawn on a logarithmic axis of epochs."""

MAX_COLUMNS = 3
"""Panels in a row."""

RING: dict[str, Any] = {
    "color": INK,
    "marker": "o",
    "markersize": 9,
    "markerfacecolor": "none",
    "markeredgewidth": 1.1,
    "linestyle": "none",
}
"""The ring around the best epoch."""

LINES: dict[str, dict[str, Any]] = {
    "train": {"linestyle": (0, (3, 1.2)), "linewidth": 1.1, "label": SPLITS["train"]},
    "val": {"marker": "o", "label": SPLITS["val"]},
}
"""The style of training, and that of validation, in every chart."""

ALONE = {"train": LINES["train"] | {"color": COLOURS[0]}, "val": LINES["val"] | {"color": COLOURS[1]}}
"""The lines of a single run."""

OTHER: dict[str, Any] = {"color": "#BDBDBD", "linewidth": 0.6, "zorder": 1}
"""The line of a run without a name."""


@dataclass(frozen=True, eq=False)
class Curves:
    """A run, or k runs that differ only by seed, which are drawn as their mean and standard deviation.

    `columns` are those of metrics.csv, each (k, epochs); `best` is the best epoch of a single run; `cost` is the name
    of the cost function. Curves without a label are drawn in grey, without their training.
    """

    label: str
    epochs: Array
    columns: Mapping[str, Array]
    best: int | None = None
    cost: str = ""

    def has(self, column: str) -> bool:
        """Whether the column has finite values."""
        return column in self.columns and bool(np.isfinite(self.columns[column]).any())


@styled
def draw_curves(curves: Sequence[Curves], differences: str = "") -> Figure:
    """Draw a panel for each metric: training and validation of one run, or several runs in different colours.

    `differences` is written above their names. Costs of different cost functions are in different panels. Raises
    RunError if there is no metric to draw.
    """
    panels, named = _panels(curves), [one for one in curves if one.label]
    if not panels:
        raise RunError(f"{curves[0].label}: no epoch was evaluated, so there are no learning curves")
    columns = min(len(panels), MAX_COLUMNS)
    rows = -(-len(panels) // columns)
    longest = max(len(one.label) for one in curves)
    legend_columns = 3 if longest <= 24 else 2 if longest <= 44 else 1
    legend_rows = -(-len(named) // legend_columns) if len(curves) > 1 else 0
    figure = Figure(figsize=(WIDTH, 2.4 * rows + 0.45 + 0.18 * (legend_rows + bool(differences))))
    axes: list[Axes] = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    drawn = [
        [c.columns[f"{s}_{name}"] for c in members for s in SPLITS if c.has(f"{s}_{name}")]
        for _, name, members in panels
    ]
    costs = [values for (_, name, _), values in zip(panels, drawn, strict=True) if name == "cost"]
    compared = len(costs) > 1 and not all(map(_is_wide, costs))  # all on the same kind of axis
    for axis, (title, name, members), values in zip(axes, panels, drawn, strict=False):
        for one in members:
            if not one.label:
                split = "val" if one.has(f"val_{name}") else "train"
                _draw(axis, one, f"{split}_{name}", OTHER)
                continue
            number = named.index(one)
            for split in SPLITS:
                if one.has(f"{split}_{name}"):
                    style = ALONE[split] if len(curves) == 1 else _style_among(split, number)
                    if not one.has(f"val_{name}"):  # the legend of the runs shows the style of the validation curve
                        style = style | _marker(number)
                    _draw(axis, one, f"{split}_{name}", style)
            _mark_best(axis, one, name)
        axis.set_title(title)
        by_epoch(axis)
        if name == "accuracy":
            in_percent(axis)
        elif name != "r2" and not (name == "cost" and compared) and _is_wide(values):
            axis.set_yscale("log")
        _scale_epochs(axis, [one.epochs.max() for one in members])
    figure.legend(handles=_key(curves), loc="outside upper right", ncols=3)
    if len(curves) > 1:
        lines = [Line2D([], [], **_style_among("val", i) | {"label": plain(c.label)}) for i, c in enumerate(named)]
        if others := len(curves) - len(named):
            lines.append(Line2D([], [], **OTHER, label=f"{others} others"))
        figure.legend(handles=lines, loc="outside lower center", ncols=legend_columns, title=plain(differences) or None)
    return figure


def _panels(curves: Sequence[Curves]) -> list[tuple[str, str, list[Curves]]]:
    panels = []
    for name, title in NAMES.items():
        members = [one for one in curves if any(one.has(f"{split}_{name}") for split in SPLITS)]
        costs = list(dict.fromkeys(one.cost for one in members)) if name == "cost" else []
        if len(costs) > 1:
            panels += [(f"cost: {cost}", name, [one for one in members if one.cost == cost]) for cost in costs]
        elif members:
            panels.append((title, name, members))
    return panels


def _style_among(split: str, number: int) -> dict[str, Any]:
    own = LINES[split] | {"color": COLOURS[number % len(COLOURS)]}
    return own | {"linewidth": 0.9, "alpha": 0.8} if split == "train" else own | _marker(number)


def _marker(number: int) -> dict[str, Any]:
    hollow = {"markerfacecolor": "white"} if number >= FIRST else {}
    return {"marker": MARKERS[number % len(MARKERS)], **hollow}


def _draw(axis: Axes, curves: Curves, column: str, style: dict[str, Any]) -> None:
    """Draw a column as a line; for several runs the mean, with a band of ± one standard deviation.

    Epochs that were not evaluated are left out, so that the line connects the others.
    """
    evaluated = ~np.isnan(curves.columns[column]).any(axis=0)
    values, epochs = curves.columns[column][:, evaluated], curves.epochs[evaluated]
    mean = values.mean(axis=0)
    axis.plot(epochs, mean, **{"markevery": max(1, len(epochs) // 8), "gid": column, **style})
    if len(values) > 1 and curves.label:  # the bands of many grey lines would cover each other
        spread = values.std(axis=0, ddof=1)
        least, most = 0.0 if values.min() >= 0 else -np.inf, 1.0 if column.endswith(("_accuracy", "_r2")) else np.inf
        low, high = np.clip((mean - spread, mean + spread), least, most)  # to values that can be
        axis.fill_between(epochs, low, high, color=style["color"], alpha=0.18, linewidth=0, gid=column)


def _mark_best(axis: Axes, curves: Curves, name: str) -> None:
    """Draw a ring around the best epoch, on the validation curve if there is one."""
    at = np.flatnonzero(curves.epochs == curves.best)
    column = next((f"{split}_{name}" for split in ("val", "train") if curves.has(f"{split}_{name}")), None)
    if column is not None and len(at):
        value = curves.columns[column][0, at[0]]
        axis.plot(curves.epochs[at], [value], gid=f"best_{column}", clip_on=False, **RING)


def _scale_epochs(axis: Axes, lengths: Sequence[float]) -> None:
    """Draw a short run beside a long one so that both can be seen."""
    if max(lengths) >= LONGER * min(lengths):
        axis.set_xscale("symlog", linthresh=1)  # with epoch 0
        axis.set_xlabel("epoch, logarithmic")
        axis.xaxis.set_major_formatter("{x:,.0f}")


def _is_wide(drawn: Sequence[Array]) -> bool:
    """Whether values are positive and differ so much that a logarithmic axis shows them better."""
    values = np.concatenate([array.ravel() for array in drawn])
    values = values[np.isfinite(values)]
    return bool(values.min() > 0 and values.max() > LOG_RATIO * values.min())


def _key(curves: Sequence[Curves]) -> list[Line2D]:
    """Return the legend of the two kinds of line and the ring."""
    splits = [split for split in SPLITS if any(one.has(f"{split}_{name}") for one in curves for name in NAMES)]
    if len(curves) == 1:
        lines = [Line2D([], [], **ALONE[split]) for split in splits]
        best = f"best epoch, {curves[0].best}"
    else:
        plain: dict[str, Any] = {"color": FAINT, "marker": "", "alpha": 1}
        lines = [Line2D([], [], **(_style_among(split, 0) | plain)) for split in splits]
        best = "best epoch"
    if any(one.best is not None for one in curves):
        lines.append(Line2D([], [], label=best, **RING))
    return lines
