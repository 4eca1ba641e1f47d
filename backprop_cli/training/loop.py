"""The training loop: a generator of events that prints nothing and knows no files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from backprop_cli.errors import DivergedError
from backprop_cli.nn.arrays import Array
from backprop_cli.optim.minimizers import Minimizer
from backprop_cli.training.batch import Rows
from backprop_cli.training.diagnostics import LayerState, diagnose
from backprop_cli.training.evaluation import Evaluator, Score, goodness
from backprop_cli.training.plan import Plan, Position, choose, take_stock
from backprop_cli.training.step import make_step
from backprop_cli.training.streams import Noise, stream

SLICES = 20
"""An epoch reports progress, and is checked for divergence, this many times."""


@dataclass(frozen=True)
class Progress:
    """A part of an epoch is done: `step` of `steps` batches of `epoch` (from 1)."""

    epoch: int
    step: int
    steps: int


@dataclass(frozen=True)
class EpochResult:
    """An epoch (from 1) is done; `validation` is None where there is no validation split.

    `eta` is that of its last step, None for a minimizer, which has none. `mistakes` counts the examples that a
    perceptron answered wrongly on the way; `layers` are the diagnostics, if they were asked for.
    """

    epoch: int
    train: Score
    validation: Score | None
    eta: float | None
    seconds: float
    is_best: bool
    mistakes: int | None = None
    layers: tuple[LayerState, ...] = ()


@dataclass(frozen=True)
class Stopped:
    """Training is over after `epoch`, before the last one of the plan."""

    epoch: int
    reason: str


Event = Progress | EpochResult | Stopped


def train(plan: Plan, position: Position, stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
    """Train from position to the end of the plan's last epoch, or until there is reason to stop; yield what happens.

    position is brought up to date before each event. Training returns at the next batch once stop() is true;
    position then holds that place, and training from it gives the bits of training without the stop.
    Raises DivergedError as soon as a parameter or a cost is found that is not finite; position.theta is then
    what it became.
    """
    data, theta = plan.data, position.theta
    y = data.task.encode(data.train.targets, plan.dtype)
    stepper = _Stepper(plan, position, y)
    evaluator = Evaluator(plan.objective, position.judged, data.scale, data.task, plan.workers)
    while position.epoch < plan.epochs:
        if position.stopped:
            yield Stopped(position.epoch, position.stopped)
            return
        epoch = position.epoch + 1
        clock = time.perf_counter()
        batches = batches_of_epoch(plan, epoch)
        stepper.begin(epoch, batches)
        retreat = _Retreat(position)
        per_slice = -(-len(batches) // SLICES)
        while position.step < len(batches):
            slice_end = min(len(batches), (position.step // per_slice + 1) * per_slice)
            position.step += stepper.run(range(position.step, slice_end), stop)
            if not _finite(theta):
                step = retreat.find_divergence(stepper, epoch, batches)
                raise DivergedError(epoch, step, len(batches))
            clock, before = time.perf_counter(), clock
            position.seconds += clock - before
            if stop():
                return
            yield Progress(epoch, position.step, len(batches))
            clock = time.perf_counter()  # what the caller did meanwhile is not training
        train_score = evaluator.score(data.train)
        validation = evaluator.score(data.validation) if len(data.validation) else None
        if not (train_score.finite and (validation is None or validation.finite)):
            raise DivergedError(epoch, len(batches), len(batches))
        seconds, position.seconds = position.seconds, 0.0
        position.epoch, position.step = epoch, 0
        yield EpochResult(
            epoch,
            train_score,
            validation,
            eta=stepper.last_eta,
            seconds=seconds,
            is_best=choose(plan, position, _value(plan, validation)),
            mistakes=take_stock(position),
            layers=tuple(diagnose(plan, position, y, batches, stepper.last_eta)) if plan.diagnostics else (),
        )


def _value(plan: Plan, validation: Score | None) -> float | None:
    """Return what the validation split says of an epoch, greater being better."""
    return goodness(plan.monitor, validation.figures()[plan.monitor]) if validation else None


def batches_of_epoch(plan: Plan, epoch: int) -> list[Rows]:
    """Return the rows of each batch of an epoch (from 1): a new order each time, decided by (seed, epoch) alone.

    If one batch holds all examples, they keep their order, so that the same weights have the same cost to the bit.
    """
    n, m = len(plan.data.train), plan.batch_size
    if m >= n:
        return [np.arange(n)]
    order = stream(plan.seed, "order", epoch).permutation(n)
    return [order[i : i + m] for i in range(0, n, m)]


class _Stepper:
    """Makes the steps of a plan at a position, each with the η and the random numbers that belong to it."""

    def __init__(self, plan: Plan, position: Position, y: Array) -> None:
        self._plan, self._position = plan, position
        self._eta = np.asarray(plan.eta, plan.dtype)
        self._noise = Noise(plan.seed)
        sizes = {len(rows) for rows in batches_of_epoch(plan, 1)}
        with np.errstate(all="ignore"):  # recording makes a step on empty buffers
            self._steps = {m: make_step(plan, position, y, self._eta, m, self._noise) for m in sizes}

    def begin(self, epoch: int, batches: list[Rows]) -> None:
        """Make ready for the next step of an epoch (from 1)."""
        self._batches = batches
        etas = self._plan.etas(epoch, len(batches), self._position.halvings)
        self.last_eta = None if isinstance(self._plan.optimizer, Minimizer) else float(etas[-1])
        self._eta[...] = etas[0]
        self._etas = None if np.all(etas == etas[0]) else etas
        self._noise.restart(epoch)
        for rows in batches[: self._position.step]:
            self._steps[len(rows)].draw()

    def run(self, numbers: range, stop: Callable[[], bool]) -> int:
        """Make the steps of these numbers (from 0), or as many as there are before stop(); return how many."""
        done = 0
        with np.errstate(all="ignore"):  # overflow to inf is meant in a sigmoid; elsewhere it is found afterwards
            for rows in self._batches[numbers.start : numbers.stop]:
                if self._etas is not None:
                    self._eta[...] = self._etas[numbers.start + done]
                self._steps[len(rows)](rows)
                done += 1
                if stop():
                    break
        return done


def _finite(theta: Array) -> bool:
    """Whether every parameter is; their sum tells, unless it overflows by itself."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(np.sum(theta)) or np.isfinite(theta).all())


class _Retreat:
    """The position at which an epoch, or what is left of it, began; to go through it again, step by step."""

    def __init__(self, position: Position) -> None:
        self._position, self._step = position, position.step
        self._arrays = (position.theta, *position.memory.values())
        self._values = [array.copy() for array in self._arrays]

    def find_divergence(self, stepper: _Stepper, epoch: int, batches: list[Rows]) -> int:
        """Return the step (from 1) after which theta is not finite, knowing that there is one."""
        for array, value in zip(self._arrays, self._values, strict=True):
            array[...] = value
        self._position.step = step = self._step
        stepper.begin(epoch, batches)
        while _finite(self._arrays[0]):
            stepper.run(range(step, step + 1), stop=lambda: False)
            step += 1
        return step
