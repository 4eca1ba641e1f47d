"""The training loop: a generator of events that prints nothing and knows no files."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np

from backprop_cli.data.dataset import Split
from backprop_cli.errors import DivergedError
from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array
from backprop_cli.threads import limit_in_lanes
from backprop_cli.training.batch import Batches, fetched_at_once
from backprop_cli.training.diagnostics import LayerState, diagnose
from backprop_cli.training.evaluation import Evaluator, Score, higher_is_better
from backprop_cli.training.finish import drop_negligible
from backprop_cli.training.plan import Plan
from backprop_cli.training.selection import apply_patience, finish_epoch, update_best
from backprop_cli.training.state import TrainingState
from backprop_cli.training.step import make_step
from backprop_cli.training.streams import Streams, stream

SLICES = 20
"""An epoch reports progress, and is checked for divergence, this many times."""


@frozen
class Progress:
    """A part of an epoch is done: `step` of `steps` batches of `epoch` (from 1)."""

    epoch: int
    step: int
    steps: int


@frozen
class EpochResult:
    """An epoch (from 1) is done; epoch 0 is the network before training, if diagnostics were asked for.

    `train` and `validation` are None where the epoch was not evaluated, `validation` also where there is no such
    split. `eta` is that of the last step, None for a minimizer, which has none. `mistakes` counts the wrong predictions
    of a perceptron in this epoch; `layers` are the diagnostics, if they were asked for. `phase` is that of
    pre-training, which the epoch belongs to; it is added by what trains the phases.
    """

    epoch: int
    train: Score | None
    validation: Score | None
    eta: float | None
    seconds: float
    is_best: bool
    mistakes: int | None = None
    layers: tuple[LayerState, ...] = ()
    phase: str = ""


@frozen
class Stopped:
    """Training is over after `epoch`, before the last one of the plan."""

    epoch: int
    reason: str


@frozen
class Waiting:
    """Only in a stack of runs: the next steps of `epoch` (from 1), or its evaluation, are made with those of others."""

    epoch: int


Event = Progress | EpochResult | Stopped | Waiting


def train(
    plan: Plan, state: TrainingState, stop: Callable[[], bool] = lambda: False, stepper: Stepper | None = None
) -> Iterator[Event]:
    """Train from state to the end of the plan's last epoch, or until there is reason to stop; yield what happens.

    state is up to date before each event. Training returns at the next batch once stop() is true; training again from
    there gives the bits of training without the stop. Raises DivergedError as soon as a parameter or a cost is found
    that is not finite; state.theta is then what it became. The steps are those of `stepper`, if there is one.
    """
    data, status = plan.data, state.status
    stepper = stepper or Stepper(plan, state)

    def scores() -> Generator[Waiting, None, tuple[Score, Score | None]]:
        train_score = yield from stepper.score(data.train)
        if not len(data.validation):
            return train_score, None
        return train_score, (yield from stepper.score(data.validation, plan.further)).beside(train_score)

    if plan.diagnostics and (status.epoch, status.step) == (0, 0):
        batches = batches_of_epoch(plan, 1)
        stepper.begin(1, batches)
        layers = tuple(diagnose(plan, state, batches, stepper.first_eta))
        yield EpochResult(0, *(yield from scores()), eta=None, seconds=0.0, is_best=False, layers=layers)
    while status.epoch < plan.last:
        if status.stopped:
            yield Stopped(status.epoch, status.stopped)
            return
        epoch = status.epoch + 1
        clock = time.perf_counter()
        batches = batches_of_epoch(plan, epoch)
        stepper.begin(epoch, batches)
        snapshot = _Snapshot(state)
        per_slice = -(-len(batches) // SLICES)
        while status.step < len(batches):
            slice_end = min(len(batches), (status.step // per_slice + 1) * per_slice)
            status.step += yield from stepper.run(range(status.step, slice_end), stop)
            if not _finite(state.theta):
                step = snapshot.find_divergence(plan, epoch, batches)
                raise DivergedError(epoch, step, len(batches))
            if status.step == slice_end:
                drop_negligible(plan, state)
            clock, before = time.perf_counter(), clock
            status.seconds += clock - before if stepper.seconds is None else stepper.seconds
            if stop():
                return
            yield Progress(epoch, status.step, len(batches))
            clock = time.perf_counter()  # what the caller did meanwhile is not training
        seconds, status.seconds = status.seconds, 0.0
        mistakes = finish_epoch(state)
        evaluated = plan.evaluates(epoch) or status.stopped is not None
        train_score, validation = (yield from scores()) if evaluated else (None, None)
        if any(score and not np.isfinite(score.cost) for score in (train_score, validation)):
            raise DivergedError(epoch, len(batches), len(batches))
        status.epoch, status.step = epoch, 0
        is_best = False
        if evaluated or not len(data.validation):
            is_best = update_best(plan, state, _value(plan, validation), validation.cost if validation else None)
            apply_patience(plan, state)
        layers = tuple(diagnose(plan, state, batches, stepper.last_eta)) if plan.diagnostics else ()
        yield EpochResult(epoch, train_score, validation, stepper.last_eta, seconds, is_best, mistakes, layers)


def _value(plan: Plan, validation: Score | None) -> float | None:
    """Return the monitored metric of the validation split, greater being better."""
    if validation is None:
        return None
    value = validation.metrics()[plan.monitor]
    return value if higher_is_better(plan.monitor) else -value


def batches_of_epoch(plan: Plan, epoch: int) -> Batches:
    """Return the rows of each batch of an epoch (from 1): a new order each time, decided by (seed, epoch) alone.

    If one batch holds all examples, they keep their order, so that the same weights have the same cost to the bit.
    """
    n, m = len(plan.data.train), plan.batch_size
    if m >= n:
        return Batches(np.arange(n), m)
    return Batches(stream(plan.seed, "order", epoch).permutation(n), m)


class Stepper:
    """Makes the steps of a plan from a state, each with its own η and random numbers, and evaluates what they lead to.

    `seconds` is the time of the last ones, if it is known better than from a clock.
    """

    seconds: float | None = None

    def __init__(self, plan: Plan, state: TrainingState) -> None:
        self._plan, self._state = plan, state
        self._eta = np.asarray(plan.eta, plan.dtype)
        self._streams = Streams(plan.seed)
        n, m = len(plan.data.train), plan.batch_size
        self._sizes = {m, n % m or m} if m < n else {n}
        self._record(state.status.epoch + 1)

    def _record(self, epoch: int) -> None:
        """Record the steps of an epoch (from 1), which are those of the following ones until layers are unfrozen."""
        self._rates = self._plan.layer_rates(epoch)
        given = self._plan, self._state, self._eta
        self._steps = {m: make_step(*given, m, self._streams, self._at_once(m)) for m in self._sizes}

    def _at_once(self, m: int) -> int:
        """Return for how many steps on m examples these are fetched at once."""
        return fetched_at_once(self._plan, m)

    def begin(self, epoch: int, batches: Batches) -> None:
        """Prepare the next step of an epoch (from 1)."""
        if self._rates != self._plan.layer_rates(epoch):
            self._record(epoch)
        self._batches = batches
        etas = self._plan.etas(epoch, len(batches), self._state.status.halvings)
        searches = self._plan.optimizer.line_search
        self.first_eta, self.last_eta = (None if searches else float(eta) for eta in (etas[0], etas[-1]))
        self._eta[...] = etas[0]
        self._plan.optimizer.begin_epoch(self._state.group("optimizer"), epoch - self._plan.offset)
        self._etas = None if np.all(etas == etas[0]) else etas
        self._streams.restart(epoch)
        for number in range(self._state.status.step):
            self._steps[len(batches[number])].draw()

    def run(self, numbers: range, stop: Callable[[], bool]) -> Generator[Waiting, None, int]:
        """Make the steps of these numbers (from 0), or as many as there are before stop(); return how many."""
        yield from ()
        done = numbers.start
        # overflow to inf is meant in a sigmoid; elsewhere it is detected afterwards
        with np.errstate(all="ignore"), limit_in_lanes(self._plan.lanes):
            while done < numbers.stop:
                step = self._steps[len(self._batches[done])]
                for make in step.fetch(self._batches.alike(done, min(done + step.at_once, numbers.stop))):
                    if self._etas is not None:
                        self._eta[...] = self._etas[done]
                    make()
                    done += 1
                    if stop():
                        return done - numbers.start
        return len(numbers)

    @cached_property
    def evaluator(self) -> Evaluator:
        """Evaluates the state; it is asked for when its arrays are where they stay."""
        plan, data = self._plan, self._plan.data
        theta = self._state.evaluated_theta
        return Evaluator(plan.objective.estimator, theta, data.scale, data.task, plan.workers)

    def score(self, split: Split, further: Collection[str] = ()) -> Generator[Waiting, None, Score]:
        """Return the score on a split that is not empty, with some of the task's further metrics."""
        yield from ()
        return self.evaluator.score(split, further)


def _finite(theta: Array) -> bool:
    """Whether every parameter is finite; their sum shows it, unless the sum itself overflows."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(np.sum(theta)) or np.isfinite(theta).all())


class _Snapshot:
    """The state at the beginning of an epoch, or of what is left of it, from which it can be repeated step by step."""

    def __init__(self, state: TrainingState) -> None:
        self._state, self._step = state, state.status.step
        arrays = {name: array.copy() for name, array in state.arrays.items()}
        self._then = replace(state, theta=state.theta.copy(), arrays=arrays)

    def find_divergence(self, plan: Plan, epoch: int, batches: Batches) -> int:
        """Return the step (from 1) after which theta is not finite, given that there is one."""
        state, then = self._state, self._then
        state.status.step = step = self._step
        stepper = Stepper(plan, then)
        stepper.begin(epoch, batches)
        while _finite(then.theta):
            for _ in stepper.run(range(step, step + 1), stop=lambda: False):
                pass
            step += 1
        state.theta[...] = then.theta
        for name, array in then.arrays.items():
            state.arrays[name][...] = array
        return step
