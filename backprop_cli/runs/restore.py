"""From a checkpoint back to an experiment and a network."""

from __future__ import annotations

from backprop_cli.config.load import override_experiment
from backprop_cli.config.schema import Experiment
from backprop_cli.errors import CheckpointError, ConfigError
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.parameters import Layout
from backprop_cli.runs.build import build_network, theta_of
from backprop_cli.runs.checkpoint import Checkpoint
from backprop_cli.training.state import AVERAGE


def experiment_of(checkpoint: Checkpoint, origin: str, epochs: int | None = None) -> Experiment:
    """Return the experiment inside a checkpoint, with another number of epochs if one is given."""
    overrides = [] if epochs is None else [f"epochs={epochs}"]
    try:
        return override_experiment(checkpoint.meta.experiment, overrides, origin)
    except ConfigError as error:
        raise CheckpointError(f"{origin}: its experiment cannot be run\n" + "\n".join(error.problems)) from error


def load_network(checkpoint: Checkpoint, origin: str) -> tuple[Experiment, Array]:
    """Return the experiment inside a checkpoint and the theta to be evaluated."""
    experiment = experiment_of(checkpoint, origin)
    try:
        return experiment, evaluated_theta(experiment, build_network(experiment).layout, checkpoint)
    except CheckpointError as error:
        raise CheckpointError(f"{origin}: {error}") from error


def evaluated_theta(experiment: Experiment, layout: Layout, checkpoint: Checkpoint) -> Array:
    """Return the parameters of a checkpoint to evaluate: the average over the steps, or else theta.

    Raises CheckpointError if its arrays do not fit the layout.
    """
    theta = theta_of(experiment, layout, checkpoint.parameters)
    average = checkpoint.arrays.get(AVERAGE)
    if average is None:
        return theta
    if average.shape != theta.shape:
        raise CheckpointError(f"its {AVERAGE} is not that of the network")
    return average.astype(theta.dtype)
