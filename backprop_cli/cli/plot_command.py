"""`backprop plot`: pictures of runs, as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backprop_cli.cli.console import Command, Console
from backprop_cli.cli.options import common_options, data_options, runs_option
from backprop_cli.plots import FORMATS, KINDS

if TYPE_CHECKING:
    from backprop_cli.data.cache import Cache
    from backprop_cli.gallery import Job


@click.command("plot", cls=Command, short_help="Draw learning curves, mistakes, weights.")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--kind",
    "kinds",
    type=click.Choice(KINDS),
    multiple=True,
    metavar="KIND",
    help="One of the above; may be given again.  [default: all that the runs have]",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A file for one picture, or a folder.  [default: plots, in the run's folder or, for several runs, here]",
)
@click.option("--format", type=click.Choice(FORMATS), help="[default: that of --output, or png]")
@click.option("--each", is_flag=True, help="Draw runs that differ by seed one by one, not as their mean.")
@click.option("--split", type=click.Choice(["train", "val", "test"]), default="test", show_default=True)
@click.option("--which", type=click.Choice(["best", "last"]), default="best", show_default=True, help="Checkpoint.")
@runs_option
@common_options
@data_options
def command(
    runs: tuple[str, ...],
    kinds: tuple[str, ...],
    output: Path | None,
    format: str | None,
    each: bool,
    split: str,
    which: str,
    runs_dir: Path,
    console: Console,
    cache: Callable[[], Cache],
) -> None:
    """Draw RUNs: learning curves of all in one chart, and of each what it has.

    The kinds are: curves, runs that differ by seed alone as their mean; function, what was learned of points in the
    plane or of a curve; confusion, what is taken for what; mistakes, the images that the network is most wrongly sure
    of; weights of the first layer, as images; gradients of each layer, if diagnostics were on.
    """
    from backprop_cli.cli.looking import Failures, need, read_results
    from backprop_cli.errors import BackpropError
    from backprop_cli.files import atomic_write

    need("matplotlib")
    results = read_results(runs, runs_dir, cache(), console, which, split)

    from backprop_cli.gallery import plan
    from backprop_cli.plots.style import to_bytes

    jobs = plan(results, kinds, each)
    paths = _paths(jobs, output, format)
    written: list[dict[str, object]] = []
    failures = Failures()
    for job, path in zip(jobs, paths, strict=True):
        try:
            picture = job.draw()
        except BackpropError as error:
            failures.add(job.kind, error)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, to_bytes(picture.figure, path.suffix[1:].lower()))
        runs_of = [str(result.folder.path) for result in job.results]
        written.append({"kind": job.kind, "path": str(path), "runs": runs_of, "shows": picture.alt})
    lines = "\n".join(str(picture["path"]) for picture in written)
    console.result(lines, {"pictures": written}, quiet=lines)
    failures.tell(console, fatal=bool(kinds) or not written)


def _paths(jobs: list[Job], output: Path | None, format: str | None) -> list[Path]:
    """Return where each picture goes. Raises UsageError if that is not clear."""
    from backprop_cli.errors import UsageError

    suffix = output.suffix[1:].lower() if output and not output.is_dir() else ""
    if output is None or not suffix:
        several = len({result.folder.path for job in jobs for result in job.results}) > 1
        stems = [_stem(job, output, several) for job in jobs]
        paths = [stem.with_name(f"{stem.name}.{format or FORMATS[0]}") for stem in stems]
        if len(set(paths)) < len(paths):
            raise UsageError("two of the runs have the same name; give each an --output of its own")
        return paths
    if suffix not in FORMATS:
        raise UsageError(f"{output}: there is no format .{suffix}; use {', '.join('.' + name for name in FORMATS)}")
    if format not in (None, suffix):
        raise UsageError(f"{output} is no file of --format {format}")
    if len(jobs) != 1:
        listed = ", ".join(dict.fromkeys(job.kind for job in jobs))
        raise UsageError(f"{output} is one file for {len(jobs)} pictures ({listed}); choose a --kind, or name a folder")
    return [output]


def _stem(job: Job, folder: Path | None, several: bool) -> Path:
    """Return the path of a picture, all but its suffix."""
    if len(job.results) > 1:
        return (folder or Path("plots")) / job.kind
    (result,) = job.results
    if folder is None:
        return result.folder.path / "plots" / job.kind
    return folder / (f"{result.name}-{job.kind}" if several else job.kind)
