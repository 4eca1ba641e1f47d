"""`backprop runs`: list, show, compare and remove what has been trained."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backprop_cli.cli.completion import complete_column, complete_condition, complete_run
from backprop_cli.cli.console import Command, Console
from backprop_cli.cli.options import common_options, runs_option

if TYPE_CHECKING:
    from backprop_cli.runs.listing import Run

MAX_PROBLEMS = 5
"""How many folders that are no runs are named; the others are counted."""

ALIASES = {"name": "run", "time": "seconds"}
"""Other words for columns."""


@click.group("runs", short_help="List, show, compare and remove runs.")
def command() -> None:
    """List, show, compare and remove runs. RUN is a run's folder, its name, the beginning of its name, or @last."""


@command.command("list", cls=Command)
@click.option(
    "--sort",
    metavar="COLUMN",
    default="run",
    shell_complete=complete_column,
    help="Sort by a column, a figure or a key of the config; -COLUMN is --reverse.",
)
@click.option("--reverse", is_flag=True, help="Sort from high to low.")
@click.option(
    "--where",
    metavar="KEY=VALUE",
    multiple=True,
    shell_complete=complete_condition,
    help="Only runs whose config has this, or whose status is this; may be given several times.",
)
@click.option("--group-by-seed", "grouped", is_flag=True, help="One row for runs that differ by their seed only.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the table as CSV, with figures in full.")
@runs_option
@common_options
def list_(
    sort: str, reverse: bool, where: tuple[str, ...], grouped: bool, as_csv: bool, runs_dir: Path, console: Console
) -> None:
    """List the runs: status, figures of the best epoch, and the keys in which their configs differ.

    For instance: backprop runs list --sort -val_accuracy --where eta=0.5 --where status=finished

    A run that is `dead` says that it is running, but its process was killed; `backprop resume` takes it up. With
    --group-by-seed figures are means ± standard deviations over the n runs of a row, as far as they have them. -q
    prints the folders, for other commands: backprop runs rm $(backprop runs list -q --where status=diverged)
    """
    from backprop_cli.cli import runs_text
    from backprop_cli.errors import UsageError
    from backprop_cli.runs.listing import FIGURES, Row, config_keys, group_by_seed, matches, read_runs, sort_rows

    if as_csv and console.json:
        raise UsageError("--csv and --json are two forms of the same; choose one")
    found, problems = read_runs(runs_dir)
    _warn(problems, console)
    conditions = list(_conditions(where, found))
    chosen = [run for run in found if matches(run, conditions)]
    if not chosen:
        console.say(f"none of the {len(found)} runs in {runs_dir} is like that" if found else f"no runs in {runs_dir}")
    rows = group_by_seed(chosen) if grouped else [Row((run,)) for run in chosen]
    own = runs_text.own_columns(rows, grouped)
    column = ALIASES.get(name := sort.removeprefix("-"), name)
    if chosen:
        known = (*own, "started", "best_epoch", *FIGURES, *config_keys(chosen))
        _require(column, known, f"--sort {sort}: no run has", "column")
    rows = sort_rows(rows, column, descending=reverse != sort.startswith("-"))
    keys = runs_text.config_columns(rows, grouped)
    if column not in (*own, *keys) and chosen:
        own.append(column)
    ordered = [run for row in rows for run in row.runs]
    if as_csv:
        text = runs_text.list_csv(rows, own, keys, grouped)
    else:
        text = runs_text.list_text(rows, own, keys, console) if rows and not (console.quiet or console.json) else ""
    data: dict[str, Any] = {"runs": [runs_text.run_data(run) for run in ordered]}
    if grouped:
        data = {"groups": [runs_text.group_data(row) for row in rows]}
    console.result(text, data, quiet=runs_text.paths(ordered))


@command.command("show", cls=Command)
@click.argument("run", shell_complete=complete_run)
@runs_option
@common_options
def show(run: str, runs_dir: Path, console: Console) -> None:
    """Show all about RUN: how it came about, what came of it, its epochs in short, its config."""
    from backprop_cli.cli import runs_text

    (found,) = _find([run], runs_dir)
    data = {"run": str(found.path), **found.record, **runs_text.run_data(found)}
    console.result(runs_text.show_text(found), data, quiet=str(found.path))


@command.command("compare", cls=Command)
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...", shell_complete=complete_run)
@runs_option
@common_options
def compare(runs: tuple[str, ...], runs_dir: Path, console: Console) -> None:
    """Compare runs side by side: the keys, the figures and the versions that differ, and nothing else."""
    from backprop_cli.cli import runs_text
    from backprop_cli.errors import UsageError

    if len(runs) < 2:
        raise UsageError("a comparison takes two runs at least")
    found = _find(runs, runs_dir)
    differences = runs_text.comparison(found)
    lines = [["", *(run.path.name for run in found)]]
    lines += [[name, *(runs_text.value_text(name, v) for v in values)] for name, values in differences.items()]
    data = {"runs": [str(run.path) for run in found], "differences": differences}
    console.result(runs_text.fitted_table(lines, 1, 1, console), data, quiet="\n".join(differences))


@command.command("rm", cls=Command)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", shell_complete=complete_run)
@click.option("--yes", is_flag=True, help="Do not ask.")
@runs_option
@common_options
def rm(runs: tuple[str, ...], yes: bool, runs_dir: Path, console: Console) -> None:
    """Remove runs, with their checkpoints, for good.

    Asks first; where there is no terminal to ask on, --yes must say so. Nothing is removed if one of the folders is
    not a run's, is a link, or is being trained.
    """
    from backprop_cli.errors import UsageError
    from backprop_cli.runs.folder import check_removable, find_run, remove

    folders = list({found.path.resolve(): found for found in (find_run(text, runs_dir) for text in runs)}.values())
    for folder in folders:
        check_removable(folder)
    names = [str(folder.path) for folder in folders]
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(f"--yes is needed to remove {', '.join(names)}, as there is no terminal to ask on")
        if not click.confirm(f"remove {', '.join(names)}?", err=True):
            console.say("nothing was removed")
            return
    for folder in folders:
        remove(folder)
    console.result("\n".join(f"removed {name}" for name in names), {"removed": names}, quiet="\n".join(names))


def _find(texts: Iterable[str], runs_dir: Path) -> list[Run]:
    from backprop_cli.runs.folder import find_run
    from backprop_cli.runs.listing import read_run

    return [read_run(find_run(text, runs_dir)) for text in texts]


def _conditions(words: Sequence[str], runs: Sequence[Run]) -> Iterator[tuple[str, Any]]:
    """Yield the key and the value of each KEY=VALUE; some run must have the key, if there are any."""
    from backprop_cli.config.reader import read_text
    from backprop_cli.config.spellings import SPELLINGS
    from backprop_cli.errors import UsageError
    from backprop_cli.runs.listing import config_keys

    known = ("status", *config_keys(runs)) if words else ()
    for word in words:
        name, equals, text = word.partition("=")
        if not (name and equals):
            raise UsageError(f"--where {word}: expected KEY=VALUE, such as eta=0.5")
        key = ".".join(SPELLINGS.get(part, part) for part in name.split(".")).removesuffix(".name")
        if runs and not any(other.startswith(f"{key}.") for other in known):
            _require(key, known, f"--where {word}: no run has", "key")
        value = read_text(text, name, f"--where {word}")
        if value.problems:
            raise UsageError("\n".join(value.problems))
        yield key, value.values


def _require(word: str, known: Sequence[str], complaint: str, what: str) -> None:
    """Raise UsageError, with a guess at what was meant, if the word is not known."""
    from difflib import get_close_matches

    from backprop_cli.errors import UsageError

    if word not in known:
        close = get_close_matches(word, known, n=1)
        raise UsageError(f"{complaint} a {what} '{word}'" + (f"; did you mean '{close[0]}'?" if close else ""))


def _warn(problems: Sequence[str], console: Console) -> None:
    for line in problems[:MAX_PROBLEMS]:
        console.warn(f"{line}; skipped")
    if len(problems) > MAX_PROBLEMS:
        console.warn(f"… and {len(problems) - MAX_PROBLEMS} more that are no whole runs; skipped")
