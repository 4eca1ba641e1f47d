"""`backprop resume`: continue or extend a run."""

from __future__ import annotations

from pathlib import Path

import click

from backprop_cli.cli.completion import complete_run
from backprop_cli.cli.options import GetCache, common_options, data_options, live_option, runs_option
from backprop_cli.terminal.console import Command, Console


@click.command("resume", cls=Command, short_help="Continue a run that was stopped, or extend it.")
@click.argument("run", shell_complete=complete_run)
@click.option("--epochs", type=click.IntRange(min=1), metavar="N", help="Train for N epochs in total.")
@runs_option
@live_option
@common_options
@data_options
def command(run: str, epochs: int | None, runs_dir: Path, live: bool, console: Console, cache: GetCache) -> None:
    """Continue RUN where it was stopped, or extend a finished run with --epochs.

    RUN is the folder of a run, its name, a unique prefix of its name, or @last. On the same machine, with the same
    versions and number of threads, the result is bit-identical to that of an uninterrupted run. A run that is already
    finished is left as it is, with exit code 0.
    """
    from backprop_cli.cli.continuing import resume_run
    from backprop_cli.runs.folder import find_run

    resume_run(find_run(run, runs_dir), epochs, console, cache, live)
