"""Whether a checkpoint can be where a run of its experiment stands: a correct SHA-256 says nothing about that."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import chain

import numpy as np

from backprop_cli.errors import CheckpointError
from backprop_cli.optim.state import is_count
from backprop_cli.training.loop import batches_of_epoch
from backprop_cli.training.plan import Plan
from backprop_cli.training.state import AVERAGE, CONVERGED, MISTAKES, TrainingState, TrainingStatus

Metrics = Mapping[str, int | float | None]

MAX_SECONDS = 1e9
"""More than any epoch takes: 30 years."""


def check_state(plan: Plan, state: TrainingState, **metrics: Metrics | None) -> None:
    """Raise CheckpointError if training by this plan cannot have led to this state and these metrics of epochs."""
    steps = len(batches_of_epoch(plan, 1))
    of_metrics = _metrics(metrics, state.status.epoch)
    for problem in chain(_status(plan, state.status, steps), of_metrics, _arrays(plan, state, steps)):
        raise CheckpointError(f"not a state of this experiment: {problem}")


def _status(plan: Plan, status: TrainingStatus, steps: int) -> Iterator[str]:
    """Yield what is impossible in the numbers of a state, given the steps of an epoch."""
    if status.epoch > plan.last:
        yield f"epoch {status.epoch} of {plan.last}"
    if status.step > (steps if status.epoch < plan.last else 0):
        yield f"step {status.step} of {steps} after epoch {status.epoch}"
    if not 0 <= status.seconds <= MAX_SECONDS:
        yield "the seconds of an epoch"
    for name, value in (("best", status.best), ("last improved", status.improved)):
        if value and not (1 <= value[0] <= status.epoch and _finite(value[1])):
            yield f"the {name} epoch"
    if not status.halvings <= status.epoch or not status.halved_at <= status.epoch:
        yield f"{status.halvings} halvings of eta, the last after epoch {status.halved_at}"


def _metrics(found: Mapping[str, Metrics | None], epochs: int) -> Iterator[str]:
    """Yield what is impossible in the metrics of the best and the last of these epochs."""
    for name, metrics in found.items():
        if metrics and not (
            all(value is None or _finite(value) for value in metrics.values())
            and metrics["epoch"] in range(1, epochs + 1)
        ):
            yield f"the metrics of the {name} epoch"


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer that no float can hold
        return False


def _arrays(plan: Plan, state: TrainingState, steps: int) -> Iterator[str]:
    """Yield the arrays with impossible values, given the steps of an epoch. What a rule keeps may overflow."""
    arrays, done = state.arrays, max(0, state.status.epoch - plan.offset) * steps + state.status.step
    if not np.isfinite(state.evaluated_theta).all():
        yield f"{AVERAGE} is not finite"
    if not all(np.isfinite(array).all() for array in state.group("estimator").values()):
        yield "its chains are not finite"
    if MISTAKES in arrays and not is_count(arrays[MISTAKES], len(plan.data.train)):
        yield f"{MISTAKES} is {arrays[MISTAKES]:g}"
    if CONVERGED in arrays and not is_count(arrays[CONVERGED], 1):
        yield f"{CONVERGED} is {arrays[CONVERGED]:g}"
    with np.errstate(all="ignore"):
        possible = plan.optimizer.is_state(state.group("optimizer"), done)
    if not possible:
        yield f"the arrays of {plan.optimizer.name}"
    if plan.average and not plan.average.is_state(state.group("average"), done):
        yield f"the arrays of {plan.average.name}"
