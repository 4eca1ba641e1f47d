"""One step of training with every number kept that leads from the inputs to the new weights.

The numbers come from the functions that train, `Network.forward`, `Cost.delta` and `Network.backward`; nothing is
computed a second time here. m is the number of examples, L that of layers.
"""

from __future__ import annotations

import numpy as np

from backprop_cli.frozen import frozen
from backprop_cli.nn.activations import Activation
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.parameters import GradientSum
from backprop_cli.objectives.objective import Backpropagation, Objective

EPS = 1e-4
"""The default step of the difference: error of its formula and rounding both leave about eight digits."""


@frozen
class Passed:
    """What a layer without weights, such as pooling, makes of a signal, and dC/d of that. Shapes (m, c, h, w)."""

    operation: str
    p: Array
    dC_dp: Array


@frozen
class LayerTrace:
    """The numbers of one layer l, on the way forward and on the way back.

    The arrays of a convolution have shapes (m, c, h, w) and W (filters, c, size, size). `passed` is what leaves the
    layers without weights that follow. W may be the transpose of that of the layer `tied_to` (from 1): `dC_dW` is from
    this layer alone, and `total_dW` is the sum over all layers with this W.

    `dC_da` (m, n_l) is what the delta was computed from: delta^{l+1} W^{l+1} in a hidden layer. It is None where the
    cost gives the delta of its output layer directly (BP1 as a theorem). `slope` is f'(z) (m, n_l), None where a unit's
    output depends on other units too, as in softmax.
    """

    activation: Activation
    W: Array  # (n_l, n_{l-1})
    b: Array  # (n_l,)
    z: Array  # (m, n_l), as the next four
    a: Array
    dC_da: Array | None
    slope: Array | None
    delta: Array
    dC_dW: Array  # of the shape of W; of the cost alone
    dC_db: Array
    penalty_dW: Array  # what the penalties add to dC/dW
    new_W: Array
    new_b: Array
    operation: str = "dense"
    passed: tuple[Passed, ...] = ()
    tied_to: int | None = None
    total_dW: Array | None = None


@frozen
class Difference:
    """The central difference of the objective in the direction of one parameter w, beside its derivative.

    `crosses_kink` says that f, the cost or a penalty has a kink between w - eps and w + eps, where a difference does
    not approximate the derivative.
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


@frozen
class Trace:
    """A step on the examples x (m, n_0), or images (m, c, h, w), and y (m, n_L).

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
    passed: tuple[Passed, ...] = ()


def trace(
    objective: Objective, theta: Array, x: Array, y: Array, new: Array, index: int | None = None, eps: float = EPS
) -> Trace:
    """Return the numbers of a step from theta to `new`, float64, on the examples x (m, n_0), y (m, n_L).

    theta[index] is the parameter whose difference is taken: by default the one with the largest dC/dw in the first
    array (W1, b1, …) that has any but 0.
    """
    estimator, layout = objective.estimator, objective.layout
    assert isinstance(estimator, Backpropagation), "only back-propagation has deltas to trace"
    network, cost = estimator.network, estimator.cost

    signals, caches = network.forward(theta, x)
    z_out, a_out = signals[-1], network.output.value(signals[-1])
    delta = cost.delta(network.output, z_out, a_out, y, weight=1 / len(x))  # BP1
    grad, penalty_grad = np.zeros_like(theta), np.zeros_like(theta)
    of_cost = layout.separate.split(np.zeros(layout.separate.size))
    deltas = network.backward(theta, caches, delta, [GradientSum(params) for params in of_cost])  # BP2, BP3, BP4
    objective.add_penalties(theta, penalty_grad)

    before, total, of_penalty, after = (layout.split(vector) for vector in (theta, grad, penalty_grad, new))
    for params, part in zip(total, of_cost, strict=True):
        for name, array in part.items():
            params[name] += array

    def passed(start: int) -> tuple[Passed, ...]:
        """Return what the layers without weights from number `start` on make of the signal."""
        stop = next((unit.index for unit in network.units if unit.index >= start), start)
        numbers = [i for i in range(start, stop) if network.layers[i].operation != "identity"]  # dropout is off
        return tuple(Passed(network.layers[i].operation, signals[i + 1], deltas[i + 1]) for i in numbers)

    layers = []
    for unit in network.units:
        i, f = unit.index, unit.activation
        z = signals[i + 1]
        if z is z_out:
            a, dC_da = a_out, None if cost.slope_cancels else cost.dC_da(a_out, y, weight=1 / len(x))
        else:
            a, dC_da = signals[i + 2], deltas[i + 2]
        slope = f.slope(z, a)
        layers.append(
            LayerTrace(
                f,
                W=before[i].W,
                b=before[i].b,
                z=z,
                a=a,
                dC_da=dC_da,
                slope=None if slope is None else np.asarray(slope, z.dtype),
                delta=deltas[i + 1],
                dC_dW=of_cost[i].W,
                dC_db=of_cost[i].b,
                penalty_dW=of_penalty[i].W,
                new_W=after[i].W,
                new_b=after[i].b,
                operation=unit.layer.operation,
                passed=passed(i + 2),
                tied_to=next((p.transpose_of for p in layout.layers[i] if p.transpose_of), None),
                total_dW=total[i].W if (i, "W") in layout.shared else None,
            )
        )
    index = _most_sensitive(objective, grad) if index is None else index
    costs, penalty = estimator.evaluate(theta, x, y).costs, float(objective.penalty(theta))
    return Trace(
        signals[0],
        y,
        tuple(layers),
        costs=costs,
        cost=float(np.mean(costs)),
        penalty=penalty,
        value=float(np.mean(costs)) + penalty,
        new_value=float(objective.value(new, x, y)),
        difference=_difference(objective, theta, x, y, index, eps, grad + penalty_grad),
        passed=passed(0),
    )


def _most_sensitive(objective: Objective, grad: Array) -> int:
    """Return the place of the largest derivative in the first array of grad that is not all 0."""
    largest = (max(e.place, key=lambda i: abs(float(grad[i]))) for e in objective.layout.entries)
    return next((i for i in largest if grad[i]), 0)


def _difference(
    objective: Objective, theta: Array, x: Array, y: Array, index: int, eps: float, grad: Array
) -> Difference:
    """Return the difference in the direction of theta[index], beside grad[index]."""
    values, sides = [], []
    for step in (eps, -eps):
        shifted = theta.copy()
        shifted[index] += step
        values.append(float(objective.value(shifted, x, y)))
        sides.append(objective.sides(shifted, x, y))
    return Difference(
        objective.layout.name_of(index),
        w=float(theta[index]),
        eps=eps,
        above=values[0],
        below=values[1],
        derivative=float(grad[index]),
        crosses_kink=not all(np.array_equal(p, q) for p, q in zip(*sides, strict=True)),
    )
