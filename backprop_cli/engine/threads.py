"""How many threads BLAS uses, and which BLAS it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_info, threadpool_limits

LARGE = 4_000_000
"""Multiplications in a product from which several threads are faster than one."""


def choose_threads(threads: int | str, multiplications: int) -> int:
    """Return the number of BLAS threads: as given, or for `auto` one if the products are small, else all cores.

    `multiplications` are those of the largest layer for a batch.
    """
    if isinstance(threads, int):
        return threads
    return 1 if multiplications < LARGE else cores()


def choose_workers(threads: int | str) -> int:
    """Return the number of threads that evaluate: as given, or for `auto` one for each core."""
    return threads if isinstance(threads, int) else cores()


def cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def limit_threads(threads: int) -> Iterator[None]:
    """Let BLAS use so many threads within this context; NumPy may be loaded already."""
    with threadpool_limits(limits=threads, user_api="blas"):
        yield


def blas_info() -> dict[str, str | int]:
    """Return name, version, kernel and current thread count of the BLAS that trains, as far as they are known.

    SciPy and NumPy may each bring a BLAS of their own; that of SciPy does the products of a step.
    """
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    pools.sort(key=lambda pool: "scipy.libs" not in pool["filepath"])
    if not pools:
        return {"name": "unknown"}
    return {
        "name": str(pools[0]["internal_api"]),
        "version": str(pools[0]["version"]),
        "kernel": str(pools[0].get("architecture", "unknown")),
        "threads": int(pools[0]["num_threads"]),
    }
