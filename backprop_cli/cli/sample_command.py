"""`backprop sample`: samples of a Boltzmann machine."""

from __future__ import annotations

from pathlib import Path

import click

from backprop_cli.cli.completion import complete_run
from backprop_cli.cli.options import Selection, selection_options
from backprop_cli.terminal.console import Command, Console

MANY = click.IntRange(1, 1_000_000)


@click.command("sample", cls=Command, short_help="Draw samples of a Boltzmann machine.")
@click.argument("run", metavar="CHECKPOINT|RUN", shell_complete=complete_run)
@click.option("--steps", type=MANY, default=1000, show_default=True, help="Gibbs steps from row to row.")
@click.option("--rows", type=click.IntRange(2, 1000), default=10, show_default=True, help="Rows; the first is data.")
@click.option("--chains", type=click.IntRange(1, 1000), default=10, show_default=True, help="Chains, the columns.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Random seed.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default="samples.png",
    show_default=True,
    metavar="FILE.png|.svg|.pdf|.npy",
    help="Picture, or array (rows, chains, units) of numbers from 0 to 1.",
)
@selection_options
def command(
    run: str, steps: int, rows: int, chains: int, seed: int, output: Path, chosen: Selection, console: Console
) -> None:
    """Run Gibbs chains from examples of the chosen split, and show where they are every so many steps.

    The chains are sampled; what is shown are the means of the visible units.
    """
    from backprop_cli.cli.plotting import check_suffix, require_extra
    from backprop_cli.files import atomic_write
    from backprop_cli.results.run import DatasetCache
    from backprop_cli.results.sampling import npy_bytes, sample_from
    from backprop_cli.runs.model import load_model

    check_suffix(output, ".png", ".svg", ".pdf", ".npy")
    kind = output.suffix[1:].lower()
    if kind != "npy":
        require_extra("matplotlib")
    model = load_model(run, chosen.runs_dir, chosen.checkpoint)
    found = sample_from(model, DatasetCache(chosen.cache()).load, chosen.split, steps, rows, chains, seed)
    if kind == "npy":
        atomic_write(output, npy_bytes(found))
    else:
        from backprop_cli.plots.samples import samples_picture

        atomic_write(output, samples_picture(found, model.experiment.image, steps, kind))
    console.result(str(output), {"output": str(output), "shape": list(found.shape)}, quiet=str(output))
