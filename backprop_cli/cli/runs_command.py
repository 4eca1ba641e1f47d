"""`backprop runs`: list, show, compare, remove and merge runs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backprop_cli.cli.completion import columns, complete_condition, complete_run, complete_words
from backprop_cli.cli.options import common_options, csv_option, runs_option
from backprop_cli.terminal.console import Command, Console

if TYPE_CHECKING:
    from backprop_cli.listing.summary import RunSummary

FOLDER = click.Path(path_type=Path, file_okay=False)

MAX_PROBLEMS = 5
"""How many damaged or foreign folders are named; the others are counted."""


@click.group("runs", short_help="List, show, compare, remove and merge runs.")
def command() -> None:
    """List, show, compare, remove and merge runs.

    RUN is the folder of a run, its name, a unique prefix of its name, or @last.
    """


@command.command("list", cls=Command)
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), required=False)
@click.option(
    "--sort",
    metavar="COLUMN",
    default="run",
    shell_complete=complete_words(columns),
    help="Sort by a column, a metric or a config key; -COLUMN sorts in descending order.",
)
@click.option("--reverse", is_flag=True, help="Reverse the order.")
@click.option("--top", type=click.IntRange(min=1), metavar="N", help="Only the first N rows.")
@click.option(
    "--where",
    "conditions",
    metavar="CONDITION",
    multiple=True,
    shell_complete=complete_condition,
    help="Only runs with eta=0.5, or in quotes 'val_accuracy>0.9': a config key, a metric or status, one of"
    " = != < > <= >=, and a value; can be repeated.",
)
@click.option("--group-by-seed", "grouped", is_flag=True, help="One row for runs that differ only by seed.")
@click.option("--columns", metavar="NAME,...", help="Columns to show: metrics and config keys, or all.")
@runs_option
@common_options
@csv_option
def list_(
    folder: Path | None,
    sort: str,
    reverse: bool,
    top: int | None,
    conditions: tuple[str, ...],
    grouped: bool,
    columns: str | None,
    as_csv: bool,
    runs_dir: Path,
    console: Console,
) -> None:
    """List the runs in FOLDER, or --runs-dir: status, metrics of the best epoch, and the config keys that differ.

    Example: backprop runs list --group-by-seed --sort -val_accuracy --top 10 --where status=finished

    With --group-by-seed metrics are means ± standard deviations over n different seeds. Folders of runs are searched
    too: their runs are listed as FOLDER/RUN. A run is `dead` if it was being trained when its process was killed;
    `backprop resume` continues it. --csv has every metric and every config key in full precision, in the same columns
    for any runs. -q prints the folders, for use in other commands:
    backprop runs rm $(backprop runs list -q --where status=diverged)
    """
    from backprop_cli.listing.conditions import where
    from backprop_cli.listing.summary import read_summaries
    from backprop_cli.listing.table import RunTable
    from backprop_cli.text import some_of

    runs_dir = folder or runs_dir
    found, problems = read_summaries(runs_dir)
    _warn_of_problems(problems, console)
    runs = where(found, conditions)
    if not runs:
        console.say(f"no run matches ({len(found)} runs in {runs_dir})" if found else f"no runs in {runs_dir}")
    table = RunTable.of(runs, grouped).sorted_by(sort.removeprefix("-"), reverse != sort.startswith("-")).top(top)
    table = table.with_columns(columns.split(",")) if columns else table
    for group in table.rows if grouped else ():
        if names := [run.name for run in group.duplicates]:
            others = some_of(names)
            console.warn(f"same config and seed as another run of {group.value('run')}, not counted: {others}")
    if as_csv and not console.quiet:
        header, *rows = table.csv_lines()
        console.csv(header, rows)
    else:
        plain = runs and not (console.quiet or console.json)
        text = _fitted(table.lines(), len(table.own_columns), table.n_names, "--columns", console) if plain else ""
        console.result(text, table.to_dict(), quiet="\n".join(str(run.path) for run in table.runs))


@command.command("show", cls=Command)
@click.argument("run", shell_complete=complete_run)
@runs_option
@common_options
def show(run: str, runs_dir: Path, console: Console) -> None:
    """Show a run: command, status, metrics, config."""
    from backprop_cli.listing.details import details

    (found,) = _find([run], runs_dir)
    data = {"run": str(found.path), **found.record, **found.to_dict()}
    console.result(details(found), data, quiet=str(found.path))


@command.command("compare", cls=Command)
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...", shell_complete=complete_run)
@runs_option
@common_options
def compare_(runs: tuple[str, ...], runs_dir: Path, console: Console) -> None:
    """Compare runs side by side: only the config keys, metrics and versions that differ."""
    from backprop_cli.listing.details import compare, comparison_lines

    found = _find(runs, runs_dir)
    differences = compare(found)
    data = {"runs": [str(run.path) for run in found], "differences": differences}
    text = _fitted(comparison_lines(found, differences), 1, 1, "--json", console)
    console.result(text, data, quiet="\n".join(differences))


@command.command("rm", cls=Command)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", shell_complete=complete_run)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@runs_option
@common_options
def rm(runs: tuple[str, ...], yes: bool, runs_dir: Path, console: Console) -> None:
    """Remove runs and their checkpoints permanently.

    Asks for confirmation; without a terminal, --yes is required. Nothing is removed if one of the folders is not a
    run, is a symbolic link, or is being trained.
    """
    from backprop_cli.errors import UsageError
    from backprop_cli.runs.folder import check_removable, find_run, remove

    folders = list({found.path.resolve(): found for found in (find_run(text, runs_dir) for text in runs)}.values())
    for folder in folders:
        check_removable(folder)
    names = [str(folder.path) for folder in folders]
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(f"--yes is required to remove {', '.join(names)} without a terminal")
        if not click.confirm(f"remove {', '.join(names)}?", err=True):
            console.say("nothing was removed")
            return
    for folder in folders:
        remove(folder)
    console.result("\n".join(f"removed {name}" for name in names), {"removed": names}, quiet="\n".join(names))


@command.command("merge", cls=Command)
@click.argument("sweeps", nargs=-1, required=True, metavar="SWEEP...", type=FOLDER)
@click.option("--into", type=FOLDER, help="Folder of the whole sweep.  [default: the first SWEEP]")
@common_options
def merge(sweeps: tuple[Path, ...], into: Path | None, console: Console) -> None:
    """Join the folders of a sweep that was trained in parts by `backprop sweep --shard`.

    Parts in one folder are joined by: backprop runs merge runs/big. Runs are copied, and SWEEP stays as it is. The
    same command again adds what is new. `backprop sweep` then trains what is missing, and prints the best settings.
    """
    from backprop_cli.sweeps.merging import merge_sweeps

    done = merge_sweeps(sweeps, into)
    console.result(done.to_text(), done.to_dict(), quiet=str(done.path))


def _find(texts: Iterable[str], runs_dir: Path) -> list[RunSummary]:
    from backprop_cli.listing.summary import read_summary
    from backprop_cli.runs.folder import find_run

    return [read_summary(find_run(text, runs_dir)) for text in texts]


def _fitted(lines: Sequence[Sequence[str]], fixed: int, left: int, remedy: str, console: Console) -> str:
    """Return lines as a table that fits the terminal; name the columns that are left out, and the remedy, on stderr."""
    from backprop_cli.text import fitted, some_of, table, terminal_width

    header, *rows = fitted(lines, terminal_width(), fixed)
    if missing := lines[0][len(header) :]:
        console.say(f"not shown: {some_of(missing)} (see {remedy})")
    return table(header, rows, left)


def _warn_of_problems(problems: Sequence[str], console: Console) -> None:
    for line in problems[:MAX_PROBLEMS]:
        console.warn(f"{line}; skipped")
    if len(problems) > MAX_PROBLEMS:
        console.warn(f"{len(problems) - MAX_PROBLEMS} more folders are not runs; skipped")
