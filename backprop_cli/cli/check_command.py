"""`backprop check`: validate an experiment and show it."""

from __future__ import annotations

from pathlib import Path

import click

from backprop_cli.cli.completion import complete_override
from backprop_cli.cli.console import Command, Console
from backprop_cli.cli.options import common_options


@click.command("check", cls=Command, short_help="Validate a config and show all of it.")
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...", shell_complete=complete_override)
@common_options
def command(config: Path, overrides: tuple[str, ...], console: Console) -> None:
    """Validate CONFIG, show the whole experiment with its defaults, and count parameters and steps.

    Touches no data. What it prints is a config itself.
    """
    from backprop_cli.cli.describe import describe_experiment
    from backprop_cli.config.load import load_experiment

    text, facts = describe_experiment(load_experiment(config, overrides))
    console.result(text, facts)
