"""A run after the fact: what its folder says, and what its network makes of the data, each read when asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from backprop_cli.config.load import load_experiment, override_experiment
from backprop_cli.config.schema import Experiment
from backprop_cli.data.cache import Cache
from backprop_cli.data.dataset import Dataset, Split
from backprop_cli.data.tasks import Classification, codes_of
from backprop_cli.errors import CheckpointError, DataError, RunError
from backprop_cli.experiment import batch_size, build_network, build_objective, load_data
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.network import Dense, forward
from backprop_cli.restore import load_network
from backprop_cli.runs.checkpoint import read_checkpoint
from backprop_cli.runs.folder import RunFolder
from backprop_cli.runs.metrics import read_table
from backprop_cli.training.evaluation import Evaluator
from backprop_cli.training.threads import choose_threads, limit_threads


class Shelf:
    """The data sets of several runs: each is loaded once, or found once not to be had."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._known: dict[tuple[object, ...], Dataset | DataError] = {}

    def load(self, e: Experiment) -> Dataset:
        """Return the data set of an experiment. Raises DataError if it is not to be had."""
        key = (e.dataset, e.validation, e.train_size, e.targets)
        if key not in self._known:
            try:
                self._known[key] = load_data(e, self._cache)
            except DataError as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, DataError):
            raise found
        return found


class Result:
    """A run's folder, read: its record, experiment and metrics at once; network, data and outputs when asked for.

    `which` checkpoint, best or last, is looked at, on the `split` train, val or test.
    Raises RunError or ConfigError if the folder is not as a run leaves it.
    """

    def __init__(self, folder: RunFolder, shelf: Shelf, which: str = "best", split: str = "test") -> None:
        self.folder, self.which, self.split = folder, which, split
        self.name = folder.path.resolve().name
        self.record = folder.read_record()
        self.experiment = self._experiment()
        self.table = {name: np.array(column) for name, column in read_table(folder.metrics).items()}
        self._shelf = shelf

    @property
    def epochs(self) -> Array:
        """The epochs that are done, from 1."""
        return self.table["epoch"]

    @property
    def best_epoch(self) -> int | None:
        """The epoch of the best checkpoint, if there is one."""
        epoch = self.figures("best").get("epoch")
        return int(epoch) if epoch else None

    def figures(self, name: str) -> dict[str, float]:
        """Return the numbers that the record has under `best`, `final` or `test`."""
        figures = self.record.get(name)
        if not isinstance(figures, dict):
            return {}
        return {key: value for key, value in figures.items() if isinstance(value, int | float)}

    @cached_property
    def layers(self) -> list[Dense]:
        """The layers of the checkpoint's network. Raises CheckpointError if it is not one of this experiment."""
        return build_network(self.experiment).layers(self._theta)

    @cached_property
    def data(self) -> Dataset:
        """The data set. Raises DataError if it is not to be had."""
        return self._shelf.load(self.experiment)

    @property
    def examples(self) -> Split:
        """The examples of the split. Raises RunError if it has none."""
        examples = self.data.split(self.split)
        if not len(examples):
            raise RunError(f"{self.folder.path} has no {self.split} split; choose another --split")
        return examples

    @cached_property
    def outputs(self) -> Array:
        """What the network answers to the examples of the split, (n, n_L)."""
        e = self.experiment
        with limit_threads(choose_threads(e.threads, e.sizes, batch_size(e))):
            evaluator = Evaluator(build_objective(e), self._theta, self.data.scale, self.data.task)
            return evaluator.outputs(self.examples)[0]

    def answer(self, x: Array) -> Array:
        """Return the network's outputs (m, n_L) for any inputs (m, n_0)."""
        _, a = forward(self.layers, np.asarray(x, self.experiment.dtype) * self.experiment.dataset.scale)
        return a[-1]

    def scores(self, outputs: Array) -> Array:
        """Return how much outputs (n, n_L) speak for each class, (n, classes); the highest is the prediction.

        That is the output itself where every class has one, and else 1 - ‖a - c‖, c being the code of the class.
        """
        task = self.experiment.task
        assert isinstance(task, Classification)
        if task.encoding.name == "one_hot":
            return outputs
        codes = codes_of(task.encoding, task.classes, outputs.dtype)
        distances: Array = np.linalg.norm(outputs[:, None, :] - codes, axis=-1)
        return 1 - distances

    @cached_property
    def _theta(self) -> Array:
        path = self.folder.checkpoint(self.which)
        checkpoint = read_checkpoint(path)
        experiment, theta = load_network(checkpoint, str(path))
        ours, its = (e.model_copy(update={"epochs": 1}) for e in (self.experiment, experiment))
        if ours != its:  # but for the epochs, to which a later resume may have added
            raise CheckpointError(f"{path}: a checkpoint of another experiment than {self.folder.config}")
        return theta

    def _experiment(self) -> Experiment:
        values = self.record.get("experiment")
        if isinstance(values, dict):
            return override_experiment(values, [], str(self.folder.record))
        return load_experiment(self.folder.config)


def differences(results: Sequence[Result]) -> list[dict[str, str]]:
    """Return, for each of several runs, the keys of their experiments that are not the same in all.

    An option that one choice has and another has not (mu, of momentum but not of sgd) follows from the choice.
    """
    flat = [dict(_flattened(result.experiment.to_dict())) for result in results]
    keys = dict.fromkeys(key for values in flat for key in values)
    differing = [key for key in keys if len({values[key] for values in flat if key in values}) > 1]
    return [{key: values.get(key, "") for key in differing} for values in flat]


def alike(results: Sequence[Result]) -> list[list[Result]]:
    """Return the runs in groups that differ by nothing but their seed, in the order of their first."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        key = json.dumps({**result.experiment.to_dict(), "seed": None}, sort_keys=True)
        groups.setdefault(key, []).append(result)
    return list(groups.values())


def _flattened(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the keys and values of an experiment as text: layers 64-100-10, optimizer momentum, optimizer.mu 0.9."""
    found = []
    for key, value in values.items():
        if isinstance(value, dict):
            inner = _flattened(value)
            found += [(key if name == "name" else f"{key}.{name}", text) for name, text in inner]
        elif key == "layers" and all(isinstance(size, int) for size in value):
            found.append((key, "-".join(map(str, value))))
        else:
            found.append((key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)))
    return found
