"""`backprop train`: run an experiment."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backprop_cli.cli.console import Command, Console
from backprop_cli.cli.options import (
    ConfigFile,
    GetCache,
    common_options,
    config_arguments,
    data_options,
    live_option,
    runs_option,
)

if TYPE_CHECKING:
    from backprop_cli.runs.session import Session


@click.command("train", cls=Command, short_help="Train the network that a config describes.")
@config_arguments()
@click.option("--name", help="Name of the run.  [default: the name of the config and a number]")
@runs_option
@click.option("--overwrite", is_flag=True, help="Replace the run with this --name.")
@click.option(
    "--continue",
    "continued",
    is_flag=True,
    help="If this experiment was started before, resume its run, or print the result of a finished one.",
)
@click.option("--dry-run", is_flag=True, help="Load the data and print the experiment, but do not train.")
@live_option
@common_options
@data_options
def command(
    config: ConfigFile,
    name: str | None,
    runs_dir: Path,
    overwrite: bool,
    continued: bool,
    dry_run: bool,
    live: bool,
    console: Console,
    cache: GetCache,
) -> None:
    """Train the network described by CONFIG; the results are saved in a new folder, the run.

    CONFIG is a YAML file, a file or folder with data, or the name of a shipped config (see backprop init --list). For
    data, a network is chosen: backprop train churn.csv target=churned

    KEY=VALUE overrides a key of the config: eta=0.5 layers=784-100-10 optimizer.mu=0.95
    """
    if overwrite and (continued or name is None):
        raise click.UsageError("--overwrite needs the --name of a run, and cannot be combined with --continue")

    from backprop_cli.cli.continuing import skip_or_resume
    from backprop_cli.results.continuing import claimed_run
    from backprop_cli.runs.folder import check_name

    experiment = config.load()
    if name is not None:
        check_name(name)
    with ExitStack() as stack:
        if continued and not dry_run and (run := stack.enter_context(claimed_run(experiment, runs_dir, name))):
            skip_or_resume(run, console, cache, live)
            return

        from backprop_cli.cli.training_run import run_training  # NumPy and SciPy, which a finished run does not need
        from backprop_cli.config.data_files import stem_of
        from backprop_cli.explain.experiment import announcement, describe_experiment
        from backprop_cli.runs.build import load_data
        from backprop_cli.runs.resuming import new_session

        data = load_data(experiment, cache())
        if dry_run:
            text, facts = describe_experiment(experiment)
            console.result(text, facts)
            return

        def announce(session: Session) -> None:
            for line in announcement(experiment, chosen=config.is_data):
                console.say(line)
            sizes = "-".join(map(str, experiment.sizes))
            console.say(f"training {sizes} on {experiment.dataset.title}, in {session.folder.path}")

        argv = sys.argv[1:]
        opened = new_session(
            experiment, data, runs_dir, stem_of(config.path), name=name, overwrite=overwrite, argv=argv
        )
        run_training(opened, announce, console, live)
