"""What follows a step of the optimizer: max-norm, the average of the parameters, and zeros for tiny numbers."""

from __future__ import annotations

import numpy as np

from backprop_cli.nn.arrays import Array
from backprop_cli.optim.rates import LayerRates
from backprop_cli.optim.state import State
from backprop_cli.training.plan import Plan
from backprop_cli.training.state import TrainingState


def limit_norms(plan: Plan, theta: Array, rates: LayerRates) -> None:
    """Shorten the weight vectors of hidden units that are too long for the plan."""
    if plan.max_norm:
        views, entries = plan.objective.layout.named(theta), plan.objective.layout.entries
        weights, output_layer = [entry for entry in entries if entry.parameter.penalized], entries[-1].layer
        hidden = (entry for entry in weights if entry.layer < output_layer and rates.trains(entry.layer))
        for W in (views[entry.name] for entry in hidden):
            plan.max_norm.apply(W.reshape(len(W), -1))


def finish_step(plan: Plan, theta: Array, average: State, rates: LayerRates) -> None:
    """Do what follows a step of the optimizer."""
    limit_norms(plan, theta, rates)
    if plan.average:
        plan.average.update(average, theta)
        rates.hold(average.theta, theta)  # the mean of equal numbers is not rounded to them


def drop_negligible(plan: Plan, state: TrainingState) -> None:
    """Set the numbers of the optimizer's state to 0 that are so small that they change no step beyond rounding.

    Training does so at fixed steps of an epoch. Else the moments of a weight whose input is rarely set end at numbers
    below 1e-38, and elementwise calls of single precision on those take a hundred times as long.
    """
    tiny = float(np.finfo(plan.dtype).tiny) * 2**26
    arrays = state.group("optimizer")
    for name, limit in plan.optimizer.negligible(tiny).items():
        np.copyto(arrays[name], 0, where=np.abs(arrays[name]) < limit)
