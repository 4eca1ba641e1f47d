"""From a session to the words at its end: what `train` and `resume` share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from backprop_cli.cli.console import Console, error_line
from backprop_cli.cli.progress import duration, show
from backprop_cli.cli.signals import StopOnSignal
from backprop_cli.config.schema import Experiment
from backprop_cli.errors import DivergedError, Exit
from backprop_cli.session import Session
from backprop_cli.training.threads import blas_info, choose_threads, limit_threads


def sit(make_session: Callable[[], Session], experiment: Experiment, console: Console) -> None:
    """Make the session, train it to its end, a signal or divergence, and exit with what that means."""
    threads = choose_threads(experiment.threads, experiment.layers, experiment.batch_size)
    code = Exit.DONE
    with limit_threads(threads), StopOnSignal(console.quiet) as signals:
        console.detail(f"BLAS: {blas_info()}")
        session = make_session()
        try:
            show(session.run(signals.requested), console, experiment.epochs, done=session.position.epoch)
        except DivergedError as error:
            error_line(_advice(error, session))
            code = error.exit_code
    if session.status == "interrupted":
        position = session.position
        console.warn(f"stopped in epoch {position.epoch + 1}, after {position.step} steps, and saved")
        console.say(f"go on with: backprop resume {session.folder.path}")
    console.result(summary(session), result(session), quiet=str(session.folder.path))
    click.get_current_context().exit(code or signals.exit_code or Exit.DONE)  # a script's loop should hear of Ctrl-C


def result(session: Session) -> dict[str, Any]:
    """Return what --json prints: the folder, and the figures of its run.json."""
    record = session.record()
    keys = ("status", "epochs", "seconds", "parameters", "best", "final", "test", "diverged")
    return {"run": str(session.folder.path), **{key: record.get(key) for key in keys}}


def summary(session: Session) -> str:
    """Return the words at the end: the best epoch, where the run lies, and what one may want next."""
    path, epochs, best = session.folder.path, session.position.epoch, session.best
    lines = []
    if best:
        figures = "the last one, as there is no validation split"
        if best.val_accuracy is not None:
            figures = f"validation accuracy {best.val_accuracy:.2%}"
        if test := session.outcome.get("test"):
            figures += f", test accuracy {test['accuracy']:.2%}"
        lines.append(f"best epoch  {best.epoch} of {epochs}: {figures}")
    lines.append(f"run         {path}  ({session.status}, {duration(session.history['seconds'])})")
    if session.status == "finished":
        lines.append(f"next        backprop eval {path}")
        lines.append(f"            backprop resume {path} --epochs {2 * epochs}")
    return "\n".join(lines)


def _advice(error: DivergedError, session: Session) -> str:
    e, kept = session.experiment, session.folder.checkpoint("best")
    more = (", or initializer=scaled" if e.initializer == "normal" else "") + (
        ", or a smaller lambda" if e.lmbda else ""
    )
    best = f"The best checkpoint so far is {kept}." if session.best else "No epoch came to its end."
    return f"{error}\nThe steps are too long for this network: try eta={e.eta / 10:g}{more}.\n{best}"
