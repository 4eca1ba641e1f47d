"""One step of training on batches of one size: gather the examples, replay the recorded mathematics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np

from backprop_cli.nn.arrays import Array
from backprop_cli.nn.network import Dense, deltas, forward
from backprop_cli.nn.objective import Objective
from backprop_cli.nn.penalties import L2
from backprop_cli.optim.minimizers import Minimizer
from backprop_cli.optim.optimizers import Optimizer, State
from backprop_cli.training.batch import Batch, Rows
from backprop_cli.training.plan import CONVERGED, MISTAKES, Plan, Position
from backprop_cli.training.recording import Recording
from backprop_cli.training.streams import Noise

WHOLE, PIECE = 5_000, 500
"""Batches of more examples than WHOLE are worked through in pieces, whose gradients are added up: their buffers stay
small, and of 784-30-10 all 50,000 examples take 0.10 s in pieces of 500, and 0.14 s in pieces of 5,000."""


class Step(Protocol):
    """One step of the plan; it changes theta and the arrays of memory in place. The buffers are made once before."""

    def __call__(self, rows: Rows) -> None:
        """Make the step on the examples in rows (m,). NumPy's overflow warnings should be off."""

    def draw(self) -> None:
        """Draw the random numbers of a step, without making it."""


def make_step(plan: Plan, position: Position, y: Array, eta: Array, m: int, noise: Noise) -> Step:
    """Return the step on m examples from wherever the position will be.

    `y` (n, n_L) are the targets of all training examples, eta is an array of no dimensions that is read anew at every
    step.
    """
    if isinstance(plan.optimizer, Minimizer):
        return Iteration(plan, position, y, noise)
    if plan.optimizer.plain and m <= WHOLE:
        return _plain_step(plan, position, y, eta, m, noise)
    return GradientStep(plan, position, y, eta, m, noise)


def _plain_step(plan: Plan, position: Position, y: Array, eta: Array, m: int, noise: Noise) -> Batch:
    """Return a step of plain SGD: a batch, on which nothing else has to be done than what was recorded of it."""
    recording = Recording()
    with _put_back(position):
        batch = Batch(plan, y, m, noise, recording)
        theta = recording.watch(position.theta)
        a = _plain_sgd(batch.objective, recording, batch.x, theta, batch.y, recording.watch(eta))
        _count_mistakes(position, a, batch.y, recording)
        _after_step(plan, position, recording)
    return batch


class GradientStep:
    """A step of an optimizer that wants to see the gradient."""

    def __init__(self, plan: Plan, position: Position, y: Array, eta: Array, m: int, noise: Noise) -> None:
        recording, grad, optimizer = Recording(), np.zeros_like(position.theta), plan.optimizer
        assert isinstance(optimizer, Optimizer)
        with _put_back(position):
            self._gradient = Gradient(plan, position, grad, y, m, noise)
            theta, g = recording.watch(position.theta), recording.watch(grad)
            plan.objective.add_penalties(theta, g)
            optimizer.step(theta, g, _watched(position.state_of("optimizer"), recording), recording.watch(eta))
            _after_step(plan, position, recording)
        self._calls = recording.calls

    def __call__(self, rows: Rows) -> None:
        """Make the step."""
        self._gradient(rows)
        for call in self._calls:
            call()

    def draw(self) -> None:
        """Draw the random numbers of its gradient."""
        self._gradient.draw()


class Gradient:
    """The gradient of the mean cost of m examples, and the cost, both without penalties."""

    def __init__(self, plan: Plan, position: Position, grad: Array, y: Array, m: int, noise: Noise) -> None:
        self._grad, self._m = grad, m
        size = PIECE if m > WHOLE else m
        self._parts = [slice(start, min(start + size, m)) for start in range(0, m, size)]
        self._part = grad if len(self._parts) == 1 else np.zeros_like(grad)
        self._pieces = {
            size: _Piece(plan, position, self._part, y, size, 1 / m, noise)
            for size in {part.stop - part.start for part in self._parts}
        }

    def __call__(self, rows: Rows) -> None:
        """Write the gradient over the examples in rows (m,)."""
        if self._part is self._grad:
            self._pieces[self._m].batch(rows)
            return
        self._grad[...] = 0
        for part in self._parts:
            self._pieces[part.stop - part.start].batch(rows[part])
            self._grad += self._part

    def with_cost(self, rows: Rows) -> float:
        """Write the gradient, and return the mean cost."""
        total = 0.0
        self._grad[...] = 0
        for part in self._parts:
            piece = self._pieces[part.stop - part.start]
            piece.batch(rows[part])
            total += piece.cost()
            if self._part is not self._grad:
                self._grad += self._part
        return total / self._m

    def draw(self) -> None:
        """Draw the random numbers of a gradient, without computing it."""
        for part in self._parts:
            self._pieces[part.stop - part.start].batch.draw()


class _Piece:
    """The recorded gradient of weight times the sum of the costs of m examples."""

    def __init__(
        self, plan: Plan, position: Position, grad: Array, y: Array, m: int, weight: float, noise: Noise
    ) -> None:
        recording = Recording()
        self.batch = batch = Batch(plan, y, m, noise, recording)
        theta, g = recording.watch(position.theta), recording.watch(grad)
        z, a = batch.objective.backpropagate(theta, g, batch.x, batch.y, weight)
        _count_mistakes(position, a, batch.y, recording)
        self._output, self._cost = plan.objective.network.activations[-1], plan.objective.cost
        self._z, self._a, self._y = (np.asarray(array).view(np.ndarray) for array in (z, a, batch.y))

    def cost(self) -> float:
        """Return the sum of the costs of the examples last looked at."""
        costs = self._cost.of_examples(self._output, self._z, self._a, self._y)
        return float(np.sum(costs, dtype=np.float64))


class Iteration:
    """One iteration of a minimizer, in place of a step; it looks at all training examples as often as it likes."""

    def __init__(self, plan: Plan, position: Position, y: Array, noise: Noise) -> None:
        self._plan, self._position = plan, position
        self._at = Position(position.theta.copy())
        self._grad = np.zeros_like(position.theta)
        self._gradient = Gradient(plan, self._at, self._grad, y, len(y), noise)
        recording = Recording()
        with _put_back(position):
            _after_step(plan, position, recording)
        self._calls = recording.calls

    def __call__(self, rows: Rows) -> None:
        """Iterate once, over the examples in rows (n,), which are all."""
        minimizer, position = self._plan.optimizer, self._position
        assert isinstance(minimizer, Minimizer)

        def cost_and_gradient(theta: Array) -> tuple[float, Array]:
            self._at.theta[...] = theta
            cost = self._gradient.with_cost(rows)
            self._plan.objective.add_penalties(self._at.theta, self._grad)
            return cost + self._plan.objective.penalty_of(self._at.theta), self._grad

        before = position.theta.copy()
        for _ in range(2):  # after a search in vain, a minimizer begins anew, straight down the gradient
            minimizer.iterate(cost_and_gradient, position.theta, position.state_of("optimizer"))
            if not np.array_equal(before, position.theta):
                break
        else:
            position.memory[CONVERGED][...] = 1
        for call in self._calls:
            call()

    def draw(self) -> None:
        """There is nothing to draw: a minimizer wants the same cost at every look."""


@contextmanager
def _put_back(position: Position) -> Iterator[None]:
    """Give the arrays of a position their values back in the end: to record a step is to make it."""
    arrays = (position.theta, *position.memory.values())
    before = [array.copy() for array in arrays]
    yield
    for array, value in zip(arrays, before, strict=True):
        array[...] = value


def _watched(state: State, recording: Recording) -> State:
    return {name: recording.watch(array) for name, array in state.items()}


def _plain_sgd(objective: Objective, recording: Recording, x: Array, theta: Array, y: Array, eta: Array) -> Array:
    """W <- (1 - eta lambda/n) W - eta dC/dW and b <- b - eta dC/db, with no gradient ever written down.

    With eta folded into the first delta, dC/dW comes out as eta dC/dW, and the product that computes it takes it off W
    as it goes: one pass over the weights in place of three or four. Returns the outputs a^L (m, n_L).
    """
    layers = objective.network.layers(theta)
    z, a = forward(layers, x)
    first = objective.cost.delta(layers[-1].activation, z[-1], a[-1], y, weight=eta / len(x))  # BP1
    decay = sum(c for penalty, c in objective.penalties if isinstance(penalty, L2))
    keep = 1 - eta * decay if decay else 1.0
    others = [(penalty, eta * c) for penalty, c in objective.penalties if not isinstance(penalty, L2)]
    ones = np.ones(len(x), theta.dtype)
    for l, delta in deltas(layers, z, a, first):
        W, b = layers[l - 1].W, layers[l - 1].b
        for penalty, c in others:
            penalty.shrink(W, c)
        recording.product(delta.mT, a[l - 1], out=W, keep=keep)  # BP4
        recording.product(ones, delta, out=b)  # BP3
    return a[-1]


def _after_step(plan: Plan, position: Position, recording: Recording) -> None:
    """Record what happens to theta once it has moved: long weight vectors cut, the average brought up to date."""
    theta = recording.watch(position.theta)
    if plan.max_norm:
        limit_norms(plan.objective.network.layers(theta)[:-1], plan.max_norm)
    if plan.average:
        plan.average.update(_watched(position.state_of("average"), recording), theta)


def limit_norms(layers: list[Dense], c: float) -> None:
    """Shorten the incoming weights of every unit to the norm c where they are longer (Srivastava et al. 2014, 5.1)."""
    for layer in layers:
        W = layer.W
        norms = np.sqrt(np.sum(W * W, axis=-1, keepdims=True))
        W *= np.minimum(c / norms, 1)


def _count_mistakes(position: Position, a: Array, y: Array, recording: Recording) -> None:
    """Record that the examples with a wrong output are counted, if that is asked for; a and y have shape (m, n_L)."""
    if MISTAKES in position.memory:
        mistakes = recording.watch(position.memory[MISTAKES])
        mistakes += np.sum(np.max(np.abs(a - y), axis=-1))
