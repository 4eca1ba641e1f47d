"""A run's folder as one object: what was trained, how it went, and the trained network."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_cli.config.load import load_experiment, override_experiment
from backprop_cli.data.cache import Cache
from backprop_cli.data.dataset import Dataset, DataSpec, Split
from backprop_cli.errors import CheckpointError, DataError, DataWarning, RunError
from backprop_cli.experiment.schema import Experiment
from backprop_cli.listing.settings import flatten
from backprop_cli.nn.arrays import Array
from backprop_cli.results.evaluation import Evaluation, evaluate_model
from backprop_cli.results.importance import REPEATS, Importance, importance_of
from backprop_cli.results.predicting import predict_array
from backprop_cli.runs.build import changed_files, load_data
from backprop_cli.runs.checkpoint import read_checkpoint
from backprop_cli.runs.folder import RunFolder
from backprop_cli.runs.metrics import read_table
from backprop_cli.runs.model import Model, load_checkpoint
from backprop_cli.sources.registry import DATASETS


class DatasetCache:
    """The data sets of several runs, each loaded once; a failure to load is remembered too."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._known: dict[tuple[object, ...], Dataset | DataError] = {}

    def load(self, e: Experiment) -> Dataset:
        """Return the data set of an experiment. Raises DataError if it is not available."""
        key = (e.dataset, e.validation, e.train_size, e.fold, e.task, e.dtype)
        if key not in self._known:
            try:
                self._known[key] = data = load_data(e, self._cache)
                _warn_of_changes(e, data)
            except DataError as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, DataError):
            raise found
        return found


def _warn_of_changes(e: Experiment, data: Dataset) -> None:
    """Warn of files that changed after training. Raises RunError if they do not fit the network any more."""
    if not (changed := changed_files(e, data)):
        return
    if (now := data.train.inputs.shape[1]) != e.sizes[0]:
        raise RunError(f"{changed} changed since training: it gives {now} inputs now, and the network has {e.sizes[0]}")
    warnings.warn(f"{changed} changed since training; metrics are those of the changed data", DataWarning, stacklevel=2)


class Run:
    """A run: its record, config and metrics are read at once, its network and data when they are used.

    `checkpoint`, best, last or the number of an epoch that was kept, is the one whose network is used. Raises RunError
    or ConfigError if the folder is damaged.
    """

    def __init__(self, folder: RunFolder, datasets: DatasetCache, checkpoint: str = "best") -> None:
        self.folder, self.checkpoint = folder, checkpoint
        self.record: dict[str, Any] = folder.read_record()
        """What run.json contains."""
        self.config: Experiment = self._read_config()
        """The experiment, with all defaults."""
        self.table = {name: np.array(column) for name, column in read_table(folder.metrics).items()}
        """The columns of metrics.csv; NaN where there is no value. With diagnostics, epoch 0 is the first row."""
        self.metrics = {name: column[self.table["epoch"] > 0] for name, column in self.table.items()}
        """The columns of metrics.csv, each (epochs,), for the finished epochs."""
        self._datasets = datasets
        self._evaluations: dict[tuple[str, float | str | None], Evaluation] = {}

    def __repr__(self) -> str:
        return f"<Run {str(self.path)!r}, {self.status}, {len(self.epochs)} epochs>"

    @property
    def path(self) -> Path:
        """The folder."""
        return self.folder.path

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.path.resolve().name

    @property
    def status(self) -> str:
        """How training ended: finished, stopped_early, interrupted, diverged or failed; running if it has not."""
        return str(self.record.get("status", "unknown"))

    @property
    def epochs(self) -> Array:
        """The finished epochs, from 1."""
        return self.metrics["epoch"]

    @property
    def best_epoch(self) -> int | None:
        """The epoch of the best checkpoint, if there is one."""
        epoch = self.best.get("epoch")
        return int(epoch) if epoch else None

    @property
    def best(self) -> dict[str, float]:
        """The metrics of the best epoch, by the column names of metrics.csv."""
        return self._numbers("best")

    @property
    def final(self) -> dict[str, float]:
        """The metrics of the last epoch, by the column names of metrics.csv."""
        return self._numbers("final")

    @property
    def test(self) -> dict[str, float]:
        """The metrics of the best checkpoint on the test split; empty unless training is finished."""
        return self._numbers("test")

    @property
    def warnings(self) -> list[str]:
        """What was found while training: that the network learned nothing, why, and a learning rate to try."""
        return list(self.record.get("warnings") or [])

    def at(self, epoch: int) -> Run:
        """Return this run with the network of an epoch that was kept. Raises UsageError when it is used, if not."""
        return Run(self.folder, self._datasets, str(epoch))

    @cached_property
    def flat_config(self) -> dict[str, Any]:
        """The config by dotted key."""
        return flatten(self.config.to_dict())

    @cached_property
    def model(self) -> Model:
        """The network of the checkpoint. Raises RunError or CheckpointError."""
        model = load_checkpoint(self.folder, self.checkpoint)
        ours, its = (e.model_copy(update={"epochs": 1}) for e in (self.config, model.experiment))
        if ours != its:  # the number of epochs may have been increased by resume
            raise CheckpointError(
                f"{model.path}: the checkpoint belongs to another experiment than {self.folder.config}"
            )
        return model

    @property
    def theta(self) -> Array:
        """The parameters of the network as one vector."""
        return self.model.theta

    @property
    def parameters(self) -> dict[str, Array]:
        """The weights and biases of the network by name: W1 (n_1, n_0), b1 (n_1,), W2, …."""
        return self.model.network.layout.named(self.theta)

    @cached_property
    def data(self) -> Dataset:
        """The data set. Raises DataError if it is not available."""
        return self._datasets.load(self.config)

    def examples(self, split: str = "test") -> Split:
        """Return the examples of a split: train, val or test. Raises RunError if it is empty."""
        examples = self.data.split(split)
        if not len(examples):
            raise RunError(f"{self.path} has no {split} split; choose another split")
        return examples

    def evaluate(self, split: str = "test", threshold: float | str | None = None) -> Evaluation:
        """Return the metrics of the network on a split: train, val or test; see `evaluate_model` for `threshold`."""
        if (split, threshold) not in self._evaluations:
            found = evaluate_model(self.model, self._datasets.load, split, threshold)
            self._evaluations[split, threshold] = found
        return self._evaluations[split, threshold]

    def importance(self, split: str = "test", repeats: int = REPEATS, seed: int = 0) -> Importance:
        """Return how much worse the network is on a split when the values of one column are permuted.

        Raises UsageError if the inputs are images.
        """
        return importance_of(self.model, self._datasets.load, split, repeats, seed)

    def outputs(self, x: Array) -> Array:
        """Return the outputs of the network (n, n_L) for inputs x (n, n_0) in the units of the data set."""
        return self.model.outputs(x)

    def scores(self, x: Array) -> Array:
        """Return a score for each class, (n, classes), for inputs x (n, n_0); the highest is the prediction."""
        return predict_array(self.model, x).scores

    def predict(self, x: Array) -> npt.NDArray[Any]:
        """Return the predicted classes (n,), or for regression the values (n, n_L), for inputs x (n, n_0).

        The inputs are in the units of the data set: pixels of MNIST are 0 to 255.
        """
        found = predict_array(self.model, x)
        return found.labels if self.config.task.classes else found.values

    def load(self) -> Run:
        """Read the network now, so that the folder is not needed any more; return this run."""
        if self.best:
            self.model  # noqa: B018 - read and kept
        return self

    def _numbers(self, key: str) -> dict[str, float]:
        return {name: value for name, value in (self.record.get(key) or {}).items() if value is not None}

    def _known_data(self, values: Mapping[str, Any]) -> DataSpec | None:
        """Return what a checkpoint knows about data from the user's files, which may have changed or gone since."""
        dataset = values.get("dataset")
        source = DATASETS.get(str(dataset.get("name"))) if isinstance(dataset, dict) else None
        if source and source.origin == "files":
            for name in ("best", "last"):
                with suppress(CheckpointError, OSError):
                    return read_checkpoint(self.folder.checkpoint(name)).meta.data
        return None

    def _read_config(self) -> Experiment:
        if values := self.record.get("experiment"):
            return override_experiment(values, [], str(self.folder.record), known=self._known_data(values))
        return load_experiment(self.folder.config)
