"""The curves of training under its progress bar, while it goes on: what --live shows."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from backprop_cli.cli.chart import Chart

if TYPE_CHECKING:
    from backprop_cli.training.loop import EpochResult

HEIGHT, INTERVAL = 12, 0.1
"""Lines of the chart at most, and the least time between two drawings in seconds: epochs may take milliseconds."""

LEAST_WIDTH, LEAST_HEIGHT = 30, 8
"""The smallest terminal that has room for a chart."""


class LiveChart:
    """The accuracy of the training and the validation split by epoch, or, where values are predicted, the cost.

    It is drawn below the line that the cursor is on, to which the cursor returns; lines are written over, not cleared,
    so nothing flickers. `rows` are the epochs of earlier sittings.
    """

    def __init__(self, epochs: int, classes: int, rows: Sequence[Mapping[str, float | None]] = ()) -> None:
        self._name = "accuracy" if classes else "cost"
        self._chart = Chart(epochs, _percent if classes else _digits, log=not classes, dots=_shows_dots())
        self._curves: dict[str, list[tuple[float, float]]] = {"train": [], "validation": []}
        self._drawn = 0.0
        self._size: tuple[int, int] | None = None
        for row in rows:
            for name, column in (("train", f"train_{self._name}"), ("validation", f"val_{self._name}")):
                self._add(name, row.get("epoch"), row.get(column))

    def add(self, event: EpochResult) -> None:
        """Take in the figures of an epoch."""
        for name, score in (("train", event.train), ("validation", event.validation)):
            self._add(name, event.epoch, score.figures().get(self._name) if score else None)

    def redraw(self) -> None:
        """Draw the chart anew, unless that was done a moment ago."""
        if time.monotonic() - self._drawn < INTERVAL:
            return
        self._drawn = time.monotonic()
        size, lines = _terminal_size(), self._lines()
        # what a terminal of another size has made of the lines below is not known, so they are erased for once
        erase = "\x1b[J" if self._size not in (None, size) else ""
        if lines or erase:
            self._size = size
            below = max(1, len(lines))
            _write("\n" + erase + "\n".join(f"{line}\x1b[K" for line in lines) + f"\x1b[{below}A\r")

    def finish(self) -> None:
        """Draw the chart for good, from the line of the cursor on; the cursor ends below it."""
        lines = self._lines()
        if lines or self._size:
            _write("\x1b[J" + "".join(f"{line}\n" for line in lines))

    def _add(self, name: str, epoch: float | None, value: float | None) -> None:
        if epoch is not None and value is not None:
            self._curves[name].append((epoch, value))

    def _lines(self) -> list[str]:
        """Return the lines that there is room for, a title first."""
        columns, rows = _terminal_size()
        curves = {name: points for name, points in self._curves.items() if points}
        if not curves or columns < LEAST_WIDTH or rows < LEAST_HEIGHT or os.environ.get("TERM") == "dumb":
            return []
        # a line for the bar, one for the title, one for the cursor; and never the last column, which may wrap
        return [f"  {self._name}", *self._chart.lines(curves, columns - 1, min(HEIGHT, rows - 3))]


def _percent(value: float) -> str:
    return f"{value:.1%}" if value < 1 else "100%"


def _digits(value: float) -> str:
    return f"{value:.2g}"


def _shows_dots() -> bool:
    """Whether stderr can show Braille, and its user wants colours, which tell the curves apart."""
    try:
        "⣿".encode(sys.stderr.encoding)
    except UnicodeEncodeError:
        return False
    return not os.environ.get("NO_COLOR")


def _terminal_size() -> tuple[int, int]:
    """Return columns and lines of the terminal behind stderr, which a user may resize at any time."""
    with contextlib.suppress(OSError):
        columns, rows = os.get_terminal_size(sys.stderr.fileno())
        if columns and rows:
            return columns, rows
    return 80, 24


def _write(text: str) -> None:
    """Write to stderr in one go; losing it must not end the training."""
    with contextlib.suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()
