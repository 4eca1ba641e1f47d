"""`backprop check`: validate a config and print it with all defaults."""

from __future__ import annotations

import click

from backprop_cli.cli.options import ConfigFile, GetCache, common_options, config_arguments, data_options
from backprop_cli.terminal.console import Command, Console


@click.command("check", cls=Command, short_help="Validate a config and print it with all defaults.")
@config_arguments()
@click.option("--eta", "test_eta", is_flag=True, help="Load the data, and find a learning rate by a range test.")
@common_options
@data_options
def command(config: ConfigFile, test_eta: bool, console: Console, cache: GetCache) -> None:
    """Validate CONFIG and print it with all defaults, the number of parameters and of steps.

    Loads no data, except with --eta. The output is a valid config. For a sweep, print how many settings and runs it
    has, how much disk they take, and about how long, from a few timed steps.
    """
    if config.is_sweep:
        from backprop_cli.sweeps.definition import load_sweep
        from backprop_cli.sweeps.progress import describe

        console.result(*describe(load_sweep(config.path, config.overrides), cache()))
        return
    from backprop_cli.explain.experiment import describe_experiment, describe_range_test
    from backprop_cli.runs.build import find_eta, load_data

    experiment = config.load()
    if test_eta:
        text, facts = describe_range_test(experiment, find_eta(experiment, load_data(experiment, cache())))
    else:
        text, facts = describe_experiment(experiment)
    console.result(text, facts)
