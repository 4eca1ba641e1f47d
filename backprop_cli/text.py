"""Text for terminals: aligned tables, metrics and durations."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import count

MAX_WIDTH, MIN_WIDTH = 40, 16
"""The widest a shortened cell may be, and the narrowest it is made."""


def table(header: Sequence[str], rows: Iterable[Sequence[object]], left: int = 1) -> str:
    """Return a table: the first `left` columns are left-aligned, the others right-aligned."""
    lines = [[one_line(str(cell)) for cell in row] for row in (header, *rows)]
    widths = _widths(lines)
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"  # C0, C1, bidi, surrogates
)
"""Characters that could control a terminal, or change the order of what it shows."""


def printable(text: str) -> str:
    r"""Return text with control characters replaced by escapes such as \x1b. Newlines and tabs are kept."""
    return CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def one_line(text: str) -> str:
    r"""Return text with its line breaks replaced by \n: the name of a file could look like a second message."""
    return text.replace("\n", "\\n")


def terminal_width() -> int | None:
    """Return the width of the terminal behind stdout, None if stdout is not a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def fitted(lines: Sequence[Sequence[str]], width: int | None, fixed: int) -> list[list[str]]:
    """Return the lines of a table so that it is at most `width` characters wide; None means no limit.

    Cells after the first `fixed` columns are shortened, as little as necessary. If that is not enough, the last of
    these columns are dropped.
    """
    if width is None:
        return [list(line) for line in lines]
    widths = _widths(lines)
    for limit in range(MAX_WIDTH, MIN_WIDTH - 1, -1):
        limits = [w if i < fixed else min(w, limit) for i, w in enumerate(widths)]
        if sum(limits) + 2 * (len(limits) - 1) <= width:
            break
    while len(limits) > fixed and sum(limits) + 2 * (len(limits) - 1) > width:
        limits.pop()
    return [[_shorten(cell, limit) for cell, limit in zip(line, limits, strict=False)] for line in lines]


def some_of(words: Sequence[str], limit: int = 3) -> str:
    """Return the first words, and how many others there are: a, b, c and 4 more."""
    shown = words if len(words) <= limit + 1 else words[:limit]
    return ", ".join(shown) + (f" and {len(words) - len(shown)} more" if len(shown) < len(words) else "")


def metric(name: str, value: float) -> str:
    """Return a metric with four digits after the point; accuracies in percent."""
    return f"{value:.2%}" if name.endswith("accuracy") else f"{value:.4f}"


TITLES = {
    "balanced_accuracy": "balanced accuracy",
    "f1": "F1",
    "roc_auc": "ROC-AUC",
    "log_loss": "log loss",
    "mae": "MAE",
}
"""Metrics that are shown in a line of their own, and what they are called."""


def further_metrics(metrics: Mapping[str, float | None]) -> str:
    """Return those of the metrics that have a title, in a line: `F1 0.9712, log loss 0.1034`; nothing without any."""
    known = ((title, name, metrics.get(name)) for name, title in TITLES.items())
    return ", ".join(f"{title} {metric(name, value)}" for title, name, value in known if value is not None)


def above_floor(cost: float, floor: float | None) -> str:
    """Return how much a cost is above the lowest that is possible: `, 26.3 above the floor of 45.5`."""
    return "" if floor is None else f", {cost - floor:.4g} above the floor of {floor:.4g}"


def duration(seconds: float) -> str:
    """Return a time with a suitable unit: 3 ms, 0.11 s, 12.3 s, 4 min 05 s, 2 h 30 min."""
    if seconds < 0.0995:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def round_step(least: float) -> int:
    """Return the smallest of 1, 2, 5, 10, 20, 50, … that is at least `least`."""
    return next(step for k in count() for step in (10**k, 2 * 10**k, 5 * 10**k) if step >= least)


def _widths(lines: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*lines, strict=True)]


def _shorten(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
