"""Run peers side by side: fresh processes, interleaved, the same cores and thread count for each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.workloads import Workload

ROOT = Path(__file__).parents[1]
PEERS = ("ours", "numpy_floor", "jax_scan", "torch_eager", "sklearn_mlp", "per_example")
"""Every peer, by the name of its file."""

ONLY_FOR = {"numpy_floor": {"A"}, "per_example": {"A"}}
"""Peers that can only do some workloads."""


@dataclass
class Measured:
    """A peer's rounds on a workload: the median seconds of an epoch in each round, and the accuracy reached."""

    seconds: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    monitoring: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The median over rounds, in seconds per epoch."""
        return median(self.seconds)


def peers_for(workload: Workload, peers: Iterable[str]) -> list[str]:
    """Return those of the peers that can do a workload."""
    return [peer for peer in peers if workload.name in ONLY_FOR.get(peer, {workload.name})]


def environment(threads: int, source: Path = ROOT) -> dict[str, str]:
    """Return the environment of a peer's process: its threads, no pinned BLAS kernel, the sources to import."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OPENBLAS_", "OMP_", "MKL_"))}
    counts = {name: str(threads) for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    return {**kept, **counts, "PYTHONPATH": f"{source}{os.pathsep}{ROOT}"}


def run_peer(peer: str, workload: Workload, source: Path = ROOT) -> dict[str, Any]:
    """Run a peer once, on as many cores as the workload has threads, and return what it printed."""
    cores = sorted(os.sched_getaffinity(0))[: workload.threads]
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.peers.{peer}", workload.to_json()],
        env=environment(workload.threads, source),
        cwd=ROOT / "benchmarks",
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    if done.returncode:
        raise RuntimeError(f"{peer} on {workload.name} failed:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def compare(workload: Workload, peers: list[str], rounds: int, tell: Callable[[str], None]) -> dict[str, Measured]:
    """Run the peers in turn, so many rounds, and return what was measured of each."""
    measured = {peer: Measured() for peer in peers}
    for number in range(rounds):
        for peer in peers:
            result = run_peer(peer, workload)
            measured[peer].seconds.append(median(result["seconds"]))
            measured[peer].accuracy.append(result["accuracy"])
            measured[peer].monitoring += [result["monitoring"]] if "monitoring" in result else []
            tell(f"{workload.name} round {number + 1}/{rounds}  {peer:<12} {measured[peer].seconds[-1]:.4f} s")
            if result["accuracy"] < workload.accuracy:
                raise RuntimeError(f"{peer} on {workload.name}: accuracy {result['accuracy']} < {workload.accuracy}")
    return measured


def ratio(ours: Measured, other: Measured) -> float:
    """Return the median over rounds of our time divided by the other's in the same round."""
    return median(a / b for a, b in zip(ours.seconds, other.seconds, strict=True))
