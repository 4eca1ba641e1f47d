"""A run from start or resume to its end: training's events on their way to the user, kept in the run's folder."""

from __future__ import annotations

import contextlib
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import scipy
import yaml

from backprop_cli import __version__
from backprop_cli.config.load import override_experiment
from backprop_cli.config.schema import Experiment
from backprop_cli.data.dataset import Dataset
from backprop_cli.errors import CheckpointError, ConfigError, DivergedError
from backprop_cli.experiment import build_network, build_plan, initial_position, theta_of_layers
from backprop_cli.files import atomic_write
from backprop_cli.nn.arrays import Array
from backprop_cli.runs import metrics
from backprop_cli.runs.checkpoint import Checkpoint, Figures, Meta, read_checkpoint, to_bytes
from backprop_cli.runs.folder import RunFolder
from backprop_cli.training.evaluation import Evaluator, Score
from backprop_cli.training.loop import EpochResult, Position, Progress, train
from backprop_cli.training.step import Plan
from backprop_cli.training.threads import blas_info


def versions() -> dict[str, str]:
    """Return the versions that decide the bits of a run."""
    return {
        "backprop": __version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "python": platform.python_version(),
    }


@dataclass
class Session:
    """One sitting of a run: `run()` trains from `position` on and keeps the folder up to date.

    `history` holds what run.json keeps of earlier sittings: when and how the run was started, the seconds it took.
    """

    experiment: Experiment
    folder: RunFolder
    plan: Plan
    position: Position
    history: dict[str, Any]
    best: Figures | None = None
    last: Figures | None = None
    status: str = "running"
    outcome: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def start(
        cls, experiment: Experiment, data: Dataset, claim: Callable[[], RunFolder], argv: Sequence[str]
    ) -> Session:
        """Return the first session of a run; its folder is claimed once all that could fail before has not."""
        plan = build_plan(experiment, data)
        position = initial_position(experiment, plan)
        history = {"argv": list(argv), "started": _now(), "seconds": 0.0}
        return cls(experiment, claim(), plan, position, history)

    @classmethod
    def resume(
        cls, experiment: Experiment, data: Dataset, folder: RunFolder, checkpoint: Checkpoint, argv: Sequence[str]
    ) -> Session:
        """Return a session that goes on from a checkpoint, under an experiment that may have more epochs.

        Raises CheckpointError if the checkpoint's arrays are not those of the experiment.
        """
        plan = build_plan(experiment, data)
        theta = theta_of_layers(experiment, plan.objective.network, checkpoint.layers)
        memory = {name: array.copy() for name, array in checkpoint.memory.items()}
        expected = plan.optimizer.init(theta)
        if {n: (a.shape, a.dtype) for n, a in memory.items()} != {n: (a.shape, a.dtype) for n, a in expected.items()}:
            raise CheckpointError("its optimizer arrays are not those of the experiment")
        meta, record = checkpoint.meta, folder.read_record()
        history: dict[str, Any] = {key: record[key] for key in ("argv", "started", "seconds") if key in record}
        history |= {"resumed": _now(), "resume_argv": list(argv)}
        if not isinstance(history.get("seconds"), int | float):
            history["seconds"] = 0.0
        position = Position(theta, memory, meta.epoch, meta.step, meta.seconds)
        session = cls(experiment, folder, plan, position, history, meta.best, meta.last)
        if not session._has_best():
            session.best = None
        return session

    def run(self, stop: Callable[[], bool] = lambda: False) -> Iterator[Progress | EpochResult]:
        """Train to the end, or until stop() is true; yield training's events once they are on disk.

        Afterwards `status` says how it ended; run.json says the same.
        """
        started = time.perf_counter()
        try:
            self._begin()
            for event in train(self.plan, self.position, stop):
                if isinstance(event, EpochResult):
                    self._keep(event)
                yield event
            if self.position.epoch < self.plan.epochs:
                self.status = "interrupted"
                self._save()
            else:
                self.outcome = {"test": asdict(self._test())} if self.best else {}
                self.status = "finished"
        except DivergedError as error:
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
        data, network = self.plan.data, self.plan.objective.network
        return {
            "status": self.status,
            **self.history,
            **({} if self.status == "running" else {"ended": _now()}),
            "epochs": self.position.epoch,
            "seed": self.experiment.seed,
            "parameters": network.n_parameters,
            "best": self.best and self.best.model_dump(),
            "final": self.last and self.last.model_dump(),
            **self.outcome,
            "data": {"name": data.name, "sha256": dict(data.sha256)},
            **environment(),
        }

    def _begin(self) -> None:
        """Bring the folder to the state of `position`, from which the run can be resumed.

        The record comes last: a folder that says it is a run can be resumed.
        """
        self.folder.prepare()
        values = self.experiment.to_dict()
        text = yaml.safe_dump(values, sort_keys=False, default_flow_style=None, allow_unicode=True)
        atomic_write(self.folder.config, text.encode())
        metrics.cut_back(self.folder.metrics, self.position.epoch)
        self._save()
        self.folder.write_record(self.record())

    def _keep(self, event: EpochResult) -> None:
        """Put an epoch on disk: its row, its checkpoints; the last checkpoint is what makes it so."""
        row = row_of(event)
        metrics.append_row(self.folder.metrics, row)
        self.last = Figures.model_validate({key: row[key] for key in Figures.model_fields})
        if improved := _is_better(self.last, self.best):
            self.best = self.last
        self._save(best=improved)

    def _save(self, best: bool = False) -> None:
        """Write the last checkpoint, and the best one if this is it."""
        position = self.position
        layers = self.plan.objective.network.layers(position.theta)
        meta = Meta(
            experiment=self.experiment.to_dict(),
            epoch=position.epoch,
            step=position.step,
            seconds=position.seconds,
            best=self.best,
            last=self.last,
            versions=versions(),
        )
        data = to_bytes(Checkpoint(meta, [(layer.W, layer.b) for layer in layers], position.memory))
        for which in ("best", "last") if best else ("last",):
            atomic_write(self.folder.checkpoint(which), data)

    def _has_best(self) -> bool:
        """Whether the best checkpoint is there and is one of this network."""
        try:
            layers = read_checkpoint(self.folder.checkpoint("best")).layers
            theta_of_layers(self.experiment, self.plan.objective.network, layers)
        except CheckpointError:
            return False
        return True

    def _test(self) -> Score:
        """Evaluate the best checkpoint on the test split."""
        checkpoint = read_checkpoint(self.folder.checkpoint("best"))
        theta = theta_of_layers(self.experiment, self.plan.objective.network, checkpoint.layers)
        return Evaluator(self.plan.objective, theta, self.plan.data.scale).score(self.plan.data.test)


def _is_better(figures: Figures, best: Figures | None) -> bool:
    """Whether the validation accuracy is higher than the best one; without validation, the last epoch is best."""
    if best is None or figures.val_accuracy is None or best.val_accuracy is None:
        return True
    return figures.val_accuracy > best.val_accuracy


def row_of(event: EpochResult) -> metrics.Row:
    """Return the row of metrics.csv for an epoch."""
    validation = event.validation
    return {
        "epoch": event.epoch,
        "train_cost": event.train.cost,
        "train_accuracy": event.train.accuracy,
        "val_cost": validation.cost if validation else None,
        "val_accuracy": validation.accuracy if validation else None,
        "eta": event.eta,
        "seconds": event.seconds,
    }


def environment() -> dict[str, Any]:
    """Return what besides the experiment decides the bits of a run."""
    return {"versions": versions(), "blas": blas_info(), "platform": platform.platform()}


def experiment_of(checkpoint: Checkpoint, origin: str, epochs: int | None = None) -> Experiment:
    """Return the experiment inside a checkpoint, with another number of epochs if one is given."""
    overrides = [] if epochs is None else [f"epochs={epochs}"]
    try:
        return override_experiment(checkpoint.meta.experiment, overrides, origin)
    except ConfigError as error:
        raise CheckpointError(f"{origin}: its experiment cannot be run\n" + "\n".join(error.problems)) from error


def load_network(checkpoint: Checkpoint, origin: str) -> tuple[Experiment, Array]:
    """Return the experiment inside a checkpoint and its theta."""
    experiment = experiment_of(checkpoint, origin)
    try:
        return experiment, theta_of_layers(experiment, build_network(experiment), checkpoint.layers)
    except CheckpointError as error:
        raise CheckpointError(f"{origin}: {error}") from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
