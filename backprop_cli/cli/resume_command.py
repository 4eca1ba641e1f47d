"""`backprop resume`: go on where a run stopped."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backprop_cli.cli.completion import complete_run
from backprop_cli.cli.console import Command, Console
from backprop_cli.cli.options import common_options, data_options, live_option, runs_option

if TYPE_CHECKING:
    from backprop_cli.config.schema import Experiment
    from backprop_cli.data.cache import Cache
    from backprop_cli.runs.checkpoint import Checkpoint
    from backprop_cli.runs.folder import RunFolder
    from backprop_cli.session import Session


@click.command("resume", cls=Command, short_help="Go on where a run stopped, or extend it.")
@click.argument("run", shell_complete=complete_run)
@click.option("--epochs", type=click.IntRange(min=1), metavar="N", help="Train to N epochs in all.")
@runs_option
@live_option
@common_options
@data_options
def command(
    run: str, epochs: int | None, runs_dir: Path, live: bool, console: Console, cache: Callable[[], Cache]
) -> None:
    """Go on where RUN stopped, or extend a finished one with --epochs.

    RUN is a run's folder, its name, the beginning of its name, or @last. On the same machine, with the same NumPy
    and number of threads, the result has the bits of a run that never stopped.
    """
    from backprop_cli.cli.sitting import sit
    from backprop_cli.errors import UsageError
    from backprop_cli.experiment import load_data
    from backprop_cli.optim.schedules import Cosine
    from backprop_cli.restore import experiment_of
    from backprop_cli.runs.folder import find_run
    from backprop_cli.session import Session, environment

    folder = find_run(run, runs_dir)
    with folder.lock():
        before = folder.read_record()
        checkpoint, origin = _newest(folder, console)
        experiment = experiment_of(checkpoint, str(origin), epochs)
        done = checkpoint.meta.epoch
        if experiment.epochs < done:
            raise UsageError(f"{folder.path} has {done} epochs already; --epochs must be more than that")
        whole = origin == folder.checkpoint("last")
        if experiment.epochs == done and before.get("status") == "finished" and whole:
            raise UsageError(f"{folder.path} has all its {done} epochs; to go on, say how many: --epochs {2 * done}")
        if checkpoint.meta.stopped and before.get("status") in ("stopped_early", "finished"):
            raise UsageError(
                f"{folder.path} stopped after epoch {done}: {checkpoint.meta.stopped}. There is nothing to go on with"
            )
        for line in _changes(folder, checkpoint, experiment_of(checkpoint, str(origin))):
            console.warn(line)
        if experiment.epochs != checkpoint.meta.experiment.get("epochs") and isinstance(experiment.schedule, Cosine):
            console.warn(f"η follows a cosine to the last epoch; from here on it is that of {experiment.epochs} epochs")
        data = load_data(experiment, cache())

        def resumed() -> Session:
            session = Session.resume(experiment, data, folder, checkpoint, sys.argv[1:])
            for what, now in environment().items():
                if before.get(what) not in (None, now):
                    console.warn(f"{what} changed, so the bits may differ: {before[what]} before, {now} now")
            step = f", step {checkpoint.meta.step}" if checkpoint.meta.step else ""
            console.say(f"resuming {folder.path} after epoch {done}{step}")
            return session

        sit(resumed, experiment, console, live)


def _newest(folder: RunFolder, console: Console) -> tuple[Checkpoint, Path]:
    """Return the last checkpoint, or the best one where the last is damaged or lost, and where it lies.

    Raises CheckpointError if neither is whole.
    """
    from backprop_cli.errors import CheckpointError
    from backprop_cli.runs.checkpoint import read_checkpoint

    last, best = folder.checkpoint("last"), folder.checkpoint("best")
    try:
        return read_checkpoint(last), last
    except CheckpointError as error:
        try:
            checkpoint = _to_the_end_of(folder, read_checkpoint(best))
        except CheckpointError as another:
            raise CheckpointError(f"{error}\n{another}\nNothing is left to go on from.") from error
        console.warn(f"{error}; going on from {best}, after epoch {checkpoint.meta.epoch}")
        return checkpoint, best


def _to_the_end_of(folder: RunFolder, checkpoint: Checkpoint) -> Checkpoint:
    """Return a checkpoint with the epochs that the run's config asks for: the run may have been extended since."""
    from dataclasses import replace

    from backprop_cli.config.load import load_experiment
    from backprop_cli.errors import ConfigError

    try:
        epochs = load_experiment(folder.config).epochs
    except ConfigError:
        return checkpoint
    experiment = {**checkpoint.meta.experiment, "epochs": epochs}
    return replace(checkpoint, meta=checkpoint.meta.model_copy(update={"experiment": experiment}))


def _changes(folder: RunFolder, checkpoint: Checkpoint, experiment: Experiment) -> Iterator[str]:
    """Yield a line for everything in the folder that is not as the run left it; the checkpoint is what counts."""
    from backprop_cli.config.load import load_experiment
    from backprop_cli.errors import CheckpointError, ConfigError
    from backprop_cli.runs.checkpoint import read_checkpoint
    from backprop_cli.runs.metrics import count_rows
    from backprop_cli.session import columns_of

    try:
        same = load_experiment(folder.config) == experiment
    except ConfigError:
        same = False
    if not same:
        yield f"{folder.config} is not what the run was started with; it goes on as it was, and the file is restored"
    if (rows := count_rows(folder.metrics, checkpoint.meta.epoch, columns_of(experiment))) < checkpoint.meta.epoch:
        yield f"{folder.metrics} has {rows} whole rows of {checkpoint.meta.epoch}; the others are lost"
    if checkpoint.meta.best:
        try:
            read_checkpoint(folder.checkpoint("best"))
        except CheckpointError as error:
            yield f"{error}; the best epoch will be the best of those to come"
