"""The training loop: a generator of events that prints nothing and knows no files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from backprop_cli.errors import DivergedError
from backprop_cli.nn.arrays import Array
from backprop_cli.optim.optimizers import State
from backprop_cli.training.evaluation import Evaluator, Score
from backprop_cli.training.step import Plan, Step
from backprop_cli.training.streams import stream

Rows = npt.NDArray[np.intp]

SLICES = 20
"""An epoch reports progress, and is checked for divergence, this many times."""


@dataclass
class Position:
    """Where training stands: the parameters and all that is needed to go on from here to the bit.

    `epoch` counts finished epochs, `step` the batches done of the next one, `seconds` the time they took.
    """

    theta: Array
    memory: State = field(default_factory=dict)
    epoch: int = 0
    step: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Progress:
    """A part of an epoch is done: `step` of `steps` batches of `epoch` (from 1)."""

    epoch: int
    step: int
    steps: int


@dataclass(frozen=True)
class EpochResult:
    """An epoch (from 1) is done; `validation` is None where there is no validation split."""

    epoch: int
    train: Score
    validation: Score | None
    eta: float
    seconds: float


def train(plan: Plan, position: Position, stop: Callable[[], bool] = lambda: False) -> Iterator[Progress | EpochResult]:
    """Train from position to the end of the plan's last epoch; yield Progress and EpochResult events.

    position is brought up to date before each event. Training returns at the next batch once stop() is true;
    position then holds that place, and training from it gives the bits of training without the stop.
    Raises DivergedError as soon as a parameter or a cost is found that is not finite; position.theta is then
    what it became.
    """
    data, theta = plan.data, position.theta
    y = data.train.one_hot(data.classes, plan.dtype)
    eta = np.asarray(plan.eta, plan.dtype)
    sizes = {len(rows) for rows in batches_of_epoch(plan, 1)}
    with np.errstate(all="ignore"):  # recording makes a step on empty buffers
        steps = {m: Step(plan, theta, position.memory, y, eta, m) for m in sizes}
    evaluator = Evaluator(plan.objective, theta, data.scale, plan.workers)
    while position.epoch < plan.epochs:
        epoch = position.epoch + 1
        clock = time.perf_counter()
        batches = batches_of_epoch(plan, epoch)
        retreat = _Retreat(position)
        per_slice = -(-len(batches) // SLICES)
        while position.step < len(batches):
            slice_end = min(len(batches), (position.step // per_slice + 1) * per_slice)
            position.step += _run(steps, batches[position.step : slice_end], stop)
            if not _finite(theta):
                step = retreat.find_divergence(steps, batches)
                raise DivergedError(epoch, step, len(batches))
            clock, before = time.perf_counter(), clock
            position.seconds += clock - before
            if stop():
                return
            yield Progress(epoch, position.step, len(batches))
            clock = time.perf_counter()  # what the caller did meanwhile is not training
        result = EpochResult(
            epoch,
            train=evaluator.score(data.train),
            validation=evaluator.score(data.validation) if len(data.validation) else None,
            eta=plan.eta,
            seconds=position.seconds,
        )
        if not (result.train.finite and (result.validation is None or result.validation.finite)):
            raise DivergedError(epoch, len(batches), len(batches))
        position.epoch, position.step, position.seconds = epoch, 0, 0.0
        yield result


def batches_of_epoch(plan: Plan, epoch: int) -> list[Rows]:
    """Return the rows of each batch of an epoch (from 1): a new order each time, decided by (seed, epoch) alone."""
    n, m = len(plan.data.train), plan.batch_size
    order = stream(plan.seed, "order", epoch).permutation(n)
    return [order[i : i + m] for i in range(0, n, m)]


def _run(steps: dict[int, Step], batches: list[Rows], stop: Callable[[], bool]) -> int:
    """Make a step on each batch, or on as many as there are before stop(); return how many."""
    done = 0
    with np.errstate(all="ignore"):  # overflow to inf is meant in a sigmoid; elsewhere it is found afterwards
        for rows in batches:
            steps[len(rows)](rows)
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
        self._step = position.step
        self._arrays = (position.theta, *position.memory.values())
        self._values = [array.copy() for array in self._arrays]

    def find_divergence(self, steps: dict[int, Step], batches: list[Rows]) -> int:
        """Return the step (from 1) after which theta is not finite, knowing that there is one."""
        for array, value in zip(self._arrays, self._values, strict=True):
            array[...] = value
        step = self._step
        while _finite(self._arrays[0]):
            _run(steps, [batches[step]], stop=lambda: False)
            step += 1
        return step
