"""Find the run of an experiment that was started before, so that an interrupted loop of commands can be repeated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from backprop_cli.advice.outcome import COMPLETE
from backprop_cli.config.load import override_experiment
from backprop_cli.errors import ConfigError, RunError, UsageError
from backprop_cli.experiment.schema import Experiment
from backprop_cli.files import hold_lock
from backprop_cli.listing.settings import differing_keys, flatten, value_text
from backprop_cli.runs.folder import RunFolder, check_name, remove, runs_in


@contextmanager
def claimed_run(experiment: Experiment, runs: Path, name: str | None = None) -> Iterator[RunFolder | None]:
    """Yield the run of an experiment, or None if there is none; in this context no other process can claim it.

    That is the run called `name`, or without a name a run in `runs` with this resolved config: preferably one that is
    complete. What remains of a run of that name whose creation was killed is removed.

    Raises RunError if another process has claimed it, and UsageError if the run has another config.
    """
    key = check_name(name) if name else hashlib.sha256(json.dumps(experiment.to_dict()).encode()).hexdigest()[:32]
    runs.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(hold_lock(runs / f".{key}.lock"))
        except BlockingIOError:
            what = str(runs / name) if name else f"the same experiment in {runs}"
            raise RunError(f"{what} is being trained by another process") from None
        yield _named(experiment, RunFolder(runs / name)) if name else _with_config(experiment, runs)


def _named(experiment: Experiment, folder: RunFolder) -> RunFolder | None:
    if folder.is_unfinished():
        remove(folder)
    if not folder.is_run():
        return None
    theirs, ours = (flatten(e.to_dict()) for e in (_experiment(_values(folder), folder), experiment))
    if keys := differing_keys([theirs, ours]):
        changes = "; ".join(f"{key}={value_text(theirs.get(key))}, not {value_text(ours.get(key))}" for key in keys)
        advice = "choose another --name, or replace the run with --overwrite"
        if keys == ["epochs"] and ours["epochs"] > theirs["epochs"]:
            advice = f"to train it longer: backprop resume {folder.path} --epochs {ours['epochs']}"
        raise UsageError(f"{folder.path} has another config ({changes}); {advice}")
    return folder


def _with_config(experiment: Experiment, runs: Path) -> RunFolder | None:
    """Return the run with this config that is complete, else one that has diverged, is being trained, or is longest."""
    found = []
    for folder in runs_in(runs):
        try:
            if not _is_same(_values(folder), experiment, folder):
                continue
            record = folder.read_record()
        except (RunError, ConfigError):  # damaged: it is not continued
            continue
        status = record.get("status")
        order = (status not in COMPLETE, status != "diverged", status != "running" or not folder.is_locked())
        found.append((order, -(record.get("epochs") or 0), folder.path.name, folder))
    return min(found)[-1] if found else None


def _is_same(values: Mapping[str, Any], experiment: Experiment, folder: RunFolder) -> bool:
    ours = experiment.to_dict()
    if any(values[key] != ours[key] for key in values.keys() & ours.keys()):
        return False  # without the time to validate the config
    return values == ours or _experiment(values, folder) == experiment


def _experiment(values: Mapping[str, Any], folder: RunFolder) -> Experiment:
    """Return the experiment of a run; one of an earlier version lacks keys that have been added since."""
    return override_experiment(values, [], str(folder.path))


def _values(folder: RunFolder) -> dict[str, Any]:
    return folder.read_record().get("experiment") or folder.read_config()
