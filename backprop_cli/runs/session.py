"""A run from start or resume to its end: the events of training, saved in the run's folder before they are yielded."""

from __future__ import annotations

import contextlib
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import yaml

from backprop_cli import __version__
from backprop_cli.advice.learning import LearningWatch, Notice
from backprop_cli.errors import CheckpointError, DataError, DivergedError
from backprop_cli.experiment.schema import Experiment
from backprop_cli.files import atomic_write
from backprop_cli.nn.arrays import Array
from backprop_cli.runs import metrics
from backprop_cli.runs.build import cost_of, find_eta
from backprop_cli.runs.checkpoint import Checkpoint, Meta, Metrics, read_checkpoint, to_bytes
from backprop_cli.runs.folder import RunFolder
from backprop_cli.runs.model import Model, evaluated_theta
from backprop_cli.runs.pretraining import Pretraining
from backprop_cli.runs.rows import columns_of, row_of
from backprop_cli.scipy_parts import part_of_scipy
from backprop_cli.threads import blas_info
from backprop_cli.training.diagnostics import LayerState
from backprop_cli.training.loop import EpochResult, Event, Stepper, Waiting, train
from backprop_cli.training.plan import Plan
from backprop_cli.training.state import TrainingState


def versions() -> dict[str, str]:
    """Return the versions that decide the bits of a run."""
    return {
        "backprop": __version__,
        "numpy": np.__version__,
        "scipy": part_of_scipy("scipy.version", public="scipy.version").version,
        "python": platform.python_version(),
    }


SAVING_PAUSE = 9
"""After a save, the next waits for so many times as long as that took: saving takes a tenth of the time at most."""


@dataclass
class Session:
    """A run from its start, or where it is resumed: `run()` trains from `state` on and keeps the folder up to date.

    `history` is what run.json keeps of earlier sessions: when and how the run was started, the seconds it took. A run
    that is `one_of_many` skips the test split, which is for the best of them, and searches no better learning rate.
    `pretraining` are the phases that come before; steps may be made by a `stepper`, together with those of other runs.
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
    columns: Sequence[str] = ()
    waiting: Checkpoint | None = None
    status: str = "running"
    one_of_many: bool = False
    pretraining: Pretraining | None = None
    stepper: Stepper | None = None
    warnings: list[str] = field(default_factory=list)
    outcome: dict[str, Any] = field(default_factory=dict)

    def run(self, stop: Callable[[], bool] = lambda: False, until: int | None = None) -> Iterator[Event | Notice]:
        """Train to the end, until stop() is true or after the epoch `until`; yield events once they are on disk.

        A Notice follows when it is found that the network learns nothing. Afterwards `status` says how training ended;
        run.json says the same.
        """
        started = time.perf_counter()
        watch, evaluated = LearningWatch(self.plan, self.suggest_eta), None
        try:
            self._begin()
            for event in self._events(stop):
                if isinstance(event, EpochResult):
                    self._keep(event)
                paused = time.perf_counter()
                yield event
                if isinstance(event, Waiting) and self.stepper:  # of this time, only a share was for this run
                    others = time.perf_counter() - paused - (self.stepper.seconds or 0.0)
                    started, self.next_save = started + others, self.next_save + others
                if isinstance(event, EpochResult) and event.train and not event.phase:
                    evaluated = event
                    yield from self._notices(watch.during(event, self.state.evaluated_theta))
                if until and self.state.status.epoch >= until:
                    break
            status = self.state.status
            if evaluated and (status.epoch >= self.plan.last or status.stopped):
                yield from self._notices(watch.after(evaluated, self.state.evaluated_theta))
            if self.saved != (status.epoch, status.step):
                self._save()
            if status.epoch < self.plan.last and not status.stopped:
                self.status = "interrupted"
            else:
                tested = self.best and not self.one_of_many and len(self.plan.data.test)
                self.outcome = {"test": self._test()} if tested else {}
                early = status.stopped and status.epoch < self.plan.last
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
            else:  # an error is being raised, and is what the user should see
                self.status = "failed"
                with contextlib.suppress(OSError):
                    self.folder.write_record(self.record())

    def _events(self, stop: Callable[[], bool]) -> Iterator[Event]:
        """Train the layers one after another, if the experiment says so, and then all of them."""
        if self.pretraining:
            yield from self.pretraining.events(stop, self._keep_pretrained)
            if self.pretraining.now:
                return
        yield from train(self.plan, self.state, stop, self.stepper)

    def suggest_eta(self) -> float | None:
        """Return a learning rate for this experiment, found by a range test; None if none works, or none is needed."""
        if self.plan.optimizer.line_search or self.one_of_many:
            return None
        with contextlib.suppress(DataError):  # the run that this one started from is missing
            return find_eta(self.experiment, self.plan.data).suggestion
        return None

    def _notices(self, notice: Notice | None) -> Iterator[Notice]:
        if notice:
            self.warnings.append(notice.text)
            yield notice

    def record(self) -> dict[str, Any]:
        """Return what run.json says at this moment."""
        data = self.plan.data
        return {
            "status": self.status,
            **self.history,
            **({} if self.status == "running" else {"ended": now()}),
            "epochs": self.state.status.epoch,
            **({"pretraining": self.plan.offset} if self.plan.offset else {}),
            **({"phase": way.phase.name} if self.pretraining and (way := self.pretraining.now) else {}),
            "seed": self.experiment.seed,
            "parameters": self.plan.objective.layout.size,
            "best": self.best,
            "final": self.last,
            "warnings": self.warnings,
            **self.outcome,
            **({"cost": vars(cost)} if (cost := cost_of(self.experiment, data)) != self.experiment.cost else {}),
            "data": {"name": data.name, "sha256": dict(data.sha256)},
            **environment(),
            "experiment": self._values,
        }

    def _begin(self) -> None:
        """Bring the folder to the state from which the run can be resumed.

        The record comes last: a folder that says it is a run can be resumed.
        """
        self.folder.prepare()
        text = yaml.safe_dump(self._values, sort_keys=False, default_flow_style=None, allow_unicode=True)
        atomic_write(self.folder.config, text.encode())
        status = self.state.status
        begun = bool(status.epoch or status.step)
        self.columns = metrics.cut_back(self.folder.metrics, status.epoch if begun else -1, columns_of(self.experiment))
        for epoch in self.folder.kept_epochs():
            if epoch > status.epoch:
                self.folder.checkpoint(str(epoch)).unlink()
        if not begun:
            self._keep_checkpoint(0)
        self._save()
        self.folder.write_record(self.record())

    def _keep(self, event: EpochResult) -> None:
        """Put an epoch on disk: its row, its checkpoints; the last checkpoint is what makes it so.

        Where epochs are so short that saving each would take longer than training it, some wait for the next save.
        Of epoch 0, before training, there is only the row.
        """
        self.folder.check_lock()
        row = row_of(event, self.columns)
        metrics.append_row(self.folder.metrics, row)
        if not event.epoch:
            return
        if event.train:
            own = columns_of(self.experiment, ()) if self.pretraining and not event.phase else row
            kept = {key: row[key] for key in own if key.startswith(("epoch", "train_", "val_"))}
            self.last = {key: value for key, value in kept.items() if not isinstance(value, str)}
        self.layers = event.layers
        if event.is_best:
            self.best = self.last
        self._keep_checkpoint(event.epoch)
        if time.perf_counter() >= self.next_save:
            self._save(best=event.is_best)
        elif event.is_best:
            self.waiting = self._checkpoint().copied()

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

    def _keep_checkpoint(self, epoch: int) -> None:
        """Write the checkpoint of an epoch that the experiment asks to keep."""
        if self.experiment.keep_epochs and epoch in self.experiment.keep_epochs:
            atomic_write(self.folder.checkpoint(str(epoch)), to_bytes(self._checkpoint()))

    @cached_property
    def _values(self) -> dict[str, Any]:
        """The experiment as a config has it; to make it takes as long as an epoch of a small table."""
        return self.experiment.to_dict()

    def _checkpoint(self) -> Checkpoint:
        """Return where the run stands; the arrays are those that training changes."""
        status = replace(self.state.status)
        arrays = self.pretraining.arrays if self.pretraining else self.state.arrays
        known = self.experiment.data if self.experiment.dataset.origin == "files" else None
        meta = Meta(
            experiment=self._values, status=status, best=self.best, last=self.last, versions=versions(), data=known
        )
        return Checkpoint(meta, self.plan.objective.layout.named(self.state.theta), arrays)

    def _keep_pretrained(self, arrays: Mapping[str, Array]) -> None:
        """Write what the phases so far have trained, with what those before have left in the file."""
        path, earlier = self.folder.checkpoint("pretrained"), dict[str, Array]()
        with contextlib.suppress(CheckpointError):
            earlier = read_checkpoint(path).parameters
        atomic_write(path, to_bytes(Checkpoint(self._checkpoint().meta, {**earlier, **arrays})))

    def _test(self) -> Metrics:
        """Return the metrics of the best checkpoint on the test split, and the lowest cost that it allows if not 0."""
        path, data = self.folder.checkpoint("best"), self.plan.data
        checkpoint = read_checkpoint(path)
        theta = evaluated_theta(self.experiment, self.plan.objective.layout, checkpoint)
        evaluator = Model(path, checkpoint.meta.status.epoch, self.experiment, theta).evaluator(data)
        floor = evaluator.floor(data.test)
        found = evaluator.score(data.test, data.task.further).metrics()
        return {**found, **({} if floor is None else {"floor": floor})}


def environment() -> dict[str, Any]:
    """Return what besides the experiment decides the bits of a run."""
    return {"versions": versions(), "blas": blas_info(), "platform": platform.platform()}


def now() -> str:
    """Return the time as a record contains it; a clock that is past the year 9999 stands at its end."""
    try:
        return datetime.now(UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError):
        return datetime.max.replace(tzinfo=UTC).isoformat(timespec="seconds")
