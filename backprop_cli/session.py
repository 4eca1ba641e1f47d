"""A run from start or resume to its end: training's events on their way to the user, kept in the run's folder."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import yaml

from backprop_cli import __version__
from backprop_cli.config.load import override_experiment
from backprop_cli.config.schema import Experiment
from backprop_cli.data.dataset import Dataset
from backprop_cli.errors import BackpropError, CheckpointError, ConfigError, DivergedError
from backprop_cli.experiment import build_network, build_plan, initial_position, theta_of_layers
from backprop_cli.files import atomic_write
from backprop_cli.nn.arrays import Array
from backprop_cli.runs import metrics
from backprop_cli.runs.checkpoint import Best, Checkpoint, Meta, read_checkpoint, to_bytes, write_checkpoint
from backprop_cli.runs.folder import RunFolder
from backprop_cli.training.evaluation import Evaluator
from backprop_cli.training.loop import EpochResult, Position, Progress, train
from backprop_cli.training.step import Plan
from backprop_cli.training.threads import blas_info


def versions() -> dict[str, str]:
    """Return the versions that decide the bits of a run."""
    return {"backprop": __version__, "numpy": np.__version__, "python": platform.python_version()}


@dataclass
class Session:
    """One sitting of a run: `run()` trains from `position` on and keeps the folder up to date."""

    experiment: Experiment
    folder: RunFolder
    plan: Plan
    position: Position
    best: Best | None
    record: dict[str, Any]

    @classmethod
    def start(cls, experiment: Experiment, folder: RunFolder, data: Dataset) -> Session:
        """Return the first session of a run in a new folder, which then can be resumed from its beginning."""
        plan = build_plan(experiment, data)
        record = {
            "status": "running",
            "argv": sys.argv[1:],
            "started": _now(),
            "seed": experiment.seed,
            "parameters": plan.objective.network.n_parameters,
            "data": {"name": data.name, "sha256": dict(data.sha256)},
        }
        session = cls(experiment, folder, plan, initial_position(experiment, plan), None, record)
        session._begin()
        session._save()
        return session

    @classmethod
    def resume(cls, experiment: Experiment, folder: RunFolder, data: Dataset, checkpoint: Checkpoint) -> Session:
        """Return a session that goes on from a checkpoint, under an experiment that may have more epochs."""
        plan = build_plan(experiment, data)
        theta = theta_of_layers(experiment, plan.objective.network, checkpoint.layers)
        memory = {name: array.copy() for name, array in checkpoint.memory.items()}
        if {n: a.shape for n, a in memory.items()} != {n: a.shape for n, a in plan.optimizer.init(theta).items()}:
            raise CheckpointError("its optimizer arrays are not those of the experiment")
        meta = checkpoint.meta
        position = Position(theta, memory, meta.epoch, meta.step, meta.seconds)
        record = folder.read_record() | {"status": "running", "resumed": _now(), "resume_argv": sys.argv[1:]}
        metrics.cut_back(folder.metrics, meta.epoch)
        session = cls(experiment, folder, plan, position, meta.best, record)
        session._begin()
        return session

    def run(self, stop: Callable[[], bool] = lambda: False) -> Iterator[Progress | EpochResult]:
        """Train to the end, or until stop() is true; yield training's events when they are on disk.

        Afterwards `record` says how it ended; run.json says the same.
        """
        started = time.perf_counter()
        status = "failed"
        try:
            for event in train(self.plan, self.position, stop):
                if isinstance(event, EpochResult):
                    self._keep(event)
                yield event
            status = "finished" if self.position.epoch >= self.plan.epochs else "interrupted"
            if status == "interrupted":
                self._save()
            elif self.best is not None:
                self.record["test"] = asdict(self._test())
        except DivergedError as error:
            status = "diverged"
            self.record["diverged"] = {"epoch": error.epoch, "step": error.step}
            raise
        finally:
            self._end(status, time.perf_counter() - started)

    def _begin(self) -> None:
        """Write down what is known before the first step."""
        self.record |= {"versions": versions(), "blas": blas_info(), "platform": platform.platform()}
        text = yaml.safe_dump(self.experiment.to_dict(), sort_keys=False, default_flow_style=None, allow_unicode=True)
        atomic_write(self.folder.config, text.encode())
        self.folder.write_record(self.record)

    def _keep(self, event: EpochResult) -> None:
        """Put an epoch on disk: its row, its checkpoints; the last checkpoint is what makes it so."""
        row = row_of(event)
        metrics.append_row(self.folder.metrics, row)
        self.record["final"] = row
        improved = self._is_better(event)
        if improved:
            self.best = Best.model_validate({key: row[key] for key in Best.model_fields})
            self.record["best"] = self.best.model_dump()
        self._save(best=improved)

    def _is_better(self, event: EpochResult) -> bool:
        """Whether this epoch has the highest validation accuracy; without validation, the last epoch is best."""
        if self.best is None or event.validation is None or self.best.val_accuracy is None:
            return True
        return event.validation.accuracy > self.best.val_accuracy

    def _save(self, best: bool = False) -> None:
        position = self.position
        layers = self.plan.objective.network.layers(position.theta)
        meta = Meta(
            experiment=self.experiment.to_dict(),
            epoch=position.epoch,
            step=position.step,
            seconds=position.seconds,
            best=self.best,
            versions=versions(),
        )
        data = to_bytes(Checkpoint(meta, [(layer.W, layer.b) for layer in layers], position.memory))
        if best:
            write_checkpoint(self.folder.checkpoint("best"), data)
        write_checkpoint(self.folder.checkpoint("last"), data)

    def _test(self) -> Any:
        """Evaluate the best checkpoint on the test split."""
        checkpoint = read_checkpoint(self.folder.checkpoint("best"))
        theta = theta_of_layers(self.experiment, self.plan.objective.network, checkpoint.layers)
        data = self.plan.data
        return Evaluator(self.plan.objective, theta, data.scale).score(data.test)

    def _end(self, status: str, seconds: float) -> None:
        before = self.record.get("seconds", 0.0)
        self.record |= {"status": status, "ended": _now(), "seconds": round(before + seconds, 3)}
        self.record["epochs"] = self.position.epoch
        self.folder.write_record(self.record)


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
    except BackpropError as error:
        raise CheckpointError(f"{origin}: {error}") from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
