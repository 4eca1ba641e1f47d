"""Defaults that depend on other keys of an experiment, and on its data set."""

from __future__ import annotations

from dataclasses import replace

from backprop_cli.experiment.layers import AUTO, Layer
from backprop_cli.experiment.schema import Experiment
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.optim.optimizers import Adam

NOT_SIGMOID = 1 / 5
"""The factor of eta for other hidden layers than sigmoids: with slopes up to 1, not 1/4, their gradients are larger."""


def with_defaults(e: Experiment) -> Experiment:
    """Return an experiment without problems with all defaults filled in."""
    n_validation, n_train = e.data.validation, e.data.train
    if not e.data.classes and not {"optimizer", "eta"} & e.model_fields_set:
        e = e.model_copy(update={"optimizer": Adam()})
    batch_size = e.batch_size
    if e.optimizer.full_batch or (isinstance(batch_size, int) and batch_size > n_train):
        batch_size = "full"
    stopping = e.early_stopping
    changes = {
        "layers": (_filled(e.layers[0], e.inputs), *e.layers[1:-1], _filled(e.layers[-1], e.outputs)),
        "output": e.activations[-1],
        "targets": e.encoding if e.data.classes else e.targets,
        "eta": e.eta if "eta" in e.model_fields_set else usual_eta(e),
        "batch_size": batch_size,
        "penalty": next(iter(e.strengths)) if len(e.strengths) == 1 else e.penalty,
        "monitor": e.monitor or (stopping.monitor if stopping else None) or e.task.monitor,
        "sparsity": replace(e.sparsity, layer=e.sparse_layer) if e.sparsity else None,
        "early_stopping": replace(stopping, monitor=None) if stopping else None,
        "initializer": e.initializer or ACTIVATIONS[e.activations[0]].initializer,
        "validation": n_validation,
        "train_size": n_train,
    }
    return e.model_copy(update=changes).knowing(e.data)


def _filled(layer: Layer, units: int) -> Layer:
    """Return a layer whose units are a number, given those that `auto` stands for."""
    return layer.model_copy(update={"units": units}) if layer.units == AUTO else layer


def usual_eta(e: Experiment) -> float:
    """Return the default learning rate, with two digits: what the cost, the activations and the optimizer state."""
    *hidden, output = (ACTIVATIONS[name] for name in e.activations)
    fans = [entry.parameter.fan_in for entry in e.network.layout.entries]
    eta = e.cost.usual_eta(output, fans[-1])
    if output.squashes and not all(f.squashes for f in hidden):
        eta *= NOT_SIGMOID
    return float(f"{e.optimizer.usual_eta(eta, max(fans)):.2g}")
