"""How many threads BLAS uses, and which BLAS it is."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cache
from pathlib import Path
from typing import Any

from threadpoolctl import ThreadpoolController

LARGE = 4_000_000
"""Multiplications in a product from which several threads are faster than one."""

MOST_LANES = 4
"""The interpreter runs one thread at a time between NumPy's calls, so that more of them would wait for each other."""

SMALL_MATRICES = {"SkylakeX", "Cooperlake", "SapphireRapids"}
"""The names of OpenBLAS's kernels for AVX-512, which has some for small matrices. Haswell's are up to six times slower
in small products."""

TRAINING = "backprop_cli.engine.blas"
"""The module that loads the BLAS library that trains, besides that of NumPy."""


def choose_threads(threads: int | str, multiplications: int) -> int:
    """Return the number of BLAS threads: as given, or for `auto` one if the products are small, else all cores.

    `multiplications` are those of the largest layer for a batch.
    """
    if isinstance(threads, int):
        return threads
    return 1 if multiplications < LARGE else cores()


def choose_lanes(threads: int, multiplications: int) -> int:
    """Return the number of threads that share a step, given those of BLAS: one if they are one, or the layers small.

    More than MOST_LANES threads are left to BLAS.
    """
    return threads if threads <= MOST_LANES and multiplications >= LARGE else 1


def choose_workers(threads: int | str) -> int:
    """Return the number of threads that evaluate: as given, or for `auto` one for each core."""
    return threads if isinstance(threads, int) else cores()


def cores() -> int:
    """Return the number of cores this process may use: by affinity, the job of Slurm, and the quota of its cgroup."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([affinity, *_slurm_cores(), *cgroup_cores()]))


def _slurm_cores() -> Iterator[int]:
    """Yield the cores that Slurm has given to this job, which the affinity shows only where a cgroup limits it."""
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        if (text := os.environ.get(name, "")).isdecimal():
            yield int(text)
            return


def cgroup_cores(root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> Iterator[int]:
    """Yield the quotas of the cgroups (version 2) that this process is in, rounded up to whole cores."""
    try:
        found = re.search(r"^0::/(.*)$", membership.read_text(), re.MULTILINE)
    except OSError:
        return
    group = root / (found[1] if found else "")
    for folder in (group, *group.parents):
        with suppress(OSError, ValueError):
            quota, period = (folder / "cpu.max").read_text().split()
            if quota != "max":
                yield -(-int(quota) // int(period))
        if folder == root:
            return


def prefers_small_products(multiplications: int, threads: bool) -> bool:
    """Return whether BLAS is faster with many products of up to a million multiplications than with one of so many.

    It is if it has kernels for small matrices, and would not share the large one among threads of its own, which it
    does not where `threads` of the program make products side by side.
    """
    blas = blas_info()
    return blas.get("kernel") in SMALL_MATRICES and (threads or multiplications < LARGE or blas["threads"] == 1)


@contextmanager
def limit_threads(threads: int) -> Iterator[None]:
    """Let BLAS use so many threads within this context; NumPy may be loaded already."""
    with _libraries(TRAINING in sys.modules).limit(limits=threads, user_api="blas"):
        yield


def limit_in_lanes(lanes: int) -> AbstractContextManager[None]:
    """Let BLAS use one thread within this context if several threads share each step, as they are on the cores."""
    return limit_threads(1) if lanes > 1 else nullcontext()


@cache
def _libraries(with_scipy: bool) -> Any:
    """Return what controls the BLAS libraries; searching takes milliseconds, and SciPy loads one of its own."""
    return ThreadpoolController()


def blas_info() -> dict[str, str | int]:
    """Return name, version, kernel and current thread count of the BLAS that trains, as far as they are known.

    SciPy and NumPy may each bring a BLAS of their own; that of SciPy does the products of a step.
    """
    pools = [pool for pool in _libraries(TRAINING in sys.modules).info() if pool["user_api"] == "blas"]
    pools.sort(key=lambda pool: "scipy.libs" not in pool["filepath"])
    if not pools:
        return {"name": "unknown"}
    return {
        "name": str(pools[0]["internal_api"]),
        "version": str(pools[0]["version"]),
        "kernel": str(pools[0].get("architecture", "unknown")),
        "threads": int(pools[0]["num_threads"]),
    }
