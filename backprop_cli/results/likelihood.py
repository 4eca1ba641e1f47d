"""The likelihood of the examples of a split under a Boltzmann machine, exact or estimated by annealing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any, Literal

import numpy as np

from backprop_cli.boltzmann.annealing import Annealing, Estimate
from backprop_cli.boltzmann.likelihood import log_partition
from backprop_cli.boltzmann.rbm import RBM
from backprop_cli.boltzmann.sampling import gibbs
from backprop_cli.data.dataset import Dataset
from backprop_cli.density import mean_input
from backprop_cli.errors import UsageError
from backprop_cli.experiment.schema import Experiment
from backprop_cli.frozen import frozen
from backprop_cli.nn.parameters import Params
from backprop_cli.runs.build import limit_blas
from backprop_cli.runs.model import Model
from backprop_cli.text import table

Method = Literal["exact", "ais"]
METHODS = ("exact", "ais")
"""How ln Z is found: by summing over all states, or by annealed importance sampling."""

TEMPERATURES, CHAINS, BURN_IN = 10_000, 100, 1_000
"""Of annealing: the steps of β, the chains, and the Gibbs steps from examples to the start of the reverse chains."""

ROWS = 1000
"""Examples whose free energy is computed at a time."""


@frozen
class Likelihood:
    """ln Z of a machine, found in one or two ways, and the mean free energy of the examples of a split.

    ln p(v) = -F(v) - ln Z. `error` is the standard error of the mean of F, as the examples are a sample of many.
    """

    name: str
    split: str
    examples: int
    free_energy: float
    error: float
    log_z: dict[str, Estimate]

    def __str__(self) -> str:
        return self.to_text()

    @property
    def value(self) -> float:
        """The mean log-likelihood of an example, with the first ln Z."""
        return -self.free_energy - next(iter(self.log_z.values())).value

    def to_text(self) -> str:
        """Return the ways to find ln Z as the rows of a table."""
        rows = [
            (name, f"{z.value:.4f}", f"{z.error:.4f}", f"{-self.free_energy - z.value:.4f}")
            for name, z in self.log_z.items()
        ]
        sampled = f"{self.examples:,} {self.split} examples; standard error of the mean over examples {self.error:.4f}"
        return f"{self.name}\n{sampled}\n\n{table(('ln Z', 'value', 'error', 'mean ln p(v)'), rows)}"

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        ways = {
            name: {"log_z": z.value, "log_z_error": z.error, "log_likelihood": -self.free_energy - z.value}
            for name, z in self.log_z.items()
        }
        return {
            **{"checkpoint": self.name, "split": self.split, "examples": self.examples},
            **{"log_likelihood": self.value, "standard_error": self.error, "methods": ways},
        }


def machine_of(model: Model) -> tuple[RBM, Params]:
    """Return the Boltzmann machine of a model, and its parameters in float64. Raises UsageError if it is a network."""
    if not model.experiment.cost.unsupervised:
        raise UsageError(f"{model.path}: not a Boltzmann machine; train one with cost=cd or cost=pcd")
    (layer,) = model.network.layers
    assert isinstance(layer, RBM)
    return layer, model.network.layout.split(model.theta.astype(np.float64))[0]


def likelihood_of(
    model: Model,
    load: Callable[[Experiment], Dataset],
    split: str = "test",
    method: Method = "exact",
    temperatures: int = TEMPERATURES,
    chains: int = CHAINS,
    seed: int = 0,
) -> Likelihood:
    """Return the likelihood of the examples of the train, val or test split; `load` returns a data set.

    With `ais`, ln Z is estimated by annealing from the mean of the training inputs, and back from samples of the
    machine. Raises UsageError for a network, an empty split, or if the exact sum would have too many terms.
    """
    rbm, p = machine_of(model)
    data = load(model.experiment)
    examples = data.split(split)
    if not len(examples):
        raise UsageError(f"{model.path}: the experiment has no {split} split; choose another one")
    with limit_blas(model.experiment):
        if method == "exact":
            log_z = {"exact": Estimate(log_partition(rbm, p), 0.0)}
        else:
            rng = np.random.default_rng(seed)
            mean = np.clip(mean_input(data), 0.01, 0.99)
            annealing = Annealing(rbm, p, np.log(mean / (1 - mean)), temperatures)
            first = data.x(data.train.inputs[rng.integers(len(data.train), size=chains)], np.float64)
            samples, _ = next(islice(gibbs(rbm, p, first, rng), BURN_IN - 1, None))
            log_z = {"ais": annealing.forward(chains, rng), "reverse ais": annealing.reverse(samples, rng)}
        parts = [examples.inputs[start : start + ROWS] for start in range(0, len(examples), ROWS)]
        free = np.concatenate([rbm.free_energy(p, data.x(np.asarray(part), np.float64)) for part in parts])
    error = float(np.std(free, ddof=1) / np.sqrt(len(free))) if len(free) > 1 else 0.0
    return Likelihood(str(model.path), split, len(free), float(np.mean(free)), error, log_z)
