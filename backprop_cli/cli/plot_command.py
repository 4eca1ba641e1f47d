"""`backprop plot`: plots of runs, as files."""

from __future__ import annotations

from pathlib import Path

import click

from backprop_cli.cli.completion import complete_run
from backprop_cli.cli.options import Selection, selection_options
from backprop_cli.plots import FILM_FORMATS, FORMATS, KINDS, ON_REQUEST, SCALES, View
from backprop_cli.terminal.console import Command, Console


@click.command("plot", cls=Command, short_help="Plot learning curves, mistakes, weights.")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", shell_complete=complete_run)
@click.option(
    "--kind",
    "kinds",
    type=click.Choice((*KINDS, *ON_REQUEST)),
    multiple=True,
    metavar="KIND",
    help="One of the kinds above; can be repeated.  [default: all that are available, but no filters and no film]",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A file for one plot, or a folder.  [default: plots in the folder of the run, or here for several runs]",
)
@click.option(
    "--format", type=click.Choice((*FORMATS, *FILM_FORMATS)), help="[default: that of --output, or png; gif for a film]"
)
@click.option("--each", is_flag=True, help="Draw runs that differ only by seed separately, not as their mean.")
@click.option("--keys", metavar="KEY,...", help="Config keys of heatmap and parallel.  [default: the most telling]")
@click.option("--metric", metavar="NAME", help="Metric of heatmap and parallel.  [default: val_accuracy or its like]")
@click.option(
    "--image",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Image of the split for maps and reconstructions.  [default: 0]",
)
@click.option("--scale", type=click.Choice(SCALES), default=SCALES[0], help="One colour scale, or one for each image.")
@selection_options
def command(
    runs: tuple[str, ...],
    kinds: tuple[str, ...],
    output: Path | None,
    format: str | None,
    each: bool,
    keys: str | None,
    metric: str | None,
    image: int,
    scale: str,
    chosen: Selection,
    console: Console,
) -> None:
    """Plot runs, or all runs in a folder. The first three kinds are one chart for all runs, the others one for each.

    For more than three runs, the default are the charts for all runs.

    The kinds are: curves, the learning curves; heatmap, a metric over two config keys; parallel, a line for each
    setting through its config values to its metric; function, the decision regions in the plane or the fitted curve;
    confusion, the confusion matrix; roc, precision-recall and calibration of the scores of classes, residuals of values
    and importance of columns, by default for data from files only; mistakes, the most confident misclassifications of
    images; reconstructions of images by an autoencoder, codes, the outputs of its narrowest layer, manifold, the images
    for a grid of codes of two units, and walk, those for codes on the line from one image to another; weights of the
    first layer, as images; filters, the same with the most active units first; maps, the feature maps of an image;
    maximal, the patches of the data that excite each map most; gradients of each layer, if diagnostics were recorded;
    film, how the function or the weights change from epoch to epoch, if checkpoints of epochs were kept with
    keep_epochs.
    """
    from backprop_cli.cli.plotting import SkippedPlots, check_suffix, load_runs, refuse_links, require_extra
    from backprop_cli.errors import BackpropError
    from backprop_cli.files import atomic_write

    require_extra("matplotlib")
    found = load_runs(runs, chosen, console)

    from backprop_cli.plots.comparisons import Comparison
    from backprop_cli.plots.registry import plan_plots
    from backprop_cli.terminal.plot_paths import paths_of

    view = View(chosen.split, image, scale)
    jobs = plan_plots(Comparison(found, each, tuple(keys.split(",") if keys else ()), metric), kinds, view)
    written: list[dict[str, object]] = []
    skipped = SkippedPlots()
    paths = paths_of(jobs, output, format)
    if output is None:
        own = [path for path, job in zip(paths, jobs, strict=True) if len(job.runs) == 1]
        refuse_links([*(path.parent for path in own), *own])
    for job, path in zip(jobs, paths, strict=True):
        check_suffix(path, *(f".{name}" for name in job.formats))
    for job, path in zip(jobs, paths, strict=True):
        try:
            plot = job.draw()
        except BackpropError as error:
            skipped.add(job.kind, error)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, plot.to_bytes(path.suffix[1:].lower()))
        for note in plot.notes:
            console.warn(f"{path}: {note}")
        drawn = [str(run.path) for run in job.runs]
        written.append({"kind": job.kind, "path": str(path), "runs": drawn, "shows": plot.alt, "notes": plot.notes})
    lines = "\n".join(str(plot["path"]) for plot in written)
    console.result(lines, {"pictures": written}, quiet=lines)
    skipped.report(console, fatal=bool(kinds) or not written)
