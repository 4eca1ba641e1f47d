"""`backprop report`: one or several runs in one HTML file."""

from __future__ import annotations

from pathlib import Path

import click

from backprop_cli.cli.completion import complete_run
from backprop_cli.cli.options import Selection, selection_options
from backprop_cli.terminal.console import Command, Console


@click.command("report", cls=Command, short_help="Write an HTML report about one or several runs.")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", shell_complete=complete_run)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="[default: report.html in the folder of the run, or here for several runs]",
)
@click.option("--each", is_flag=True, help="Draw runs that differ only by seed separately, not as their mean.")
@click.option(
    "--details",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    metavar="N",
    help="Plots and config of the best N settings; the other runs are in the table and the charts only.",
)
@selection_options
def command(
    runs: tuple[str, ...], output: Path | None, each: bool, details: int, chosen: Selection, console: Console
) -> None:
    """Write a report about a run, or a comparison of several runs or all runs in a folder, as a single HTML file.

    It contains the metrics, plots, config, environment and the command to repeat the run. The table of several runs
    has a row for each setting; it can be sorted and filtered. The file needs no other files and no network, and can be
    printed.
    """
    from backprop_cli.cli.plotting import SkippedPlots, check_suffix, load_runs, refuse_links, require_extra
    from backprop_cli.files import atomic_write

    if output:
        check_suffix(output, ".html", ".htm")
    require_extra("matplotlib", "jinja2")
    found = load_runs(runs, chosen, console)

    from backprop_cli.plots.comparisons import Comparison
    from backprop_cli.report.page import page

    skipped = SkippedPlots()
    path = output or (found.summaries[0].path if len(found) == 1 else Path()) / "report.html"
    if output is None:
        refuse_links([path])
    text = page(Comparison(found, each), skipped.add, chosen.split, details)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, text.encode(errors="backslashreplace"))
    names = [str(run.path) for run in found.summaries]
    console.result(str(path), {"report": str(path), "runs": names}, quiet=str(path))
    skipped.report(console, fatal=False)
