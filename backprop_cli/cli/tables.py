"""Tables of text for a terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence

WIDEST, NARROWEST = 40, 8
"""Cells that may be shortened are at most this wide, and never shortened below this width."""


def table(header: Sequence[str], rows: Iterable[Sequence[object]], left: int = 1) -> str:
    """Return lines with aligned columns: the first `left` left-aligned, the others right-aligned."""
    lines = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = _widths(lines)
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def terminal_width() -> int | None:
    """Return the width of the terminal on stdout, or None if it is not a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def fitted(lines: Sequence[Sequence[str]], width: int | None, fixed: int) -> list[list[str]]:
    """Return the lines of a table that is at most `width` wide; None means any width.

    Cells after the first `fixed` columns are shortened as little as possible; if that is not enough, the last of these
    columns are left out.
    """
    if width is None:
        return [list(line) for line in lines]
    widths = _widths(lines)
    for limit in range(WIDEST, NARROWEST - 1, -1):
        limits = [w if i < fixed else min(w, limit) for i, w in enumerate(widths)]
        if sum(limits) + 2 * (len(limits) - 1) <= width:
            break
    while len(limits) > fixed and sum(limits) + 2 * (len(limits) - 1) > width:
        limits.pop()
    return [[_cut(cell, limit) for cell, limit in zip(line, limits, strict=False)] for line in lines]


def _widths(lines: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*lines, strict=True)]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
