"""Run a training session in the console: what `train` and `resume` share, and how progress is shown."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import click

from backprop_cli.advice.outcome import COMPLETE, advice, divergence_advice
from backprop_cli.cli.continuing import print_outcome
from backprop_cli.cli.signals import StopOnSignal
from backprop_cli.errors import BackpropError, DivergedError, Exit
from backprop_cli.runs.metrics import read_rows
from backprop_cli.runs.session import Session
from backprop_cli.terminal.console import Console
from backprop_cli.terminal.live import LiveChart
from backprop_cli.terminal.progress import naming, show
from backprop_cli.threads import blas_info


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
            chart = LiveChart(session.plan.last, e.task.classes, read_rows(session.folder.metrics, done))
        try:
            events = session.run(signals.requested)
            show(
                naming(events, session.folder.path) if console.quiet else events,
                console,
                session.plan.last,
                done,
                chart,
            )
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
    if code := code or signals.exit_code or Exit.DONE:
        click.get_current_context().exit(code)  # stops a shell's loop after Ctrl-C
