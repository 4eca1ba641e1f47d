"""Which runs of a sweep are trained as one computation, see `backprop_cli.training.stacks`.

It changes no bit of a run, so this is about speed alone, and no part of what a sweep is.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from itertools import islice
from typing import TypeVar

import numpy as np

from backprop_cli.experiment.schema import Experiment
from backprop_cli.runs.build import batch_size

LARGEST, FEWEST = 8, 4
"""Runs in a stack that is chosen by `usual_size`. More gain little, and fewer than FEWEST nothing."""

SMALL, CACHE = 400_000, 1_000_000
"""Multiplications of a layer in a step, up to which calls take a good part of its time; and the bytes of parameters
and of what the optimizer keeps that stay in the cache of a core, if those of all runs are together."""

T = TypeVar("T")


def usual_size(e: Experiment) -> int:
    """Return how many runs like this one are trained together in the least time."""
    theta = np.zeros(e.network.layout.size, e.dtype)
    fitting = CACHE // sum(array.nbytes for array in (theta, *e.optimizer.init(theta).values()))
    small = batch_size(e) * e.network.multiplications <= SMALL
    return min(LARGEST, fitting) if small and fitting >= FEWEST else 1


def groups(runs: Iterator[tuple[T, Experiment]], stack: int | str, jobs: int) -> Iterator[list[tuple[T, Experiment]]]:
    """Yield runs in groups to be trained together, which leave work for all `jobs`; `stack` as in the options.

    Runs of a group have the same layers, data and batches, and differ in the seed, η, λ and the like. A few runs are
    looked at ahead.
    """
    if stack == "none":
        yield from ([run] for run in runs)
        return
    while window := list(islice(runs, jobs * (stack if isinstance(stack, int) else LARGEST))):
        alike: dict[Hashable, list[tuple[T, Experiment]]] = {}
        for run in window:
            alike.setdefault(_kind(run[1]), []).append(run)
        for some in alike.values():
            size = stack if isinstance(stack, int) else min(usual_size(some[0][1]), -(-len(window) // jobs))
            yield from (some[i : i + size] for i in range(0, len(some), size))


def _kind(e: Experiment) -> Hashable:
    """Return what runs of a stack have in common, as far as a config tells. Those with pre-training are alone."""
    if e.pretrain:
        return object()
    data = (e.dataset, e.validation, e.train_size, e.fold, e.targets, e.dtype)
    training = (batch_size(e), e.epochs, e.optimizer.name, e.cost.name, frozenset(e.strengths), e.threads)
    return e.network.layout, e.activations, data, training
