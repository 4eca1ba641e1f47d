"""One step of training on batches of one size: gather the examples, replay the recorded mathematics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backprop_cli.data.dataset import Dataset
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.network import deltas, forward
from backprop_cli.nn.objective import Objective
from backprop_cli.nn.penalties import L2
from backprop_cli.optim.optimizers import SGD, Optimizer, State
from backprop_cli.training.blas import order_of
from backprop_cli.training.recording import Recording


@dataclass(frozen=True)
class Plan:
    """Everything that decides what training does, as objects.

    `workers` threads evaluate; unlike the rest, their number changes nothing but the time that takes.
    """

    objective: Objective
    optimizer: Optimizer
    data: Dataset
    eta: float
    batch_size: int
    epochs: int
    seed: int
    dtype: str
    workers: int = 1


class Step:
    """One step of the plan on m examples; it changes theta and the arrays of memory in place.

    The buffers are made once, here. `y` (n, n_L) are the targets of all training examples, eta is an array of
    no dimensions that is read anew at every step.
    """

    def __init__(self, plan: Plan, theta: Array, memory: State, y: Array, eta: Array, m: int) -> None:
        self._all_pixels = plan.data.train.pixels
        self._pixels = np.zeros((m, *self._all_pixels.shape[1:]), self._all_pixels.dtype)
        batch_y = np.zeros((m, y.shape[1]), y.dtype, order=order_of(m, y.shape[1]))  # as the outputs lie in memory
        by_rows = batch_y.flags.c_contiguous
        self._all_y, self._y, self._y_axis = (y, batch_y, 0) if by_rows else (np.ascontiguousarray(y.T), batch_y.T, 1)

        before = [array.copy() for array in (theta, *memory.values())]
        recording = Recording()
        x = recording.watch(self._pixels) * np.asarray(plan.data.scale, theta.dtype)
        arrays = [recording.watch(array) for array in (theta, batch_y, eta)]
        if isinstance(plan.optimizer, SGD):
            _plain_sgd(plan.objective, recording, x, *arrays)
        else:
            watched = {name: recording.watch(array) for name, array in memory.items()}
            _any_step(plan.objective, plan.optimizer, watched, recording.watch(np.empty_like(theta)), x, *arrays)
        for array, value in zip((theta, *memory.values()), before, strict=True):
            array[...] = value  # recording made a step of its own
        self._calls = recording.calls

    def __call__(self, rows: npt.NDArray[np.intp]) -> None:
        """Make the step on the examples in rows (m,). NumPy's overflow warnings should be off."""
        self._all_pixels.take(rows, 0, self._pixels, "clip")
        self._all_y.take(rows, self._y_axis, self._y, "clip")
        for call in self._calls:
            call()


def _plain_sgd(objective: Objective, recording: Recording, x: Array, theta: Array, y: Array, eta: Array) -> None:
    """W <- (1 - eta lambda/n) W - eta dC/dW and b <- b - eta dC/db, with no gradient ever written down.

    With eta folded into the first delta, dC/dW comes out as eta dC/dW, and the product that computes it takes it off W
    as it goes: one pass over the weights in place of three or four.
    """
    layers = objective.network.layers(theta)
    z, a = forward(layers, x)
    first = objective.cost.delta(layers[-1].activation, z[-1], a[-1], y, weight=eta / len(x))  # BP1
    shrinks = isinstance(objective.penalty, L2)
    keep = 1 - eta * objective.strength if objective.strength and shrinks else 1.0
    ones = np.ones(len(x), theta.dtype)
    for l, delta in deltas(layers, z, a, first):
        W, b = layers[l - 1].W, layers[l - 1].b
        if objective.strength and not shrinks:
            objective.penalty.shrink(W, eta * objective.strength)
        recording.product(delta.mT, a[l - 1], out=W, keep=keep)  # BP4
        recording.product(ones, delta, out=b)  # BP3


def _any_step(
    objective: Objective,
    optimizer: Optimizer,
    memory: State,
    grad: Array,
    x: Array,
    theta: Array,
    y: Array,
    eta: Array,
) -> None:
    objective.gradient(theta, x, y, out=grad)
    optimizer.step(theta, grad, memory, eta)
