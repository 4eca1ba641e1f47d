"""The one place where the names in a config become objects."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from backprop_cli.config.schema import Experiment
from backprop_cli.data.cache import Cache
from backprop_cli.data.catalogue import load_dataset
from backprop_cli.data.dataset import Dataset
from backprop_cli.errors import CheckpointError
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.costs import COSTS
from backprop_cli.nn.initializers import INITIALIZERS
from backprop_cli.nn.network import Network
from backprop_cli.nn.objective import Objective
from backprop_cli.nn.penalties import PENALTIES
from backprop_cli.training.loop import Position
from backprop_cli.training.step import Plan
from backprop_cli.training.streams import stream
from backprop_cli.training.threads import choose_workers


def build_network(e: Experiment) -> Network:
    """Return the network of an experiment."""
    output = ACTIVATIONS[e.output or e.activation]
    hidden = ACTIVATIONS[e.activation]
    return Network(e.layers, (*[hidden] * (len(e.layers) - 2), output))


def build_objective(e: Experiment) -> Objective:
    """Return what an experiment minimizes; its λ is divided by the number of training examples."""
    assert isinstance(e.train_size, int), "an experiment is loaded with its sizes worked out"
    return Objective(build_network(e), COSTS[e.cost], PENALTIES[e.penalty], e.lmbda / e.train_size)


def build_plan(e: Experiment, data: Dataset) -> Plan:
    """Return everything that training needs to know."""
    workers = choose_workers(e.threads)
    return Plan(build_objective(e), e.optimizer, data, e.eta, e.batch_size, e.epochs, e.seed, e.dtype, workers)


def load_data(e: Experiment, cache: Cache) -> Dataset:
    """Return the data set of an experiment, split as it says. Raises DataError if it is not to be had."""
    assert isinstance(e.validation, int)
    assert isinstance(e.train_size, int)
    return load_dataset(e.dataset, e.validation, e.train_size, cache)


def initial_theta(e: Experiment, network: Network, dtype: str | None = None) -> Array:
    """Return the parameters that an experiment starts from."""
    return network.initialize(INITIALIZERS[e.initializer], stream(e.seed, "initialization"), dtype or e.dtype)


def initial_position(e: Experiment, plan: Plan) -> Position:
    """Return where training starts: new parameters, no memory, epoch 0."""
    theta = initial_theta(e, plan.objective.network)
    return Position(theta, plan.optimizer.init(theta))


def theta_of_layers(e: Experiment, network: Network, layers: Sequence[tuple[Array, Array]]) -> Array:
    """Return the theta of which these W and b are the layers. Raises CheckpointError if they do not fit."""
    shapes = [(W.shape, b.shape) for W, b in layers]
    if shapes != [((n_out, n_in), (n_out,)) for n_in, n_out in pairwise(network.sizes)]:
        raise CheckpointError(f"its arrays are not those of a network {'-'.join(map(str, e.layers))}")
    theta = np.empty(network.n_parameters, e.dtype)  # of a size that has been seen, not only declared
    for layer, (W, b) in zip(network.layers(theta), layers, strict=True):
        layer.W[...], layer.b[...] = W, b
    return theta
