"""Evaluation of a network on a split: its outputs, the mean cost and other metrics."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from backprop_cli.data.dataset import Split
from backprop_cli.data.metrics import LOWER_IS_BETTER, confusion_of
from backprop_cli.data.tasks import Task
from backprop_cli.engine.recording import Recording
from backprop_cli.image_layers import fast
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.network import Network
from backprop_cli.objectives.objective import GradientEstimator

CHUNK = 1000
"""Examples at a time: enough for the threads not to wait for each other between calls. Fewer where layers are so wide
that the signals of a chunk would pass a million numbers."""

T = TypeVar("T")
Labels = npt.NDArray[Any]


@dataclass(frozen=True)
class Score:
    """The mean cost, weighted but without penalties, and the metrics of the task, which count every example once.

    These are the accuracy for classes; for values the root mean squared error, and r2, the share of the variance that
    is explained; for reconstructions squared_error, Σ (a - x)² per example. The others, see
    `backprop_cli.data.metrics`, are there if they were asked for and are defined.
    """

    cost: float
    accuracy: float | None = None
    rmse: float | None = None
    r2: float | None = None
    squared_error: float | None = None
    balanced_accuracy: float | None = None
    f1: float | None = None
    roc_auc: float | None = None
    log_loss: float | None = None
    mae: float | None = None
    reconstruction: float | None = None
    pseudo_likelihood: float | None = None
    free_energy: float | None = None
    free_energy_gap: float | None = None

    def metrics(self) -> dict[str, float]:
        """Return cost and metrics by name, without the free energy: only differences of it mean something."""
        return {name: v for name, v in asdict(self).items() if v is not None and name != "free_energy"}

    def beside(self, train: Score) -> Score:
        """Return a score on the validation split with what compares it with that on the training split.

        The gap of the free energies grows when an unsupervised model begins to overfit (Hinton 2010, section 6).
        """
        if self.free_energy is None or train.free_energy is None:
            return self
        return replace(self, free_energy_gap=self.free_energy - train.free_energy)


def higher_is_better(metric: str) -> bool:
    """Whether greater values of a metric are better."""
    return metric not in LOWER_IS_BETTER


class Evaluator:
    """Evaluates an estimator with whatever theta holds at the time, chunk by chunk, in buffers that are allocated once.

    The chunks of a large split are shared among `workers` threads; their number changes no bit of the result.
    """

    def __init__(self, estimator: GradientEstimator, theta: Array, scale: float, task: Task, workers: int = 1) -> None:
        self._estimator, self._theta, self._task = fast(estimator.measured), theta, task
        self._scale = np.asarray(scale, theta.dtype)
        self._rows = max(1, min(CHUNK, 1_000_000 // self._estimator.width))
        self._buffers: list[dict[int, _Chunk]] = [{} for _ in range(workers)]

    def score(self, split: Split, further: Collection[str] = ()) -> Score:
        """Return the score on a split that is not empty, with some of the task's further metrics."""
        task = self._task

        def look(chunk: _Chunk, part: Split) -> tuple[float, float, Array | None]:
            measured = task.measure(chunk.outputs, part.targets)
            return chunk.cost(part.weights), measured, chunk.outputs.copy() if further else None

        costs, measured, outputs = zip(*self._over(split, look), strict=True)
        metrics = task.metrics(sum(measured), split.targets)
        if further:
            metrics |= task.further_metrics(np.concatenate(outputs), split.targets, further)
        return Score(sum(costs) / split.total, **metrics)

    def outputs(self, split: Split) -> tuple[Array, float]:
        """Return the outputs a^L (n, n_L) on a split that is not empty, and the mean cost."""
        results = self._over(split, lambda chunk, part: (chunk.cost(part.weights), chunk.outputs.copy()))
        return np.concatenate([outputs for _, outputs in results]), sum(cost for cost, _ in results) / split.total

    def floor(self, split: Split) -> float | None:
        """Return the lowest mean cost that reconstructions of a split can have, None where that is 0."""
        total = 0.0
        for start in range(0, len(split) if self._task.reconstructs else 0, self._rows):
            part = split[start : start + self._rows]
            costs = self._estimator.floor(self._task.encode(part.targets, np.float64))
            total += 0.0 if costs is None else float(np.sum(costs if part.weights is None else part.weights * costs))
        return total / split.total if total else None

    def _over(self, split: Split, look: Callable[[_Chunk, Split], T]) -> list[T]:
        """Return look(chunk, part) of each chunk of a split, in order."""
        starts = range(0, len(split), self._rows)
        share = max(4, -(-len(starts) // len(self._buffers)))  # fewer chunks are not worth another thread
        parts = [starts[i : i + share] for i in range(0, len(starts), share)]
        jobs = [
            partial(self._run, split, part, look, buffers) for part, buffers in zip(parts, self._buffers, strict=False)
        ]
        if len(jobs) == 1:
            return jobs[0]()
        with ThreadPoolExecutor(len(jobs)) as pool:
            return [result for part in pool.map(lambda job: job(), jobs) for result in part]

    def _run(
        self, split: Split, starts: range, look: Callable[[_Chunk, Split], T], buffers: dict[int, _Chunk]
    ) -> list[T]:
        results = []
        with np.errstate(all="ignore"):  # a network that has diverged is detected by its cost
            for start in starts:
                part = split[start : start + self._rows]
                m = len(part)
                if m not in buffers:
                    buffers[m] = _Chunk(self._estimator, self._theta, part, self._scale, self._task)
                buffers[m].evaluate(part)
                results.append(look(buffers[m], part))
        return results


class _Chunk:
    """The recorded way from inputs (m, n_0) and targets to the outputs and the costs of m examples."""

    def __init__(self, estimator: GradientEstimator, theta: Array, part: Split, scale: Array, task: Task) -> None:
        recording = Recording(threads=True)
        self._encode = task.encoder(theta.dtype)
        self._inputs = np.zeros_like(part.inputs)
        self._y = task.encode(part.targets, theta.dtype)
        x = recording.watch(self._inputs) * scale
        found = estimator.evaluate(recording.watch(theta), x, recording.watch(self._y))
        self._replay = recording.finish(found.outputs, found.costs)
        self.outputs, self.costs = self._replay.results

    def evaluate(self, part: Split) -> None:
        """Compute outputs and costs of these m examples."""
        self._inputs[...] = part.inputs
        self._encode(part.targets, self._y)
        self._replay()

    def cost(self, weights: Array | None) -> float:
        """Return the sum of the costs, or of weights (m,) times the costs."""
        return float(np.sum(self.costs if weights is None else weights * self.costs, dtype=np.float64))


def outputs_of(network: Network, theta: Array, x: Array, layer: int | None = None) -> Array:
    """Return the outputs (n, n_L), or those of a layer, for inputs x (n, n_0), scaled as in training, in chunks."""
    rows = max(1, min(CHUNK, 1_000_000 // network.width))
    with np.errstate(all="ignore"):  # weights that overflow show in the outputs
        parts = [network.outputs(theta, x[start : start + rows], layer) for start in range(0, max(len(x), 1), rows)]
    return np.concatenate(parts)


@dataclass(frozen=True)
class ClassificationReport:
    """Predictions compared with labels: confusion[t, p] counts the examples of class t that are predicted as p."""

    confusion: npt.NDArray[np.intp]

    @property
    def n(self) -> int:
        """The number of examples."""
        return int(self.confusion.sum())

    @property
    def correct(self) -> int:
        """The number of examples predicted correctly."""
        return int(np.trace(self.confusion))

    @property
    def accuracy(self) -> float:
        """The share of examples predicted correctly."""
        return self.correct / self.n

    @property
    def precision(self) -> npt.NDArray[np.float64]:
        """Of the examples predicted as a class, the share that belongs to it; NaN if there are none."""
        return _share(np.diag(self.confusion), self.confusion.sum(axis=0))

    @property
    def recall(self) -> npt.NDArray[np.float64]:
        """Of the examples of a class, the share predicted as it; NaN if there are none."""
        return _share(np.diag(self.confusion), self.confusion.sum(axis=1))

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain numbers; what is undefined is None."""
        return {
            "examples": self.n,
            "correct": self.correct,
            "accuracy": self.accuracy,
            "precision": [None if np.isnan(p) else float(p) for p in self.precision],
            "recall": [None if np.isnan(r) else float(r) for r in self.recall],
            "confusion": self.confusion.tolist(),
        }


def classification_report(predicted: Labels, labels: Labels, classes: int) -> ClassificationReport:
    """Return the report of predictions (n,), given the labels (n,)."""
    return ClassificationReport(confusion_of(predicted, labels, classes))


def _share(part: npt.NDArray[np.intp], whole: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    share = np.full(len(part), np.nan)
    np.divide(part, whole, out=share, where=whole > 0)
    return share
