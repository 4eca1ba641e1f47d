"""Runs whose steps have the same form, trained as one computation (see `backprop_cli.engine.stacks`).

Each run has a plan, a state and a loop of its own, and gets the bits that it gets alone. Only the steps and the
evaluations are made together: a loop yields `Waiting` where it needs them. Runs that end leave the stack.

    for each run:
        stepper = StackedStepper(plan, state)
        loops[train(plan, state, stepper=stepper)] = stepper
    for together in stacks_of(loops):
        train_together(together)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np

from backprop_cli.data.dataset import Split
from backprop_cli.engine.calls import Replays
from backprop_cli.engine.stacks import Recordings, Stack, form_of
from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array
from backprop_cli.threads import limit_in_lanes
from backprop_cli.training.batch import Batch, Rows
from backprop_cli.training.evaluation import Score
from backprop_cli.training.loop import Stepper, Waiting
from backprop_cli.training.plan import Plan
from backprop_cli.training.state import TrainingState


@frozen
class Wanted:
    """The score on a split with some of the task's further metrics, which a run waits for."""

    split: Split
    further: Collection[str]


class StackedStepper(Stepper):
    """Lets the steps and the evaluations of its run be made together with those of others.

    It waits for the score that is `wanted`, else for steps.
    """

    wanted: Wanted | None = None
    found: Score

    def __init__(self, plan: Plan, state: TrainingState) -> None:
        super().__init__(replace(plan, stacked=True), state)
        recorded = {m: step.recorded for m, step in self._steps.items()}
        self.batches: dict[int, Batch] = {m: found[0] for m, found in recorded.items() if found}
        self.recordings: Recordings = {m: found[1] for m, found in recorded.items() if found}
        self._stacked, self.lanes = self._steps, plan.lanes

    def _at_once(self, m: int) -> int:
        """Return 1: the examples of a step are fetched for all runs."""
        return 1

    @property
    def form(self) -> Hashable:
        """What the runs of a stack have in common; None if this run cannot be in one."""
        if len(self.recordings) < len(self._steps):
            return None
        return id(self._plan.data), self._state.status.step, form_of(self.recordings)

    @property
    def examples(self) -> Hashable:
        """What decides the examples of every step; None if that is not all, because they are changed at random."""
        random = any(batch.is_random for batch in self.batches.values())
        return None if random else (self._plan.seed, self._state.status.epoch)

    def move(self, moved: Callable[[Array], Array]) -> None:
        """Let all arrays of the run be from now on where `moved` says."""
        state = self._state
        state.theta, self._eta = moved(state.theta), moved(self._eta)
        state.arrays.update({name: moved(array) for name, array in state.arrays.items()})
        self.batches = {m: found for m, batch in self.batches.items() if (found := batch.moved(moved))}

    def run(self, numbers: range, stop: Callable[[], bool]) -> Generator[Waiting, None, int]:
        """Wait until the steps of these numbers (from 0) are made, or those before stop(); return how many were."""
        if self._steps is not self._stacked:  # recorded anew for this epoch, so that the form may be another one
            self.seconds = None
            return (yield from super().run(numbers, stop))
        self.numbers, self.stop, self.done = numbers, stop, 0
        yield Waiting(self._state.status.epoch + 1)
        return self.done

    def score(self, split: Split, further: Collection[str] = ()) -> Generator[Waiting, None, Score]:
        """Wait until the run is evaluated on a split; return the score."""
        self.wanted = Wanted(split, further)
        yield Waiting(self._state.status.epoch + 1)
        return self.found

    def begin_step(self, number: int) -> None:
        """Set the η of a step."""
        if self._etas is not None:
            self._eta[...] = self._etas[number]

    def rows(self, number: int) -> Rows:
        """Return the rows of the examples of a step."""
        return self._batches[number]


class TrainingStack:
    """Runs of one form, whose states are from now on in common memory.

    Examples that are the same for all are fetched, and scaled, once.
    """

    def __init__(self, steppers: Sequence[StackedStepper]) -> None:
        self._steppers, batches = list(steppers), steppers[0].batches
        self._same = None not in (examples := {stepper.examples for stepper in steppers}) and len(examples) == 1
        buffers = [array for batch in batches.values() for array in batch.buffers]
        self._stack = Stack([stepper.recordings for stepper in steppers], buffers if self._same else ())
        self._joined = {m: None if batch.is_random else batch.moved(self._stack.rows) for m, batch in batches.items()}
        for k, stepper in enumerate(steppers):
            stepper.move(partial(self._stack.moved, k))
        self._calls: dict[tuple[int, ...], dict[int, Replays]] = {}
        first, *others = (stepper.evaluator for stepper in steppers)
        self._evaluator = first.together_with(others)

    def evaluate(self, split: Split, waiting: Sequence[StackedStepper]) -> None:
        """Evaluate the runs that wait for their scores on a split."""
        started, places = time.perf_counter(), {self._steppers.index(stepper): stepper for stepper in waiting}
        wanted = {k: stepper.wanted.further for k, stepper in places.items() if stepper.wanted}
        scores = self._evaluator.scores(split, wanted)
        seconds = (time.perf_counter() - started) / len(waiting)
        for k, stepper in places.items():
            stepper.found, stepper.wanted, stepper.seconds = scores[k], None, seconds

    def step(self, waiting: Sequence[StackedStepper]) -> None:
        """Make the steps that some of the runs wait for, in order: the next ones of an epoch, the same for all."""
        started, first, done = time.perf_counter(), waiting[0], 0
        calls = self._calls_of(tuple(self._steppers.index(stepper) for stepper in waiting))
        with np.errstate(all="ignore"), limit_in_lanes(first.lanes):  # as in Stepper.run
            for number in first.numbers:
                for stepper in waiting:
                    stepper.begin_step(number)
                for call in calls[self._fetch(waiting, number)]:
                    call()
                done += 1
                if first.stop():
                    break
        seconds = (time.perf_counter() - started) / len(waiting)
        for stepper in waiting:
            stepper.done, stepper.seconds = done, seconds

    def _fetch(self, waiting: Sequence[StackedStepper], number: int) -> int:
        """Fetch the examples of a step for some of the runs; return how many each of them gets."""
        rows = waiting[0].rows(number)
        m = len(rows)
        if self._same:
            waiting[0].batches[m].fill(rows)
        elif (joined := self._joined[m]) and len(waiting) == len(self._steppers):  # takes half of the time
            joined.fill(np.concatenate([stepper.rows(number) for stepper in waiting]))
        else:
            for stepper in waiting:
                stepper.batches[m].fill(stepper.rows(number))
        return m

    def _calls_of(self, networks: tuple[int, ...]) -> dict[int, Replays]:
        """Return the calls of a step of some of the runs, by the size of its batch."""
        if networks not in self._calls:
            self._calls = {networks: {m: self._stack.calls(m, networks) for m in self._joined}}
        return self._calls[networks]


Loop = TypeVar("Loop", bound=Iterator[object])


def stacks_of(runs: Mapping[Loop, StackedStepper]) -> list[dict[Loop, StackedStepper]]:
    """Return the groups of at least two runs that can be a stack."""
    groups: dict[Hashable, dict[Loop, StackedStepper]] = {}
    for loop, stepper in runs.items():
        if stepper.form is not None:
            groups.setdefault(stepper.form, {})[loop] = stepper
    return [group for group in groups.values() if len(group) > 1]


def train_together(runs: Mapping[Loop, StackedStepper]) -> None:
    """Run loops that train with these steppers, as one stack, to their ends."""
    stack, waiting, served = TrainingStack(list(runs.values())), dict(runs), dict(runs)
    while True:
        for loop in served:
            if not any(isinstance(event, Waiting) for event in loop):
                del waiting[loop]
        if not waiting:
            return
        split = next((stepper.wanted.split for stepper in waiting.values() if stepper.wanted), None)
        if split is not None:
            served = {loop: s for loop, s in waiting.items() if s.wanted and s.wanted.split is split}
            stack.evaluate(split, list(served.values()))
        else:
            served = dict(waiting)
            stack.step(list(served.values()))
