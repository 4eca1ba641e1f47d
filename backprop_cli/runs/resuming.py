"""Starting and resuming runs: which checkpoint, which warnings, and when there is nothing left to train."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from backprop_cli.advice.outcome import COMPLETE
from backprop_cli.config.load import load_experiment
from backprop_cli.config.phases import phases_of, total_epochs
from backprop_cli.data.dataset import Dataset
from backprop_cli.errors import (
    BackpropError,
    CheckpointError,
    ConfigError,
    DivergedError,
    RunError,
    UsageError,
    without_password,
)
from backprop_cli.experiment.schema import Experiment
from backprop_cli.frozen import frozen
from backprop_cli.runs.build import build_network, build_plan, changed_files, initial_theta, limit_blas, theta_of
from backprop_cli.runs.checkpoint import Checkpoint, Metrics, read_checkpoint
from backprop_cli.runs.folder import RunFolder, create_run_folder
from backprop_cli.runs.metrics import count_rows
from backprop_cli.runs.model import experiment_of
from backprop_cli.runs.pretraining import Pretraining
from backprop_cli.runs.rows import columns_of
from backprop_cli.runs.session import Session, environment, now
from backprop_cli.runs.start import take_start
from backprop_cli.training.consistency import check_state
from backprop_cli.training.plan import Plan
from backprop_cli.training.state import TrainingState, shapes_of


class AlreadyDivergedError(DivergedError):
    """A run that is to be resumed has diverged."""

    def __init__(self, message: str) -> None:
        BackpropError.__init__(self, message)


@frozen
class Resumption:
    """How a run is resumed: from a checkpoint file, under an experiment that may have more epochs than before.

    `best` are the metrics of the best epoch, unless its checkpoint was lost; `complete` says why there is nothing to
    train, if so; `warnings` are lines for the user.
    """

    folder: RunFolder
    record: dict[str, Any]
    origin: Path
    checkpoint: Checkpoint
    experiment: Experiment
    best: Metrics | None = None
    warnings: tuple[str, ...] = ()
    complete: str | None = None

    @property
    def place(self) -> str:
        """Where training continues, as in `after epoch 3, step 20`."""
        status = self.checkpoint.meta.status
        return f"after epoch {status.epoch}" + (f", step {status.step}" if status.step else "")


@contextmanager
def new_session(
    experiment: Experiment,
    data: Dataset,
    runs_dir: Path,
    stem: str,
    *,
    name: str | None = None,
    overwrite: bool = False,
    argv: Sequence[str] = (),
) -> Iterator[Session]:
    """Yield the first session of a new run, in a new folder that it owns until the context ends."""
    with limit_blas(experiment):
        plan = build_plan(experiment, data)
        state = plan.initial_state(initial_theta(experiment, data=data))
        history: dict[str, Any] = {"argv": [without_password(word) for word in argv], "started": now(), "seconds": 0.0}
        if taken := take_start(experiment):
            history["start"] = {"checkpoint": str(taken.path), "sha256": taken.sha256, "layers": list(taken.layers)}
        pretraining = Pretraining.of(experiment, plan, state)
        if pretraining:
            pretraining.begin()
        folder = create_run_folder(runs_dir, stem, name, overwrite)  # once all that could fail before has not
        with folder.lock():
            yield Session(experiment, folder, plan, state, history, pretraining=pretraining)


@contextmanager
def resumed_session(resumption: Resumption, data: Dataset, argv: Sequence[str] = ()) -> Iterator[Session]:
    """Yield a session that continues a run. The caller owns the folder.

    Raises CheckpointError if the checkpoint is not a state of the experiment.
    """
    experiment, checkpoint, record = resumption.experiment, resumption.checkpoint, resumption.record
    if changed := changed_files(experiment, data):
        raise RunError(
            f"{resumption.folder.path}: {changed} changed since the run started; restore it, or start a new run"
        )
    with limit_blas(experiment):
        plan = build_plan(experiment, data)
        try:
            state, pretraining = _state_of(experiment, plan, checkpoint)
        except CheckpointError as error:
            raise CheckpointError(f"{resumption.origin}: {error}") from error
        if resumption.best is None:
            state.status.best = None  # the best of the epochs to come
        history: dict[str, Any] = {key: record[key] for key in ("argv", "started", "start") if key in record}
        history |= {
            "seconds": record.get("seconds") or 0.0,
            "resumed": now(),
            "resume_argv": [without_password(word) for word in argv],
        }
        best, last = resumption.best, checkpoint.meta.last
        yield Session(experiment, resumption.folder, plan, state, history, best, last, pretraining=pretraining)


def _state_of(experiment: Experiment, plan: Plan, checkpoint: Checkpoint) -> tuple[TrainingState, Pretraining | None]:
    """Return the state in a checkpoint, and the phase of pre-training that it is in, if there are phases."""
    theta = theta_of(experiment, plan.objective.layout, checkpoint.parameters)
    state = plan.initial_state(theta)
    state.status = replace(checkpoint.meta.status)
    pretraining = Pretraining.of(experiment, plan, state)
    if pretraining and pretraining.restore(checkpoint.arrays, checkpoint.meta):
        return state, pretraining
    arrays = {name: array.copy() for name, array in checkpoint.arrays.items()}
    if shapes_of(arrays) != shapes_of(state.arrays):
        raise CheckpointError("its arrays are not those of the experiment")
    state.arrays = arrays
    check_state(plan, state, best=checkpoint.meta.best, last=checkpoint.meta.last)
    return state, pretraining


def prepare_resume(folder: RunFolder, epochs: int | None = None) -> Resumption:
    """Decide how a run is resumed, to be trained for `epochs` epochs in total; nothing is changed.

    Raises AlreadyDivergedError, UsageError if it cannot have this number of epochs, CheckpointError if no checkpoint
    is readable.
    """
    record, unreadable = _record(folder)
    folder.check_files()
    if record.get("status") == "diverged":
        at = record.get("diverged")
        place = f" in epoch {at.get('epoch')}, step {at.get('step')}" if at else ""
        raise AlreadyDivergedError(
            f"{folder.path} diverged{place}, and would again; start a new run with other settings, e.g. a smaller eta"
        )
    checkpoint, origin, warnings = _newest(folder)
    warnings += unreadable
    meta, status = checkpoint.meta, checkpoint.meta.status
    if status.epoch > total_epochs(experiment_of(checkpoint, str(origin))):
        raise CheckpointError(f"{origin}: not a state of its experiment: epoch {status.epoch}")
    experiment = experiment_of(checkpoint, str(origin), epochs)
    found = Resumption(folder, record, origin, checkpoint, experiment)
    total = total_epochs(experiment)
    if total < status.epoch:
        raise UsageError(f"{folder.path} already has {status.epoch} epochs; --epochs must not be less")
    if status.stopped and record.get("status") in COMPLETE:
        stopped = f"{folder.path} is already finished: it stopped after epoch {status.epoch} ({status.stopped})"
        if experiment.epochs == meta.experiment.get("epochs"):
            return replace(found, complete=stopped)
        raise UsageError(f"{stopped}; it cannot be trained longer")
    if total == status.epoch and record.get("status") == "finished" and not warnings:
        longer = f"to train longer use --epochs {2 * experiment.epochs}"
        parts = f", {experiment.epochs} after pre-training" if total > experiment.epochs else ""
        return replace(found, complete=f"{folder.path} is already finished ({status.epoch} epochs{parts}); {longer}")
    warnings += _changes(folder, checkpoint, experiment_of(checkpoint, str(origin)))
    best = meta.best
    if best and (problem := _problem_of_best(folder, experiment)):
        warnings.append(f"{problem}; the best epoch will be chosen among those to come")
        best = None
    if experiment.epochs != meta.experiment.get("epochs") and experiment.schedule.depends_on_epochs:
        warnings.append(f"the {experiment.schedule.name} schedule of eta now ends at epoch {experiment.epochs}")
    return replace(found, best=best, warnings=tuple(warnings))


def environment_changes(record: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each part of the software and hardware that differs from that in a record."""
    for what, here in environment().items():
        if record.get(what) not in (None, here):
            yield f"{what} changed, so results may not be bit-identical: {record[what]} before, {here} now"


def _record(folder: RunFolder) -> tuple[dict[str, Any], list[str]]:
    """Return the content of run.json, which resuming can do without, and a warning if it cannot be read."""
    try:
        return folder.read_record(), []
    except RunError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno != errno.EFBIG:
            raise
        return {}, [f"{error}; it will be written anew"]


def _newest(folder: RunFolder) -> tuple[Checkpoint, Path, list[str]]:
    """Return the last checkpoint, or the best if the last is damaged or missing, its path, and a warning if so.

    Raises CheckpointError if neither is readable.
    """
    last, best = folder.checkpoint("last"), folder.checkpoint("best")
    try:
        return read_checkpoint(last), last, []
    except CheckpointError as error:
        try:
            checkpoint = _with_epochs_of(folder, read_checkpoint(best))
        except CheckpointError as another:
            raise CheckpointError(f"{error}\n{another}\nThere is no checkpoint to resume from.") from error
        return checkpoint, best, [f"{error}; resuming from {best}, after epoch {checkpoint.meta.status.epoch}"]


def _with_epochs_of(folder: RunFolder, checkpoint: Checkpoint) -> Checkpoint:
    """Return a checkpoint with the number of epochs in the run's config, which may have been increased since."""
    try:
        epochs = load_experiment(folder.config).epochs
    except ConfigError:
        return checkpoint
    experiment = {**checkpoint.meta.experiment, "epochs": epochs}
    return replace(checkpoint, meta=checkpoint.meta.model_copy(update={"experiment": experiment}))


def _changes(folder: RunFolder, checkpoint: Checkpoint, experiment: Experiment) -> Iterator[str]:
    """Yield a line for each file that was changed or lost since the checkpoint, which is what counts."""
    try:
        same = load_experiment(folder.config).to_dict() == experiment.to_dict()
    except ConfigError:
        same = False
    if not same:
        yield f"{folder.config} was changed since the run started; the change is ignored and the file is restored"
    epochs = checkpoint.meta.status.epoch
    early = any(phase.experiment.optimizer.line_search for phase in phases_of(experiment))  # phases may end early
    if not early and (rows := count_rows(folder.metrics, epochs, columns_of(experiment))) < epochs:
        yield f"{folder.metrics} has {rows} valid rows for {epochs} epochs; the others are lost"


def _problem_of_best(folder: RunFolder, experiment: Experiment) -> CheckpointError | None:
    """Return why the best checkpoint cannot be used, or None if it is one of this network."""
    path = folder.checkpoint("best")
    try:
        parameters = read_checkpoint(path).parameters
    except CheckpointError as error:
        return error
    try:
        theta_of(experiment, build_network(experiment).layout, parameters)
    except CheckpointError as error:
        return CheckpointError(f"{path}: {error}")
    return None
