"""The one place where the names in a config become objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from backprop_cli.config.schema import Experiment
from backprop_cli.data.cache import Cache
from backprop_cli.data.dataset import Dataset
from backprop_cli.data.registry import load_dataset
from backprop_cli.errors import CheckpointError
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.initializers import INITIALIZERS
from backprop_cli.nn.network import Network
from backprop_cli.nn.objective import Objective
from backprop_cli.nn.penalties import PENALTIES
from backprop_cli.training.plan import Plan, Position, initial_memory
from backprop_cli.training.streams import stream
from backprop_cli.training.threads import choose_workers


def build_network(e: Experiment) -> Network:
    """Return the network of an experiment."""
    return Network(e.sizes, tuple(ACTIVATIONS[name] for name in e.activations))


def build_objective(e: Experiment) -> Objective:
    """Return what an experiment minimizes; its λ is divided by the number of training examples."""
    penalties = tuple((PENALTIES[name], strength / n_train(e)) for name, strength in e.strengths.items())
    return Objective(build_network(e), e.cost, penalties)


def build_plan(e: Experiment, data: Dataset) -> Plan:
    """Return everything that training needs to know."""
    return Plan(
        build_objective(e),
        e.optimizer,
        data,
        e.eta,
        batch_size(e),
        e.epochs,
        e.seed,
        e.dtype,
        schedule=e.schedule,
        warmup=e.warmup,
        dropout=e.dropouts if any(e.dropouts) else (),
        max_norm=e.max_norm,
        augment=e.augment,
        average=e.average,
        early_stopping=replace(e.early_stopping, monitor=e.monitor) if e.early_stopping else None,
        diagnostics=e.diagnostics,
        workers=choose_workers(e.threads),
    )


def n_train(e: Experiment) -> int:
    """Return the number of training examples."""
    assert isinstance(e.train_size, int), "an experiment is loaded with its sizes worked out"
    return e.train_size


def batch_size(e: Experiment) -> int:
    """Return the number of examples in a batch."""
    return e.batch_size if isinstance(e.batch_size, int) else n_train(e)


def load_data(e: Experiment, cache: Cache) -> Dataset:
    """Return the data set of an experiment, split as it says. Raises DataError if it is not to be had."""
    assert isinstance(e.validation, int)
    return load_dataset(e.dataset, e.task, e.validation, n_train(e), cache)


def initial_theta(e: Experiment, network: Network, dtype: str | None = None) -> Array:
    """Return the parameters that an experiment starts from."""
    return network.initialize(INITIALIZERS[e.initializer], stream(e.seed, "initialization"), dtype or e.dtype)


def initial_position(e: Experiment, plan: Plan) -> Position:
    """Return where training starts: new parameters, no memory, epoch 0."""
    theta = initial_theta(e, plan.objective.network)
    return Position(theta, initial_memory(plan, theta))


def theta_of_layers(e: Experiment, network: Network, layers: Sequence[tuple[Array, Array]]) -> Array:
    """Return the theta of which these W and b are the layers. Raises CheckpointError if they do not fit."""
    shapes = [(W.shape, b.shape) for W, b in layers]
    if shapes != [((n_out, n_in), (n_out,)) for n_in, n_out in pairwise(network.sizes)]:
        raise CheckpointError(f"its arrays are not those of a network {'-'.join(map(str, e.sizes))}")
    theta = np.empty(network.n_parameters, e.dtype)  # of a size that has been seen, not only declared
    for layer, (W, b) in zip(network.layers(theta), layers, strict=True):
        layer.W[...], layer.b[...] = W, b
    return theta
