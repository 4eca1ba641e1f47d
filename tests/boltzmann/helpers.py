"""Small machines, and brute force over all of their states."""

from __future__ import annotations

from itertools import product

import numpy as np

from backprop_cli.boltzmann.costs import LIKELIHOODS
from backprop_cli.data.dataset import Dataset, Split
from backprop_cli.density import Density, without_targets
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.network import Stage, network_of
from backprop_cli.nn.parameters import Params
from backprop_cli.objectives.objective import Objective
from backprop_cli.objectives.penalties import PENALTIES
from backprop_cli.optim.optimizers import SGD
from backprop_cli.training.plan import Plan


def network(visible, hidden, output="sigmoid"):
    f = ACTIVATIONS[output]
    return network_of((visible,), [Stage(LIKELIHOODS["cd"]().layer(hidden, f), f)])


def machine(visible, hidden, output="sigmoid", scale=1.0, seed=0):
    """Return an RBM and parameters for it, W, b and a, and these as theta."""
    net = network(visible, hidden, output)
    theta = scale * np.random.default_rng(seed).standard_normal(net.layout.size)
    (rbm,), (p,) = net.layers, net.layout.split(theta)
    return rbm, p, theta


def states(n):
    """Return all rows of n bits, (2ⁿ, n)."""
    return np.array(list(product((0.0, 1.0), repeat=n)))


def energies(p: Params, v, h):
    """Return E(v, h) for each pair of rows, by the sums of the definition, (rows of v, rows of h)."""
    return np.array([[-sum(p.a * x) - sum(p.b * y) - y @ p.W @ x for y in h] for x in v])


def probabilities(p: Params):
    """Return p(v, h) for all states, (2^visible, 2^hidden)."""
    energy = energies(p, states(len(p.a)), states(len(p.b)))
    weights = np.exp(-(energy - energy.min()))
    return weights / weights.sum()


def plan(cost="cd", output="sigmoid", dtype="float64", strength=0.0, optimizer=None, data=None, **settings) -> Plan:
    options = {name: settings.pop(name) for name in ("k", "chains", "visible") if name in settings}
    data = data or dataset()
    net = network(data.train.inputs.shape[1], 4, output)
    penalties = ((PENALTIES["l2"], strength),) if strength else ()
    settings = {"eta": 0.1, "batch_size": 10, "epochs": 3, "seed": 7, "monitor": "pseudo_likelihood", **settings}
    objective = Objective(LIKELIHOODS[cost](**options).estimator(net), penalties)
    return Plan(objective, optimizer or SGD(), data, dtype=dtype, **settings)


def start(p: Plan):
    theta = 0.1 * np.random.default_rng(3).standard_normal(p.objective.layout.size)
    return p.initial_state(theta.astype(p.dtype))


def dataset(n=47, visible=6, weights=False) -> Dataset:
    rng = np.random.default_rng(0)
    inputs = rng.integers(0, 256, (n, visible)).astype(np.uint8)
    every = Split(inputs, np.zeros(n, np.uint8), rng.uniform(0.5, 1.5, n) if weights else None)
    splits = [part.in_precision("float64") for part in (every[:-10], every[-10:-5], every[-5:])]
    return without_targets(Dataset("noise", Density(visible), 1 / 255, *splits))
