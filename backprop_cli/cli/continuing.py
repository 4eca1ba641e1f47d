"""Continue a run in the console: what `resume` and `train --continue` share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backprop_cli.advice.outcome import COMPLETE, outcome, outcome_text
from backprop_cli.cli.options import GetCache
from backprop_cli.errors import RunError
from backprop_cli.runs.folder import RunFolder
from backprop_cli.runs.metrics import read_table
from backprop_cli.terminal.console import Console

if TYPE_CHECKING:
    from backprop_cli.runs.session import Session


def print_outcome(path: Path, record: dict[str, Any], console: Console) -> None:
    """Print the result of training."""
    data = {**outcome(path, record), "history": _history(path)} if console.json else None
    console.result(outcome_text(path, record), data, quiet=str(path))


def _history(path: Path) -> dict[str, list[float]]:
    """Return metrics.csv by column; nothing if it is damaged."""
    try:
        return read_table(RunFolder(path).metrics)
    except RunError:
        return {}


def skip_or_resume(folder: RunFolder, console: Console, cache: GetCache, live: bool) -> None:
    """Print the result of a run that is complete; continue any other."""
    record = folder.read_record()
    if record.get("status") not in COMPLETE:
        return resume_run(folder, None, console, cache, live)
    console.say(f"{folder.path} is already finished ({record.get('epochs')} epochs)")
    return print_outcome(folder.path, record, console)


def resume_run(folder: RunFolder, epochs: int | None, console: Console, cache: GetCache, live: bool) -> None:
    """Continue a run where it was stopped, to a total of `epochs` epochs if given."""
    from backprop_cli.cli.training_run import run_training
    from backprop_cli.runs.build import load_data
    from backprop_cli.runs.resuming import environment_changes, prepare_resume, resumed_session

    with folder.lock():
        resumption = prepare_resume(folder, epochs)
        if resumption.complete:
            console.say(resumption.complete)
            print_outcome(folder.path, resumption.record, console)
            return
        for line in resumption.warnings:
            console.warn(line)
        data = load_data(resumption.experiment, cache())

        def announce(session: Session) -> None:
            for line in environment_changes(resumption.record):
                console.warn(line)
            console.say(f"resuming {folder.path} {resumption.place}")

        run_training(resumed_session(resumption, data, sys.argv[1:]), announce, console, live)
