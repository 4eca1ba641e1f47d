"""The engine for one machine: worker processes that live as long as the sweep.

Each worker is a process pool of its own. If one is killed, only its run is lost, and a new worker takes its place.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait
from queue import SimpleQueue
from types import ModuleType
from typing import Any, TypeVar

T = TypeVar("T")


class LocalExecutor(Executor):
    """An executor of `jobs` workers. `stop()` lets them save and interrupt their runs."""

    def __init__(self, jobs: int) -> None:
        methods = multiprocessing.get_all_start_methods()
        self._context: Any = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        if self._context.get_start_method() == "forkserver":
            self._context.set_forkserver_preload(["backprop_cli.sweeps.worker"])  # imports once for all workers
        self._stop = self._context.RawValue("b", 0)
        self._pools = [self._new_pool() for _ in range(jobs)]
        self._idle: SimpleQueue[int] = SimpleQueue()
        for place in range(jobs):
            self._idle.put(place)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Start a call on a worker that is idle, or wait for one."""
        place = self._idle.get()
        with _without_script():  # the first call of a pool starts its process
            try:
                future = self._pools[place].submit(fn, *args, **kwargs)
            except BrokenExecutor:  # the worker was killed while it was idle
                self._pools[place] = self._new_pool()
                future = self._pools[place].submit(fn, *args, **kwargs)
        future.add_done_callback(lambda done: self._finish(place, done))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers, after their runs are saved."""
        self.stop()
        for pool in self._pools:
            pool.shutdown(wait, cancel_futures=cancel_futures)

    def stop(self) -> None:
        """Let the workers save and interrupt their runs."""
        self._stop.value = 1

    def _finish(self, place: int, done: Future[Any]) -> None:
        if not done.cancelled() and isinstance(done.exception(), BrokenExecutor):
            self._pools[place].shutdown(wait=False)
            self._pools[place] = self._new_pool()
        self._idle.put(place)

    def _new_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, self._context, _begin, (self._stop,))


@contextmanager
def _without_script() -> Iterator[None]:
    """Hide the script that is running from processes that start: they would run it too, unless it guards against it."""
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


def _begin(stop: Any) -> None:
    """Prepare a worker: it ends with its driver, which alone reacts to signals."""
    from backprop_cli.sweeps import worker

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    worker.stopping = lambda: bool(stop.value)
    threading.Thread(target=_end_with_driver, daemon=True).start()


def _end_with_driver() -> None:
    driver = multiprocessing.parent_process()
    assert driver is not None
    wait([driver.sentinel])
    os._exit(1)
