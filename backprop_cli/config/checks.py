"""Rules between the keys of an experiment, each with what is wrong and what would be right."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from backprop_cli.config.reader import Path
from backprop_cli.config.schema import Experiment
from backprop_cli.data.catalogue import DATASETS
from backprop_cli.nn.activations import HIDDEN
from backprop_cli.nn.costs import COSTS
from backprop_cli.optim.optimizers import SGD

Problem = tuple[Path, str]
"""Where it is, and the sentence."""

COPIES_OF_THETA = 5
"""Vectors as long as theta that any training holds: theta, the way back, and a checkpoint in the making (three)."""


def problems_of(experiment: Experiment) -> list[Problem]:
    """Return everything that keeps this experiment from running, whatever the machine's data."""
    rules = (_layers, _activations, _rates, _sizes, _memory)
    return [problem for rule in rules for problem in rule(experiment)]


def _layers(e: Experiment) -> Iterator[Problem]:
    source = DATASETS[e.dataset]
    if e.layers[0] != source.inputs:
        yield (
            ("layers", 0),
            f"layers: the first layer has {e.layers[0]:,} units, but {e.dataset} has {source.inputs} inputs; "
            f"write {source.inputs}",
        )
    if e.layers[-1] != source.classes:
        yield (
            ("layers", len(e.layers) - 1),
            f"layers: the last layer has {e.layers[-1]:,} units, but {e.dataset} has {source.classes} classes; "
            f"write {source.classes}",
        )


def _activations(e: Experiment) -> Iterator[Problem]:
    if len(e.layers) > 2 and e.activation not in HIDDEN:
        yield (
            ("activation",),
            f"activation: {e.activation} works in the output layer only; write 'output: {e.activation}', "
            f"and here one of {', '.join(HIDDEN)}",
        )
    cost, output = COSTS[e.cost], e.output or e.activation
    if output not in cost.outputs:
        goes_with = " or ".join(f"'output: {name}'" for name in cost.outputs)
        others = ", ".join(f"'cost: {name}'" for name, other in COSTS.items() if output in other.outputs)
        yield (
            ("output",) if e.output else ("cost",),
            f"cost: {e.cost} does not go with {output} outputs; write {goes_with}"
            + (f", or {others}" if others else ""),
        )


def _rates(e: Experiment) -> Iterator[Problem]:
    """What is a number in the file may be nothing, or infinite, in the precision of training."""
    for key, value in (("eta", e.eta), ("lambda", e.lmbda)):
        smallest, largest = float(np.finfo(e.dtype).smallest_normal), float(np.finfo(e.dtype).max)
        if value and not smallest <= value <= largest:
            yield (
                (key,),
                f"{key}: {value:g} is nothing, or infinite, in {e.dtype}; it must lie between "
                f"{smallest:.0e} and {largest:.0e}",
            )


def _sizes(e: Experiment) -> Iterator[Problem]:
    pool = DATASETS[e.dataset].pool
    n_validation, n_train = amounts(e)
    if n_validation >= pool:
        yield (
            ("validation",),
            f"validation: {n_validation:,} examples leave none of the {pool:,} that {e.dataset} has to train on",
        )
        return
    if n_train < 1:
        yield ("train_size",), f"train_size: {e.train_size} leaves no examples to train on"
    elif n_train > pool - n_validation:
        yield (
            ("train_size",),
            f"train_size: {n_train:,} examples, but {e.dataset} has {pool:,}, of which {n_validation:,} are kept "
            f"for validation; write at most {pool - n_validation}",
        )
    elif e.batch_size > n_train:
        yield (
            ("batch_size",),
            f"batch_size: {e.batch_size:,} is more than the {n_train:,} training examples; write at most {n_train}",
        )


def _memory(e: Experiment) -> Iterator[Problem]:
    parameters = sum((n_in + 1) * n_out for n_in, n_out in pairwise(e.layers))
    item = 8 if e.dtype == "float64" else 4
    copies = COPIES_OF_THETA + 4 * (not isinstance(e.optimizer, SGD))  # a gradient, temporaries, what is remembered
    needed = item * (copies * parameters + 10 * (e.batch_size * sum(e.layers) + 1_000_000))
    available = _physical_memory()
    if available and needed > available:
        widest = max(range(1, len(e.layers)), key=lambda i: e.layers[i])
        yield (
            ("layers", widest),
            f"layers: {parameters:,} parameters need about {needed / 2**30:,.1f} GiB to train, and this machine "
            f"has {available / 2**30:,.1f}; make the layer of {e.layers[widest]:,} units smaller",
        )


def amounts(e: Experiment) -> tuple[int, int]:
    """Return how many examples the experiment validates and trains on, fractions and defaults worked out."""
    source = DATASETS[e.dataset]
    n_validation = source.validation if e.validation is None else _count(e.validation, source.pool)
    rest = max(0, source.pool - n_validation)
    return n_validation, rest if e.train_size is None else _count(e.train_size, rest)


def _count(amount: int | float, whole: int) -> int:
    return round(amount * whole) if isinstance(amount, float) else amount


def _physical_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # no such question on this platform
        return None
