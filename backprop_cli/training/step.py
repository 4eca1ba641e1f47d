"""One step of training: fetch a batch, replay the recorded mathematics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np

from backprop_cli.engine.replay import Replay
from backprop_cli.engine.gradients import descent_of
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


class FusedStep(Step):
    """A step of plain SGD, theta <- theta - eta g, without g: every product of back-propagation is taken off theta."""

    def __init__(self, plan: Plan, state: TrainingState, eta: Array, m: int, streams: Streams) -> None:
        recorded = Recorded(plan, state)
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
        recorded, grad = Recorded(plan, state), np.zeros_like(state.theta)
        self._gradient = AccumulatedGradient(plan, state, grad, m, streams)
        theta, g = recorded.theta, recorded.recording.watch(grad)
        plan.objective.add_penalties(theta, g)
        recorded.rates.hold(g)
        optimizer.step(theta, g, recorded.group("optimizer"), recorded.rates.eta(recorded.recording.watch(eta)))
        replay: Replay = recorded.finish()
        self._begin: Callable[[Rows], object] = self._gradient
        if gradient := self._gradient.recorded:
            self._begin, replay = gradient[0].fill, gradient[1].then(replay)
            self.recorded = gradient[0], replay
        self._calls = replay.calls

    def __call__(self, rows: Rows) -> None:
        """Make the step."""
        self._begin(rows)
        for call in self._calls:
            call()

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
