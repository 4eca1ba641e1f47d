"""From a session to the words at its end: what `train` and `resume` share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from backprop_cli.cli.console import Console
from backprop_cli.cli.progress import duration, show
from backprop_cli.cli.signals import StopOnSignal
from backprop_cli.config.schema import Experiment
from backprop_cli.errors import BackpropError, DivergedError, Exit
from backprop_cli.session import Session
from backprop_cli.training.threads import choose_threads, limit_threads


class TrainingDiverged(BackpropError):
    """Training diverged: with advice."""

    exit_code = Exit.DIVERGED


def sit(make_session: Callable[[], Session], experiment: Experiment, console: Console) -> None:
    """Make the session and train it to its end, a signal or divergence, and say how it went."""
    threads = choose_threads(experiment.threads, experiment.layers, experiment.batch_size)
    with limit_threads(threads), StopOnSignal() as signals:
        session = make_session()
        try:
            show(session.run(signals.requested), console, experiment.epochs, done=session.position.epoch)
        except DivergedError as error:
            raise TrainingDiverged(_advice(error, experiment, session)) from error
    if session.record["status"] == "interrupted":
        console.warn(f"stopped in epoch {session.position.epoch + 1}, after {session.position.step} steps, and saved")
        console.say(f"go on with: backprop resume {session.folder.path}")
    console.result(summary(session), result(session), quiet=str(session.folder.path))
    if signals.exit_code and session.record["status"] == "interrupted":
        click.get_current_context().exit(signals.exit_code)


def result(session: Session) -> dict[str, Any]:
    """Return what --json prints: the folder, and the figures of its run.json."""
    keys = ("status", "epochs", "seconds", "parameters", "best", "final", "test")
    return {"run": str(session.folder.path), **{key: session.record.get(key) for key in keys}}


def summary(session: Session) -> str:
    """Return the words at the end: the best epoch, where the run lies, and what one may want next."""
    record, path = session.record, session.folder.path
    lines = []
    if best := record.get("best"):
        figures = "the last one, as there is no validation split"
        if best["val_accuracy"] is not None:
            figures = f"validation accuracy {best['val_accuracy']:.2%}"
        if record.get("test"):
            figures += f", test accuracy {record['test']['accuracy']:.2%}"
        lines.append(f"best epoch  {best['epoch']} of {record['epochs']}: {figures}")
    lines.append(f"run         {path}  ({record['status']}, {duration(record['seconds'])})")
    if record["status"] == "finished":
        lines.append(f"next        backprop eval {path}")
        lines.append(f"            backprop resume {path} --epochs {2 * record['epochs']}")
    return "\n".join(lines)


def _advice(error: DivergedError, e: Experiment, session: Session) -> str:
    kept = session.best and session.folder.checkpoint("best")
    return "\n".join(
        [
            str(error),
            f"The steps are too long for this network: try eta={e.eta / 10:g}"
            + ("" if e.initializer != "normal" else ", or initializer=scaled")
            + ("" if e.lmbda == 0 else ", or a smaller lambda")
            + ".",
            f"The best checkpoint so far is {kept}."
            if kept
            else f"What there is of the run is in {session.folder.path}.",
        ]
    )
