"""The confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from backprop_cli.drawing.style import FAINT, Array, in_percent, plain, styled

MAX_CLASSES = 20
"""Counts are written into the cells for at most so many classes."""

LONGEST = 24
"""The longest name of a class; longer ones are shortened."""


@styled
def draw_confusion(confusion: Array, names: Sequence[str] = ()) -> Figure:
    """Draw confusion[t, p], the number of examples of class t predicted as class p, coloured by their share of class t.

    `names` are those of the classes, by default their numbers.

    Cells contain the counts; recall and precision of each class are at the end of its row and column.
    """
    k = len(confusion)
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    shown = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in names or map(str, range(k))]
    margin = 0.075 * max(map(len, shown))  # inches
    side = min(max(0.36 * k, 2.0), 4.4)
    figure = Figure(figsize=(side + 1.6 + margin, side + 0.7 + margin * (margin > 0.3)))
    axis = figure.subplots()
    # the square root makes the few mistakes of a good network visible
    image = axis.imshow(share, cmap="Blues", norm=PowerNorm(0.5, 0, 1))
    axis.grid(False)
    axis.spines[:].set_visible(False)
    axis.set(xlabel="predicted class", ylabel="true class")
    if k <= MAX_CLASSES:
        _write_counts(axis, confusion, share, list(map(plain, shown)))
        _write_margins(axis, confusion)
    bar = figure.colorbar(image, ax=axis, pad=0.02, ticks=[0, 0.01, 0.05, 0.2, 0.5, 1])
    in_percent(bar.ax)
    bar.set_label("share of the true class")
    bar.ax.spines[:].set_visible(False)
    return figure


def _write_counts(axis: Axes, confusion: Array, share: Array, names: Sequence[str]) -> None:
    k, longest = len(confusion), max(map(len, names))
    for side in (axis.xaxis, axis.yaxis):
        side.set_ticks(np.arange(k), names)
        side.set_ticks(np.arange(k + 1) - 0.5, minor=True)
    if k * longest > 30:
        axis.tick_params(axis="x", labelrotation=90 if k > 4 else 30)
    axis.grid(True, which="minor", color="white", linewidth=1)
    axis.tick_params(which="both", length=0)
    size = 8 if confusion.max() < 1000 else 6.5
    for (t, p), count in np.ndenumerate(confusion):
        if count:
            colour = "white" if share[t, p] > 0.4 else "black"
            axis.text(p, t, str(count), ha="center", va="center", fontsize=size, color=colour, gid=f"{t},{p}")


def _write_margins(axis: Axes, confusion: Array) -> None:
    """Write the recall at the right of each row and the precision above each column, in percent."""
    k, right = len(confusion), np.diag(confusion)
    write = partial(axis.annotate, textcoords="offset points", color=FAINT)
    for i, (truly, taken) in enumerate(zip(confusion.sum(axis=1), confusion.sum(axis=0), strict=True)):
        if truly:
            write(f"{100 * right[i] / truly:.1f}", (k - 0.5, i), xytext=(4, 0), va="center", fontsize=6.5)
        if taken:
            write(f"{100 * right[i] / taken:.1f}", (i, -0.5), xytext=(0, 4), ha="center", fontsize=6.5)
    middle = (k - 1) / 2
    write("precision, %", (middle, -0.5), xytext=(0, 15), ha="center", fontsize=7)
    write("recall, %", (k - 0.5, middle), xytext=(26, 0), va="center", rotation=270, fontsize=7)
