"""Learning curves below the progress bar during training."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from backprop_cli.terminal.chart import Chart

if TYPE_CHECKING:
    from backprop_cli.training.loop import EpochResult

HEIGHT, INTERVAL = 12, 0.1
"""The largest height in lines, and the shortest time between two drawings in seconds."""

LEAST_WIDTH, LEAST_HEIGHT = 30, 8
"""The smallest terminal on which a chart is drawn."""


class LiveChart:
    """Training and validation accuracy by epoch, or the cost if `classes` is 0 (regression).

    It is drawn below the line of the cursor, which returns there; lines are overwritten, not cleared, to avoid flicker.
    `rows` are the epochs of earlier sessions, and `stream` is a terminal, stderr by default.
    """

    def __init__(
        self, epochs: int, classes: int, rows: Sequence[Mapping[str, float | None]] = (), stream: TextIO | None = None
    ) -> None:
        self._stream = stream or sys.stderr
        self._name = "accuracy" if classes else "cost"
        self._chart = Chart(epochs, _percent if classes else _digits, log=not classes, dots=_shows_dots(self._stream))
        self._curves: dict[str, list[tuple[float, float]]] = {"train": [], "validation": []}
        self._drawn = 0.0
        self._size: tuple[int, int] | None = None
        for row in rows:
            for name, column in (("train", f"train_{self._name}"), ("validation", f"val_{self._name}")):
                self._add(name, row.get("epoch"), row.get(column))

    def add(self, event: EpochResult) -> None:
        """Add the metrics of an epoch."""
        for name, score in (("train", event.train), ("validation", event.validation)):
            self._add(name, event.epoch, score.metrics().get(self._name) if score else None)

    def redraw(self) -> None:
        """Draw the chart again, at most once per INTERVAL."""
        if time.monotonic() - self._drawn < INTERVAL:
            return
        self._drawn = time.monotonic()
        size, lines = self._size_of_terminal(), self._lines()
        # after a change of size the lines below may be wrapped, so they are erased once
        erase = "\x1b[J" if self._size not in (None, size) else ""
        if lines or erase:
            self._size = size
            below = max(1, len(lines))
            self._write("\n" + erase + "\n".join(f"{line}\x1b[K" for line in lines) + f"\x1b[{below}A\r")

    def finish(self) -> None:
        """Draw the chart a last time, from the line of the cursor on, and leave the cursor below it."""
        lines = self._lines()
        if lines or self._size:
            self._write("\x1b[J" + "".join(f"{line}\n" for line in lines))

    def _add(self, name: str, epoch: float | None, value: float | None) -> None:
        if epoch and value is not None:  # the chart begins with epoch 1
            self._curves[name].append((epoch, value))

    def _lines(self) -> list[str]:
        columns, rows = self._size_of_terminal()
        curves = {name: points for name, points in self._curves.items() if points}
        if not curves or columns < LEAST_WIDTH or rows < LEAST_HEIGHT or os.environ.get("TERM") == "dumb":
            return []
        # one line each for the bar, the title and the cursor; the last column stays empty because it may wrap
        return [f"  {self._name}", *self._chart.lines(curves, columns - 1, min(HEIGHT, rows - 3))]

    def _size_of_terminal(self) -> tuple[int, int]:
        """Return columns and lines, which may change at any time."""
        with contextlib.suppress(OSError):
            columns, rows = os.get_terminal_size(self._stream.fileno())
            if columns and rows:
                return columns, rows
        return 80, 24

    def _write(self, text: str) -> None:
        """Write text at once; a stream that cannot be written to must not end training."""
        with contextlib.suppress(OSError):
            self._stream.write(text)
            self._stream.flush()


def _percent(value: float) -> str:
    return f"{value:.1%}" if value < 1 else "100%"


def _digits(value: float) -> str:
    return f"{value:.2g}"


def _shows_dots(stream: TextIO) -> bool:
    """Return whether a stream can encode Braille and colours are wanted: they tell the curves apart."""
    try:
        "⣿".encode(stream.encoding)
    except UnicodeEncodeError:
        return False
    return not os.environ.get("NO_COLOR")
