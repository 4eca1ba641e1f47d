"""From a checkpoint back to an experiment and a trained network, and the only place that applies one to examples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field, replace
from pathlib import Path

import numpy as np

from backprop_cli.config.load import override_experiment
from backprop_cli.data.dataset import Dataset
from backprop_cli.data.tasks import Regression, Task
from backprop_cli.errors import CheckpointError, ConfigError, RunError, UsageError
from backprop_cli.experiment.schema import Experiment
from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.network import Network
from backprop_cli.nn.parameters import Layout
from backprop_cli.runs.build import build_network, build_objective, limit_blas, theta_of
from backprop_cli.runs.checkpoint import Checkpoint, read_checkpoint
from backprop_cli.runs.folder import RunFolder, find_run
from backprop_cli.threads import choose_workers
from backprop_cli.training.evaluation import Evaluator, outputs_of, rows_at_once
from backprop_cli.training.state import AVERAGE

PARTS = 16
"""Parts of so many times the rows of a product are predicted at a time."""


def experiment_of(checkpoint: Checkpoint, origin: str, epochs: int | None = None) -> Experiment:
    """Return the experiment inside a checkpoint, with another number of epochs if one is given."""
    overrides = [] if epochs is None else [f"epochs={epochs}"]
    try:
        return override_experiment(checkpoint.meta.experiment, overrides, origin, known=checkpoint.meta.data)
    except ConfigError as error:
        raise CheckpointError(f"{origin}: its experiment cannot be run\n" + "\n".join(error.problems)) from error


def evaluated_theta(experiment: Experiment, layout: Layout, checkpoint: Checkpoint) -> Array:
    """Return the parameters of a checkpoint to evaluate: the average over the steps, or else theta.

    Raises CheckpointError if its arrays do not fit the layout.
    """
    theta = theta_of(experiment, layout, checkpoint.parameters)
    average = checkpoint.arrays.get(AVERAGE, theta)
    if average.shape != theta.shape:
        raise CheckpointError(f"its {AVERAGE} is not that of the network")
    with np.errstate(over="ignore"):
        average = average.astype(theta.dtype, copy=False)
    if not np.isfinite(average).all():
        raise CheckpointError(f"its {AVERAGE} is not finite")
    return average


def load_network(checkpoint: Checkpoint, origin: str) -> tuple[Experiment, Array]:
    """Return the experiment inside a checkpoint and the theta to be evaluated."""
    experiment = experiment_of(checkpoint, origin)
    try:
        return experiment, evaluated_theta(experiment, build_network(experiment).layout, checkpoint)
    except CheckpointError as error:
        raise CheckpointError(f"{origin}: {error}") from error


@frozen
class Model:
    """The network of a checkpoint: the experiment, the parameters `theta` and the epoch they are from.

    With `layer`, from 1, its outputs are what leaves that layer.
    """

    path: Path
    epoch: int
    experiment: Experiment = field(repr=False)
    theta: Array = field(repr=False)
    layer: int | None = None

    @classmethod
    def load(cls, path: Path) -> Model:
        """Return the network in a checkpoint file. Raises CheckpointError."""
        checkpoint = read_checkpoint(path)
        return cls(path, checkpoint.meta.status.epoch, *load_network(checkpoint, str(path)))

    @property
    def network(self) -> Network:
        """The layers without their parameters."""
        return build_network(self.experiment)

    @property
    def task(self) -> Task:
        """What the outputs mean: those of a layer are plain values."""
        return Regression(self.network.units_of(self.layer)) if self.layer else self.experiment.task

    @property
    def value_names(self) -> list[str]:
        """The names of the outputs, where they are values."""
        data, n = self.experiment.data, self.task.outputs
        if self.layer:
            return [f"code_{k}" for k in range(1, n + 1)]
        inputs = data.preprocessing.inputs if data.preprocessing and self.task.reconstructs else ()
        names = data.targets or inputs or range(1, n + 1)
        return ["prediction"] if n == 1 else [f"prediction_{name}" for name in names]

    def at_layer(self, layer: int | None) -> Model:
        """Return the network up to a layer, from 1. Raises UsageError if there is none."""
        last = len(self.network.units)
        if layer is not None and not 1 <= layer <= last:
            raise UsageError(f"layer {layer}: {self.path} has the layers 1 to {last}")
        return replace(self, layer=layer)

    def apply(self, x: Array) -> Array:
        """Return the outputs (n, n_L) for inputs x (n, n_0), scaled as in training."""
        with limit_blas(self.experiment):
            return outputs_of(self.network, self.theta, np.asarray(x, self.theta.dtype), self.layer)

    def apply_in_parts(self, parts: Iterable[Array]) -> Array:
        """Return the outputs (n, n_L) for inputs in parts (m, n_0), with the bits of `apply` for all at once."""
        rows = PARTS * rows_at_once(self.network)  # products of another number of rows may have other bits
        waiting: list[Array] = []
        found: list[Array] = []
        for part in parts:
            waiting.append(part)
            if (n := sum(map(len, waiting))) >= rows:
                x = np.concatenate(waiting)
                whole = n - n % rows
                found.append(self.apply(x[:whole]))
                waiting = [x[whole:]]
        return np.concatenate([*found, self.apply(np.concatenate(waiting))])

    def outputs(self, x: Array) -> Array:
        """Return the outputs (n, n_L) for inputs x (n, n_0) in the units of the data set, such as pixels."""
        data, dtype = self.experiment.data, self.theta.dtype
        return self.apply(data.fed(np.asarray(x, dtype), data.scale))

    def evaluator(self, data: Dataset) -> Evaluator:
        """Return what evaluates the network on splits of the data, as during training."""
        estimator, workers = build_objective(self.experiment, data).estimator, choose_workers(self.experiment.threads)
        return Evaluator(estimator, self.theta, data.scale, data.task, workers)


def load_model(text: str, runs_dir: Path, checkpoint: str = "best") -> Model:
    """Return the network that a user names: a checkpoint file, or a run (see `find_run`) and one of its checkpoints.

    Raises UsageError if there is no such run, RunError if it has no such checkpoint yet, CheckpointError if the file
    is damaged.
    """
    path = Path(text)
    return Model.load(path) if path.is_file() else load_checkpoint(find_run(text, runs_dir), checkpoint)


def load_checkpoint(folder: RunFolder, checkpoint: str = "best") -> Model:
    """Return the network in a checkpoint of a run: `best`, `last`, or the number of an epoch that was kept.

    Raises UsageError if there is no such checkpoint, RunError or CheckpointError.
    """
    kept = [str(epoch) for epoch in folder.kept_epochs()]
    if checkpoint not in ("best", "last", *kept):
        epochs = f"a kept epoch ({', '.join(kept)})" if kept else "train with keep_epochs to keep other epochs"
        raise UsageError(f"checkpoint {checkpoint!r}: use 'best' or 'last', or {epochs}")
    path = folder.checkpoint(checkpoint)
    try:
        return Model.load(path)
    except CheckpointError:
        record = folder.read_record()
        if not path.exists() and record.get("epochs") == 0:
            status = record.get("status")
            diverged = " (training diverged in the first epoch)" if status == "diverged" else ""
            raise RunError(f"{folder.path}: no epoch was completed{diverged}, so there is no {path.name}") from None
        if not path.exists() and checkpoint == "best" and not record.get("best"):
            raise RunError(f"{folder.path}: no epoch was evaluated yet; choose the last checkpoint") from None
        raise
