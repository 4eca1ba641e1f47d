"""Why a network learns or does not: the size of gradients, weights and updates, and what its units do, by layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from backprop_cli.nn.arrays import Array
from backprop_cli.nn.network import Dense, forward
from backprop_cli.optim.minimizers import MINIMIZERS
from backprop_cli.optim.optimizers import Optimizer
from backprop_cli.training.batch import Rows
from backprop_cli.training.plan import Plan, Position

BATCHES, EXAMPLES = 10, 500
"""How many of an epoch's batches the gradients are taken from, and how many examples the units are watched on."""

SATURATED = 0.1
"""A sigmoid or tanh is saturated where its slope is below this share of its largest."""

SLOW, MANY = 0.01, 0.5
"""A gradient has vanished if the weights change, for their size, by less than this share of those that change most;
dead or saturated units are worth a word if they are more than this share of a layer."""


@dataclass(frozen=True)
class LayerState:
    """How a layer is doing: norms of dC/dW, W and its change in a step over its own; shares of its units, or None.

    `saturated` is for sigmoid and tanh, `dead` for relu: units that are 0 for every example looked at.
    """

    gradient_norm: float
    weight_norm: float
    update_ratio: float
    saturated: float | None = None
    dead: float | None = None


def diagnostics_of(activation: str) -> tuple[str, ...]:
    """Return the names of what a LayerState says of a layer with that activation."""
    units = {"sigmoid": ("saturated",), "tanh": ("saturated",), "relu": ("dead",)}
    return ("gradient_norm", "weight_norm", "update_ratio", *units.get(activation, ()))


def diagnose(plan: Plan, position: Position, y: Array, batches: list[Rows]) -> list[LayerState]:
    """Return the state of layer 1 … L after an epoch, from a few of its batches; nothing is changed.

    y (n, n_L) are the targets of the training examples. What is looked at is a function of the position alone, so a
    resumed run sees the same.
    """
    network, dtype = plan.objective.network, position.theta.dtype
    layers = network.layers(position.theta)
    chosen = batches[:: max(1, len(batches) // BATCHES)][:BATCHES]
    gradients, ratios = np.zeros(len(layers)), np.zeros(len(layers))
    with np.errstate(all="ignore"):
        for rows in chosen:
            rows = rows[:EXAMPLES]
            x = plan.data.train.inputs[rows] * np.asarray(plan.data.scale, dtype)
            g = plan.objective.gradient(position.theta, x, y[rows])
            gradients += [_norm(layer.W) for layer in network.layers(g)]
            change = network.layers(_update(plan, position, g))
            ratios += [_norm(d.W) / max(_norm(l.W), 1e-30) for d, l in zip(change, layers, strict=True)]
        x = plan.data.train.inputs[:EXAMPLES] * np.asarray(plan.data.scale, dtype)
        _, a = forward(layers, x)
    return [
        LayerState(float(g), _norm(layer.W), float(r), _saturated(layer, signal), _dead(layer, signal))
        for g, r, layer, signal in zip(gradients / len(chosen), ratios / len(chosen), layers, a[1:], strict=True)
    ]


def advice(layers: Sequence[LayerState]) -> Iterator[str]:
    """Yield a line for each thing that keeps a layer from learning, and what may help."""
    quickest = max((layer.update_ratio for layer in layers), default=0.0)
    for number, layer in enumerate(layers, start=1):
        if layer.update_ratio < SLOW * quickest:
            times = (
                f"{quickest / layer.update_ratio:,.0f} times slower than" if layer.update_ratio else "nothing, unlike"
            )
            yield (
                f"layer {number} learns {times} the quickest layer: its gradient vanishes; try activation=relu, "
                "fewer layers, or optimizer=adam"
            )
        if layer.dead is not None and layer.dead > MANY:
            yield (
                f"layer {number}: {layer.dead:.0%} of its units are dead (0 for every example); try a smaller eta, "
                "initializer=he, or activation=leaky_relu"
            )
        if layer.saturated is not None and layer.saturated > MANY and number < len(layers):
            yield (
                f"layer {number}: {layer.saturated:.0%} of its signals are saturated, where the slope is almost 0; try "
                "a smaller eta, or initializer=scaled if it is another"
            )


def _update(plan: Plan, position: Position, g: Array) -> Array:
    """Return by what a step with gradient g would move theta."""
    theta = position.theta.copy()
    state = {name: array.copy() for name, array in position.optimizer_state().items()}
    eta = np.asarray(plan.etas(max(position.epoch, 1), 1, position.halvings)[0], theta.dtype)
    if plan.optimizer.name in MINIMIZERS:
        return -eta * g  # where a line search would go, only the search can tell
    cast(Optimizer, plan.optimizer).step(theta, g, state, eta)
    return theta - position.theta


def _norm(array: Array) -> float:
    return float(np.linalg.norm(array))


def _saturated(layer: Dense, a: Array) -> float | None:
    slopes = {"sigmoid": 4 * a * (1 - a), "tanh": 1 - a * a}
    slope = slopes.get(layer.activation.name)
    return None if slope is None else float(np.mean(slope < SATURATED))


def _dead(layer: Dense, a: Array) -> float | None:
    return float(np.mean(~np.any(a > 0, axis=0))) if layer.activation.name == "relu" else None
