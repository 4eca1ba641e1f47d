from __future__ import annotations

import numpy as np

from backprop_cli.data.dataset import Dataset, Split
from backprop_cli.data.tasks import Classification
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.initializers import Scaled
from backprop_cli.nn.network import dense_network
from backprop_cli.objectives.costs import COSTS
from backprop_cli.objectives.objective import Backpropagation, Objective
from backprop_cli.objectives.penalties import PENALTIES
from backprop_cli.optim.optimizers import SGD
from backprop_cli.training.plan import Plan
from backprop_cli.training.state import TrainingState


def dataset(n=47, n_in=6, classes=3, seed=0) -> Dataset:
    """Noise with the label painted into it."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n).astype(np.uint8)
    pixels = rng.integers(0, 100, (n, n_in)).astype(np.uint8)
    pixels[np.arange(n), labels] += 155
    every = Split(pixels, labels)
    return Dataset("noise", Classification(classes), 1 / 255, every[:-10], every[-10:-5], every[-5:])


def plan(
    hidden="sigmoid",
    output="sigmoid",
    cost="quadratic",
    penalty="l2",
    strength=0.0,
    optimizer=None,
    eta=1.0,
    batch_size=10,
    epochs=4,
    dtype="float32",
    data=None,
    dropouts=(),
    **more,
) -> Plan:
    data = data or dataset()
    network = dense_network((6, 5, 4, 3), [ACTIVATIONS[name] for name in (hidden, hidden, output)], dropouts)
    names = penalty.split(" + ") if strength else ()
    objective = Objective(Backpropagation(network, COSTS[cost]()), tuple((PENALTIES[name], strength) for name in names))
    settings = {"monitor": "accuracy", "seed": 7, "dtype": dtype, **more}
    return Plan(objective, optimizer or SGD(), data, eta, batch_size, epochs, **settings)


def start(p: Plan) -> TrainingState:
    theta = p.objective.estimator.network.initialize(Scaled(), np.random.default_rng(3), p.dtype)
    return p.initial_state(theta)


def weights_and_biases(p: Plan, theta):
    """The (W, b) of each layer, as views of theta."""
    arrays = p.objective.layout.named(theta)
    return [(arrays[f"W{l}"], arrays[f"b{l}"]) for l in range(1, len(arrays) // 2 + 1)]
