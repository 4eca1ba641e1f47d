"""Run peers side by side: fresh processes, interleaved, the same cores and thread count for each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.workloads import WORKLOADS, Bar, Workload

ROOT = Path(__file__).parents[1]
PEERS = ("ours", "numpy_floor", "jax_scan", "torch_eager", "sklearn_mlp", "per_example")
"""Every peer, by the name of its file."""

ONLY_FOR = {
    "numpy_floor": {"A"},
    "per_example": {"A"},
    "sklearn_mlp": {name for name, w in WORKLOADS.items() if not w.convolutions},
}
"""Peers that can only do some workloads."""


@dataclass
class Measured:
    """A peer's rounds on a workload: the median seconds of an epoch in each round, and the accuracy reached.

    `evaluation` has the seconds to evaluate the test images, for convolutions.
    """

    seconds: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    monitoring: list[float] = field(default_factory=list)
    evaluation: list[float] = field(default_factory=list)

    def add(self, result: Mapping[str, Any]) -> None:
        """Add what a peer printed."""
        for name in ("accuracy", "monitoring", "evaluation"):
            getattr(self, name).extend([result[name]] if name in result else [])
        self.seconds.append(median(result["seconds"]))


def peers_for(workload: Workload, peers: Iterable[str]) -> list[str]:
    """Return those of the peers that can do a workload."""
    return [peer for peer in peers if workload.name in ONLY_FOR.get(peer, {workload.name})]


def environment(threads: int, source: Path = ROOT) -> dict[str, str]:
    """Return the environment of a peer's process: its threads, no pinned BLAS kernel, the sources to import."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OPENBLAS_", "OMP_", "MKL_"))}
    counts = {name: str(threads) for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    return {**kept, **counts, "PYTHONPATH": f"{source}{os.pathsep}{ROOT}"}


def run_peer(peer: str, words: Sequence[str], threads: int, source: Path = ROOT) -> dict[str, Any]:
    """Run a file of peers/ with these arguments, on as many cores as it has threads; return what it printed."""
    cores = sorted(os.sched_getaffinity(0))[:threads]
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.peers.{peer}", *words],
        env=environment(threads, source),
        cwd=ROOT / "benchmarks",
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    if done.returncode:
        raise RuntimeError(f"{peer} {' '.join(words)} failed:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def train(peer: str, workload: Workload, source: Path = ROOT, **keys: Any) -> dict[str, Any]:
    """Train a workload with a peer, ours with further keys of its config. Raises RuntimeError if it does not learn."""
    words = [workload.to_json(), *([json.dumps(keys)] if keys else [])]
    result = run_peer(peer, words, workload.threads, source)
    if result["accuracy"] < workload.accuracy:
        raise RuntimeError(f"{peer} on {workload.name}: accuracy {result['accuracy']} < {workload.accuracy}")
    return result


def compare(workload: Workload, peers: list[str], rounds: int, tell: Callable[[str], None]) -> dict[str, Measured]:
    """Run the peers in turn, so many rounds, and return what was measured of each."""
    measured = {peer: Measured() for peer in peers}
    for number in range(rounds):
        for peer in peers:
            measured[peer].add(train(peer, workload))
            tell(f"{workload.name} round {number + 1}/{rounds}  {peer:<12} {measured[peer].seconds[-1]:.4f} s")
    return measured


def ratio(ours: Sequence[float], other: Sequence[float]) -> float:
    """Return the median over rounds of our time divided by the other's in the same round."""
    return median(a / b for a, b in zip(ours, other, strict=True))


def ratio_table(
    titles: tuple[str, str],
    seconds: Mapping[str, Sequence[float]],
    shares: Mapping[str, float],
    bars: Mapping[str, Bar],
    more: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """Return the rounds of several competitors as a Markdown table, with a ratio and a bar for some of them.

    `titles` are those of the times and of the ratios; `more` has further columns.
    """
    unit, share = titles
    columns = [unit, "min to max", share, "bar", *(more or {})]
    lines = [f"| | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    for number, (name, rounds) in enumerate(seconds.items()):
        cells = [f"{median(rounds):.4f}", f"{min(rounds):.4f} to {max(rounds):.4f}"]
        cells += [f"{shares[name]:.2f} ×" if name in shares else ""]
        cells += [bars[name].verdict(shares[name]) if name in bars and name in shares else ""]
        cells += [column[number] for column in (more or {}).values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
