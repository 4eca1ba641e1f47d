"""Evaluation of a network on a split: its outputs, the mean cost and other metrics."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import asdict, replace
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np

from backprop_cli.data.dataset import Split
from backprop_cli.data.metrics import LOWER_IS_BETTER
from backprop_cli.data.tasks import Task
from backprop_cli.engine.calls import Replays
from backprop_cli.engine.recording import Recording
from backprop_cli.engine.stacks import Stack, form_of
from backprop_cli.frozen import frozen
from backprop_cli.image_layers.layers import fast
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.network import Network
from backprop_cli.objectives.objective import GradientEstimator
from backprop_cli.threads import limit_in_lanes

CHUNK = 1000
"""Examples at a time: enough for the threads not to wait for each other between calls. Fewer where layers are so wide
that the signals of a chunk would pass a million numbers."""

T = TypeVar("T")


@frozen
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
        self._networks, self._task = [_Network(fast(estimator.measured), theta)], task
        self._scale = np.asarray(scale, theta.dtype)
        self._rows = max(1, min(CHUNK, 1_000_000 // self._networks[0].estimator.width))
        self._buffers: list[dict[int, _Chunk]] = [{} for _ in range(workers)]

    def together_with(self, others: Sequence[Evaluator]) -> Evaluator:
        """Return an evaluator of this network, number 0, and of others that have its layers and its task."""
        joint = copy(self)
        joint._networks = [network for evaluator in (self, *others) for network in evaluator._networks]
        joint._buffers = [{} for _ in self._buffers]
        return joint

    def score(self, split: Split, further: Collection[str] = ()) -> Score:
        """Return the score on a split that is not empty, with some of the task's further metrics."""
        return self.scores(split, {0: further})[0]

    def scores(self, split: Split, wanted: Mapping[int, Collection[str]]) -> dict[int, Score]:
        """Return the scores of some networks, by number, each with the further metrics that are wanted of it."""
        task = self._task

        def look(chunk: _Chunk, part: Split, k: int) -> tuple[float, float, Array | None]:
            outputs = chunk.outputs[k]
            return (
                chunk.cost(k, part.weights),
                task.measure(outputs, part.targets),
                outputs.copy() if wanted[k] else None,
            )

        found = {}
        for k, results in self._over(split, tuple(wanted), look).items():
            costs, measured, outputs = zip(*results, strict=True)
            metrics = task.metrics(sum(measured), split.targets)
            if wanted[k]:
                metrics |= task.further_metrics(np.concatenate(outputs), split.targets, wanted[k])
            found[k] = Score(sum(costs) / split.total, **metrics)
        return found

    def outputs(self, split: Split) -> tuple[Array, float]:
        """Return the outputs a^L (n, n_L) on a split that is not empty, and the mean cost."""

        def look(chunk: _Chunk, part: Split, k: int) -> tuple[float, Array]:
            return chunk.cost(k, part.weights), chunk.outputs[k].copy()

        costs, outputs = zip(*self._over(split, (0,), look)[0], strict=True)
        return np.concatenate(outputs), sum(costs) / split.total

    def floor(self, split: Split) -> float | None:
        """Return the lowest mean cost that reconstructions of a split can have, None where that is 0."""
        total = 0.0
        for start in range(0, len(split) if self._task.reconstructs else 0, self._rows):
            part = split[start : start + self._rows]
            costs = self._networks[0].estimator.floor(self._task.encode(part.targets, np.float64))
            total += 0.0 if costs is None else float(np.sum(costs if part.weights is None else part.weights * costs))
        return total / split.total if total else None

    def _over(
        self, split: Split, networks: tuple[int, ...], look: Callable[[_Chunk, Split, int], T]
    ) -> dict[int, list[T]]:
        """Return look(chunk, part, k) of each chunk of a split, in order, for some of the networks k."""
        starts = range(0, len(split), self._rows)
        share = max(4, -(-len(starts) // len(self._buffers)))  # fewer chunks are not worth another thread
        parts = [starts[i : i + share] for i in range(0, len(starts), share)]

        def run(starts: range, buffers: dict[int, _Chunk]) -> list[list[T]]:
            for chunk in buffers.values():
                chunk.begin()
            results = []
            with np.errstate(all="ignore"):  # a network that has diverged is detected by its cost
                for start in starts:
                    part = split[start : start + self._rows]
                    if len(part) not in buffers:
                        buffers[len(part)] = _Chunk(self._networks, part, self._scale, self._task)
                    chunk = buffers[len(part)]
                    chunk.evaluate(part, networks)
                    results.append([look(chunk, part, k) for k in networks])
            return results

        if len(parts) == 1:
            found = run(parts[0], self._buffers[0])
        else:
            from concurrent.futures import ThreadPoolExecutor  # loads logging, which a small split does not need

            with limit_in_lanes(len(parts)), ThreadPoolExecutor(len(parts)) as pool:
                found = [result for part in pool.map(run, parts, self._buffers) for result in part]
        return dict(zip(networks, map(list, zip(*found, strict=True)), strict=True))


class _Network(NamedTuple):
    """What is evaluated."""

    estimator: GradientEstimator
    theta: Array


class _Chunk:
    """m examples, and the outputs and the costs of K networks for them.

    What several networks compute is a stack, for which the inputs are converted once.
    """

    def __init__(self, networks: Sequence[_Network], part: Split, scale: Array, task: Task) -> None:
        self._encode, several = task.encoder(scale.dtype), len(networks) > 1
        own = [theta.copy() if several else theta for _, theta in networks]  # theta may be a part of something larger
        ways = [_Way(e, theta, part, scale, task) for (e, _), theta in zip(networks, own, strict=True)]
        recordings = [{0: way.replay} for way in ways]
        alike = several and len(set(map(form_of, recordings))) == 1
        stack = Stack(recordings, [ways[0].inputs, ways[0].y]) if alike else None
        self._filled = ways[:1] if stack else ways
        self._calls_of = (
            partial(stack.calls, 0) if stack else lambda some: [c for k in some for c in ways[k].replay.calls]
        )

        def moved(k: int, array: Array) -> Array:
            return stack.moved(k, array) if stack else array

        self._thetas = [(moved(k, theta), networks[k].theta) for k, theta in enumerate(own)]
        self.outputs, self._costs = zip(
            *(tuple(moved(k, found) for found in way.replay.results) for k, way in enumerate(ways)), strict=True
        )
        self._calls: dict[tuple[int, ...], Replays] = {}

    def begin(self) -> None:
        """Take over the parameters that the networks have now."""
        for own, theta in self._thetas:
            own[...] = theta

    def evaluate(self, part: Split, networks: tuple[int, ...]) -> None:
        """Compute outputs and costs of these m examples for some of the networks."""
        for way in self._filled:
            way.inputs[...] = part.inputs
            self._encode(part.targets, way.y)
        if networks not in self._calls:
            self._calls = {networks: self._calls_of(networks)}
        for call in self._calls[networks]:
            call()

    def cost(self, k: int, weights: Array | None) -> float:
        """Return the sum of the costs of network k, or of weights (m,) times the costs."""
        costs = self._costs[k]
        return float(np.sum(costs if weights is None else weights * costs, dtype=np.float64))


class _Way:
    """The recorded way from inputs (m, n_0) and targets y (m, n_L) to the outputs and the costs of m examples."""

    def __init__(self, estimator: GradientEstimator, theta: Array, part: Split, scale: Array, task: Task) -> None:
        recording = Recording(threads=True)
        self.inputs = np.zeros_like(part.inputs, scale.dtype)
        self.y = task.encode(part.targets, scale.dtype)
        x = recording.watch(self.inputs) * scale
        found = estimator.evaluate(recording.watch(theta), x, recording.watch(self.y))
        self.replay = recording.finish(found.outputs, found.costs)


def rows_at_once(network: Network) -> int:
    """Return how many rows `outputs_of` multiplies at a time."""
    return max(1, min(CHUNK, 1_000_000 // network.width))


def outputs_of(network: Network, theta: Array, x: Array, layer: int | None = None) -> Array:
    """Return the outputs (n, n_L), or those of a layer, for inputs x (n, n_0), scaled as in training, in chunks."""
    rows = rows_at_once(network)
    with np.errstate(all="ignore"):  # weights that overflow show in the outputs
        parts = [network.outputs(theta, x[start : start + rows], layer) for start in range(0, max(len(x), 1), rows)]
    return np.concatenate(parts)
