"""A line chart as text: Braille dots, eight per character, or plain marks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby, pairwise

from backprop_cli.frozen import frozen

Points = Sequence[tuple[float, float]]

BRAILLE = 0x2800
BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of the dot in row 0 … 3 and column 0 or 1 of a Braille character (Unicode, chapter 21.1)."""

COLOURS, MARKS = (36, 33), ("o", "+")
"""Of the first and the second curve: the SGR codes of cyan and yellow, and the plain marks."""

LABEL, LEGEND = 9, 22
"""Widths of the scale on the left, and of the names and last values on the right."""


@frozen
class Chart:
    """A chart from epoch 1 to `last`; `form` formats values, `log` makes the scale logarithmic.

    With `dots`, curves are coloured Braille; otherwise each curve has a mark of its own.
    """

    last: int
    form: Callable[[float], str]
    log: bool = False
    dots: bool = True

    def lines(self, curves: Mapping[str, Points], width: int, height: int) -> list[str]:
        """Return `height` lines of at most `width` characters for one or two curves, none empty."""
        right = LEGEND if width >= 60 else 0
        canvas = _Canvas(width - LABEL - right, height - 1, self.dots)
        scaled = {name: [(x, self._scaled(y)) for x, y in points] for name, points in curves.items()}
        values = [y for points in scaled.values() for _, y in points]
        low, high = min(values), max(values)
        ends = []
        for k, points in enumerate(scaled.values()):
            unit = [((x - 1) / max(1, self.last - 1), (high - y) / ((high - low) or 1)) for x, y in points]
            ends.append(canvas.draw(unit, k))
        legend = self._legend(curves, ends, canvas.rows) if right else [""] * canvas.rows
        scale = self._scale(low, high, canvas.rows)
        bar = "│" if self.dots else "|"
        axis = "epoch 1"
        if self.last > 1:
            axis = axis.ljust(canvas.columns - len(str(self.last))) + str(self.last)
        return [
            *(f"{scale[row]:>{LABEL - 2}} {bar}{canvas.row(row)}{legend[row]}" for row in range(canvas.rows)),
            " " * LABEL + axis,
        ]

    def _scaled(self, y: float) -> float:
        return math.log10(max(y, 1e-12)) if self.log else y

    def _scale(self, low: float, high: float, rows: int) -> list[str]:
        """Return the label of each row: values at the top, in the middle and at the bottom."""
        marked = {0, rows // 2, rows - 1} if high > low else {0}
        values = (high - (high - low) * row / max(1, rows - 1) for row in range(rows))
        return [
            self.form(10**value if self.log else value) if row in marked else "" for row, value in enumerate(values)
        ]

    def _legend(self, curves: Mapping[str, Points], ends: Sequence[int], rows: int) -> list[str]:
        """Return the text to the right of each row: the last value and the name of a curve that ends there."""
        legend = [""] * rows
        for k, ((name, points), end) in enumerate(zip(curves.items(), ends, strict=True)):
            _, free = min((abs(row - end), row) for row in range(rows) if not legend[row])
            text = f"{self.form(points[-1][1]):>7} {name}"
            legend[free] = " " + (_coloured(text, k) if self.dots else f"{MARKS[k]} {text}")
        return legend


class _Canvas:
    """A grid of characters on which curves are drawn as Braille dots or marks."""

    def __init__(self, columns: int, rows: int, dots: bool) -> None:
        self.columns, self.rows, self._dots = columns, rows, dots
        self._across, self._down = (2, 4) if dots else (1, 1)
        self._cells: list[list[tuple[int, int | None]]] = [[(0, None)] * columns for _ in range(rows)]

    def draw(self, points: Points, curve: int) -> int:
        """Draw a curve through points in the unit square, y downwards; return the row in which it ends."""
        width, height = self._across * self.columns - 1, self._down * self.rows - 1
        places = [(round(x * width), round(y * height)) for x, y in _thinned(points, 2 * width)]
        for x, y in _joined(places):
            bits, _ = self._cells[y // self._down][x // self._across]
            self._cells[y // self._down][x // self._across] = bits | BITS[y % self._down][x % self._across], curve
        return places[-1][1] // self._down

    def row(self, row: int) -> str:
        """Return a row as text; where curves meet, the later one gives the colour."""
        text = ""
        for curve, cells in groupby(self._cells[row], key=lambda cell: cell[1]):
            bits = [bits for bits, _ in cells]
            if curve is None:
                text += " " * len(bits)
            elif self._dots:
                text += _coloured("".join(chr(BRAILLE + b) for b in bits), curve)
            else:
                text += MARKS[curve] * len(bits)
        return text


def _coloured(text: str, curve: int) -> str:
    return f"\x1b[{COLOURS[curve]}m{text}\x1b[0m"


def _thinned(points: Points, most: int) -> Points:
    """Return at most about `most` of the points, the last one included."""
    step = -(-len(points) // most)
    return points if step == 1 else [*points[:-1:step], points[-1]]


def _joined(dots: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    found = list(dots[:1])
    for (x, y), (to_x, to_y) in pairwise(dots):
        steps = max(abs(to_x - x), abs(to_y - y), 1)
        found += [(round(x + (to_x - x) * k / steps), round(y + (to_y - y) * k / steps)) for k in range(1, steps + 1)]
    return found
