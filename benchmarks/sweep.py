"""How long many runs take: `backprop sweep`, the same runs as commands of their own, and PyTorch in two processes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from benchmarks.measure import ROOT, environment

REFERENCE = ("configs/mnist.yaml", "epochs=3")
ONE_EPOCH = ("configs/digits.yaml", "epochs=1")
WORKERS = 2
BARS = {"xargs": 0.35, "torch": 0.06}
"""What part of a peer's time a sweep is meant to take at most."""

PURE = """
import sys, time
from pathlib import Path
from backprop_cli.config.load import load_experiment
from backprop_cli.data.cache import Cache
from backprop_cli.runs.build import build_plan, initial_theta, load_data
from backprop_cli.training.loop import train
e = load_experiment(Path(sys.argv[1]), sys.argv[2:])
data, seconds = load_data(e, Cache()), []
for _ in range(50):
    start = time.perf_counter()
    plan = build_plan(e, data)
    for _ in train(plan, plan.initial_state(initial_theta(e))):
        pass
    seconds.append(time.perf_counter() - start)
print(sorted(seconds)[25])
"""


def sweep(folder: Path, runs: int, words: Sequence[str] = REFERENCE) -> float:
    """Return the seconds of a sweep over so many seeds."""
    more = [f"seed=0..{runs - 1}", "--jobs", WORKERS, "--name", "sweep", "--runs-dir", folder, "-q"]
    return _timed([[sys.executable, "-m", "backprop_cli", "sweep", *words, *map(str, more)]])


def commands(folder: Path, runs: int) -> float:
    """Return the seconds of as many commands `backprop train`, two at a time."""
    train = f"{sys.executable} -m backprop_cli train {' '.join(REFERENCE)} threads=1 seed={{}} --name s{{}} -q"
    shell = f"seq 0 {runs - 1} | xargs -P {WORKERS} -I{{}} {train} --runs-dir {folder}"
    return _timed([["sh", "-c", shell]])


def torch(folder: Path, runs: int) -> float:
    """Return the seconds of two processes of PyTorch, each with half of the seeds."""
    halves = [range(part, runs, WORKERS) for part in range(WORKERS)]
    return _timed([[sys.executable, "-m", "benchmarks.peers.torch_sweep", *map(str, half)] for half in halves])


PEERS: dict[str, Callable[[Path, int], float]] = {"sweep": sweep, "xargs": commands, "torch": torch}
"""What is compared, by name."""


def compare(folder: Path, counts: dict[str, int], rounds: int, tell: Callable[[str], None]) -> dict[str, list[float]]:
    """Return the seconds per run in each round, with so many runs of each peer."""
    found: dict[str, list[float]] = {peer: [] for peer in counts}
    for number in range(rounds):
        for peer, runs in counts.items():
            place = folder / f"{peer}-{number}"
            found[peer].append(PEERS[peer](place, runs) / runs)
            tell(f"round {number + 1}/{rounds}  {peer:<6} {found[peer][-1]:.3f} s per run ({runs} runs)")
    return found


def overhead(folder: Path, rounds: int) -> tuple[float, float]:
    """Return the seconds that a run of one epoch takes beside training, and those of training it, on one worker."""
    beside, alone = [], []
    for number in range(rounds):
        words = [sys.executable, "-c", PURE, *ONE_EPOCH, "threads=1"]
        alone.append(float(subprocess.check_output(words, env=environment(1), cwd=ROOT)))
        few, many = (sweep(folder / f"{number}-{runs}", runs, ONE_EPOCH) for runs in (100, 500))
        beside.append((many - few) / 400 * WORKERS - alone[-1])
    return median(beside), median(alone)


def table(found: dict[str, list[float]]) -> str:
    """Return the peers as a Markdown table."""
    lines = ["| | s per run | min to max | the sweep is | bar |", "|---|---|---|---|---|"]
    for peer, seconds in found.items():
        share = median(a / b for a, b in zip(found["sweep"], seconds, strict=True))
        bar = BARS.get(peer)
        verdict = "" if bar is None else f"≤ {bar:.2f} {'met' if share <= bar else '**missed**'}"
        times = "" if peer == "sweep" else f"{share:.3f} ×"
        lines.append(
            f"| {peer} | {median(seconds):.3f} | {min(seconds):.3f} to {max(seconds):.3f} | {times} | {verdict} |"
        )
    return "\n".join(lines)


def _timed(processes: Sequence[Sequence[str]]) -> float:
    start = time.perf_counter()
    running = [subprocess.Popen(words, env=environment(1), cwd=ROOT, stdout=subprocess.DEVNULL) for words in processes]
    if codes := [process.wait() for process in running if process.wait()]:
        raise RuntimeError(f"{processes[0]} failed with {codes[0]}")
    return time.perf_counter() - start
