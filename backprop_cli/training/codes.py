"""Codes: what the units of a layer answer to examples, in a network that is not in training."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backprop_cli.data.dataset import Dataset, Inputs
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.network import Network
from backprop_cli.training.evaluation import outputs_of

ROWS = 10_000
"""Examples whose inputs are scaled at a time."""


def encoder_of(network: Network, theta: Array, number: int, data: Dataset) -> Callable[[Inputs], Array]:
    """Return what computes a of layer `number` (from 1), (n, units), for inputs (n, n_0) of a data set."""
    unit = network.units[number - 1]
    below, views = (
        Network(network.in_shape, network.layers[: unit.index + 1], unit.activation),
        network.layout.named(theta),
    )
    own = below.layout.join({entry.name: views[entry.name] for entry in below.layout.entries}, str(theta.dtype))

    def encode(inputs: Inputs) -> Array:
        starts = range(0, max(len(inputs), 1), ROWS)
        parts = [outputs_of(below, own, data.x(inputs[start : start + ROWS], theta.dtype)) for start in starts]
        return np.concatenate(parts)

    return encode
