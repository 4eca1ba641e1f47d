"""`backprop check`: validate a config and print it with all defaults."""

from __future__ import annotations

from pathlib import Path

import click

from backprop_cli.cli.completion import complete_override
from backprop_cli.cli.console import Command, Console
from backprop_cli.cli.options import common_options


@click.command("check", cls=Command, short_help="Validate a config and print it with all defaults.")
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...", shell_complete=complete_override)
@common_options
def command(config: Path, overrides: tuple[str, ...], console: Console) -> None:
    """Validate CONFIG and print it with all defaults, the number of parameters and of steps.

    Loads no data. The output is a valid config.
    """
    from backprop_cli.config.load import load_experiment
    from backprop_cli.explain.experiment import describe_experiment

    text, facts = describe_experiment(load_experiment(config, overrides))
    console.result(text, facts)
