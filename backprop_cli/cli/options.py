"""Options that commands share, as decorators. Those that pass a `console` belong above those that use it."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backprop_cli.cli.completion import complete_config, complete_override
from backprop_cli.config.data_files import dataset_of
from backprop_cli.config.shipped import find_config
from backprop_cli.frozen import frozen
from backprop_cli.terminal.console import DEBUG, Console

if TYPE_CHECKING:
    from backprop_cli.data.cache import Cache
    from backprop_cli.experiment.schema import Experiment

Function = Callable[..., Any]
GetCache = Callable[[], "Cache"]
"""Returns the cache of data sets that the options ask for; called when the arguments are known to be valid."""


@frozen
class ConfigFile:
    """A config (see `find_config`) and its overrides."""

    path: Path
    overrides: tuple[str, ...]

    @property
    def is_data(self) -> bool:
        """Whether it is no config but data, for which an experiment is chosen."""
        return dataset_of(self.path) is not None

    @property
    def is_sweep(self) -> bool:
        """Whether it describes a sweep, or several values are given. Raises ConfigError."""
        from backprop_cli.sweeps.definition import is_sweep

        return not self.is_data and is_sweep(self.path, self.overrides)

    def load(self, runs_dir: Path = Path("runs")) -> Experiment:
        """Return the experiment, which may start from a run in `runs_dir`. Raises ConfigError."""
        from backprop_cli.config.load import load_experiment

        def find_start(experiment: Experiment) -> Experiment:
            if experiment.start is None:
                return experiment
            from backprop_cli.runs import start  # and with it NumPy's and SciPy's parts for training

            return start.find_start(experiment, runs_dir)

        return load_experiment(self.path, self.overrides, find_start=find_start)


def config_arguments(required: bool = True, complete: Function = complete_override) -> Callable[[Function], Function]:
    """Add CONFIG and KEY=VALUE...; pass `config`, a ConfigFile, or None without one."""

    def decorate(function: Function) -> Function:
        @click.argument("config", type=click.Path(path_type=Path), required=required, shell_complete=complete_config)
        @click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...", shell_complete=complete)
        @functools.wraps(function)
        def wrapper(config: Path | None, overrides: tuple[str, ...], **arguments: Any) -> Any:
            return function(config=config and ConfigFile(find_config(config), overrides), **arguments)

        return wrapper

    return decorate


@frozen
class Selection:
    """What to show of the runs that are named: a checkpoint of each, in a folder of runs, on a split of its data."""

    runs_dir: Path
    checkpoint: str
    split: str
    cache: GetCache


def selection_options(function: Function) -> Function:
    """Add --split, --checkpoint, --runs-dir, the common options and those of the data; pass `chosen`, a Selection."""

    @split_option("test")
    @checkpoint_option
    @runs_option
    @common_options
    @data_options
    @functools.wraps(function)
    def wrapper(runs_dir: Path, checkpoint: str, split: str, cache: GetCache, **arguments: Any) -> Any:
        return function(chosen=Selection(runs_dir, checkpoint, split, cache), **arguments)

    return wrapper


def common_options(function: Function) -> Function:
    """Add -q, -v, --json and --debug; pass a `console`."""

    @click.option("-q", "--quiet", is_flag=True, help="Print only the result, in short form.")
    @click.option("-v", "--verbose", is_flag=True, help="Print more details.")
    @click.option("--json", "as_json", is_flag=True, help="Print the result, or the error, as one JSON object.")
    @click.option("--debug", is_flag=True, expose_value=False, callback=_remember, help="Show tracebacks.")
    @functools.wraps(function)
    def wrapper(quiet: bool, verbose: bool, as_json: bool, **arguments: Any) -> Any:
        return function(console=Console(quiet, verbose, as_json), **arguments)

    return wrapper


def _remember(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    ctx.meta[DEBUG] = value


def data_options(function: Function) -> Function:
    """Add --data-dir, --mirror and --offline; pass a function `cache` that returns the Cache."""

    @click.option(
        "--data-dir",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="BACKPROP_DATA_DIR",
        show_envvar=True,
        help="Folder for downloaded data.  [default: the platform's cache folder]",
    )
    @click.option("--mirror", envvar="BACKPROP_MIRROR", show_envvar=True, metavar="URL", help="Try this server first.")
    @click.option("--offline", is_flag=True, help="Never use the network.")
    @functools.wraps(function)
    def wrapper(console: Console, data_dir: Path | None, mirror: str | None, offline: bool, **arguments: Any) -> Any:
        def cache() -> Cache:
            from backprop_cli.data.cache import Cache

            return Cache(data_dir, mirror, offline, console.say)

        return function(console=console, cache=cache, **arguments)

    return wrapper


def csv_option(function: Function) -> Function:
    """Add --csv; pass `as_csv`. Raises UsageError if --json is given too."""

    @click.option("--csv", "as_csv", is_flag=True, help="Print the result as CSV.")
    @functools.wraps(function)
    def wrapper(console: Console, as_csv: bool, **arguments: Any) -> Any:
        if as_csv and console.json:
            raise click.UsageError("--csv and --json cannot be combined")
        return function(console=console, as_csv=as_csv, **arguments)

    return wrapper


class _CheckpointName(click.Choice[str]):
    """best, last, or the number of an epoch."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return str(value) if re.fullmatch("[0-9]{1,9}", str(value)) else super().convert(value, param, ctx)


def checkpoint_option(function: Function) -> Function:
    """Add --checkpoint, with --which as a hidden alias; pass `checkpoint`, 'best', 'last' or an epoch that was kept."""
    kinds = _CheckpointName(["best", "last"])
    words = "Which checkpoint of a run: best, last, or an epoch that keep_epochs kept."

    @click.option("--checkpoint", type=kinds, default="best", show_default=True, metavar="best|last|N", help=words)
    @click.option("--which", type=kinds, hidden=True)
    @functools.wraps(function)
    def wrapper(checkpoint: str, which: str | None, **arguments: Any) -> Any:
        return function(checkpoint=which or checkpoint, **arguments)

    return wrapper


def fraction(text: str) -> float:
    """Return a number from 0 to 1."""
    with suppress(ValueError):
        if 0 <= (number := float(text)) <= 1:
            return number
    raise click.BadParameter(f"'{text}' is not a number from 0 to 1, such as 0.97")


class _SplitName(click.Choice[str]):
    """train, val or test; `validation`, the key of a config, means val."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return super().convert("val" if value == "validation" else value, param, ctx)


def split_option(default: str) -> Callable[[Function], Function]:
    """Add --split; pass `split`, 'train', 'val' or 'test'."""
    choices = _SplitName(["train", "val", "test"])
    return click.option("--split", type=choices, default=default, show_default=True, help="Which part of the data.")


runs_option = click.option(
    "--runs-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="Folder of the runs.",
)

threshold_option = click.option(
    "--threshold", metavar="P", help="Of two classes, predict the second from this probability on."
)

live_option = click.option("--live", is_flag=True, help="Draw learning curves in the terminal during training.")
