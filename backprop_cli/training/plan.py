"""What training is to do."""

from __future__ import annotations

from dataclasses import field

import numpy as np

from backprop_cli.data.augment import Augment
from backprop_cli.data.dataset import Dataset
from backprop_cli.errors import UsageError
from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.corruption import Corruption
from backprop_cli.objectives.objective import Objective
from backprop_cli.optim.averages import Ema
from backprop_cli.optim.max_norm import MaxNorm
from backprop_cli.optim.minimizers import Minimizer
from backprop_cli.optim.optimizer import Optimizer
from backprop_cli.optim.rates import Freeze, LayerRates
from backprop_cli.optim.schedules import Constant, Schedule, Warmup
from backprop_cli.optim.stopping import EarlyStopping
from backprop_cli.training.state import CONVERGED, MISTAKES, TrainingState

WHY_UNDEFINED = "the validation split lacks a class, or the outputs are not probabilities (softmax or sigmoid)"
"""Why perfect predictions may not have a metric."""


@frozen
class Plan:
    """Everything that decides what training does, as objects. Raises UsageError if what is monitored is undefined.

    `monitor` is the metric of the validation split by which the best epoch is chosen; metrics are computed after every
    `evaluate_every`th epoch and after the last. `workers` threads evaluate: their number changes no result. `lanes`
    threads share each step; where it is `stacked`, it is made together with those of other runs. `rates` are the η of
    layers 1 … L in units of `eta`, all 1 if there are none. The epochs of a run are counted through its phases:
    `offset` of them come before the first one of this plan.
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
    max_norm: MaxNorm | None = None
    augment: Augment | None = None
    corrupt: Corruption | None = None
    average: Ema | None = None
    early_stopping: EarlyStopping | None = None
    monitor: str = "cost"
    evaluate_every: int = 1
    count_mistakes: bool = False
    diagnostics: bool = False
    workers: int = 1
    lanes: int = 1
    stacked: bool = False
    rates: tuple[float, ...] = ()
    freeze: Freeze | None = None
    offset: int = 0

    def __post_init__(self) -> None:
        split, task = self.data.validation, self.data.task
        perfect = task.encode(split.targets, "float64") if self.further else np.empty(0)
        if len(perfect) and not task.further_metrics(perfect, split.targets, self.further):
            raise UsageError(f"monitor: {self.monitor} is undefined: {WHY_UNDEFINED}; monitor another metric")

    @property
    def further(self) -> tuple[str, ...]:
        """The metric of the validation split that is computed only because it is monitored, if there is one."""
        return (self.monitor,) if self.monitor in self.data.task.further else ()

    @property
    def last(self) -> int:
        """The last epoch."""
        return self.offset + self.epochs

    def etas(self, epoch: int, steps: int, halvings: int) -> Array:
        """Return η at each step (steps,) of an epoch (from 1)."""
        schedule = Warmup(self.warmup, self.schedule) if self.warmup else self.schedule
        t = epoch - self.offset - 1 + np.arange(steps) / steps
        return self.eta * self.schedule.lowered(halvings) * schedule.factors(t, self.epochs)

    def layer_rates(self, epoch: int) -> LayerRates:
        """Return the η of each layer in an epoch (from 1), in units of that of its steps; 0 for a frozen layer."""
        layout = self.objective.layout
        frozen = self.freeze.layers if self.freeze and self.freeze.holds(epoch - self.offset) else ()
        return LayerRates.of(layout, self.rates or (1.0,) * len(layout.layers), frozen)

    def evaluates(self, epoch: int) -> bool:
        """Whether metrics are computed after an epoch (from 1)."""
        return (epoch - self.offset) % self.evaluate_every == 0 or epoch >= self.last

    def initial_state(self, theta: Array) -> TrainingState:
        """Return the state in which training starts from theta (n,)."""
        arrays = {f"optimizer.{name}": array for name, array in self.optimizer.init(theta).items()}
        arrays |= {f"estimator.{name}": array for name, array in self.objective.estimator.init(theta).items()}
        if self.average:
            arrays |= {f"average.{name}": array for name, array in self.average.init(theta).items()}
        if self.count_mistakes:
            arrays[MISTAKES] = np.zeros((), theta.dtype)
        if self.optimizer.line_search:
            arrays[CONVERGED] = np.zeros((), theta.dtype)
        return TrainingState(theta, arrays)
