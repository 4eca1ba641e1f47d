"""`backprop gradcheck`: compare back-propagation with differences of the cost."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backprop_cli.cli.completion import complete_override
from backprop_cli.cli.console import Command, Console
from backprop_cli.cli.options import common_options, data_options

if TYPE_CHECKING:
    from backprop_cli.data.cache import Cache
    from backprop_cli.nn.gradcheck import Result

SMALL = 5_000
"""Parameters up to which all of them are checked unless --samples says otherwise."""


@click.command("gradcheck", cls=Command, short_help="Compare back-propagation with central differences.")
@click.argument("config", type=click.Path(path_type=Path), required=False)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...", shell_complete=complete_override)
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    metavar="N",
    help="Check N parameters of each W and b.  [default: all of a small network, else 100]",
)
@click.option("--eps", type=click.FloatRange(1e-8, 0.1), help="The step of the differences.  [default: 0.001]")
@click.option("--tol", type=click.FloatRange(0, 1), help="The largest relative error that passes.  [default: 1e-07]")
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
    """Check gradients against central differences, in float64.

    Without CONFIG: every activation with every cost and output, and penalties, dropout (its mask frozen), label
    smoothing and class weights, on small networks. With CONFIG: that experiment, as it starts, on its first batch,
    without dropout. Parameters whose step crosses a kink (of relu, say) are skipped and counted. Exit code 4 if a
    relative error is above --tol.
    """
    from backprop_cli.cli.tables import table
    from backprop_cli.errors import CheckFailed
    from backprop_cli.nn.gradcheck import EPS, TOLERANCE

    eps, tol = eps or EPS, TOLERANCE if tol is None else tol
    header: tuple[str, ...] = ("parameters",)
    if config is None:
        header, rows = ("hidden units, or what is added", "cost"), _combinations(eps)
    else:
        rows = _experiment(config, overrides, cache, samples, eps)
    columns = (*header, "checked", "skipped", "largest error", "at", "")
    lines = [(*what, r.checked, r.skipped, f"{r.error:.1e}", r.at, _verdict(r, tol)) for what, r in rows]
    failed = [line for line in lines if line[-1] == "WRONG"]
    checked, worst = sum(r.checked for _, r in rows), max(r.error for _, r in rows)
    text = table(columns, lines, left=len(header))
    text += f"\n\n{checked:,} parameters checked, largest relative error {worst:.1e}, tolerance {tol:g}"
    data = {
        "ok": not failed,
        "checked": checked,
        "largest_error": worst if worst < math.inf else None,
        "eps": eps,
        "tolerance": tol,
        "rows": [dict(zip((*columns[:-1], "verdict"), line, strict=True)) for line in lines],
    }
    console.result(text, data)
    if failed:
        raise CheckFailed(f"the gradient is wrong in {len(failed)} of {len(lines)} checks")
    if not checked:
        raise CheckFailed("every parameter was skipped: nothing was checked")


def _verdict(result: Result, tol: float) -> str:
    return "all skipped" if not result.checked else "ok" if result.error <= tol else "WRONG"


Row = tuple[tuple[str, ...], "Result"]


def _combinations(eps: float) -> list[Row]:
    """Check all combinations; a row for each hidden activation, or addition, and cost, its outputs taken together."""
    from backprop_cli.nn.gradcheck import check_gradient, combinations, example_of, worst_of

    by_row: dict[tuple[str, ...], list[Result]] = {}
    for (hidden, _, cost, extra), objective in combinations():
        row = (extra or hidden, cost)
        by_row.setdefault(row, []).append(check_gradient(objective, *example_of(objective), eps=eps))
    return [(row, worst_of(results)) for row, results in by_row.items()]


def _experiment(
    config: Path, overrides: tuple[str, ...], cache: Callable[[], Cache], samples: int | None, eps: float
) -> list[Row]:
    """Check each W and b of an experiment as it starts."""
    import numpy as np

    from backprop_cli.config.load import load_experiment
    from backprop_cli.experiment import batch_size, build_objective, initial_theta, load_data
    from backprop_cli.nn.gradcheck import check_gradient

    experiment = load_experiment(config, overrides)
    objective, data = build_objective(experiment), load_data(experiment, cache())
    network = objective.network
    theta = initial_theta(experiment, network, "float64")
    batch = data.train[: min(batch_size(experiment), 100)]
    x, y = batch.inputs * np.float64(data.scale), data.task.encode(batch.targets, "float64")
    if samples is None and network.n_parameters > SMALL:
        samples = 100
    rng: Any = np.random.default_rng(experiment.seed)
    rows: list[Row] = []
    for name, indices in network.arrays():
        count = len(indices) if samples is None else min(samples, len(indices))
        chosen = np.sort(rng.choice(indices, count, replace=False))
        rows.append(((name,), check_gradient(objective, theta, x, y, chosen, eps)))
    return rows
