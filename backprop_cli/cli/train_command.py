"""`backprop train`: run an experiment."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backprop_cli.cli.options import (
    ConfigFile,
    GetCache,
    common_options,
    config_arguments,
    data_options,
    live_option,
    runs_option,
)
from backprop_cli.terminal.console import Command, Console

if TYPE_CHECKING:
    from backprop_cli.runs.session import Session


@click.command("train", cls=Command, short_help="Train the network that a config describes.")
@config_arguments()
@click.option("--name", help="Name of the run.  [default: the name of the config and a number]")
@runs_option
@click.option("--overwrite", is_flag=True, help="Replace the run with this --name.")
@click.option(
    "--continue",
    "continued",
    is_flag=True,
    help="If this experiment was started before, resume its run, or print the result of a finished one.",
)
@click.option(
    "--folds",
    type=click.IntRange(2),
    metavar="K",
    help="Cross-validate: K runs, each tested on another Kth of the training examples. Continues if repeated.",
)
@click.option("--dry-run", is_flag=True, help="Load the data and print the experiment, but do not train.")
@live_option
@common_options
@data_options
def command(
    config: ConfigFile, folds: int | None, name: str | None, runs_dir: Path, console: Console, **how: Any
) -> None:
    """Train the network described by CONFIG; the results are saved in a new folder, the run.

    CONFIG is a YAML file, a file or folder with data, or the name of a shipped config (see backprop init --list). For
    data, a network is chosen: backprop train churn.csv target=churned

    KEY=VALUE overrides a key of the config: eta=0.5 layers=784-100-10 optimizer.mu=0.95
    """
    if how["overwrite"] and (how["continued"] or name is None):
        raise click.UsageError("--overwrite needs the --name of a run, and cannot be combined with --continue")
    if folds is None:
        _train(config, name, runs_dir, console, **how)
        return
    if how["dry_run"]:
        raise click.UsageError("--dry-run cannot be combined with --folds; add fold.k=5 fold.i=1 for a dry run of one")
    from backprop_cli.config.data_files import stem_of
    from backprop_cli.results.folds import CrossValidation, fold_runs

    how["continued"] = not how["overwrite"]
    words = fold_runs(folds, name or stem_of(config.path))
    runs = {one: replace(config, overrides=(*config.overrides, *its)) for one, its in words.items()}
    [*runs.values()][-1].load(runs_dir)  # the smallest fold, so that too many are found before the first is trained
    for one, fold in runs.items():
        _train(fold, one, runs_dir, replace(console, results=False), **how)
    found = CrossValidation.read(runs_dir, runs, how["cache"]())
    console.result(found.to_text(), found.to_dict(), quiet=f"{found.headline:.4f}")


def _train(config: ConfigFile, name: str | None, runs_dir: Path, console: Console, cache: GetCache, **how: Any) -> None:
    from backprop_cli.cli.continuing import skip_or_resume
    from backprop_cli.results.continuing import claimed_run
    from backprop_cli.runs.folder import check_name

    experiment = config.load(runs_dir)
    if name is not None:
        check_name(name)
    with ExitStack() as stack:
        if (
            how["continued"]
            and not how["dry_run"]
            and (run := stack.enter_context(claimed_run(experiment, runs_dir, name)))
        ):
            skip_or_resume(run, console, cache, how["live"])
            return

        from backprop_cli.cli.training_run import run_training  # NumPy and SciPy, which a finished run does not need
        from backprop_cli.config.data_files import stem_of
        from backprop_cli.explain.experiment import announcement, describe_experiment
        from backprop_cli.runs.build import load_data
        from backprop_cli.runs.resuming import new_session

        data = load_data(experiment, cache())
        if how["dry_run"]:
            text, facts = describe_experiment(experiment)
            console.result(text, facts)
            return

        def announce(session: Session) -> None:
            for line in announcement(experiment, chosen=config.is_data):
                console.say(line)
            what = f"{experiment.architecture} on {experiment.dataset.title}"
            console.say(f"training {what}, in {session.folder.path}")
            for line in session.history.get("start", {}).get("layers", ()):
                console.say(line)

        argv = sys.argv[1:]
        opened = new_session(
            experiment, data, runs_dir, stem_of(config.path), name=name, overwrite=how["overwrite"], argv=argv
        )
        run_training(opened, announce, console, how["live"])
