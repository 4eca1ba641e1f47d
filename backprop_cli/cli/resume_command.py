"""`backprop resume`: go on where a run stopped."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backprop_cli.cli.console import Command, Console, common_options, data_options, runs_option

if TYPE_CHECKING:
    from backprop_cli.data.cache import Cache
    from backprop_cli.session import Session


@click.command("resume", cls=Command, short_help="Go on where a run stopped, or extend it.")
@click.argument("run")
@click.option("--epochs", type=click.IntRange(min=1), metavar="N", help="Train to N epochs in all.")
@runs_option
@common_options
@data_options
def command(run: str, epochs: int | None, runs_dir: Path, console: Console, cache: Callable[[], Cache]) -> None:
    """Go on where RUN stopped, or extend a finished one with --epochs.

    RUN is a run's folder, its name, the beginning of its name, or @last. On the same machine, with the same NumPy
    and number of threads, the result has the bits of a run that never stopped.
    """
    from backprop_cli.cli.sitting import sit
    from backprop_cli.errors import UsageError
    from backprop_cli.experiment import load_data
    from backprop_cli.runs.checkpoint import read_checkpoint
    from backprop_cli.runs.folder import find_run
    from backprop_cli.session import Session, environment, experiment_of

    folder = find_run(run, runs_dir)
    with folder.lock():
        before = folder.read_record()
        last = folder.checkpoint("last")
        checkpoint = read_checkpoint(last)
        experiment = experiment_of(checkpoint, str(last), epochs)
        done = checkpoint.meta.epoch
        if experiment.epochs < done:
            raise UsageError(f"{folder.path} has {done} epochs already; --epochs must be more than that")
        if experiment.epochs == done:
            raise UsageError(f"{folder.path} has all its {done} epochs; to go on, say how many: --epochs {2 * done}")
        data = load_data(experiment, cache())

        def resumed() -> Session:
            session = Session.resume(experiment, data, folder, checkpoint, sys.argv[1:])
            for what, now in environment().items():
                if before.get(what) not in (None, now):
                    console.warn(f"{what} changed, so the bits may differ: {before[what]} before, {now} now")
            step = f", step {checkpoint.meta.step}" if checkpoint.meta.step else ""
            console.say(f"resuming {folder.path} after epoch {done}{step}")
            return session

        sit(resumed, experiment, console)
