"""Epochs as lines of a log: all of a few, and of many about twenty."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

from backprop_cli.text import round_step
from backprop_cli.training.loop import EpochResult

MAX_LINES = 50
"""Epochs up to which each is shown."""

FIRST = 5
"""Epochs at the beginning that are always shown: there most is learned."""

PAUSE = 10
"""Seconds after which an epoch is shown although many are left out."""


def show_some(
    results: Iterable[EpochResult], epochs: int, show: Callable[[EpochResult], None], say: Callable[[str], None]
) -> None:
    """Show the first epochs, the last, and of many about twenty, or one every PAUSE seconds; say how many are left out.

    `epochs` is their number at the end of training. The last epoch before an exception is shown too.
    """
    every = 1 if epochs <= MAX_LINES else round_step(epochs / 16)
    shown, hidden, last = -math.inf, 0, None
    try:
        for number, result in enumerate(results):
            if number >= FIRST and result.epoch % every and time.monotonic() < shown + PAUSE:
                last, hidden = result, hidden + 1
            else:
                show(result)
                last, shown = None, time.monotonic()
    finally:
        if last:
            show(last)
            hidden -= 1
        if hidden:
            say(f"{hidden:,} epochs are not shown; -v shows all")
