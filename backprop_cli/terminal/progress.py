"""Training as it goes: a progress bar on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from backprop_cli.advice.learning import Notice
from backprop_cli.terminal.lines import show_some
from backprop_cli.terminal.live import LiveChart
from backprop_cli.text import duration, metric
from backprop_cli.training.evaluation import Score
from backprop_cli.training.loop import EpochResult, Event, Progress


class Output(Protocol):
    """Where lines go: progress and warnings."""

    @property
    def quiet(self) -> bool:
        """Whether only warnings are shown."""

    @property
    def verbose(self) -> bool:
        """Whether every epoch is shown."""

    def say(self, line: str) -> None:
        """Show a line of progress."""

    def warn(self, line: str) -> None:
        """Show a warning."""


def show(
    events: Iterable[Event | Notice], output: Output, epochs: int, done: int, chart: LiveChart | None = None
) -> None:
    """Consume the events and show them; `done` of `epochs` epochs are finished. A terminal also shows the chart."""
    if output.quiet:
        for event in events:
            _warn(event, output)
    elif sys.stderr is not None and sys.stderr.isatty():
        _bar(events, output, epochs, done, chart)
    else:
        _lines(events, output, epochs)


def describe(event: EpochResult, epochs: int) -> str:
    """Return the metrics of an epoch as a line."""
    parts = [f"epoch {event.epoch:>{len(str(epochs))}}/{epochs}"]
    parts += [f"train {in_words(event.train)}"] if event.train else []
    parts += [f"validation {in_words(event.validation)}"] if event.validation else []
    parts += [f"mistakes {event.mistakes}"] if event.mistakes is not None else []
    if event.mistakes and event.train and event.train.cost == 0 and event.train.accuracy != 1:
        parts.append("(wrong outputs with z = 0, on the boundary, cost nothing)")
    parts += [duration(event.seconds)] if event.epoch else ["before training"]
    return "  ".join(parts)


def in_words(score: Score) -> str:
    """Return a score as `cost 0.1234 accuracy 95.20%`, or with rmse and r2 for regression."""
    return " ".join(f"{name.replace('_', ' ')} {metric(name, value)}" for name, value in score.metrics().items())


def naming(events: Iterable[Event | Notice], run: Path) -> Iterator[Event | Notice]:
    """Yield the events, warnings with the path of the run: where nothing else is printed, that says whose they are."""
    for event in events:
        yield replace(event, text=f"{run}: {event.text}") if isinstance(event, Notice) else event


def _warn(event: Event | Notice, output: Output) -> None:
    if isinstance(event, Notice):
        output.warn(event.text)


def _lines(events: Iterable[Event | Notice], output: Output, epochs: int) -> None:
    def results() -> Iterator[EpochResult]:
        for event in events:
            _warn(event, output)
            if isinstance(event, EpochResult):
                yield event

    every = 1 if output.verbose else epochs
    show_some(results(), every, lambda event: output.say(describe(event, epochs)), output.say)


def _bar(events: Iterable[Event | Notice], output: Output, epochs: int, done: int, chart: LiveChart | None) -> None:
    from tqdm import tqdm

    form = "{percentage:3.0f}%|{bar}| {desc} [{elapsed}<{remaining}]{postfix}"
    with ExitStack() as stack:
        if chart:
            stack.callback(chart.finish)  # after the bar has been closed
        bar = stack.enter_context(tqdm(total=epochs, initial=done, bar_format=form, leave=True, dynamic_ncols=True))
        for event in events:
            if isinstance(event, Notice):
                with bar.external_write_mode():
                    output.warn(event.text)
                continue
            bar.set_description_str(f"epoch {event.epoch}/{epochs}", refresh=False)
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
