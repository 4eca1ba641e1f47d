"""`backprop data`: download, verify and show data sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from backprop_cli.cli.completion import complete_override, complete_words
from backprop_cli.cli.options import (
    ConfigFile,
    GetCache,
    common_options,
    config_arguments,
    data_options,
    split_option,
)
from backprop_cli.config.shipped import keys_and_words
from backprop_cli.terminal.console import Command, Console

if TYPE_CHECKING:
    from backprop_cli.data.cache import Cache

datasets = complete_words(lambda: keys_and_words().get("dataset", ()))
name_argument = click.argument("name", default="mnist", shell_complete=datasets)


@click.group("data", short_help="Download, verify and show data sets.")
def command() -> None:
    """Download, verify, locate and show data sets. NAME is mnist by default."""


@command.command("fetch", cls=Command)
@name_argument
@common_options
@data_options
def fetch(name: str, console: Console, cache: GetCache) -> None:
    """Download NAME, unless a valid copy exists."""
    from dataclasses import replace

    from backprop_cli.sources.registry import get_dataset

    get_dataset(name).load(cache())
    _load(name, replace(cache(), offline=True), console, "ready")  # read again, from disk


@command.command("verify", cls=Command)
@name_argument
@common_options
@data_options
def verify(name: str, console: Console, cache: GetCache) -> None:
    """Verify the SHA-256 of all files of NAME; never downloads."""
    from dataclasses import replace

    _load(name, replace(cache(), offline=True), console, "verified")


@command.command("path", cls=Command)
@name_argument
@common_options
@data_options
def path(name: str, console: Console, cache: GetCache) -> None:
    """Print the folder for the files of NAME."""
    from backprop_cli.errors import UsageError
    from backprop_cli.sources.registry import data_folder, get_dataset

    folder = data_folder(get_dataset(name), cache())
    if folder is None:
        raise UsageError(f"{name} has no files: it is generated")
    console.result(str(folder), {"name": name, "path": str(folder)}, quiet=str(folder))


@command.command("check", cls=Command)
@config_arguments()
@common_options
@data_options
def check(config: ConfigFile, console: Console, cache: GetCache) -> None:
    """Report on the data of CONFIG, or in a file or folder.

    backprop data check churn.csv target=churned

    The sizes of the splits and of the classes; of a table the type, missing values, range and scaling of each column,
    columns that are ignored or give the target away, and duplicate rows. Trains nothing.
    """
    experiment = config.load()
    report = experiment.dataset.check(cache(), experiment.data.validation, experiment.data.train)
    console.result(report.to_text(), report.to_dict())


@command.command("show", cls=Command)
@name_argument
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...", shell_complete=complete_override)
@split_option("train")
@click.option("--count", type=click.IntRange(min=1), help="Number of examples.  [default: 20; 1000 for a scatter plot]")
@click.option("--start", type=click.IntRange(min=0), default=0, show_default=True, help="First example, from 0.")
@click.option("--class", "label", type=click.IntRange(min=0), metavar="C", help="Only examples of class C.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a sheet of images or a scatter plot (.png), or a table (.csv).",
)
@common_options
@data_options
def show(
    name: str,
    overrides: tuple[str, ...],
    split: str,
    count: int | None,
    start: int,
    label: int | None,
    output: Path | None,
    console: Console,
    cache: GetCache,
) -> None:
    """Show examples of NAME, or of a config or a file or folder with data.

    Each has its number in the split and its label or value. Images are drawn as a PNG or in the terminal, in shades of
    grey if the terminal has them and NO_COLOR is not set. Other examples are shown as a table; in a PNG, points of the
    plane are drawn with the colour of their class, and the values of one input as a curve.
    """
    import shutil
    import sys

    from backprop_cli.cli.plotting import check_suffix, require_extra
    from backprop_cli.config.load import load_source
    from backprop_cli.errors import UsageError
    from backprop_cli.files import atomic_write
    from backprop_cli.terminal.examples import SCATTERED, SHOWN, choose_examples, shows_shades

    source = load_source(name, overrides)
    suffix = output.suffix.lower() if output else ""
    if output:
        check_suffix(output, ".png", ".csv")
    scattered = suffix == ".png" and source.spec.is_scattered
    if suffix == ".png" and not (source.spec.image or scattered):
        raise UsageError(f"{name} has neither images nor one or two inputs to plot; use -o FILE.csv for a table")
    if scattered:
        require_extra("matplotlib")
    count = count or (SCATTERED if scattered else SHOWN)
    found = choose_examples(source, split, cache(), label, start, count)
    if output:
        atomic_write(output, found.to_png() if suffix == ".png" else found.to_csv().encode())
        text = f"wrote {len(found.rows)} examples of {name} ({split}) to {output}"
        console.result(text, {"path": str(output), "examples": len(found.rows)}, quiet=str(output))
        return
    text = "" if console.json else found.to_text(shutil.get_terminal_size().columns, shows_shades(sys.stdout))
    styled = bool(source.spec.image)
    console.result(text, {"name": name, "split": split, "examples": found.to_list()}, quiet=text, styled=styled)


def _load(name: str, cache: Cache, console: Console, word: str) -> None:
    from backprop_cli.sources.registry import data_folder, get_dataset

    source = get_dataset(name)
    pool, test = source.load(cache)
    folder = data_folder(source, cache)
    place = f"in {folder}" if folder else "generated"
    text = f"{name} is {word}: {len(pool):,} training and {len(test):,} test examples, {place}"
    path = folder and str(folder)
    data = {"name": name, "path": path, "train": len(pool), "test": len(test), "sha256": dict(source.spec.sha256)}
    console.result(text, data, quiet=path or name)
