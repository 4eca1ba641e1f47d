"""From a session to the words at its end: what `train` and `resume` share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import click

from backprop_cli.cli.console import Console, error_line
from backprop_cli.cli.live import LiveChart
from backprop_cli.cli.progress import show
from backprop_cli.cli.signals import StopOnSignal
from backprop_cli.config.schema import Experiment
from backprop_cli.errors import DivergedError, Exit
from backprop_cli.experiment import batch_size
from backprop_cli.optim.minimizers import Minimizer
from backprop_cli.runs.metrics import read_rows
from backprop_cli.session import Session
from backprop_cli.text import duration
from backprop_cli.training.diagnostics import advice
from backprop_cli.training.separability import separable
from backprop_cli.training.threads import blas_info, choose_threads, limit_threads

HIDDEN_LAYER = (
    "layers={}-{}-{} activation=tanh output=sigmoid cost=cross_entropy initializer=scaled optimizer=adam eta=0.1"
)
"""What learns the problems that a perceptron cannot, in a hundred epochs."""


def sit(make_session: Callable[[], Session], experiment: Experiment, console: Console, live: bool = False) -> None:
    """Make the session, train it to its end, a signal or divergence, and exit with what that means.

    With `live`, a terminal shows the curves, those of earlier sittings too.
    """
    threads = choose_threads(experiment.threads, experiment.sizes, batch_size(experiment))
    code = Exit.DONE
    with limit_threads(threads), StopOnSignal(console.quiet) as signals:
        console.detail(f"BLAS: {blas_info()}")
        session = make_session()
        done, chart = session.position.epoch, None
        if live:
            chart = LiveChart(experiment.epochs, experiment.task.classes, read_rows(session.folder.metrics, done))
        try:
            show(session.run(signals.requested), console, experiment.epochs, done, chart)
        except DivergedError as error:
            error_line(_advice(error, session))
            code = error.exit_code
    if session.status == "interrupted":
        position = session.position
        console.warn(f"stopped in epoch {position.epoch + 1}, after {position.step} steps, and saved")
        console.say(f"go on with: backprop resume {session.folder.path}")
    console.result(summary(session), result(session), quiet=str(session.folder.path))
    if not console.quiet and session.status in ("finished", "stopped_early"):
        for line in _lessons(session):
            console.say(f"advice: {line}")
    click.get_current_context().exit(code or signals.exit_code or Exit.DONE)  # a script's loop should hear of Ctrl-C


def result(session: Session) -> dict[str, Any]:
    """Return what --json prints: the folder, and the figures of its run.json."""
    record = session.record()
    keys = ("status", "epochs", "seconds", "parameters", "best", "final", "test", "diverged", "reason")
    return {"run": str(session.folder.path), **{key: record.get(key) for key in keys}}


def summary(session: Session) -> str:
    """Return the words at the end: the best epoch, where the run lies, and what one may want next."""
    path, epochs, best = session.folder.path, session.position.epoch, session.best
    lines = []
    if best:
        figures = "the last one, as there is no validation split"
        validation = {name.removeprefix("val_"): value for name, value in best.items() if name.startswith("val_")}
        if validation.get("cost") is not None:
            figures = f"validation {_main_figure(validation)}"
        if test := session.outcome.get("test"):
            figures += f", test {_main_figure(test)}"
        lines.append(f"best epoch  {best['epoch']} of {epochs}: {figures}")
    if session.status == "stopped_early":
        lines.append(f"stopped     after epoch {epochs}: {session.position.stopped}")
    lines.append(f"run         {path}  ({session.status}, {duration(session.history['seconds'])})")
    if session.status in ("finished", "stopped_early"):
        lines.append(f"next        backprop eval {path}")
        if session.status == "finished":
            lines.append(f"            backprop resume {path} --epochs {2 * epochs}")
    return "\n".join(lines)


def _lessons(session: Session) -> Iterator[str]:
    """Yield what the run has to teach: layers that do not learn, and what no perceptron can."""
    e, data = session.experiment, session.plan.data
    if session.layers:
        yield from advice(session.layers, e.activations, e.optimizer.name)
    if e.activations != ("threshold",) or session.position.stopped:
        return
    answer = separable(data.train.inputs * data.scale, data.task.encode(data.train.targets, "float64"))
    if answer:
        yield "these examples can be separated, so the perceptron will get there: give it more epochs"
    elif answer is False:
        words = HIDDEN_LAYER.format(e.sizes[0], 4 * e.sizes[0], e.sizes[1])
        yield (
            "no perceptron can learn this: no line (plane) has all ones of an output on one side, which linear "
            f"programming proves. A hidden layer can: {words}"
        )


def _main_figure(figures: dict[str, Any]) -> str:
    """Return the accuracy, or the error where values are predicted."""
    if figures.get("accuracy") is not None:
        return f"accuracy {figures['accuracy']:.2%}"
    return f"rmse {figures['rmse']:.4f}" + (f", r2 {figures['r2']:.4f}" if figures.get("r2") is not None else "")


def _advice(error: DivergedError, session: Session) -> str:
    e, kept = session.experiment, session.folder.checkpoint("best")
    remedies = [] if isinstance(e.optimizer, Minimizer) else [f"eta={e.eta / 10:g}"]
    remedies += ["initializer=scaled"] * (e.initializer == "normal") + ["a smaller lambda"] * bool(e.strengths)
    remedy = f": try {', or '.join(remedies)}" if remedies else ""
    best = f"The best checkpoint so far is {kept}." if session.best else "No epoch came to its end."
    return f"{error}\nThe steps are too long for this network{remedy}.\n{best}"
