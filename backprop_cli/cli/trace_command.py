"""`backprop trace`: show every number of one training step."""

from __future__ import annotations

import click

from backprop_cli.cli.console import Command, Console
from backprop_cli.cli.options import ConfigFile, GetCache, common_options, config_arguments, data_options


@click.command("trace", cls=Command, short_help="Show every number of one training step.")
@config_arguments()
@click.option("--rows", default="0", show_default=True, help="Training examples, counted from 0: 2 or 0,3 or 0-2.")
@click.option(
    "--weight",
    metavar="NAME",
    help="Parameter for the central difference, 'W1[0,1]' or 'b2[0]'.  [default: the largest derivative of W1]",
)
@click.option("--eps", type=click.FloatRange(1e-8, 0.1), help="Step of the central difference.  [default: 0.0001]")
@click.option("--digits", type=click.IntRange(1, 15), default=5, show_default=True, help="Digits after the point.")
@click.option("--markdown", is_flag=True, help="Print Markdown with LaTeX.")
@common_options
@data_options
def command(
    config: ConfigFile,
    rows: str,
    weight: str | None,
    eps: float | None,
    digits: int,
    markdown: bool,
    console: Console,
    cache: GetCache,
) -> None:
    """Show every number of the first training step of CONFIG on a few examples, each beside its formula.

    The forward pass, the cost, the backward pass (BP1, BP2), the gradients (BP3, BP4), the update of the optimizer, and
    one derivative compared with a central difference. Computed in float64 by the functions that training uses.
    """
    from backprop_cli.errors import UsageError
    from backprop_cli.explain.step import check_size, explain_step, parse_rows
    from backprop_cli.runs.build import load_data, n_train

    if markdown and console.json:
        raise UsageError("--markdown and --json cannot be combined")
    experiment = config.load()
    check_size(experiment)
    chosen = parse_rows(rows, n_train(experiment))
    found = explain_step(experiment, load_data(experiment, cache()), chosen, weight, eps)
    text = found.to_markdown(digits) if markdown else found.to_text(digits)
    console.result(text, found.to_dict(), quiet=text)
