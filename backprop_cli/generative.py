"""The Python API: samples of Boltzmann machines, and the likelihood of examples."""

from __future__ import annotations

from pathlib import Path

from backprop_cli.api import RunLike, cache_in, model_of
from backprop_cli.nn.arrays import Array
from backprop_cli.results.likelihood import CHAINS, TEMPERATURES, Likelihood, Method, likelihood_of
from backprop_cli.results.run import DatasetCache
from backprop_cli.results.sampling import sample_from


def sample(
    run: RunLike,
    split: str = "test",
    *,
    steps: int = 1000,
    rows: int = 10,
    chains: int = 10,
    seed: int = 0,
    checkpoint: str = "best",
    runs_dir: Path | str = "runs",
    data_dir: Path | str | None = None,
    offline: bool = False,
) -> Array:
    """Return the means of the visible units of Gibbs chains, `steps` steps apart, (rows, chains, visible).

    The chains start at examples of the train, val or test split, which are the first row. Raises UsageError if the run
    is not one of a Boltzmann machine.

    >>> import backprop_cli
    >>> run = backprop_cli.train({"dataset": "digits", "layers": "64-20", "cost": "cd", "epochs": 2}, runs_dir=None)
    >>> backprop_cli.sample(run, steps=10, rows=3, chains=5).shape
    (3, 5, 64)
    """
    load = DatasetCache(cache_in(data_dir, offline)).load
    return sample_from(model_of(run, Path(runs_dir), checkpoint), load, split, steps, rows, chains, seed)


def likelihood(
    run: RunLike,
    split: str = "test",
    method: Method = "exact",
    *,
    temperatures: int = TEMPERATURES,
    chains: int = CHAINS,
    seed: int = 0,
    checkpoint: str = "best",
    runs_dir: Path | str = "runs",
    data_dir: Path | str | None = None,
    offline: bool = False,
) -> Likelihood:
    """Return the mean log-likelihood of the examples of a split under a Boltzmann machine.

    `exact` sums over the states of the smaller layer, of at most 20 units; `ais` estimates ln Z by annealed importance
    sampling, forward and in reverse. Raises UsageError if the run is not one of a Boltzmann machine.

    >>> import backprop_cli
    >>> run = backprop_cli.train({"dataset": "digits", "layers": "64-10", "cost": "pcd", "epochs": 2}, runs_dir=None)
    >>> -50 < backprop_cli.likelihood(run).value < -20
    True
    """
    load = DatasetCache(cache_in(data_dir, offline)).load
    return likelihood_of(model_of(run, Path(runs_dir), checkpoint), load, split, method, temperatures, chains, seed)
