"""Progress of training: a bar on a terminal, a line per epoch elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from backprop_cli.cli.console import Console
from backprop_cli.text import duration, metric

if TYPE_CHECKING:
    from backprop_cli.plots.terminal.live import LiveChart
    from backprop_cli.training.evaluation import Score
    from backprop_cli.training.loop import EpochResult, Event


def show(events: Iterable[Event], console: Console, epochs: int, done: int, chart: LiveChart | None = None) -> None:
    """Consume the events and show them; `done` of `epochs` epochs are finished. A terminal also shows the chart."""
    if console.quiet:
        for _ in events:
            pass
    elif sys.stderr is not None and sys.stderr.isatty():
        _bar(events, epochs, done, chart)
    else:
        _lines(events, console, epochs)


def describe(event: EpochResult, epochs: int) -> str:
    """Return the metrics of an epoch as a line."""
    parts = [f"epoch {event.epoch:>{len(str(epochs))}}/{epochs}"]
    parts += [f"train {in_words(event.train)}"] if event.train else []
    parts += [f"validation {in_words(event.validation)}"] if event.validation else []
    parts += [f"mistakes {event.mistakes}"] if event.mistakes is not None else []
    return "  ".join([*parts, duration(event.seconds)])


def in_words(score: Score) -> str:
    """Return a score as `cost 0.1234 accuracy 95.20%`, or with rmse and r2 for regression."""
    return " ".join(f"{name} {metric(name, value)}" for name, value in score.metrics().items())


def _lines(events: Iterable[Event], console: Console, epochs: int) -> None:
    from backprop_cli.training.loop import EpochResult

    for event in events:
        if isinstance(event, EpochResult):
            console.say(describe(event, epochs))


def _bar(events: Iterable[Event], epochs: int, done: int, chart: LiveChart | None) -> None:
    from tqdm import tqdm

    from backprop_cli.training.loop import EpochResult, Progress

    form = "{l_bar}{bar}| epoch {n:.1f}/{total} [{elapsed}<{remaining}]{postfix}"
    with ExitStack() as stack:
        if chart:
            stack.callback(chart.finish)  # after the bar has been closed
        bar = stack.enter_context(tqdm(total=epochs, initial=done, bar_format=form, leave=True, dynamic_ncols=True))
        for event in events:
            if isinstance(event, Progress):
                bar.update(event.epoch - 1 + event.step / event.steps - bar.n)
            elif isinstance(event, EpochResult):
                bar.n = event.epoch
                if score := event.validation or event.train:
                    name = "validation" if event.validation else "train"
                    bar.set_postfix_str(f"{name} {in_words(score).split(' ', 2)[2]}")
                if chart:
                    chart.add(event)
                    with bar.get_lock():  # type: ignore[no-untyped-call]  # tqdm may draw from another thread
                        chart.redraw()
