"""One step of training: fetch a batch, replay the recorded mathematics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from backprop_cli.engine.calls import Replay
from backprop_cli.engine.gradients import descent_of, gradient_of
from backprop_cli.engine.images import fast
from backprop_cli.engine.recording import Recording
from backprop_cli.nn.arrays import Array, Noise
from backprop_cli.nn.network import PIECE
from backprop_cli.nn.objective import Evaluated
from backprop_cli.nn.parameters import Gradient
from backprop_cli.optim.line_search import CostAndGradient
from backprop_cli.optim.minimizers import Minimizer
from backprop_cli.optim.optimizer import Optimizer
from backprop_cli.optim.state import State
from backprop_cli.training.batch import Batch, Rows
from backprop_cli.training.finish import finish_step
from backprop_cli.training.plan import Plan
from backprop_cli.training.state import CONVERGED, MISTAKES, TrainingState
from backprop_cli.training.streams import Streams

MAX_BATCH, MICRO_BATCH = 5_000, 500
"""The gradient of a batch of more examples than MAX_BATCH is accumulated over micro-batches: their buffers stay small,
and all 50,000 examples take 784-30-10 0.10 s in micro-batches of 500, and 0.14 s in micro-batches of 5,000."""


def piece_of(plan: Plan, m: int) -> int:
    """Return how many of the m examples of a batch are worked through at a time."""
    size, fitting = MICRO_BATCH if m > MAX_BATCH else m, PIECE // plan.objective.estimator.width
    return max(1, min(size, fitting))


def textbook_step(
    plan: Plan, state: TrainingState, x: Array, y: Array, eta: Array, noise: Noise | None = None
) -> Mapping[str, Array]:
    """Make a step on the examples x (m, n_0), y (m, n_L): what the recorded steps do, and are compared with.

    Returns the quantities of the optimizer's rule that have a name and are not kept, such as the m_hat of Adam.
    """
    estimator = plan.objective.estimator.bound(state.group("estimator"))
    objective, theta, s = replace(plan.objective, estimator=estimator), state.theta, state.group("optimizer")
    rates = plan.layer_rates(state.status.epoch + 1)

    def gradient(theta: Array) -> Array:
        g = objective.gradient(theta, x, y, noise)
        rates.hold(g)
        return g

    if isinstance(plan.optimizer, Minimizer):
        named = None
        _iterate(plan.optimizer, lambda t: (float(objective.value(t, x, y)), gradient(t)), theta, s)
    else:
        named = plan.optimizer.step(theta, gradient(theta), s, rates.eta(eta))
    finish_step(plan, theta, state.group("average"), rates)
    return named or {}


def _iterate(minimizer: Minimizer, cost_and_gradient: CostAndGradient, theta: Array, s: State) -> bool:
    """Change theta by one iteration; return whether it has changed."""
    before = theta.copy()
    for _ in range(2):  # after a line search without success, a minimizer starts anew, down the gradient
        minimizer.step(cost_and_gradient, theta, s)
        if not np.array_equal(before, theta):
            return True
    return False


class Step(Protocol):
    """One step of the plan: changes theta and the arrays of the state in place.

    `recorded` is what it consists of, if that is a batch and a replay.
    """

    recorded: tuple[Batch, Replay] | None = None

    def __call__(self, rows: Rows) -> None:
        """Make the step on the examples in rows (m,). NumPy's overflow warnings should be off."""

    def draw(self) -> None:
        """Draw the random numbers of a step, without making it."""


def make_step(plan: Plan, state: TrainingState, eta: Array, m: int, streams: Streams) -> Step:
    """Return the step on m examples, from wherever the state is when it is called.

    eta is an array without dimensions that is read in every step.
    """
    if isinstance(plan.optimizer, Minimizer):
        return MinimizerStep(plan, plan.optimizer, state, m, streams)
    if plan.optimizer.plain and piece_of(plan, m) == m and not plan.objective.layout.shared:
        return FusedStep(plan, state, eta, m, streams)
    return GradientStep(plan, plan.optimizer, state, eta, m, streams)


class _Recorded:
    """A recording of what a plan does to a state."""

    def __init__(self, plan: Plan, state: TrainingState) -> None:
        self.recording = Recording()
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

    def finish(self) -> Replay:
        """Record the end of a step, and return the replay."""
        finish_step(self._plan, self.theta, self.group("average"), self.rates)
        return self.recording.finish()


class FusedStep(Step):
    """A step of plain SGD, theta <- theta - eta g, without g: every product of back-propagation is taken off theta."""

    def __init__(self, plan: Plan, state: TrainingState, eta: Array, m: int, streams: Streams) -> None:
        recorded = _Recorded(plan, state)
        eta = recorded.recording.watch(eta)
        self._batch = Batch(plan, m, streams, recorded.recording)
        sinks = descent_of(recorded.recording, recorded.objective, recorded.theta, eta, recorded.rates.rates)
        recorded.estimate(self._batch, sinks, weight=eta / m)
        replay = recorded.finish()
        self.recorded, self._calls = (self._batch, replay), replay.calls

    def __call__(self, rows: Rows) -> None:
        """Make the step."""
        self._batch.fill(rows)
        for call in self._calls:
            call()

    def draw(self) -> None:
        """Draw the random numbers of a step."""
        self._batch.draw()


class GradientStep(Step):
    """A step of an optimizer that is given the gradient."""

    def __init__(
        self, plan: Plan, optimizer: Optimizer, state: TrainingState, eta: Array, m: int, streams: Streams
    ) -> None:
        recorded, grad = _Recorded(plan, state), np.zeros_like(state.theta)
        self._gradient = AccumulatedGradient(plan, state, grad, m, streams)
        theta, g = recorded.theta, recorded.recording.watch(grad)
        plan.objective.add_penalties(theta, g)
        recorded.rates.hold(g)
        optimizer.step(theta, g, recorded.group("optimizer"), recorded.rates.eta(recorded.recording.watch(eta)))
        replay = recorded.finish()
        self._calls = replay.calls
        if gradient := self._gradient.recorded:
            self.recorded = gradient[0], gradient[1].then(replay)

    def __call__(self, rows: Rows) -> None:
        """Make the step."""
        self._gradient(rows)
        for call in self._calls:
            call()

    def draw(self) -> None:
        """Draw the random numbers of a step."""
        self._gradient.draw()


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

    @property
    def recorded(self) -> tuple[Batch, Replay] | None:
        """The batch and its replay, if there is no more than one."""
        return self._micro[self._m].recorded if self._part_grad is self._grad else None

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
        recorded = _Recorded(plan, state)
        if mean is not None:
            estimator = recorded.objective.estimator.given(recorded.recording.watch(mean))
            recorded.objective = replace(recorded.objective, estimator=estimator)
        self.batch = Batch(plan, m, streams, recorded.recording)
        traced = recorded.recording.watch(grad)
        sinks = gradient_of(recorded.recording, recorded.objective.layout, traced, recorded.rates.rates)
        found = recorded.estimate(self.batch, sinks, weight)
        wanted = (found.costs,) if plan.optimizer.line_search else ()
        self._replay = recorded.recording.finish(*wanted)
        self.recorded = self.batch, self._replay

    def __call__(self, rows: Rows) -> float:
        """Write the gradient; return the sum of the costs, or 0 where only the gradient is needed."""
        self.batch.fill(rows)
        for call in self._replay.calls:
            call()
        return sum(float(np.sum(costs, dtype=np.float64)) for costs in self._replay.results)


class _MeanActivity:
    """The mean activity over a whole batch, which the cost of its examples depends on, before its micro-batches."""

    def __init__(self, plan: Plan, state: TrainingState, sizes: set[int], m: int, streams: Streams) -> None:
        self._m, self._parts = m, dict[int, tuple[Batch, Replay]]()
        for n in sizes:
            recorded = _Recorded(plan, state)
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
            for call in replay.calls:
                call()
            self.mean += replay.results[0]
        self.mean /= self._m

    def draw(self, sizes: list[int]) -> None:
        """Draw the random numbers of the parts."""
        for n in sizes:
            self._parts[n][0].draw()


class MinimizerStep(Step):
    """One iteration of a minimizer, which evaluates all training examples as often as it needs to."""

    def __init__(self, plan: Plan, minimizer: Minimizer, state: TrainingState, m: int, streams: Streams) -> None:
        self._minimizer, self._state, self._objective = minimizer, state, plan.objective
        self._rates = plan.layer_rates(state.status.epoch + 1)
        self._trial = TrainingState(state.theta.copy(), state.arrays, state.status)
        self._grad = np.zeros_like(state.theta)
        self._gradient = AccumulatedGradient(plan, self._trial, self._grad, m, streams)
        self._finish = _Recorded(plan, state).finish()

    def __call__(self, rows: Rows) -> None:
        """Iterate once over the examples in rows (n,), which are all."""
        state = self._state
        if not _iterate(self._minimizer, self._cost_and_gradient(rows), state.theta, state.group("optimizer")):
            state.arrays[CONVERGED][...] = 1
        self._finish()

    def _cost_and_gradient(self, rows: Rows) -> CostAndGradient:
        def cost_and_gradient(theta: Array) -> tuple[float, Array]:
            self._trial.theta[...] = theta
            cost = self._gradient(rows)
            self._objective.add_penalties(theta, self._grad)
            self._rates.hold(self._grad)
            return cost + float(self._objective.penalty(theta)), self._grad

        return cost_and_gradient

    def draw(self) -> None:
        """Draw nothing: a minimizer needs a deterministic cost."""
