"""Whether a network has learned anything at all, and if not, why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array
from backprop_cli.objectives.objective import Backpropagation
from backprop_cli.text import metric
from backprop_cli.training.diagnostics import EXAMPLES, delta_norms
from backprop_cli.training.evaluation import Score
from backprop_cli.training.loop import EpochResult
from backprop_cli.training.plan import Plan

MARGIN = 0.01
"""How much better than a constant prediction counts as nothing: of the accuracy, of r2, and as a share of the cost."""

FLAT, ALL = 1e-3, 0.99
"""A layer passes no gradient if the slope of ALL its activations is less than FLAT times the largest possible."""

VANISHED = 0.01
"""The gradient has vanished in a layer whose ‖δ‖ is less than this share of the largest."""

CHANCE = ("accuracy", "r2")
"""The metrics of which constant outputs have a known value."""

FEW_STEPS = 1000
"""Steps below which training may have been too short."""

CLOSE = 3.0
"""A suggested eta that differs by at most this factor is not worth a change."""


@frozen
class Notice:
    """A warning for the user, which run.json keeps; `too_short` says that training had too few steps to tell."""

    text: str
    too_short: bool = False


@dataclass
class LearningWatch:
    """Finds out whether the network of a plan learns nothing; warns once.

    A warning during training needs evidence that it will not learn later either: the predictions are no better than
    constant ones, and a layer passes no gradient. After training, the predictions alone are enough.
    `suggest_eta` returns a learning rate that was found to work, or None.
    """

    plan: Plan
    suggest_eta: Callable[[], float | None]
    warned: bool = False
    next_look: int = 1

    def during(self, event: EpochResult, theta: Array) -> Notice | None:
        """Return a warning after an epoch, given the evaluated parameters theta (n,), if it is certain."""
        if self.warned or event.epoch < self.next_look or not (event.train and self.is_constant(event.train)):
            return None
        self.next_look = 2 * event.epoch  # a slow start may take thousands of epochs
        causes = list(blocked_layers(self.plan, theta))
        return self._warning(event.epoch, event.train, causes) if causes else None

    def after(self, event: EpochResult, theta: Array) -> Notice | None:
        """Return a warning after the last epoch, unless there has been one."""
        if self.warned or not (event.train and self.is_constant(event.train)):
            return None
        causes = list(blocked_layers(self.plan, theta))
        vanished = [] if causes else list(vanished_gradients(self.plan, theta))
        return self._warning(event.epoch, event.train, causes + vanished, bool(vanished))

    def is_constant(self, score: Score) -> bool:
        """Whether a score on the training split is no better than that of the best constant outputs."""
        if self.plan.count_mistakes:
            return False
        if score.accuracy is None:
            return score.r2 is not None and score.r2 < MARGIN
        return score.accuracy < self._accuracy + MARGIN and score.cost > (1 - MARGIN) * self._cost

    @cached_property
    def _accuracy(self) -> float:
        """The accuracy of the best constant outputs on the training split."""
        train = self.plan.data.train
        return float(np.bincount(train.targets).max()) / len(train)

    @cached_property
    def _cost(self) -> float:
        """The cost of the best constant outputs on the training split."""
        data = self.plan.data
        labels, counts = np.unique(data.train.targets, return_counts=True)
        return lowest_constant_cost(self.plan, data.task.encode(labels, "float64"), counts / len(data.train))

    def _warning(self, epoch: int, score: Score, causes: list[str], at_any_eta: bool = False) -> Notice:
        self.warned = True
        value = " ".join(f"{name} {metric(name, value)}" for name, value in score.metrics().items() if name in CHANCE)
        found = f"after epoch {epoch} the training {value} is no better than constant outputs"
        steps = epoch * -(-len(self.plan.data.train) // self.plan.batch_size)
        too_short = steps < FEW_STEPS and not causes
        short = [f"Training had only {steps:,} step{'s' * (steps != 1)}: try more epochs"] * too_short
        remedies = () if at_any_eta else self._better_eta()
        text = ". ".join([f"the network has learned nothing: {found}", *causes, *remedies, *short])
        return Notice(text, too_short)

    def _better_eta(self) -> Iterator[str]:
        eta = self.suggest_eta()
        if eta and not 1 / CLOSE <= eta / self.plan.eta <= CLOSE:
            yield f"Try eta={eta:g}, found by a learning-rate range test; eta is {self.plan.eta:g}"


def lowest_constant_cost(plan: Plan, codes: Array, share: Array) -> float:
    """Return the lowest mean cost of outputs that are the same for all targets: a share (k,) has each code (k, n_L)."""
    from scipy.optimize import minimize

    estimator = plan.objective.estimator
    assert isinstance(estimator, Backpropagation)
    cost, output = estimator.cost, estimator.network.output

    def value_and_gradient(z: Array) -> tuple[float, Array]:
        rows = np.broadcast_to(z, codes.shape)
        a = output.value(rows)
        delta = cost.delta(output, rows, a, codes, 1.0)
        return float(share @ cost.of_examples(output, rows, a, codes)), share @ delta

    start = np.full(codes.shape[1], 0.1)  # where the slope of no activation is 0
    return float(minimize(value_and_gradient, start, jac=True, method="L-BFGS-B").fun)


def blocked_layers(plan: Plan, theta: Array) -> Iterator[str]:
    """Yield a sentence for each layer that passes no gradient, as far as some training examples show."""
    estimator = plan.objective.estimator
    assert isinstance(estimator, Backpropagation)
    network, data = estimator.network, plan.data
    with np.errstate(all="ignore"):
        signals, _ = network.forward(theta, data.x(data.train.inputs[:EXAMPLES], theta.dtype))
        for number, unit in enumerate(network.units, start=1):
            z, f = signals[unit.index + 1], unit.activation
            slope = f.slope(z, f.value(z))
            if slope is None or (unit is network.units[-1] and estimator.cost.slope_cancels):
                continue
            if f.can_die and not np.any(slope):
                dead = f"All units of layer {number} are dead (0 for every example)"
                yield dead if np.any(z) else f"The weights of layer {number} are 0: choose another initializer"
            elif f.largest_slope and (saturated := np.mean(slope < FLAT * f.largest_slope)) > ALL:
                yield f"{saturated:.0%} of the activations of layer {number} are saturated (their slope is almost 0)"


def vanished_gradients(plan: Plan, theta: Array) -> Iterator[str]:
    """Yield a sentence if the first layer learns next to nothing beside the others."""
    first, *others = delta_norms(plan, theta)
    if first < VANISHED * max(others, default=0.0):
        network = plan.objective.estimator.network  # type: ignore[attr-defined]  # a run trains a network
        relu = "activation=relu, or " * (not network.units[0].activation.can_die)
        times = f"{max(others) / first:,.0f} times smaller than" if first else "0, unlike"
        yield f"The gradient of layer 1 is {times} the largest of a layer: it vanishes. Try {relu}fewer layers"
