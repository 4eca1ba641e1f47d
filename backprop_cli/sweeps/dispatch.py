"""Calls on an executor: so many at a time, and again if they are lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import replace
from typing import Generic, TypeVar

from backprop_cli.errors import BackpropError, RunInUseError
from backprop_cli.frozen import frozen

PATIENCE = 0.2
"""Seconds between two looks at whether to stop."""

DELAYS = (0.2, 2.0, 20.0)
"""Seconds until a lost call is made again: its worker may have been killed, or may still hold the run."""

T = TypeVar("T")
R = TypeVar("R")


@frozen
class Call(Generic[T, R]):
    """A call `function(argument)`, and `what` it is for; it was lost `losses` times, and is made after `ready`.

    If it has `parts`, and is lost, these calls are made in its place: they are not lost because of each other.
    """

    what: T
    function: Callable[..., R]
    argument: object
    losses: int = 0
    ready: float = 0.0
    parts: tuple[Call[T, R], ...] = ()


@frozen
class Lost:
    """Takes the place of a result where a call was lost each time; `reason` is that of the last one."""

    reason: str


def dispatch(
    executor: Executor, jobs: int, calls: Iterator[Call[T, R]], stop: Callable[[], bool] = lambda: False
) -> Iterator[tuple[T, R | Lost]]:
    """Make calls, `jobs` at a time, until stop() is true; yield what they are for and their results as they come.

    A call that raises anything but a BackpropError is lost. Raises the BackpropError of a call, or one if the executor
    takes no more calls.
    """
    running: dict[Future[R], Call[T, R]] = {}
    lost: list[Call[T, R]] = []
    while True:
        while len(running) < jobs and not stop() and (call := _next(lost, calls)):
            try:
                running[executor.submit(call.function, call.argument)] = call
            except Exception as error:
                raise BackpropError(f"the engine was lost: {error}; to continue, repeat the command") from error
        if stop() and not _interrupt(executor, running):
            return
        if not running:
            if stop() or not lost:
                return
            time.sleep(PATIENCE)
            continue
        if (is_lost := getattr(executor, "is_lost", None)) and is_lost():
            raise BackpropError("the engine was lost; to continue, repeat the command")
        for future in wait(running, PATIENCE, FIRST_COMPLETED).done:
            call = running.pop(future)
            try:
                yield call.what, future.result()
            except Exception as error:
                if isinstance(error, BackpropError) and not isinstance(error, RunInUseError):
                    raise
                if call.losses == len(DELAYS):
                    yield call.what, Lost(f"lost {call.losses + 1} times: {error}")
                else:
                    ready = time.monotonic() + DELAYS[call.losses]
                    again = call.parts or (replace(call, losses=call.losses + 1),)
                    lost += [replace(part, ready=ready) for part in again]


def _next(lost: list[Call[T, R]], calls: Iterator[Call[T, R]]) -> Call[T, R] | None:
    """Return the next call: one that was lost and is ready, else a new one."""
    for call in lost:
        if call.ready <= time.monotonic():
            lost.remove(call)
            return call
    return next(calls, None)


def _interrupt(executor: Executor, running: dict[Future[R], Call[T, R]]) -> bool:
    """Ask an executor to end its calls early; return whether it can, and they are worth waiting for."""
    if interrupt := getattr(executor, "stop", None):
        interrupt()
        return True
    for future in running:
        future.cancel()
    return False
