"""`backprop report`: all about one run or several, in one HTML file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backprop_cli.cli.console import Command, Console
from backprop_cli.cli.options import common_options, data_options, runs_option

if TYPE_CHECKING:
    from backprop_cli.data.cache import Cache


@click.command("report", cls=Command, short_help="Write a page about a run, or one that compares several.")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="[default: report.html in the run's folder, or here for several runs]",
)
@click.option("--each", is_flag=True, help="Draw runs that differ by seed one by one, not as their mean.")
@click.option("--split", type=click.Choice(["train", "val", "test"]), default="test", show_default=True)
@click.option("--which", type=click.Choice(["best", "last"]), default="best", show_default=True, help="Checkpoint.")
@runs_option
@common_options
@data_options
def command(
    runs: tuple[str, ...],
    output: Path | None,
    each: bool,
    split: str,
    which: str,
    runs_dir: Path,
    console: Console,
    cache: Callable[[], Cache],
) -> None:
    """Write a page about RUN, or one that compares several, as a single HTML file.

    It holds the figures, the pictures, the config, the environment and the command that repeats the run, opens from
    anywhere without a network, and prints.
    """
    from backprop_cli.cli.looking import Failures, need, read_results
    from backprop_cli.errors import BackpropError
    from backprop_cli.files import atomic_write

    need("matplotlib", "jinja2")
    results = read_results(runs, runs_dir, cache(), console, which, split)

    from backprop_cli.gallery import Job
    from backprop_cli.report.page import Shown, page

    failures = Failures()

    def draw(job: Job) -> Shown | None:
        try:
            return Shown.of(job.kind, job.draw())
        except BackpropError as error:
            failures.add(job.kind, error)
            return None

    path = output or (results[0].folder.path if len(results) == 1 else Path()) / "report.html"
    text = page(results, draw, each)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, text.encode(errors="backslashreplace"))
    console.result(str(path), {"report": str(path), "runs": [str(r.folder.path) for r in results]}, quiet=str(path))
    failures.tell(console, fatal=False)
