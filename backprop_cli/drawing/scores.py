"""How good the scores of a classifier are: ROC, precision and recall, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from backprop_cli.drawing.curves import OTHER
from backprop_cli.drawing.style import COLOURS, FAINT, FIRST, INK, Array, plain, styled
from backprop_cli.training.ranking import Calibration, ThresholdCurve

DASHES: tuple[object, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (6, 1.5, 1.5, 1.5)))
"""Line styles, so that neighbouring curves also differ in grey."""

SIDE = 3.5
"""Inches: the width of a square plot."""


@dataclass(frozen=True, eq=False)
class ClassCurve:
    """The curve of a class against all others; `share` of the examples belong to it."""

    name: str
    curve: ThresholdCurve
    share: float


@styled
def draw_roc(curves: Sequence[ClassCurve]) -> Figure:
    """Draw ROC curves; the diagonal is that of random scores."""
    figure, axis = _square("false positive rate", "true positive rate")
    axis.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, linestyle=":", zorder=1)
    _draw_lines(figure, axis, curves, "AUC", "default")
    return figure


@styled
def draw_precision_recall(curves: Sequence[ClassCurve]) -> Figure:
    """Draw the precision over the recall; a dotted line is the precision of random scores."""
    figure, axis = _square("recall", "precision")
    for colour, one in zip(COLOURS, curves[:FIRST], strict=False):
        axis.axhline(one.share, color=colour, linewidth=0.8, linestyle=":", zorder=1)
    _draw_lines(figure, axis, curves, "AP", "steps-pre")
    return figure


def _draw_lines(figure: Figure, axis: Axes, curves: Sequence[ClassCurve], area: str, steps: str) -> None:
    """Draw the curves, the first with a colour and a name, the others in grey."""
    for number, one in enumerate(curves):
        label = f"{plain(one.name)}, {area} {one.curve.area:.3f}"
        colour: dict[str, Any] = {"color": COLOURS[number], "linestyle": DASHES[number % len(DASHES)], "label": label}
        look = colour if number < FIRST else OTHER | {"label": f"{len(curves) - FIRST} others"}
        if number > FIRST:
            look = OTHER
        axis.plot(one.curve.x, one.curve.y, drawstyle=steps, gid=plain(one.name), **look)
    figure.legend(loc="outside lower center", ncols=1 if len(curves) == 1 else 2)


def _square(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(SIDE, SIDE + 0.4))
    axis = figure.subplots()
    axis.set(xlabel=x, ylabel=y, xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    return figure, axis


@styled
def draw_calibration(found: Calibration, words: str) -> Figure:
    """Draw how often predictions came true over their probability, with standard errors, and how many there are.

    `words` say whose probability it is.
    """
    figure = Figure(figsize=(SIDE, SIDE + 1))
    axis, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    axis.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, linestyle=":", zorder=1, label="perfectly calibrated")
    share = (found.observed * found.counts + 1) / (found.counts + 2)  # an error also where all came true, or none
    error = np.sqrt(share * (1 - share) / found.counts)
    axis.errorbar(
        found.predicted,
        found.observed,
        error,
        color=COLOURS[0],
        ecolor=FAINT,
        elinewidth=0.9,
        linewidth=0.9,
        marker="o",
        label="observed, ± standard error",
    )
    axis.set(ylabel="observed frequency", xlim=(-0.01, 1.01), ylim=(-0.02, 1.02))
    below.bar((np.ceil(found.predicted * 10) - 0.5).clip(0.5) / 10, found.counts, 0.092, color=COLOURS[3])
    below.set(xlabel=words, ylabel="examples")
    below.grid(False, axis="x")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


POINTS = 1000
"""At most so many examples are drawn."""


@styled
def draw_residuals(true: Array, predicted: Array, names: Sequence[str]) -> Figure:
    """Draw, for values (n, k) of these names, the predicted over the true ones, and the residuals over the predicted.

    A residual is predicted - true; the dashed line is a prediction without error.
    """
    figure = Figure(figsize=(2 * SIDE, SIDE * 0.85 * len(names)))
    panels: list[list[Axes]] = figure.subplots(len(names), 2, squeeze=False).tolist()
    step = -(-len(true) // POINTS)
    for k, (name, (left, right)) in enumerate(zip(names, panels, strict=True)):
        y, a = true[::step, k], predicted[::step, k]
        look: dict[str, Any] = {"color": COLOURS[0], "s": 14 if len(y) < 300 else 7, "alpha": 0.55, "linewidths": 0}
        left.scatter(y, a, gid=f"predicted_{k}", **look)
        left.axline((float(y.mean()), float(y.mean())), slope=1, color=INK, linewidth=0.9, linestyle="--")
        left.set(xlabel=f"true {plain(name)}", ylabel=f"predicted {plain(name)}")
        right.scatter(a, a - y, gid=f"residual_{k}", **look)
        right.axhline(0, color=INK, linewidth=0.9, linestyle="--")
        right.set(xlabel=f"predicted {plain(name)}", ylabel="residual (predicted − true)")
    return figure


BARS = 20
"""At most so many columns are drawn."""


@styled
def draw_importance(names: Sequence[str], mean: Array, sd: Array, words: str) -> Figure:
    """Draw the importance of columns as bars, the first at the top, with standard deviations."""
    n = len(names)
    figure = Figure(figsize=(2 * SIDE, 0.21 * n + 0.75))
    axis = figure.subplots()
    bars = axis.barh(np.arange(n), mean, 0.7, xerr=sd, color=COLOURS[0], ecolor=FAINT, error_kw={"elinewidth": 0.9})
    for bar, name in zip(bars, names, strict=True):
        bar.set_gid(plain(name))
    shown = [name if len(name) <= 32 else f"{name[:31]}…" for name in names]
    axis.set_yticks(np.arange(n), [plain(name) for name in shown])
    axis.tick_params(axis="y", length=0)
    axis.invert_yaxis()
    axis.grid(False, axis="y")
    axis.axvline(0, color=FAINT, linewidth=0.7)
    if words.endswith("accuracy"):
        axis.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.4g} %")
    axis.set_xlabel(words)
    return figure
