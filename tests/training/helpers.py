from __future__ import annotations

import numpy as np

from backprop_cli.data.dataset import Dataset, Split
from backprop_cli.data.tasks import Classification
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.costs import COSTS
from backprop_cli.nn.initializers import INITIALIZERS
from backprop_cli.nn.network import Network
from backprop_cli.nn.objective import Objective
from backprop_cli.nn.penalties import PENALTIES
from backprop_cli.optim.optimizers import SGD
from backprop_cli.training.plan import Plan, Position, initial_memory


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
    **more,
) -> Plan:
    data = data or dataset()
    network = Network((6, 5, 4, 3), (ACTIVATIONS[hidden], ACTIVATIONS[hidden], ACTIVATIONS[output]))
    penalties = ((PENALTIES[penalty], strength),) if strength else ()
    objective = Objective(network, COSTS[cost](), penalties)
    return Plan(objective, optimizer or SGD(), data, eta, batch_size, epochs, seed=7, dtype=dtype, **more)


def start(p: Plan) -> Position:
    theta = p.objective.network.initialize(INITIALIZERS["scaled"], np.random.default_rng(3), p.dtype)
    return Position(theta, initial_memory(p, theta))
