"""Run a training session in the console: what `train` and `resume` share, and how progress is shown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack

import click

from backprop_cli.advice.learning import Notice
from backprop_cli.advice.outcome import COMPLETE, advice, divergence_advice
from backprop_cli.cli.console import Console
from backprop_cli.cli.continuing import print_outcome
from backprop_cli.cli.signals import StopOnSignal
from backprop_cli.engine.threads import blas_info
from backprop_cli.errors import BackpropError, DivergedError, Exit
from backprop_cli.runs.metrics import read_rows
from backprop_cli.runs.session import Session
from backprop_cli.terminal.lines import show_some
from backprop_cli.terminal.live import LiveChart
from backprop_cli.text import duration, metric
from backprop_cli.training.evaluation import Score
from backprop_cli.training.loop import EpochResult, Event, Progress


def run_training(
    opened: AbstractContextManager[Session], announce: Callable[[Session], None], console: Console, live: bool
) -> None:
    """Train a session to its end, a signal or divergence; print the result and exit with the code for it.

    `announce` is called once the session has begun. With `live`, a terminal shows the learning curves.
    """
    code = Exit.DONE
    with StopOnSignal(console.quiet) as signals, opened as session:
        console.detail(f"BLAS: {blas_info()}")
        announce(session)
        e, done, chart = session.experiment, session.state.status.epoch, None
        if live:
            chart = LiveChart(e.epochs, e.task.classes, read_rows(session.folder.metrics, done))
        try:
            show(session.run(signals.requested), console, e.epochs, done, chart)
        except DivergedError as error:
            best = session.folder.checkpoint("best") if session.best else None
            message = BackpropError(divergence_advice(error, e, session.suggest_eta(), best))
            message.exit_code = error.exit_code
            code = console.error(message)
    if session.status == "interrupted":
        status = session.state.status
        console.warn(f"stopped in epoch {status.epoch + 1}, after {status.step} steps; the state is saved")
        console.say(f"continue with: backprop resume {session.folder.path}")
    print_outcome(session.folder.path, session.record(), console)
    if not console.quiet and session.status in COMPLETE:
        for line in advice(e, session.plan, session.state, session.layers, session.last or {}):
            console.say(f"advice: {line}")
    click.get_current_context().exit(code or signals.exit_code or Exit.DONE)  # stops a shell's loop after Ctrl-C


def show(
    events: Iterable[Event | Notice], console: Console, epochs: int, done: int, chart: LiveChart | None = None
) -> None:
    """Consume the events and show them; `done` of `epochs` epochs are finished. A terminal also shows the chart."""
    if console.quiet:
        for event in events:
            _warn(event, console)
    elif sys.stderr is not None and sys.stderr.isatty():
        _bar(events, console, epochs, done, chart)
    else:
        _lines(events, console, epochs)


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
    return " ".join(f"{name} {metric(name, value)}" for name, value in score.metrics().items())


def _warn(event: Event | Notice, console: Console) -> None:
    if isinstance(event, Notice):
        console.warn(event.text)


def _lines(events: Iterable[Event | Notice], console: Console, epochs: int) -> None:
    def results() -> Iterator[EpochResult]:
        for event in events:
            _warn(event, console)
            if isinstance(event, EpochResult):
                yield event

    every = 1 if console.verbose else epochs
    show_some(results(), every, lambda event: console.say(describe(event, epochs)), console.say)


def _bar(events: Iterable[Event | Notice], console: Console, epochs: int, done: int, chart: LiveChart | None) -> None:
    from tqdm import tqdm

    form = "{percentage:3.0f}%|{bar}| {desc} [{elapsed}<{remaining}]{postfix}"
    with ExitStack() as stack:
        if chart:
            stack.callback(chart.finish)  # after the bar has been closed
        bar = stack.enter_context(tqdm(total=epochs, initial=done, bar_format=form, leave=True, dynamic_ncols=True))
        for event in events:
            if isinstance(event, Notice):
                with bar.external_write_mode():
                    console.warn(event.text)
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
