"""A trained network, read from a checkpoint: the single place where trained networks are applied to examples."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from backprop_cli.config.schema import Experiment
from backprop_cli.data.dataset import Dataset, Split
from backprop_cli.engine.threads import limit_threads
from backprop_cli.errors import CheckpointError, RunError, UsageError
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.network import Network
from backprop_cli.runs.build import build_network, build_objective, threads_of
from backprop_cli.runs.checkpoint import read_checkpoint
from backprop_cli.runs.folder import RunFolder, find_run
from backprop_cli.runs.restore import load_network
from backprop_cli.training.evaluation import Evaluator, outputs_of


@contextmanager
def blas_threads(e: Experiment) -> Iterator[None]:
    """Limit BLAS to the number of threads of an experiment."""
    with limit_threads(threads_of(e)):
        yield


@dataclass(frozen=True)
class Model:
    """The network of a checkpoint: the experiment, the parameters `theta` and the epoch they are from."""

    path: Path
    epoch: int
    experiment: Experiment = field(repr=False)
    theta: Array = field(repr=False)

    @classmethod
    def load(cls, path: Path) -> Model:
        """Return the network in a checkpoint file. Raises CheckpointError."""
        checkpoint = read_checkpoint(path)
        return cls(path, checkpoint.meta.status.epoch, *load_network(checkpoint, str(path)))

    @property
    def network(self) -> Network:
        """The layers without their parameters."""
        return build_network(self.experiment)

    def apply(self, x: Array) -> Array:
        """Return the outputs (n, n_L) for inputs x (n, n_0), scaled as in training."""
        with blas_threads(self.experiment):
            return outputs_of(self.network, self.theta, np.asarray(x, self.theta.dtype))

    def outputs(self, x: Array) -> Array:
        """Return the outputs (n, n_L) for inputs x (n, n_0) in the units of the data set, such as pixels."""
        return self.apply(np.asarray(x, self.theta.dtype) * np.asarray(self.experiment.dataset.scale, self.theta.dtype))

    def outputs_and_cost(self, data: Dataset, examples: Split) -> tuple[Array, float]:
        """Return the outputs (n, n_L) for the examples and their mean cost, computed as during training."""
        with blas_threads(self.experiment):
            evaluator = Evaluator(build_objective(self.experiment).estimator, self.theta, data.scale, data.task)
            return evaluator.outputs(examples)


def load_model(text: str, runs_dir: Path, checkpoint: str = "best") -> Model:
    """Return the network that a user names: a checkpoint file, or a run (see `find_run`) and `best` or `last`.

    Raises UsageError if there is no such run, RunError if it has no such checkpoint yet, CheckpointError if the file
    is damaged.
    """
    if Path(text).is_file():
        return Model.load(Path(text))
    return load_checkpoint(find_run(text, runs_dir), checkpoint)


def load_checkpoint(folder: RunFolder, checkpoint: str = "best") -> Model:
    """Return the network in the `best` or `last` checkpoint of a run. Raises RunError or CheckpointError."""
    if checkpoint not in ("best", "last"):
        raise UsageError(f"checkpoint {checkpoint!r}: use 'best' or 'last'")
    path = folder.checkpoint(checkpoint)
    try:
        return Model.load(path)
    except CheckpointError:
        record = folder.read_record()
        if not path.exists() and record.get("epochs") == 0:
            status = record.get("status")
            diverged = " (training diverged in the first epoch)" if status == "diverged" else ""
            raise RunError(f"{folder.path}: no epoch was completed{diverged}, so there is no {path.name}") from None
        raise
