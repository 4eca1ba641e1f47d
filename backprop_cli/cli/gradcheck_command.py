"""`backprop gradcheck`: compare gradients with central differences."""

from __future__ import annotations

import click

from backprop_cli.cli.options import ConfigFile, GetCache, common_options, config_arguments, data_options
from backprop_cli.terminal.console import Command, Console


@click.command("gradcheck", cls=Command, short_help="Compare gradients with central differences.")
@config_arguments(required=False)
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
    config: ConfigFile | None,
    samples: int | None,
    eps: float | None,
    tol: float | None,
    console: Console,
    cache: GetCache,
) -> None:
    """Compare gradients of back-propagation with central differences, in float64.

    Without CONFIG: every activation with every cost and output, and penalties, dropout (with a fixed mask), label
    smoothing, class weights, convolution and pooling, on small networks. With CONFIG: that experiment at its initial
    parameters, on its first batch, without dropout. Parameters whose step crosses a kink (of relu, for example) are
    skipped and counted. Of a Boltzmann machine, the exact gradient of the likelihood is checked, on a small copy:
    contrastive divergence only estimates it. The exit code is 4 if a relative error exceeds --tol.
    """
    from backprop_cli.errors import CheckFailed
    from backprop_cli.explain.gradient_check import check_combinations, check_experiment
    from backprop_cli.objectives.gradcheck import EPS, TOLERANCE
    from backprop_cli.runs.build import load_data

    eps, tol = eps or EPS, TOLERANCE if tol is None else tol
    if config is None:
        check = check_combinations(eps, tol)
    else:
        experiment = config.load()
        check = check_experiment(experiment, load_data(experiment, cache()), samples, eps, tol)
    console.result(check.to_text(), check.to_dict())
    if check.failed:
        raise CheckFailed(f"the gradient is wrong in {check.failed} of {len(check.results)} checks")
    if not check.checked:
        raise CheckFailed("all parameters were skipped; nothing was checked")
