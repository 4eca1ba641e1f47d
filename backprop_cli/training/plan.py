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

AVERAGE, MISTAKES = "average.theta", "epoch.mistakes"
"""Names in the memory of a position: the averaged parameters, and how many answers of this epoch were wrong."""


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

    `memory` has the arrays that live from step to step: `optimizer.…`, AVERAGE, MISTAKES. `epoch`
    counts finished epochs, `step` the batches done of the next one, `seconds` the time they took. `best` is the
    (epoch, value) of the best epoch so far; η has been halved `halvings` times, last after the epoch `halved_at`.
    `stopped` says why training is over before its last epoch, if it is.
    """

    theta: Array
    memory: State = field(default_factory=dict)
    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    best: tuple[int, float] | None = None
    halvings: int = 0
    halved_at: int = 0
    stopped: str | None = None

    @property
    def judged(self) -> Array:
        """The parameters that are evaluated: the average, where there is one."""
        return self.memory.get(AVERAGE, self.theta)

    def optimizer_state(self) -> State:
        """Return the arrays of the optimizer by its own names; nothing is copied."""
        start = "optimizer."
        return {name.removeprefix(start): array for name, array in self.memory.items() if name.startswith(start)}


def initial_memory(plan: Plan, theta: Array) -> State:
    """Return the memory with which training starts."""
    memory = {f"optimizer.{name}": array for name, array in plan.optimizer.init(theta).items()}
    if plan.average:
        memory[AVERAGE] = theta.copy()
    if plan.counts_mistakes:
        memory[MISTAKES] = np.zeros((), theta.dtype)
    return memory


def choose(plan: Plan, position: Position, value: float | None) -> bool:
    """Take note of the value of an epoch just finished, greater being better; return whether it is the best so far.

    Without a validation split (None) every epoch is. Says in `position` whether η is halved, and whether training
    is over.
    """
    epoch, stopping = position.epoch, plan.early_stopping
    margin = stopping.min_delta if stopping else 0.0
    is_best = position.best is None or value is None or value > position.best[1] + margin
    if is_best:
        position.best = (epoch, 0.0 if value is None else value)
    assert position.best is not None
    waited = epoch - position.best[0]
    if (
        isinstance(plan.schedule, Plateau)
        and epoch - max(position.best[0], position.halved_at) >= plan.schedule.patience
    ):
        position.halvings, position.halved_at = position.halvings + 1, epoch
        if 2**position.halvings >= plan.schedule.stop_at:
            position.stopped = f"η has come down to 1/{2**position.halvings} of what it was"
    if stopping and waited >= stopping.patience:
        position.stopped = f"no better validation {plan.monitor} in {waited} epochs"
    return is_best
