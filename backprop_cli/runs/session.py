"""A run from start or resume to its end: training's events on their way to the user, kept in the run's folder."""

from __future__ import annotations

import contextlib
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import scipy
import yaml

from backprop_cli import __version__
from backprop_cli.config.schema import Experiment
from backprop_cli.data.dataset import Dataset
from backprop_cli.engine.threads import blas_info
from backprop_cli.errors import CheckpointError, DivergedError
from backprop_cli.files import atomic_write
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.runs import metrics
from backprop_cli.runs.build import build_plan, initial_state, theta_of
from backprop_cli.runs.checkpoint import Checkpoint, Meta, Metrics, read_checkpoint, to_bytes
from backprop_cli.runs.folder import RunFolder
from backprop_cli.runs.restore import evaluated_theta
from backprop_cli.training.diagnostics import LayerState, diagnostics_of
from backprop_cli.training.evaluation import Evaluator, Score
from backprop_cli.training.loop import EpochResult, Event, train
from backprop_cli.training.plan import Plan
from backprop_cli.training.state import TrainingState


def versions() -> dict[str, str]:
    """Return the versions that decide the bits of a run."""
    return {
        "backprop": __version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "python": platform.python_version(),
    }


SAVING_PAUSE = 3
"""After a save, the next waits for so many times as long as that took: saving takes a quarter of the time at most."""


@dataclass
class Session:
    """One sitting of a run: `run()` trains from `position` on and keeps the folder up to date.

    `history` holds what run.json keeps of earlier sittings: when and how the run was started, the seconds it took.
    """

    experiment: Experiment
    folder: RunFolder
    plan: Plan
    state: TrainingState
    history: dict[str, Any]
    best: Metrics | None = None
    last: Metrics | None = None
    layers: tuple[LayerState, ...] = ()
    next_save: float = 0.0
    saved: tuple[int, int] | None = None
    waiting: Checkpoint | None = None
    status: str = "running"
    outcome: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def start(
        cls, experiment: Experiment, data: Dataset, claim: Callable[[], RunFolder], argv: Sequence[str]
    ) -> Session:
        """Return the first session of a run; its folder is claimed once all that could fail before has not."""
        plan = build_plan(experiment, data)
        state = initial_state(experiment, plan)
        history = {"argv": list(argv), "started": _now(), "seconds": 0.0}
        return cls(experiment, claim(), plan, state, history)

    @classmethod
    def resume(
        cls, experiment: Experiment, data: Dataset, folder: RunFolder, checkpoint: Checkpoint, argv: Sequence[str]
    ) -> Session:
        """Return a session that goes on from a checkpoint, under an experiment that may have more epochs.

        Raises CheckpointError if the checkpoint's arrays are not those of the experiment.
        """
        plan = build_plan(experiment, data)
        theta = theta_of(experiment, plan.objective.layout, checkpoint.parameters)
        arrays = {name: array.copy() for name, array in checkpoint.arrays.items()}
        expected = plan.initial_state(theta).arrays
        if {n: (a.shape, a.dtype) for n, a in arrays.items()} != {n: (a.shape, a.dtype) for n, a in expected.items()}:
            raise CheckpointError("its arrays are not those of the experiment")
        meta, record = checkpoint.meta, folder.read_record()
        history: dict[str, Any] = {key: record[key] for key in ("argv", "started", "seconds") if key in record}
        history |= {"resumed": _now(), "resume_argv": list(argv)}
        if not isinstance(history.get("seconds"), int | float):
            history["seconds"] = 0.0
        state = TrainingState(theta, arrays, replace(meta.status))
        session = cls(experiment, folder, plan, state, history, meta.best, meta.last)
        if not session._has_best():
            session.best = state.status.best = None  # the best of the epochs to come
        return session

    def run(self, stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Train to the end, or until stop() is true; yield training's events once they are on disk.

        Afterwards `status` says how it ended; run.json says the same.
        """
        started = time.perf_counter()
        try:
            self._begin()
            for event in train(self.plan, self.state, stop):
                if isinstance(event, EpochResult):
                    self._keep(event)
                yield event
            status = self.state.status
            if self.saved != (status.epoch, status.step):
                self._save()
            if status.epoch < self.plan.epochs and not status.stopped:
                self.status = "interrupted"
            else:
                self.outcome = {"test": self._test().metrics()} if self.best else {}
                early = status.stopped and status.epoch < self.plan.epochs
                self.status = "stopped_early" if early else "finished"
                if early:
                    self.outcome["reason"] = status.stopped
        except DivergedError as error:
            if self.waiting:
                atomic_write(self.folder.checkpoint("best"), to_bytes(self.waiting))
            self.status = "diverged"
            self.outcome = {"diverged": {"epoch": error.epoch, "step": error.step}}
            raise
        finally:
            self.history["seconds"] = round(self.history["seconds"] + time.perf_counter() - started, 3)
            if self.status != "running":
                self.folder.write_record(self.record())
            else:  # an error is on its way out, and is what the user should hear of
                self.status = "failed"
                with contextlib.suppress(OSError):
                    self.folder.write_record(self.record())

    def record(self) -> dict[str, Any]:
        """Return what run.json says at this moment."""
        data = self.plan.data
        return {
            "status": self.status,
            **self.history,
            **({} if self.status == "running" else {"ended": _now()}),
            "epochs": self.state.status.epoch,
            "seed": self.experiment.seed,
            "parameters": self.plan.objective.layout.size,
            "best": self.best,
            "final": self.last,
            **self.outcome,
            "data": {"name": data.name, "sha256": dict(data.sha256)},
            **environment(),
            "experiment": self.experiment.to_dict(),
        }

    def _begin(self) -> None:
        """Bring the folder to the state of `position`, from which the run can be resumed.

        The record comes last: a folder that says it is a run can be resumed.
        """
        self.folder.prepare()
        values = self.experiment.to_dict()
        text = yaml.safe_dump(values, sort_keys=False, default_flow_style=None, allow_unicode=True)
        atomic_write(self.folder.config, text.encode())
        metrics.cut_back(self.folder.metrics, self.state.status.epoch, columns_of(self.experiment))
        self._save()
        self.folder.write_record(self.record())

    def _keep(self, event: EpochResult) -> None:
        """Put an epoch on disk: its row, its checkpoints; the last checkpoint is what makes it so.

        Where epochs are so short that saving each would take longer than training it, some wait for the next save.
        """
        self.folder.check_lock()
        row = row_of(event, columns_of(self.experiment))
        metrics.append_row(self.folder.metrics, row)
        if event.train:
            self.last = {key: value for key, value in row.items() if key.startswith(("epoch", "train_", "val_"))}
        self.layers = event.layers
        if event.is_best:
            self.best = self.last
        if time.perf_counter() >= self.next_save:
            self._save(best=event.is_best)
        elif event.is_best:
            self.waiting = self._checkpoint(copy=True)

    def _save(self, best: bool = False) -> None:
        """Write the last checkpoint, and the best one if this is it, or if it has been waiting to be written."""
        self.folder.check_lock()
        started = time.perf_counter()
        metrics.sync(self.folder.metrics)
        data = to_bytes(self._checkpoint())
        if best:
            atomic_write(self.folder.checkpoint("best"), data)
        elif self.waiting:
            atomic_write(self.folder.checkpoint("best"), to_bytes(self.waiting))
        self.waiting = None
        atomic_write(self.folder.checkpoint("last"), data)
        ended = time.perf_counter()
        self.next_save = ended + SAVING_PAUSE * (ended - started)
        self.saved = (self.state.status.epoch, self.state.status.step)

    def _checkpoint(self, copy: bool = False) -> Checkpoint:
        """Return where the run stands, as arrays of its own if they are to be kept while training goes on."""
        state = self.state
        meta = Meta(
            experiment=self.experiment.to_dict(),
            status=replace(state.status),
            best=self.best,
            last=self.last,
            versions=versions(),
        )
        theta = state.theta.copy() if copy else state.theta
        arrays = {name: array.copy() for name, array in state.arrays.items()} if copy else state.arrays
        return Checkpoint(meta, self.plan.objective.layout.named(theta), arrays)

    def _has_best(self) -> bool:
        """Whether the best checkpoint is there and is one of this network."""
        try:
            parameters = read_checkpoint(self.folder.checkpoint("best")).parameters
            theta_of(self.experiment, self.plan.objective.layout, parameters)
        except CheckpointError:
            return False
        return True

    def _test(self) -> Score:
        """Evaluate the best checkpoint on the test split."""
        checkpoint = read_checkpoint(self.folder.checkpoint("best"))
        theta = evaluated_theta(self.experiment, self.plan.objective.layout, checkpoint)
        data = self.plan.data
        estimator = self.plan.objective.estimator
        return Evaluator(estimator, theta, data.scale, data.task, self.plan.workers).score(data.test)


def columns_of(e: Experiment) -> tuple[str, ...]:
    """Return the columns of metrics.csv."""
    names = ("cost", *e.task.metric_names)
    return (
        "epoch",
        *(f"{split}_{name}" for split in ("train", "val") for name in names),
        "eta",
        "seconds",
        *(("mistakes",) if e.cost.counts_mistakes else ()),
        *(
            f"{name}_{number}"
            for number, activation in enumerate(e.activations, start=1)
            for name in (diagnostics_of(ACTIVATIONS[activation]) if e.diagnostics else ())
        ),
    )


def row_of(event: EpochResult, columns: Sequence[str]) -> metrics.Row:
    """Return the row of metrics.csv for an epoch."""
    scores = {"train": event.train, "val": event.validation}
    values = {
        "epoch": event.epoch,
        **{f"{name}_{key}": value for name, score in scores.items() if score for key, value in score.metrics().items()},
        "eta": event.eta,
        "seconds": event.seconds,
        "mistakes": event.mistakes,
        **{f"{name}_{l}": value for l, layer in enumerate(event.layers, 1) for name, value in asdict(layer).items()},
    }
    return {column: values.get(column) for column in columns}


def environment() -> dict[str, Any]:
    """Return what besides the experiment decides the bits of a run."""
    return {"versions": versions(), "blas": blas_info(), "platform": platform.platform()}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
