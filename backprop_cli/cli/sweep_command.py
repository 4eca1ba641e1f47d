"""`backprop sweep`: train a config with many settings."""

from __future__ import annotations

import sys
from typing import Any

import click

from backprop_cli.cli.completion import complete_space
from backprop_cli.cli.options import ConfigFile, common_options, config_arguments, data_options, fraction, runs_option
from backprop_cli.terminal.console import Command, Console


@click.command("sweep", cls=Command, short_help="Train a config with many settings, each exactly once.")
@config_arguments(complete=complete_space)
@click.option("--name", help="Folder of the sweep in --runs-dir.  [default: CONFIG-sweep-CHECKSUM]")
@runs_option
@click.option("--jobs", type=click.IntRange(1, 4096), help="Runs at a time.  [default: one for each core]")
@click.option("--threads", type=click.IntRange(1, 1024), help="Threads of each run.  [default: cores / jobs]")
@click.option("--on", help="Other machines: dask:ADDRESS, or MODULE:FUNCTION, which returns an Executor.")
@click.option("--shard", metavar="I/N", help="Train only the Ith of N parts, for job arrays.")
@click.option("--time", metavar="TIME", help="Stop after 90s, 15min or 2h.")
@click.option("--retry-failed", is_flag=True, help="Train runs again that failed.")
@click.option("--min-accuracy", type=fraction, help="Exit with code 4 if the best validation accuracy is lower.")
@click.option("--dry-run", is_flag=True, help="Check the sweep; show its size, its time and its first settings.")
@common_options
@data_options
def command(config: ConfigFile, console: Console, dry_run: bool, **options: Any) -> None:
    """Train CONFIG with many settings: KEY=V1,V2 KEY=A..B KEY=A..B:log KEY=A..B:7 seed=0..9.

    Ranges need sweep.trials=50 and may have sweep.sampler=tpe. The same command continues an interrupted sweep.
    """
    from backprop_cli.cli.signals import StopOnSignal
    from backprop_cli.sweeps.arguments import define, open_with_options
    from backprop_cli.sweeps.progress import describe, follow

    definition = define(config.path, config.overrides, options["threads"])
    if dry_run:
        console.result(*describe(definition, options["cache"](), options["jobs"]))
        return
    with StopOnSignal(console.quiet) as signals:
        with open_with_options(definition, options, signals.requested) as driver:
            follow(driver, console.say, not console.quiet and sys.stderr.isatty())
            result = driver.result()
        console.result(result.to_text(), result.to_dict(), quiet=str(result.path))
        if console.quiet and result.failed:
            console.warn(f"failed: {result.failures}")
        result.require_accuracy(options["min_accuracy"])
    click.get_current_context().exit(signals.exit_code or result.exit_code)
