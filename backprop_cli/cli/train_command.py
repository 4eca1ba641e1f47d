"""`backprop train`: run an experiment."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backprop_cli.cli.completion import complete_override
from backprop_cli.cli.console import Command, Console
from backprop_cli.cli.options import common_options, data_options, live_option, runs_option

if TYPE_CHECKING:
    from backprop_cli.data.cache import Cache
    from backprop_cli.runs.folder import RunFolder


@click.command("train", cls=Command, short_help="Train the network that a config describes.")
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...", shell_complete=complete_override)
@click.option("--name", help="Name of the run's folder.  [default: the config's name and a number]")
@runs_option
@click.option("--overwrite", is_flag=True, help="Replace the run that has this --name.")
@click.option("--dry-run", is_flag=True, help="Load everything, show the experiment, train nothing.")
@live_option
@common_options
@data_options
def command(
    config: Path,
    overrides: tuple[str, ...],
    name: str | None,
    runs_dir: Path,
    overwrite: bool,
    dry_run: bool,
    live: bool,
    console: Console,
    cache: Callable[[], Cache],
) -> None:
    """Train the network that CONFIG describes, and keep everything in a folder of its own.

    KEY=VALUE changes a key of the config for this run: eta=0.5 layers=784-100-10 optimizer.mu=0.95
    """
    from backprop_cli.cli.describe import describe_experiment
    from backprop_cli.cli.sitting import sit
    from backprop_cli.config.load import load_experiment
    from backprop_cli.errors import UsageError
    from backprop_cli.experiment import load_data
    from backprop_cli.runs.folder import check_name, claim
    from backprop_cli.session import Session

    experiment = load_experiment(config, overrides)
    if name is not None:
        check_name(name)
    elif overwrite:
        raise UsageError("--overwrite needs the --name of the run to replace")
    data = load_data(experiment, cache())
    if dry_run:
        text, facts = describe_experiment(experiment)
        console.result(text, facts)
        return

    with ExitStack() as stack:

        def claimed() -> RunFolder:
            folder = claim(runs_dir, config.stem, name, overwrite)
            stack.enter_context(folder.lock())
            sizes = "-".join(map(str, experiment.sizes))
            console.say(f"training {sizes} on {experiment.dataset.name}, in {folder.path}")
            return folder

        sit(lambda: Session.start(experiment, data, claimed, sys.argv[1:]), experiment, console, live)
