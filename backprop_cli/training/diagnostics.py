"""Why a network learns or does not: the size of gradients, weights and updates, and what its units do, by layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from backprop_cli.nn.arrays import Array
from backprop_cli.nn.network import forward
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
    update_ratio: float | None
    saturated: float | None = None
    dead: float | None = None


def diagnostics_of(activation: str) -> tuple[str, ...]:
    """Return the names of what a LayerState says of a layer with that activation."""
    units = {"sigmoid": ("saturated",), "tanh": ("saturated",), "relu": ("dead",)}
    return ("gradient_norm", "weight_norm", "update_ratio", *units.get(activation, ()))


def diagnose(plan: Plan, position: Position, y: Array, batches: list[Rows], eta: float | None) -> Iterator[LayerState]:
    """Yield the state of layer 1 … L after an epoch, from a few of its batches; nothing is changed.

    y (n, n_L) are the targets of the training examples, eta is that of the epoch's last step, None for a minimizer,
    whose steps only a search can tell. What is looked at is a function of the position alone, so a resumed run sees
    the same.
    """
    network, dtype = plan.objective.network, position.theta.dtype
    layers = network.layers(position.theta)
    chosen = batches[:: max(1, len(batches) // BATCHES)][:BATCHES]
    gradients, ratios = np.zeros(len(layers)), np.zeros(len(layers))
    with np.errstate(all="ignore"):
        for rows in chosen:
            x = plan.data.train.inputs[rows[:EXAMPLES]] * np.asarray(plan.data.scale, dtype)
            g = plan.objective.gradient(position.theta, x, y[rows[:EXAMPLES]])
            gradients += [_norm(layer.W) / len(chosen) for layer in network.layers(g)]
            if eta is not None:
                change = network.layers(_update(plan, position, g, eta))
                ratios += [_norm(d.W) / (_norm(l.W) or 1) / len(chosen) for d, l in zip(change, layers, strict=True)]
        x = plan.data.train.inputs[:EXAMPLES] * np.asarray(plan.data.scale, dtype)
        _, a = forward(layers, x)
        for g_norm, ratio, layer, signal in zip(gradients, ratios, layers, a[1:], strict=True):
            yield LayerState(
                float(g_norm),
                _norm(layer.W),
                None if eta is None else float(ratio),
                _saturated(layer.activation.name, signal),
                float(np.mean(~np.any(signal > 0, axis=0))) if layer.activation.name == "relu" else None,
            )


def advice(layers: Sequence[LayerState], activations: Sequence[str], optimizer: str) -> Iterator[str]:
    """Yield a line for each thing that keeps a layer from learning, and what may help that is not there already."""
    quickest = max((layer.update_ratio or 0.0 for layer in layers), default=0.0)
    for number, (layer, activation) in enumerate(zip(layers, activations, strict=True), start=1):
        if layer.update_ratio is not None and layer.update_ratio < SLOW * quickest:
            much = "nothing, unlike"
            if layer.update_ratio:
                much = f"{quickest / layer.update_ratio:,.0f} times slower than"
            remedies = ["activation=relu"] * (activation != "relu") + ["fewer layers"]
            remedies += ["optimizer=adam"] * (optimizer != "adam")
            remedy = ", or ".join(remedies)
            yield f"layer {number} learns {much} the quickest layer: its gradient vanishes; try {remedy}"
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


def _update(plan: Plan, position: Position, g: Array, eta: float) -> Array:
    """Return by what a step with gradient g would move theta."""
    assert isinstance(plan.optimizer, Optimizer)
    theta = position.theta.copy()
    state = {name: array.copy() for name, array in position.state_of("optimizer").items()}
    plan.optimizer.step(theta, g, state, np.asarray(eta, theta.dtype))
    return theta - position.theta


def _norm(array: Array) -> float:
    """Return ‖array‖, in double precision: the square of a gradient that has vanished is nothing in single."""
    return float(np.linalg.norm(array.astype(np.float64)))


def _saturated(activation: str, a: Array) -> float | None:
    if activation == "sigmoid":
        return float(np.mean(4 * a * (1 - a) < SATURATED))
    return float(np.mean(1 - a * a < SATURATED)) if activation == "tanh" else None
