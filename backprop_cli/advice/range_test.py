"""A learning-rate range test: the cost while eta grows from step to step (Smith 2017, section 3.3).

The eta with the lowest cost is about to be too large, how much so depends on network and optimizer. So the test is
followed by a few short trainings with that eta and smaller ones, and the best of these is suggested.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count

import numpy as np

from backprop_cli.errors import UsageError
from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array
from backprop_cli.optim.schedules import Constant
from backprop_cli.training.batch import Rows
from backprop_cli.training.loop import batches_of_epoch
from backprop_cli.training.plan import Plan
from backprop_cli.training.step import make_step
from backprop_cli.training.streams import Streams

LOWEST, HIGHEST = 1e-5, 1e2
"""The learning rates of the first and the last step."""

STEPS, WORK = (64, 960), 10**8
"""Fewest and most steps of a training; as many as WORK allows, which is counted in parameters times examples."""

POINTS, LAST = 48, 4
"""Evaluations of the cost in a training, and how many of the last ones are averaged in a trial."""

EXAMPLES, LARGEST_BATCH = 200, 500
"""The examples that costs are evaluated on, always the same ones, and the most examples of a step."""

TRIALS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""The learning rates of the trials as multiples of the one at which the cost was lowest."""

FALL = 0.01
"""The share of the cost by which it has to fall at least."""


@frozen
class RangeTest:
    """The cost at the start and after the step with each eta (k,); a learning rate, None if the cost never falls."""

    start: float
    etas: Array
    costs: Array
    suggestion: float | None


def range_test(plan: Plan, theta: Array) -> RangeTest:
    """Return the test of a plan that starts from theta (n,), which is not changed.

    Raises UsageError for an optimizer that needs no learning rate.
    """
    if plan.optimizer.line_search:
        raise UsageError(f"{plan.optimizer.name} searches for the length of each step and needs no eta")
    m = min(plan.batch_size, LARGEST_BATCH, len(plan.data.train))
    plan = replace(plan, batch_size=m, schedule=Constant(), warmup=0.0, average=None)
    steps = int(np.clip(WORK // (m * theta.size), *STEPS))
    ramp = np.geomspace(LOWEST, HIGHEST, steps)
    with np.errstate(all="ignore"):
        first, *costs = _costs(plan, theta, ramp)
        etas = ramp[steps // POINTS - 1 :: steps // POINTS][: len(costs)]
        lowest = _argmin(costs)
        if not costs[lowest] < (1 - FALL) * first:
            return RangeTest(first, etas, np.array(costs), None)
        tried = etas[lowest] * np.array(TRIALS)
        ends = [float(np.mean(_costs(plan, theta, np.full(steps, eta))[-LAST:])) for eta in tried]
    return RangeTest(first, etas, np.array(costs), float(f"{tried[_argmin(ends)]:.1g}"))


def _argmin(costs: Sequence[float]) -> int:
    """Return the index of the lowest cost that is finite, the first if there are several."""
    return int(np.argmin(np.where(np.isfinite(costs), costs, np.inf)))


def _costs(plan: Plan, theta: Array, etas: Array) -> list[float]:
    """Return the cost at the start, and POINTS times while a step is made with each eta; fewer if it overflows."""
    data, state, eta = plan.data, plan.initial_state(theta.copy()), np.zeros((), plan.dtype)
    x = data.x(data.train.inputs[:EXAMPLES], plan.dtype)
    y = data.task.encode(data.train.targets[:EXAMPLES], np.dtype(plan.dtype))
    step, every = make_step(plan, state, eta, plan.batch_size, Streams(plan.seed)), len(etas) // POINTS

    def cost() -> float:
        return float(np.mean(plan.objective.estimator.evaluate(state.theta, x, y).costs, dtype=np.float64))

    costs = [cost()]
    for number, (value, rows) in enumerate(zip(etas, _batches(plan), strict=False), start=1):
        eta[...] = value
        step(rows)
        if number % every == 0:
            costs.append(cost())
            if not np.isfinite(costs[-1]):
                break
    return costs


def _batches(plan: Plan) -> Iterator[Rows]:
    """Yield full batches in the order of training, without end."""
    yield from (rows for epoch in count(1) for rows in batches_of_epoch(plan, epoch) if len(rows) == plan.batch_size)
