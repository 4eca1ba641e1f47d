"""One step of training with nothing thrown away: every number that leads from the inputs to the new weights.

The numbers come from the functions that train, `forward`, `Cost.delta`, `deltas` and `backward`; nothing is worked out
a second time here. m is the number of examples, L that of layers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from backprop_cli.nn.activations import Activation, Elementwise
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.gradcheck import sides_of_kinks
from backprop_cli.nn.network import backward, deltas, forward
from backprop_cli.nn.objective import Objective

EPS = 1e-4
"""The default step of the difference: its formula and its rounding are then both right to about eight digits."""

Move = Callable[[Array, Array], None]
"""(theta, g): change theta in place by one step with the gradient g."""


@dataclass(frozen=True)
class LayerTrace:
    """What one layer l sees on the way forward and on the way back.

    `dC_da` is dC/da (m, n_l), by way of which the delta was found: delta^{l+1} W^{l+1} in a hidden layer. It is None
    where the cost knows the delta of its output layer without (BP1 as a theorem). `slope` is f'(z) (m, n_l), None where
    f has no slope for each unit alone, as softmax.
    """

    activation: Activation
    W: Array  # (n_l, n_{l-1})
    b: Array  # (n_l,)
    z: Array  # (m, n_l), as all of the next four
    a: Array
    dC_da: Array | None
    slope: Array | None
    delta: Array
    dC_dW: Array  # of the shape of W; of the cost alone
    dC_db: Array
    penalty_dW: Array  # what the penalties add to dC/dW
    new_W: Array
    new_b: Array


@dataclass(frozen=True)
class Difference:
    """The central difference of the objective in the direction of one parameter w, beside its derivative.

    `crosses_kink` says that f, the cost or a penalty has a kink between w - eps and w + eps, where a difference tells
    nothing about the derivative.
    """

    at: str
    w: float
    eps: float
    above: float
    below: float
    derivative: float
    crosses_kink: bool

    @property
    def quotient(self) -> float:
        """(C(w + eps) - C(w - eps)) / 2 eps, whose error is eps²/6 of the third derivative."""
        return (self.above - self.below) / (2 * self.eps)

    @property
    def error(self) -> float:
        """The relative error, |quotient - derivative| over the larger of the two; 0 if both are."""
        scale = max(abs(self.quotient), abs(self.derivative))
        return abs(self.quotient - self.derivative) / scale if scale else 0.0


@dataclass(frozen=True)
class Trace:
    """A step on the examples x (m, n_0), y (m, n_L).

    `costs` (m,) are those of the examples and `cost` is their mean; `value` is the objective, the cost plus `penalty`,
    before the step, and `new_value` after it.
    """

    x: Array
    y: Array
    layers: tuple[LayerTrace, ...]
    costs: Array
    cost: float
    penalty: float
    value: float
    new_value: float
    difference: Difference


def trace(
    objective: Objective, theta: Array, x: Array, y: Array, move: Move, index: int | None = None, eps: float = EPS
) -> Trace:
    """Take one step from theta, float64, on the examples x (m, n_0), y (m, n_L), and return all of it.

    theta[index] is the parameter whose difference is taken: if none is named, the one with the largest dC/dw in the
    first array (W1, b1, …) that has any but 0. theta stays as it was.
    """
    network = objective.network
    layers = network.layers(theta)
    witnesses = [_Witness(layer.activation) for layer in layers]
    watched = [replace(layer, activation=witness) for layer, witness in zip(layers, witnesses, strict=True)]

    z, a = forward(layers, x)
    last = objective.cost.delta(witnesses[-1], z[-1], a[-1], y, weight=1 / len(x))  # BP1
    delta = dict(deltas(watched, z, a, last))
    grad, penalty = np.zeros_like(theta), np.zeros_like(theta)
    backward(layers, network.layers(grad), z, a, last)
    objective.add_penalties(theta, penalty)
    new = theta.copy()
    move(new, grad + penalty)

    of_cost, of_penalty, moved = (network.layers(vector) for vector in (grad, penalty, new))
    return Trace(
        x,
        y,
        tuple(
            LayerTrace(
                own.activation,
                W=own.W,
                b=own.b,
                z=z[l],
                a=a[l],
                dC_da=witnesses[l - 1].seen,
                slope=_slope(own.activation, z[l], a[l]),
                delta=delta[l],
                dC_dW=of_cost[l - 1].W,
                dC_db=of_cost[l - 1].b,
                penalty_dW=of_penalty[l - 1].W,
                new_W=moved[l - 1].W,
                new_b=moved[l - 1].b,
            )
            for l, own in enumerate(network.layers(theta.copy()), start=1)
        ),
        costs=objective.cost.of_examples(layers[-1].activation, z[-1], a[-1], y),
        cost=objective.cost_of(z[-1], a[-1], y),
        penalty=float(objective.penalty_of(theta)),
        value=objective.value(theta, x, y),
        new_value=objective.value(new, x, y),
        difference=_difference(
            objective, theta, x, y, _telling(objective, grad) if index is None else index, eps, grad + penalty
        ),
    )


@dataclass
class _Witness:
    """An activation that notes the dC/da it is handed on the way back, which f itself uses up."""

    f: Activation
    seen: Array | None = None

    @property
    def name(self) -> str:
        return self.f.name

    @property
    def kinks(self) -> tuple[float, ...]:
        return self.f.kinks

    def value(self, z: Array) -> Array:
        return self.f.value(z)

    def pull_back(self, z: Array, a: Array, g: Array) -> Array:
        self.seen = g.copy()
        return self.f.pull_back(z, a, g)


def _slope(f: Activation, z: Array, a: Array) -> Array | None:
    return np.asarray(f.slope(z, a), z.dtype) if isinstance(f, Elementwise) else None


def _telling(objective: Objective, grad: Array) -> int:
    """Return the place of the largest derivative in the first array of grad that is not all 0."""
    largest = (max(indices, key=lambda i: abs(float(grad[i]))) for _, indices in objective.network.arrays())
    return next((i for i in largest if grad[i]), 0)


def _difference(
    objective: Objective, theta: Array, x: Array, y: Array, index: int, eps: float, grad: Array
) -> Difference:
    """Return the difference in the direction of theta[index], beside grad[index]."""
    values, sides = [], []
    for step in (eps, -eps):
        shifted = theta.copy()
        shifted[index] += step
        z, a = forward(objective.network.layers(shifted), x)
        values.append(objective.cost_of(z[-1], a[-1], y) + objective.penalty_of(shifted))
        sides.append(sides_of_kinks(objective, shifted, z, a, y))
    return Difference(
        objective.network.name_of(index),
        w=float(theta[index]),
        eps=eps,
        above=values[0],
        below=values[1],
        derivative=float(grad[index]),
        crosses_kink=not all(np.array_equal(p, q) for p, q in zip(*sides, strict=True)),
    )
