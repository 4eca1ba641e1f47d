"""Decisions after an epoch: whether it is the best so far, whether η is lowered, whether training is over."""

from __future__ import annotations

from backprop_cli.training.plan import Plan
from backprop_cli.training.state import CONVERGED, MISTAKES, TrainingState


def update_best(plan: Plan, state: TrainingState, value: float | None, cost: float | None = None) -> bool:
    """Note in the state's status the value of an evaluated epoch, greater being better; return whether it is the best.

    Of epochs of the same value, the one with the lower validation cost is better; of the same cost, the earlier one.
    Without a validation split (None) every epoch is better than those before.
    """
    status, stopping = state.status, plan.early_stopping
    epoch = status.epoch
    if value is None:
        status.best = status.improved = (epoch, 0.0)
        return True
    margin = stopping.min_delta if stopping else 0.0
    if status.improved is None or value > status.improved[1] + margin:
        status.improved = (epoch, value)
    is_best = status.best is None or value > status.best[1]
    if status.best and value == status.best[1] and cost is not None and status.best_cost is not None:
        is_best = cost < status.best_cost
    if is_best:
        status.best, status.best_cost = (epoch, value), cost
    return is_best


def apply_patience(plan: Plan, state: TrainingState) -> None:
    """Note in the state's status whether η is lowered after this epoch, and whether training is over."""
    status, schedule = state.status, plan.schedule
    waited = status.epoch - (status.improved[0] if status.improved else 0)
    if schedule.lowers(min(waited, status.epoch - status.halved_at)):
        status.halvings, status.halved_at = status.halvings + 1, status.epoch
        if schedule.ends(status.halvings):
            left = schedule.lowered(status.halvings)
            status.stopped = f"η has been reduced to 1/{1 / left:.10g} of its initial value"
    if plan.early_stopping and plan.early_stopping.ends(waited):
        status.stopped = f"no improvement of validation {plan.monitor} in {waited} epochs"


def finish_epoch(state: TrainingState) -> int | None:
    """Return the wrong predictions in the finished epoch, if they are counted, and reset the count.

    Notes in the state's status that training is over if there were none, or if a minimizer has found no lower cost.
    """
    if CONVERGED in state.arrays and state.arrays[CONVERGED]:
        state.status.stopped = "no lower cost was found"
    if MISTAKES not in state.arrays:
        return None
    mistakes = int(state.arrays[MISTAKES])
    state.arrays[MISTAKES][...] = 0
    if not mistakes:
        state.status.stopped = "an epoch without a mistake"
    return mistakes
