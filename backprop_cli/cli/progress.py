"""Training's events as a bar on a terminal, and as a line per epoch anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from backprop_cli.cli.console import Console

if TYPE_CHECKING:
    from backprop_cli.training.loop import EpochResult, Progress


def show(events: Iterable[Progress | EpochResult], console: Console, epochs: int, done: int) -> None:
    """Go through the events and show them; `done` epochs of `epochs` were there before."""
    if console.quiet:
        for _ in events:
            pass
    elif sys.stderr is not None and sys.stderr.isatty():
        _bar(events, epochs, done)
    else:
        _lines(events, console, epochs)


def describe(event: EpochResult, epochs: int) -> str:
    """Return an epoch's figures as a line."""
    figures = f"train cost {event.train.cost:.4f} accuracy {event.train.accuracy:.2%}"
    if event.validation:
        figures += f"  validation cost {event.validation.cost:.4f} accuracy {event.validation.accuracy:.2%}"
    return f"epoch {event.epoch:>{len(str(epochs))}}/{epochs}  {figures}  {duration(event.seconds)}"


def duration(seconds: float) -> str:
    """Return a time with a sensible unit: 3 ms, 0.11 s, 12.3 s, 4 min 05 s."""
    if seconds < 0.0995:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _lines(events: Iterable[Progress | EpochResult], console: Console, epochs: int) -> None:
    from backprop_cli.training.loop import EpochResult

    for event in events:
        if isinstance(event, EpochResult):
            console.say(describe(event, epochs))


def _bar(events: Iterable[Progress | EpochResult], epochs: int, done: int) -> None:
    from tqdm import tqdm

    from backprop_cli.training.loop import Progress

    form = "{l_bar}{bar}| epoch {n:.1f}/{total} [{elapsed}<{remaining}]{postfix}"
    with tqdm(total=epochs, initial=done, bar_format=form, leave=True, dynamic_ncols=True) as bar:
        for event in events:
            if isinstance(event, Progress):
                bar.update(event.epoch - 1 + event.step / event.steps - bar.n)
            else:
                bar.n = event.epoch
                score = event.validation or event.train
                name = "validation" if event.validation else "train"
                bar.set_postfix_str(f"{name} {score.accuracy:.2%}")
