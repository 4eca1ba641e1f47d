"""What a network says about examples whose targets nobody knows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backprop_cli.data.tasks import Classification, codes_of
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.network import Network, forward
from backprop_cli.training.evaluation import CHUNK


def outputs_of(network: Network, theta: Array, x: Array) -> Array:
    """Return the outputs a^L (n, n_L) for inputs x (n, n_0), scaled as in training."""
    layers = network.layers(theta)
    with np.errstate(all="ignore"):  # weights that overflow are seen in what they give
        parts = [forward(layers, x[start : start + CHUNK])[1][-1] for start in range(0, len(x), CHUNK)]
    return np.concatenate([np.empty((0, network.sizes[-1]), theta.dtype), *parts])


@dataclass(frozen=True)
class Ranking:
    """The classes in order: `labels` (n, classes), the likeliest first, and what speaks for each, `values`.

    `measure` says what that is: a probability, an output, or a distance, the smallest of which is the best.
    """

    measure: str
    labels: npt.NDArray[np.intp]
    values: Array


def rank(task: Classification, output: str, outputs: Array) -> Ranking:
    """Return the classes in the order in which outputs (n, n_L) of an activation of that name speak for them.

    Softmax outputs are probabilities, and so are a and 1 - a of one sigmoid between two classes. Other outputs of one
    for each class are shown as they are: they need not sum to 1. In any other encoding it is the distance of the
    outputs from the code of the class that counts.
    """
    one_for_each = task.encoding.name == "one_hot"
    if one_for_each:
        measure, values = ("probability" if output == "softmax" else "output"), outputs
    elif output == "sigmoid" and task.classes == 2:
        measure, values = "probability", np.concatenate([1 - outputs, outputs], axis=1)
    else:
        codes = codes_of(task.encoding, task.classes, outputs.dtype)
        measure, values = "distance", np.linalg.norm(outputs[:, None] - codes, axis=2)
    order = np.argsort(values if measure == "distance" else -values, axis=1, kind="stable")
    return Ranking(measure, order, np.take_along_axis(values, order, axis=1))
