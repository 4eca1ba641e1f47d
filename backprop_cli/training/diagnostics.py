"""Why a network learns or does not: the size of gradients, weights and updates, and what its units do, by layer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backprop_cli.frozen import frozen
from backprop_cli.nn.activations import Activation
from backprop_cli.nn.arrays import Array
from backprop_cli.objectives.objective import Backpropagation
from backprop_cli.optim.optimizer import Optimizer
from backprop_cli.optim.state import State
from backprop_cli.training.batch import Batches, Rows
from backprop_cli.training.plan import Plan
from backprop_cli.training.state import TrainingState

BATCHES, EXAMPLES = 10, 500
"""How many of an epoch's batches the gradients are taken from, and how many examples the units are watched on."""

SATURATED = 0.1
"""A sigmoid or tanh is saturated where its slope is below this share of its largest."""


@frozen
class LayerState:
    """How a layer is doing: norms of dC/dW, W and its change in a step over its own; shares of its units, or None.

    `saturated` is for sigmoid and tanh, `dead` for relu: units, or maps, that are 0 for every example looked at.
    `delta_norm` is ‖δ‖ with δ = dC/db of the mean cost of EXAMPLES examples, the speed of learning of Nielsen,
    chapter 5.
    """

    gradient_norm: float
    weight_norm: float
    update_ratio: float | None
    saturated: float | None = None
    dead: float | None = None
    delta_norm: float | None = None


def diagnostics_of(activation: Activation) -> tuple[str, ...]:
    """Return the names of what a LayerState has for a layer with that activation."""
    saturated = ("saturated",) if activation.largest_slope else ()
    dead = ("dead",) if activation.can_die else ()
    return ("delta_norm", "gradient_norm", "weight_norm", "update_ratio", *saturated, *dead)


def diagnose(plan: Plan, state: TrainingState, batches: Batches, eta: float | None) -> Iterator[LayerState]:
    """Yield the state of layer 1 … L after an epoch, or before training, from a few of its batches; it changes nothing.

    eta is that of a step, None for a minimizer, whose steps depend on a search. The batches are a function of the
    position alone, so a resumed run has the same diagnostics.
    """
    data, theta, layout = plan.data, state.theta, plan.objective.layout
    estimator = plan.objective.estimator
    assert isinstance(estimator, Backpropagation), "diagnostics are about the layers of a network"
    network = estimator.network

    def arrays(name: str, vector: Array) -> list[Array]:
        params = layout.split(vector)
        return [getattr(params[unit.index], name) for unit in network.units]

    def inputs(rows: Rows | slice) -> Array:
        return data.train.inputs[rows] * np.asarray(data.scale, theta.dtype)

    def gradient(rows: Rows | slice) -> Array:
        objective = plan.objective.weighing(None if data.train.weights is None else data.train.weights[rows])
        return objective.gradient(theta, inputs(rows), data.task.encode(data.train.targets[rows], theta.dtype))

    numbers = range(0, len(batches), max(1, len(batches) // BATCHES))[:BATCHES]
    chosen = [batches[number][:EXAMPLES] for number in numbers]
    gradients, ratios = np.zeros(len(network.units)), np.zeros(len(network.units))
    with np.errstate(all="ignore"):
        for rows in chosen:
            g = gradient(rows)
            gradients += [_norm(dW) / len(chosen) for dW in arrays("W", g)]
            if eta is not None:
                changes = arrays("W", _update(plan, state, g, eta))
                ratios += [
                    _norm(d) / (_norm(W) or 1) / len(chosen) for d, W in zip(changes, arrays("W", theta), strict=True)
                ]
        deltas = delta_norms(plan, theta)
        signals, _ = network.forward(theta, inputs(slice(EXAMPLES)))
        weights = arrays("W", theta)
        for unit, g_norm, ratio, W, delta in zip(network.units, gradients, ratios, weights, deltas, strict=True):
            z, f = signals[unit.index + 1], unit.activation
            a = f.value(z)
            slope = f.slope(z, a)
            saturated = slope < SATURATED * f.largest_slope if f.largest_slope and slope is not None else None
            yield LayerState(
                float(g_norm),
                _norm(W),
                None if eta is None else float(ratio),
                None if saturated is None else float(np.mean(saturated)),
                float(np.mean(~np.any(a > 0, axis=(0, *range(2, a.ndim))))) if f.can_die else None,
                delta,
            )


def delta_norms(plan: Plan, theta: Array) -> list[float]:
    """Return ‖δ‖ of each layer, with δ = dC/db of the mean cost of the first EXAMPLES training examples."""
    data, layout, estimator = plan.data, plan.objective.layout, plan.objective.estimator
    assert isinstance(estimator, Backpropagation), "diagnostics are about the layers of a network"
    objective = plan.objective.weighing(None if data.train.weights is None else data.train.weights[:EXAMPLES])
    y = data.task.encode(data.train.targets[:EXAMPLES], theta.dtype)
    with np.errstate(all="ignore"):
        params = layout.split(objective.gradient(theta, data.x(data.train.inputs[:EXAMPLES], theta.dtype), y))
        return [_norm(params[unit.index].b) for unit in estimator.network.units]


def _update(plan: Plan, state: TrainingState, g: Array, eta: float) -> Array:
    """Return the change of theta in a step with gradient g."""
    assert isinstance(plan.optimizer, Optimizer)
    theta = state.theta.copy()
    copies = State((name, array.copy()) for name, array in state.group("optimizer").items())
    rates = plan.layer_rates(max(1, state.status.epoch))
    rates.hold(g)
    plan.optimizer.step(theta, g, copies, rates.eta(np.asarray(eta, theta.dtype)))
    return theta - state.theta


def _norm(array: Array) -> float:
    """Return ‖array‖, in double precision: the squares of a vanishing gradient underflow in single."""
    return float(np.linalg.norm(array.astype(np.float64)))
