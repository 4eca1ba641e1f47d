"""Replays of a recording: its calls made anew, by one thread or shared among several.

Calls on large arrays are split, and each thread makes its own list of calls, in order. Where one of them needs what
another thread has written, or writes over what it reads, it waits for it. So the numbers do not depend on when the
threads get to run: they are a function of the calls and the number of threads.

NumPy and large products (see `backprop_cli.engine.blas`) let other threads run meanwhile. To wake a thread that waits
takes about 10 us.
"""

from __future__ import annotations

import os
from _thread import LockType, allocate_lock
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from threading import Thread
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_cli.engine.calls import Call, Replays
from backprop_cli.engine.memory import owner

NDArray = npt.NDArray[Any]

EFFORT = 1_000
"""NumPy's work to find out whether two arrays have a number in common, before it assumes that they have."""


class Replay:
    """The calls of a recording, and the arrays that hold its results after each replay.

    `recorded` are the calls as objects, `watched` the arrays whose numbers may change between replays.
    """

    def __init__(self, recorded: list[Call], results: tuple[NDArray, ...], watched: tuple[NDArray, ...]) -> None:
        self.recorded, self.results, self.watched = recorded, results, watched

    @cached_property
    def calls(self) -> Replays:
        """What makes the calls."""
        if any(call.lane for call in self.recorded):
            return [Lanes(self.recorded)]
        return [replay for call in self.recorded for replay in call.replays()]

    def __call__(self) -> None:
        """Make all calls. NumPy's warnings of overflow should be off."""
        for call in self.calls:
            call()

    def on_part(self, number: int, parts: int, arrays: Sequence[NDArray]) -> Replay:
        """Return the same calls on part `number` (from 0) of arrays that consist of so many equal parts.

        What has been recorded uses the first part. Temporary arrays are those of this replay.
        """
        steps = {id(array): number * array.nbytes // parts for array in arrays}

        def moved(array: NDArray) -> NDArray:
            whole = owner(array)
            if not steps.get(id(whole)):
                return array
            offset = array.ctypes.data - whole.ctypes.data + steps[id(whole)]
            return np.ndarray(array.shape, array.dtype, whole.ravel(order="K"), offset, array.strides)

        own = [
            call if all(moved(a) is a for a in (*call.arrays, call.out)) else call.part(moved) for call in self.recorded
        ]
        return Replay(own, self.results, self.watched)


class Lanes:
    """Calls that threads share: the first lane is that of the thread which asks for them, others are made by workers.

    An exception in any lane lets all of them come to their ends, and is raised in the first.
    """

    def __init__(self, recorded: Sequence[Call]) -> None:
        self._recorded = recorded
        self._lists, self._locks = _synchronized(recorded)

    def __call__(self) -> None:
        """Make all calls; return when the last of them is made."""
        own, *others = self._lists
        failures: list[BaseException] = []
        workers = [_idle.pop() if _idle else _Worker() for _ in others]
        try:
            for worker, calls in zip(workers, others, strict=True):
                worker.start(partial(self._make, calls, failures))
            for call in own:
                call()
        except BaseException as error:  # an interrupt, say
            self._fail(error, failures)
        for worker in workers:
            worker.wait()
        _idle.extend(workers)
        if failures:
            self._lists, self._locks = _synchronized(self._recorded)
            raise failures[0]

    def _make(self, calls: Replays, failures: list[BaseException]) -> None:
        try:
            for call in calls:
                call()
        except BaseException as error:
            self._fail(error, failures)

    def _fail(self, error: BaseException, failures: list[BaseException]) -> None:
        """Let nobody wait any longer."""
        failures.append(error)
        for lock in self._locks:
            with suppress(RuntimeError):  # it is released already
                lock.release()


@dataclass
class _Made:
    """A call of a lane, what it waits for, and who waits for it."""

    call: Call
    waits: list[LockType] = field(default_factory=list)
    signals: list[LockType] = field(default_factory=list)

    @property
    def replays(self) -> Replays:
        """Return what makes the call and keeps its order with those of other lanes."""
        waits = [lock.acquire for lock in self.waits]
        return [*waits, *self.call.replays(), *(lock.release for lock in self.signals)]


def _synchronized(recorded: Sequence[Call]) -> tuple[list[Replays], list[LockType]]:
    """Return the calls of each lane, and the locks by which they wait for each other, all of which are held."""
    lanes: list[list[_Made]] = [[] for _ in range(1 + max(call.lane or 0 for call in recorded))]
    done = [[-1] * len(lanes) for _ in lanes]  # by lane: the last call of each lane which it knows to be made
    users: dict[int, list[tuple[int, int, NDArray, bool]]] = defaultdict(list)
    locks = []
    for call in recorded:
        own = call.lane or 0
        number, made, known = len(lanes[own]), _Made(call), done[own]
        uses = [*((array, False) for array in call.arrays), (call.out, True)]
        needed = list(known)
        for array, writes in uses:
            for lane, other, used, written in users[id(owner(array))]:
                new = lane != own and other > needed[lane]
                if new and (writes or written) and _meet(array, used):
                    needed[lane] = other
        for lane, other in enumerate(needed):
            if other > known[lane]:
                lock = allocate_lock()
                lock.acquire()
                locks.append(lock)
                made.waits.append(lock)
                lanes[lane][other].signals.append(lock)
        done[own] = needed
        lanes[own].append(made)
        for array, writes in uses:
            users[id(owner(array))].append((own, number, array, writes))
    return [[replay for made in lane for replay in made.replays] for lane in lanes], locks


def _meet(a: NDArray, b: NDArray) -> bool:
    """Whether two arrays may have a number in common."""
    return np.may_share_memory(a, b, EFFORT)  # type: ignore[arg-type]  # NumPy's stubs know of 0 and -1 only


class _Worker:
    """A thread that waits for something to do. It ends with the process."""

    def __init__(self) -> None:
        self._go, self._busy = allocate_lock(), allocate_lock()
        self._go.acquire()
        Thread(target=self._work, daemon=True).start()

    def start(self, job: Callable[[], object]) -> None:
        """Do a job, which raises nothing, in the thread."""
        self._job: Callable[[], object] | None = job
        self._busy.acquire()
        self._go.release()

    def wait(self) -> None:
        """Return once the job is done."""
        with self._busy:
            self._job = None

    def _work(self) -> None:
        with np.errstate(all="ignore"):  # as in the thread that replays
            while True:
                self._go.acquire()
                if self._job:
                    self._job()
                self._busy.release()


_idle: list[_Worker] = []
"""Workers that wait. A new process begins without."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)
