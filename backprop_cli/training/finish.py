"""What follows a step of the optimizer: max-norm, and the average of the parameters."""

from __future__ import annotations

from backprop_cli.nn.arrays import Array
from backprop_cli.optim.rates import LayerRates
from backprop_cli.optim.state import State
from backprop_cli.training.plan import Plan


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
