"""`backprop gradcheck`: compare gradients with central differences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backprop_cli.cli.completion import complete_override
from backprop_cli.cli.console import Command, Console
from backprop_cli.cli.options import common_options, data_options

if TYPE_CHECKING:
    from backprop_cli.data.cache import Cache


@click.command("gradcheck", cls=Command, short_help="Compare gradients with central differences.")
@click.argument("config", type=click.Path(path_type=Path), required=False)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...", shell_complete=complete_override)
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    metavar="N",
    help="Check N parameters of each W and b.  [default: all of a small network, else 100]",
)
@click.option("--eps", type=click.FloatRange(1e-8, 0.1), help="Step of the differences.  [default: 0.001]")
@click.option("--tol", type=click.FloatRange(0, 1), help="Largest relative error that passes.  [default: 1e-07]")
@common_options
@data_options
def command(
    config: Path | None,
    overrides: tuple[str, ...],
    samples: int | None,
    eps: float | None,
    tol: float | None,
    console: Console,
    cache: Callable[[], Cache],
) -> None:
    """Compare gradients of back-propagation with central differences, in float64.

    Without CONFIG: every activation with every cost and output, and penalties, dropout (with a fixed mask), label
    smoothing and class weights, on small networks. With CONFIG: that experiment at its initial parameters, on its first
    batch, without dropout. Parameters whose step crosses a kink (of relu, for example) are skipped and counted. The
    exit code is 4 if a relative error exceeds --tol.
    """
    from backprop_cli.config.load import load_experiment
    from backprop_cli.errors import CheckFailed
    from backprop_cli.explain.gradient_check import check_combinations, check_experiment
    from backprop_cli.nn.gradcheck import EPS, TOLERANCE
    from backprop_cli.runs.build import load_data

    eps, tol = eps or EPS, TOLERANCE if tol is None else tol
    if config is None:
        check = check_combinations(eps, tol)
    else:
        experiment = load_experiment(config, overrides)
        check = check_experiment(experiment, load_data(experiment, cache()), samples, eps, tol)
    console.result(check.to_text(), check.to_dict())
    if check.failed:
        raise CheckFailed(f"the gradient is wrong in {check.failed} of {len(check.results)} checks")
    if not check.checked:
        raise CheckFailed("all parameters were skipped; nothing was checked")
