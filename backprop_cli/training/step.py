"""One step of training: fetch a batch, replay the recorded mathematics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

import numpy as np

from backprop_cli.engine.gradients import descent_of, gradient_of
from backprop_cli.engine.replay import Replay
from backprop_cli.nn.arrays import Array, Noise
from backprop_cli.optim.line_search import CostAndGradient
from backprop_cli.optim.minimizers import Minimizer
from backprop_cli.optim.optimizer import Optimizer
from backprop_cli.optim.state import State
from backprop_cli.training.batch import Batch, Rows
from backprop_cli.training.finish import finish_step
from backprop_cli.training.gradient import AccumulatedGradient, Recorded, piece_of
from backprop_cli.training.plan import Plan
from backprop_cli.training.state import CONVERGED, TrainingState
from backprop_cli.training.streams import Streams


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

    `recorded` is what it consists of, if that is a batch and a replay. NumPy's overflow warnings should be off.
    """

    recorded: tuple[Batch, Replay] | None = None
    at_once: int = 1

    def fetch(self, rows: Rows) -> Sequence[Callable[[], object]]:
        """Fetch the examples of k steps, at most `at_once`, in rows (k m,); return what makes these steps."""

    def __call__(self, rows: Rows) -> None:
        """Make the step on the examples in rows (m,)."""
        for make in self.fetch(rows):
            make()

    def draw(self) -> None:
        """Draw the random numbers of a step, without making it."""


def make_step(plan: Plan, state: TrainingState, eta: Array, m: int, streams: Streams, at_once: int = 1) -> Step:
    """Return the step on m examples, from wherever the state is when it is called.

    eta is an array without dimensions that is read in every step.
    """
    if isinstance(plan.optimizer, Minimizer):
        return MinimizerStep(plan, plan.optimizer, state, m, streams)
    if piece_of(plan, m) < m:
        return GradientStep(plan, plan.optimizer, state, eta, m, streams)
    return RecordedStep(plan, plan.optimizer, state, eta, m, streams, at_once)


class RecordedStep(Step):
    """A step of an optimizer as one recording, from the batch to the parameters.

    Plain SGD, theta <- theta - eta g, does without g: every product of back-propagation is taken off theta.
    """

    def __init__(
        self, plan: Plan, optimizer: Optimizer, state: TrainingState, eta: Array, m: int, streams: Streams, at_once: int
    ) -> None:
        recorded, self.at_once = Recorded(plan, state), at_once
        recording, theta, rates = recorded.recording, recorded.theta, recorded.rates
        batch, eta = Batch(plan, m, streams, recording, at_once), recording.watch(eta)
        if optimizer.plain and not plan.objective.layout.shared:
            sinks = descent_of(recording, recorded.objective, theta, eta, rates.rates)
            recorded.estimate(batch, sinks, weight=eta / m)
        else:
            g = np.empty_like(theta)
            recorded.estimate(batch, gradient_of(recording, recorded.objective.layout, g, rates.rates), weight=1 / m)
            recorded.apply(optimizer, g, eta)
        self.recorded = self._batch, self._replay = batch, recorded.finish()
        self._replays: list[Replay] = []
        self._m = m

    def fetch(self, rows: Rows) -> Sequence[Replay]:
        """Fetch the examples of steps."""
        self._batch.fill(rows)
        steps = len(rows) // self._m
        for number in range(len(self._replays), steps):
            self._replays.append(self._replay.on_part(number, self.at_once, self._batch.buffers))
        return self._replays[:steps]

    def draw(self) -> None:
        """Draw the random numbers of a step."""
        self._batch.draw()


class GradientStep(Step):
    """A step of an optimizer that is given the gradient, accumulated over micro-batches."""

    def __init__(
        self, plan: Plan, optimizer: Optimizer, state: TrainingState, eta: Array, m: int, streams: Streams
    ) -> None:
        recorded, grad = Recorded(plan, state), np.zeros_like(state.theta)
        self._gradient = AccumulatedGradient(plan, state, grad, m, streams)
        recorded.apply(optimizer, recorded.recording.watch(grad), recorded.recording.watch(eta))
        self._replay = recorded.finish()

    def fetch(self, rows: Rows) -> Sequence[Callable[[], object]]:
        """Return the gradient of one step, and what follows it."""
        return [partial(self._make, rows)]

    def _make(self, rows: Rows) -> None:
        self._gradient(rows)
        self._replay()

    def draw(self) -> None:
        """Draw the random numbers of a step."""
        self._gradient.draw()


class MinimizerStep(Step):
    """One iteration of a minimizer, which evaluates all training examples as often as it needs to."""

    def __init__(self, plan: Plan, minimizer: Minimizer, state: TrainingState, m: int, streams: Streams) -> None:
        self._minimizer, self._state, self._objective = minimizer, state, plan.objective
        self._rates = plan.layer_rates(state.status.epoch + 1)
        self._trial = TrainingState(state.theta.copy(), state.arrays, state.status)
        self._grad = np.zeros_like(state.theta)
        self._gradient = AccumulatedGradient(plan, self._trial, self._grad, m, streams)
        self._finish = Recorded(plan, state).finish()

    def fetch(self, rows: Rows) -> Sequence[Callable[[], object]]:
        """Return an iteration over the examples in rows (n,), which are all."""
        return [partial(self._make, rows)]

    def _make(self, rows: Rows) -> None:
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
