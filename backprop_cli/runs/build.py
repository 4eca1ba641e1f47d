"""The one place where the names in a config become objects."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial

import numpy as np

from backprop_cli.advice.range_test import RangeTest, range_test
from backprop_cli.config.phases import total_epochs
from backprop_cli.data.cache import Cache
from backprop_cli.data.dataset import Dataset
from backprop_cli.density import mean_input, without_targets
from backprop_cli.errors import CheckpointError
from backprop_cli.experiment.schema import Experiment
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.network import Network
from backprop_cli.nn.parameters import Layout
from backprop_cli.objectives.costs import Cost
from backprop_cli.objectives.objective import Backpropagation, Objective
from backprop_cli.objectives.penalties import PENALTIES
from backprop_cli.objectives.sparsity import Divergence, L1Activity, Sparsity
from backprop_cli.optim.max_norm import MaxNorm
from backprop_cli.runs.start import take_start
from backprop_cli.sources.registry import load_dataset
from backprop_cli.threads import choose_lanes, choose_threads, choose_workers, limit_threads
from backprop_cli.training.plan import Plan
from backprop_cli.training.streams import stream


def build_network(e: Experiment) -> Network:
    """Return the network of an experiment."""
    return e.network


def cost_of(e: Experiment, data: Dataset) -> Cost:
    """Return the cost of an experiment, with what it takes from the training examples."""
    classes = data.task.classes
    return e.cost.fitted_to(np.bincount(data.train.targets, minlength=classes).tolist()) if classes else e.cost


def build_objective(e: Experiment, data: Dataset) -> Objective:
    """Return what an experiment minimizes; its λ is divided by the number of training examples."""
    penalties = tuple((PENALTIES[name], strength / n_train(e)) for name, strength in e.strengths.items())
    network, cost = build_network(e), cost_of(e, data)
    descent = Backpropagation(network, cost, sparsity_of(e), e.sparse_layer)
    return Objective(cost.estimator(network) or descent, penalties)


def sparsity_of(e: Experiment) -> Sparsity | None:
    """Return the sparsity of an experiment, if it has one."""
    options = e.sparsity
    if options is None:
        return None
    return L1Activity(options.l1) if options.l1 else Divergence(options.target or 0.0, options.beta)


def build_plan(e: Experiment, data: Dataset) -> Plan:
    """Return everything that training needs to know."""
    return Plan(
        build_objective(e, data),
        e.optimizer,
        data,
        e.eta,
        batch_size(e),
        e.epochs,
        e.seed,
        e.dtype,
        schedule=e.schedule,
        warmup=e.warmup,
        max_norm=MaxNorm(e.max_norm) if e.max_norm else None,
        augment=e.augment,
        corrupt=e.corrupt,
        average=e.average,
        early_stopping=e.early_stopping,
        monitor=e.monitor or e.task.monitor,
        evaluate_every=e.evaluate_every,
        count_mistakes=e.cost.counts_mistakes,
        diagnostics=e.diagnostics,
        workers=choose_workers(e.threads),
        lanes=choose_lanes(threads_of(e), multiplications(e)),
        rates=e.rates,
        freeze=e.freeze,
        offset=total_epochs(e) - e.epochs,
    )


def threads_of(e: Experiment) -> int:
    """Return the number of BLAS threads of an experiment."""
    return choose_threads(e.threads, multiplications(e))


def multiplications(e: Experiment) -> int:
    """Return the number of multiplications of the largest layer for a batch."""
    return batch_size(e) * build_network(e).multiplications


def limit_blas(e: Experiment) -> AbstractContextManager[None]:
    """Let BLAS use no more threads than an experiment asks for, within this context."""
    return limit_threads(threads_of(e))


def n_train(e: Experiment) -> int:
    """Return the number of training examples, with all their copies."""
    assert isinstance(e.train_size, int), "an experiment is loaded with its sizes worked out"
    return e.train_size * e.data.copies


def batch_size(e: Experiment) -> int:
    """Return the number of examples in a batch."""
    return e.batch_size if isinstance(e.batch_size, int) else n_train(e)


def load_data(e: Experiment, cache: Cache) -> Dataset:
    """Return the data set of an experiment, split as it says. Raises DataError if it is not available."""
    assert isinstance(e.validation, int)
    assert isinstance(e.train_size, int)
    data = load_dataset(e.dataset, e.task, e.validation, e.train_size, cache, e.fold)
    splits = [split.in_precision(e.dtype) for split in (data.train, data.validation, data.test)]
    train, validation, test = (split.reconstructing() for split in splits) if e.reconstructs else splits
    data = replace(data, train=train, validation=validation, test=test)
    return without_targets(data) if e.cost.unsupervised else data


def changed_files(e: Experiment, data: Dataset) -> str:
    """Return the names of the files of a user's data that are not those that the experiment knows; empty if none is."""
    known = e.data.sha256 if e.dataset.origin == "files" else data.sha256
    return ", ".join(sorted(name for name in {*known, *data.sha256} if known.get(name) != data.sha256.get(name)))


def initial_theta(e: Experiment, dtype: str | None = None, data: Dataset | None = None, phase: int = 0) -> Array:
    """Return the initial parameters of an experiment, those of a phase of pre-training being drawn differently.

    They are given, or those of another run, or follow from data; the others are drawn.
    """
    network, start = build_network(e), take_start(e)
    rng = stream(e.seed, "initialization", *([phase] if phase else []))
    theta = network.initialize(e.initializer, rng, dtype or e.dtype, e.initializers)
    views = network.layout.named(theta)
    of_data = e.cost.initial(partial(mean_input, data)) if data else {}
    for name, value in {**of_data, **(start.arrays if start else {}), **(e.initial or {})}.items():
        views[name][...] = value
    return theta


def theta_of(e: Experiment, layout: Layout, arrays: Mapping[str, Array]) -> Array:
    """Return the theta of which these are the arrays by name.

    Raises CheckpointError if they do not fit, or are not finite.
    """
    try:
        with np.errstate(over="ignore"):
            theta = layout.join(arrays, e.dtype)
    except ValueError as error:
        raise CheckpointError(f"its arrays are not those of a network {e.architecture}") from error
    if not np.isfinite(theta).all():
        raise CheckpointError("its parameters are not finite")
    return theta


def find_eta(e: Experiment, data: Dataset) -> RangeTest:
    """Return a learning-rate range test of an experiment. Raises UsageError if its optimizer needs no eta."""
    with limit_blas(e):
        return range_test(build_plan(e, data), initial_theta(e, data=data))
