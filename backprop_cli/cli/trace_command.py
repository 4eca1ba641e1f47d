"""`backprop trace`: show every number of the next steps of training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from backprop_cli.cli.options import (
    ConfigFile,
    GetCache,
    checkpoint_option,
    common_options,
    config_arguments,
    data_options,
    runs_option,
)
from backprop_cli.terminal.console import Command, Console


@click.command("trace", cls=Command, short_help="Show every number of one training step, or of several.")
@config_arguments()
@click.option("--rows", help="Training examples, counted from 0: 2 or 0,3 or 0-2.  [default: the batches of training]")
@click.option("--steps", type=click.IntRange(1, 100), default=1, show_default=True, help="Number of steps.")
@click.option(
    "--weight",
    metavar="NAME",
    help="Parameter for the central difference, 'W1[0,1]' or 'b2[0]'.  [default: the largest derivative of W1]",
)
@click.option("--eps", type=click.FloatRange(1e-8, 0.1), help="Step of the central difference.  [default: 0.0001]")
@click.option("--digits", type=click.IntRange(1, 15), default=5, show_default=True, help="Digits after the point.")
@click.option("--markdown", is_flag=True, help="Print Markdown with LaTeX.")
@click.option("--blank", is_flag=True, help="Print an exercise with blanks for the results, and then its solution.")
@checkpoint_option
@runs_option
@common_options
@data_options
def command(
    config: ConfigFile,
    rows: str | None,
    steps: int,
    weight: str | None,
    eps: float | None,
    digits: int,
    markdown: bool,
    blank: bool,
    checkpoint: str,
    runs_dir: Path,
    console: Console,
    cache: GetCache,
) -> None:
    """Show every number of the next training steps of CONFIG, each beside its formula.

    CONFIG is a config file, a run or a checkpoint. x=1,0 y=1 gives an example, W1=[[1,2],[3,4]] initial parameters.
    Shown are the forward pass, the cost, the backward pass (BP1, BP2), the gradients (BP3, BP4), the optimizer's step,
    and one derivative compared with a central difference. Computed in float64 by the functions that training uses.
    """
    from backprop_cli.errors import UsageError
    from backprop_cli.explain.start import Start, Words, names_run
    from backprop_cli.explain.step import explain, parse_rows
    from backprop_cli.runs.build import load_data, n_train

    if console.json and (markdown or blank):
        raise UsageError(f"--{'markdown' if markdown else 'blank'} and --json cannot be combined")
    words, text = Words.parse(config.overrides), str(config.path)
    if names_run(text, runs_dir):
        start = Start.of_run(text, words.overrides, runs_dir, checkpoint)
    else:
        start = Start.of_config(replace(config, overrides=words.overrides).load())
    start.check_size()
    chosen = words.examples or (parse_rows(rows, n_train(start.experiment)) if rows else None)
    found = explain(start, load_data(start.experiment, cache()), chosen, steps, weight, eps)
    shown = found.to_markdown(digits, blank) if markdown else found.to_text(digits, blank)
    console.result(shown, found.to_dict(), quiet=shown)
