"""`backprop data`: fetch and verify data sets before they are needed, and look at them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from backprop_cli.cli.completion import complete_dataset
from backprop_cli.cli.console import Command, Console
from backprop_cli.cli.data_show import show
from backprop_cli.cli.options import common_options, data_options

if TYPE_CHECKING:
    from backprop_cli.data.cache import Cache

name_argument = click.argument("name", default="mnist", shell_complete=complete_dataset)


@click.group("data", short_help="Fetch data sets, verify them, look at them.")
def command() -> None:
    """Fetch data sets, verify them, say where they lie, look at them. NAME is mnist if not given."""


command.add_command(show)


@command.command("fetch", cls=Command)
@name_argument
@common_options
@data_options
def fetch(name: str, console: Console, cache: Callable[[], Cache]) -> None:
    """Download NAME, unless a good copy is there already."""
    from dataclasses import replace

    from backprop_cli.data.catalogue import find_source

    find_source(name).load(cache())
    _load(name, replace(cache(), offline=True), console, "ready")  # what is not on disk is not ready


@command.command("verify", cls=Command)
@name_argument
@common_options
@data_options
def verify(name: str, console: Console, cache: Callable[[], Cache]) -> None:
    """Check every file of NAME against its published SHA-256; never downloads."""
    from dataclasses import replace

    _load(name, replace(cache(), offline=True), console, "verified")


@command.command("path", cls=Command)
@name_argument
@common_options
@data_options
def path(name: str, console: Console, cache: Callable[[], Cache]) -> None:
    """Print the folder in which the files of NAME belong."""
    from backprop_cli.data.catalogue import find_source, folder_of
    from backprop_cli.errors import UsageError

    folder = folder_of(find_source(name), cache())
    if folder is None:
        raise UsageError(f"{name} has no files: it is made on the spot")
    console.result(str(folder), {"name": name, "path": str(folder)}, quiet=str(folder))


def _load(name: str, cache: Cache, console: Console, word: str) -> None:
    from backprop_cli.data.catalogue import find_source, folder_of

    source = find_source(name)
    pool, test = source.load(cache)
    folder = folder_of(source, cache)
    place = f"in {folder}" if folder else "made on the spot"
    text = f"{name} is {word}: {len(pool):,} training and {len(test):,} test examples, {place}"
    path = folder and str(folder)
    data = {"name": name, "path": path, "train": len(pool), "test": len(test), "sha256": dict(source.sha256)}
    console.result(text, data, quiet=path or name)
