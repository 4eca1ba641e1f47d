"""Samples of a Boltzmann machine: rows of images along Gibbs chains."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import islice

import numpy as np

from backprop_cli.boltzmann.sampling import gibbs
from backprop_cli.data.dataset import Dataset
from backprop_cli.errors import UsageError
from backprop_cli.experiment.schema import Experiment
from backprop_cli.nn.arrays import Array
from backprop_cli.results.likelihood import machine_of
from backprop_cli.runs.build import limit_blas
from backprop_cli.runs.model import Model


def sample_from(
    model: Model,
    load: Callable[[Experiment], Dataset],
    split: str,
    steps: int,
    rows: int,
    chains: int,
    seed: int = 0,
) -> Array:
    """Return where `chains` Gibbs chains are, `steps` steps apart, (rows, chains, visible), numbers from 0 to 1.

    The chains are sampled, and start at examples of the train, val or test split: these are the first row. The others
    are the means of the visible units, which have less noise than samples. Raises UsageError for a network.
    """
    rbm, p = machine_of(model)
    data, rng = load(model.experiment), np.random.default_rng(seed)
    examples = data.split(split)
    if chains > len(examples):
        raise UsageError(f"{model.path}: the {split} split has {len(examples)} examples to start {chains} chains from")
    start = data.x(np.asarray(examples.inputs[np.sort(rng.choice(len(examples), chains, replace=False))]), np.float64)
    with limit_blas(model.experiment):
        found = islice(gibbs(rbm, p, start, rng), steps - 1, steps * (rows - 1), steps)
        return np.array([start, *(means for _, means in found)])


def npy_bytes(samples: Array) -> bytes:
    """Return an array as an .npy file."""
    file = io.BytesIO()
    np.save(file, samples)
    return file.getvalue()
