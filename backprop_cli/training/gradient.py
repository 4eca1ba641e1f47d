"""The recorded gradient of a batch, over micro-batches if the batch is large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from backprop_cli.engine.gradients import gradient_of
from backprop_cli.engine.recording import Recording
from backprop_cli.engine.replay import Replay
from backprop_cli.image_layers.layers import fast
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.network import PIECE
from backprop_cli.nn.parameters import Gradient
from backprop_cli.objectives.objective import Evaluated
from backprop_cli.optim.optimizer import Optimizer
from backprop_cli.optim.state import State
from backprop_cli.training.batch import Batch, Rows
from backprop_cli.training.finish import finish_step
from backprop_cli.training.plan import Plan
from backprop_cli.training.state import MISTAKES, TrainingState
from backprop_cli.training.streams import Streams

MAX_BATCH, MICRO_BATCH = 5_000, 500
"""The gradient of a batch of more examples than MAX_BATCH is accumulated over micro-batches: their buffers stay small,
and all 50,000 examples take 784-30-10 0.10 s in micro-batches of 500, and 0.14 s in micro-batches of 5,000."""


def piece_of(plan: Plan, m: int) -> int:
    """Return how many of the m examples of a batch are worked through at a time."""
    size, fitting = MICRO_BATCH if m > MAX_BATCH else m, PIECE // plan.objective.estimator.width
    return max(1, min(size, fitting))


class Recorded:
    """A recording of what a plan does to a state."""

    def __init__(self, plan: Plan, state: TrainingState) -> None:
        self.recording = Recording(lanes=plan.lanes, stacked=plan.stacked)
        self.rates = plan.layer_rates(state.status.epoch + 1)
        self._plan, self._state = plan, state
        estimator = fast(plan.objective.estimator).bound(self.group("estimator"))
        self.objective = replace(plan.objective, estimator=estimator)
        self.theta = self.recording.watch(state.theta)

    def group(self, name: str) -> State:
        """Return the arrays of a group, watched."""
        return State((key, self.recording.watch(array)) for key, array in self._state.group(name).items())

    def estimate(self, batch: Batch, sinks: Sequence[Gradient], weight: Any) -> Evaluated:
        """Record the gradient, and the count of wrong predictions."""
        estimator = self.objective.weighing(batch.weights).estimator
        found = estimator.estimate(self.theta, batch.x, batch.y, sinks, weight, batch.noise)
        if self._plan.count_mistakes:
            mistakes = self.recording.watch(self._state.arrays[MISTAKES])
            mistakes += np.sum(np.max(np.abs(found.outputs - batch.y), axis=-1))
        return found

    def apply(self, optimizer: Optimizer, g: Any, eta: Any) -> None:
        """Record a step of the optimizer, given the gradient g (n,) without penalties."""
        self._plan.objective.add_penalties(self.theta, g)
        self.rates.hold(g)
        optimizer.step(self.theta, g, self.group("optimizer"), self.rates.eta(eta))

    def finish(self) -> Replay:
        """Record the end of a step, and return the replay."""
        finish_step(self._plan, self.theta, self.group("average"), self.rates)
        return self.recording.finish()


class AccumulatedGradient:
    """The mean cost of m examples and its gradient, both without penalties; over micro-batches if m is large."""

    def __init__(self, plan: Plan, state: TrainingState, grad: Array, m: int, streams: Streams) -> None:
        self._grad, self._m = grad, m
        size = piece_of(plan, m)
        self._parts = [slice(start, min(start + size, m)) for start in range(0, m, size)]
        self._part_grad = grad if len(self._parts) == 1 else np.zeros_like(grad)
        sizes = {part.stop - part.start for part in self._parts}
        whole = len(self._parts) > 1 and plan.objective.estimator.of_batch
        self._activity = _MeanActivity(plan, state, sizes, m, streams) if whole else None
        mean = self._activity.mean if self._activity else None
        self._micro = {n: _MicroBatch(plan, state, self._part_grad, n, 1 / m, streams, mean) for n in sizes}

    def __call__(self, rows: Rows) -> float:
        """Write the gradient over the examples in rows (m,), and return the mean cost."""
        if self._part_grad is self._grad:
            return self._micro[self._m](rows) / self._m
        if self._activity:
            self._activity([rows[part] for part in self._parts])
        self._grad[...] = 0
        total = 0.0
        for part in self._parts:
            total += self._micro[part.stop - part.start](rows[part])
            self._grad += self._part_grad
        return total / self._m

    def draw(self) -> None:
        """Draw the random numbers of a gradient."""
        if self._activity:
            self._activity.draw([part.stop - part.start for part in self._parts])
        for part in self._parts:
            self._micro[part.stop - part.start].batch.draw()


class _MicroBatch:
    """The recorded gradient of weight times the sum of the costs of m examples, and that sum."""

    def __init__(
        self,
        plan: Plan,
        state: TrainingState,
        grad: Array,
        m: int,
        weight: float,
        streams: Streams,
        mean: Array | None = None,
    ) -> None:
        recorded = Recorded(plan, state)
        if mean is not None:
            estimator = recorded.objective.estimator.given(recorded.recording.watch(mean))
            recorded.objective = replace(recorded.objective, estimator=estimator)
        self.batch = Batch(plan, m, streams, recorded.recording)
        traced = recorded.recording.watch(grad)
        sinks = gradient_of(recorded.recording, recorded.objective.layout, traced, recorded.rates.rates)
        found = recorded.estimate(self.batch, sinks, weight)
        wanted = (found.costs,) if plan.optimizer.line_search else ()
        self._replay = recorded.recording.finish(*wanted)

    def __call__(self, rows: Rows) -> float:
        """Write the gradient; return the sum of the costs, or 0 where only the gradient is needed."""
        self.batch.fill(rows)
        self._replay()
        return sum(float(np.sum(costs, dtype=np.float64)) for costs in self._replay.results)


class _MeanActivity:
    """The mean activity over a whole batch, which the cost of its examples depends on, before its micro-batches."""

    def __init__(self, plan: Plan, state: TrainingState, sizes: set[int], m: int, streams: Streams) -> None:
        self._m, self._parts = m, dict[int, tuple[Batch, Replay]]()
        for n in sizes:
            recorded = Recorded(plan, state)
            batch = Batch(plan, n, streams, recorded.recording)
            a = recorded.objective.estimator.activities(recorded.theta, batch.x, batch.noise)
            self._parts[n] = batch, recorded.recording.finish(np.sum(a, axis=-2, keepdims=True))
            self.mean = np.zeros_like(self._parts[n][1].results[0])

    def __call__(self, parts: list[Rows]) -> None:
        """Write the mean activity over the examples in all parts."""
        self.mean[...] = 0
        for rows in parts:
            batch, replay = self._parts[len(rows)]
            batch.fill(rows)
            replay()
            self.mean += replay.results[0]
        self.mean /= self._m

    def draw(self, sizes: list[int]) -> None:
        """Draw the random numbers of the parts."""
        for n in sizes:
            self._parts[n][0].draw()
