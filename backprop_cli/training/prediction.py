"""The outputs of a network for examples without targets."""

from __future__ import annotations

import numpy as np

from backprop_cli.nn.arrays import Array
from backprop_cli.nn.network import Network, forward
from backprop_cli.training.evaluation import CHUNK


def outputs_of(network: Network, theta: Array, x: Array) -> Array:
    """Return the outputs a^L (n, n_L) for inputs x (n, n_0), scaled as in training."""
    layers = network.layers(theta)
    with np.errstate(all="ignore"):  # weights that overflow are seen in what they give
        parts = [forward(layers, x[start : start + CHUNK])[1][-1] for start in range(0, len(x), CHUNK)]
    return np.concatenate([np.empty((0, network.sizes[-1]), theta.dtype), *parts])
