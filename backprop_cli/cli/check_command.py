"""`backprop check`: validate a config and print it with all defaults."""

from __future__ import annotations

import click

from backprop_cli.cli.console import Command, Console
from backprop_cli.cli.options import ConfigFile, common_options, config_arguments


@click.command("check", cls=Command, short_help="Validate a config and print it with all defaults.")
@config_arguments()
@common_options
def command(config: ConfigFile, console: Console) -> None:
    """Validate CONFIG and print it with all defaults, the number of parameters and of steps.

    Loads no data. The output is a valid config.
    """
    from backprop_cli.explain.experiment import describe_experiment

    text, facts = describe_experiment(config.load())
    console.result(text, facts)
