"""What training is to do, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from backprop_cli.data.augment import Augment
from backprop_cli.data.dataset import Dataset
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.costs import Perceptron
from backprop_cli.nn.objective import Objective
from backprop_cli.optim.averages import Ema
from backprop_cli.optim.minimizers import Minimizer
from backprop_cli.optim.optimizers import Optimizer, State
from backprop_cli.optim.schedules import Constant, Plateau, Schedule, Warmup
from backprop_cli.optim.stopping import EarlyStopping

AVERAGE, MISTAKES, CONVERGED = "average.theta", "epoch.mistakes", "epoch.converged"
"""Names in the memory of a position: the averaged parameters, how many answers of this epoch were wrong, and whether a
minimizer has found nothing lower."""


@dataclass(frozen=True)
class Plan:
    """Everything that decides what training does, as objects.

    `dropout` has the probability to drop a unit of layer 0 (the inputs) to L - 1, or nothing. `workers` threads
    evaluate; unlike the rest, their number changes nothing but the time that takes.
    """

    objective: Objective
    optimizer: Optimizer | Minimizer
    data: Dataset
    eta: float
    batch_size: int
    epochs: int
    seed: int
    dtype: str
    schedule: Schedule = field(default_factory=Constant)
    warmup: float = 0.0
    dropout: tuple[float, ...] = ()
    max_norm: float | None = None
    augment: Augment | None = None
    average: Ema | None = None
    early_stopping: EarlyStopping | None = None
    diagnostics: bool = False
    workers: int = 1

    def etas(self, epoch: int, steps: int, halvings: int) -> Array:
        """Return η at each step (steps,) of an epoch (from 1)."""
        schedule = Warmup(self.warmup, self.schedule) if self.warmup else self.schedule
        t = epoch - 1 + np.arange(steps) / steps
        etas: Array = self.eta * 0.5**halvings * schedule.factors(t, self.epochs)
        return etas

    @property
    def monitor(self) -> str:
        """The figure of the validation split that decides which epoch is best."""
        chosen = self.early_stopping.monitor if self.early_stopping else None
        return chosen or ("accuracy" if self.data.task.classes else "cost")

    @property
    def counts_mistakes(self) -> bool:
        """Whether training ends with the first epoch in which no example was answered wrongly."""
        return isinstance(self.objective.cost, Perceptron)


@dataclass
class Position:
    """Where training stands: the parameters and all that is needed to go on from here to the bit.

    `memory` has the arrays that live from step to step: `optimizer.…`, `average.…`, `epoch.…`. `epoch`
    counts finished epochs, `step` the batches done of the next one, `seconds` the time they took. `best` is the
    (epoch, value) of the best epoch so far, `improved` that of the last one that was better by more than min_delta; η
    has been halved `halvings` times, last after the epoch `halved_at`. `stopped` says why training is over, if it is.
    """

    theta: Array
    memory: State = field(default_factory=dict)
    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    best: tuple[int, float] | None = None
    improved: tuple[int, float] | None = None
    halvings: int = 0
    halved_at: int = 0
    stopped: str | None = None

    @property
    def judged(self) -> Array:
        """The parameters that are evaluated: the average, where there is one."""
        return self.memory.get(AVERAGE, self.theta)

    def state_of(self, what: str) -> State:
        """Return the arrays of the `optimizer` or the `average` by their own names; nothing is copied."""
        start = f"{what}."
        return {name.removeprefix(start): array for name, array in self.memory.items() if name.startswith(start)}


def initial_memory(plan: Plan, theta: Array) -> State:
    """Return the memory with which training starts."""
    memory = {f"optimizer.{name}": array for name, array in plan.optimizer.init(theta).items()}
    if plan.average:
        memory |= {f"average.{name}": array for name, array in plan.average.init(theta).items()}
    if plan.counts_mistakes:
        memory[MISTAKES] = np.zeros((), theta.dtype)
    if isinstance(plan.optimizer, Minimizer):
        memory[CONVERGED] = np.zeros((), theta.dtype)
    return memory


def choose(plan: Plan, position: Position, value: float | None) -> bool:
    """Take note of the value of an epoch just finished, greater being better; return whether it is the best so far.

    Without a validation split (None) every epoch is. Says in `position` whether η is halved, and whether training
    is over.
    """
    epoch, stopping, validated = position.epoch, plan.early_stopping, value is not None
    margin, value = stopping.min_delta if stopping else 0.0, 0.0 if value is None else value
    is_best = position.best is None or not validated or value > position.best[1]
    if is_best:
        position.best = (epoch, value)
    if position.improved is None or not validated or value > position.improved[1] + margin:
        position.improved = (epoch, value)
    waited, schedule = epoch - position.improved[0], plan.schedule
    if isinstance(schedule, Plateau) and min(waited, epoch - position.halved_at) >= schedule.patience:
        position.halvings, position.halved_at = position.halvings + 1, epoch
        if 2**position.halvings >= schedule.stop_at:
            position.stopped = f"η has come down to 1/{2**position.halvings} of what it was"
    if stopping and waited >= stopping.patience:
        position.stopped = f"no better validation {plan.monitor} in {waited} epochs"
    return is_best


def take_stock(position: Position) -> int | None:
    """Return the mistakes of the epoch that is over, if they are counted, and begin to count anew.

    Says in `position` that training is over if there were none, or if a minimizer has found nothing lower.
    """
    if CONVERGED in position.memory and position.memory[CONVERGED]:
        position.stopped = "no lower cost to be found"
    if MISTAKES not in position.memory:
        return None
    mistakes = int(position.memory[MISTAKES])
    position.memory[MISTAKES][...] = 0
    if not mistakes:
        position.stopped = "an epoch without a mistake"
    return mistakes
