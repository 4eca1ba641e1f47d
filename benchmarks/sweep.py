"""How long many runs take: `backprop sweep`, the same runs as commands of their own, and PyTorch in two processes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from backprop_cli.config.load import load_experiment
from backprop_cli.data.cache import Cache
from backprop_cli.experiment.schema import Experiment
from backprop_cli.runs.build import build_plan, initial_theta, limit_blas, load_data
from backprop_cli.sweeps.worker import Task, train_runs
from backprop_cli.training.loop import train
from benchmarks import whole
from benchmarks.measure import ROOT, environment, ratio, ratio_table
from benchmarks.peers.common import data_folder
from benchmarks.workloads import Bar

REFERENCE = ("configs/mnist.yaml", "epochs=3")
ONE_EPOCH = ("configs/digits.yaml", "epochs=1", "threads=1")
WORKERS = 2
BARS = {"xargs": Bar(0.35), "torch": Bar(0.06)}
"""What part of a peer's time a sweep is meant to take at most."""

BESIDE_BAR = 0.025
"""The processor seconds that a run is meant to take at most beside training."""


def sweep(folder: Path, runs: int) -> float:
    """Return the seconds of a sweep over so many seeds."""
    return _timed([_sweep(folder, runs, *REFERENCE)])


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


def table(found: dict[str, list[float]]) -> str:
    """Return the peers as a Markdown table."""
    shares = {peer: ratio(found["sweep"], seconds) for peer, seconds in found.items() if peer != "sweep"}
    return ratio_table(("s per run", "the sweep is"), found, shares, BARS)


def overhead(folder: Path) -> dict[str, float]:
    """Return the processor seconds of a run of one epoch of digits: `training`, the rest in a `worker`, the `driver`.

    These hardly depend on what else the machine does. The work of a worker is done here, with and without the folder
    of each run in turn; for the driver, a sweep of 20 runs is compared with one of 220.
    """
    config, *words = ONE_EPOCH
    runs = [load_experiment(ROOT / config, [*words, f"seed={seed}"]) for seed in range(40)]
    cache = Cache(data_folder(), offline=True)
    data = load_data(runs[0], cache)

    def train_alone(e: Experiment) -> None:
        plan = build_plan(e, data)
        deque(train(plan, plan.initial_state(initial_theta(e))), maxlen=0)

    def train_in_worker(e: Experiment) -> None:
        outcomes = train_runs(Task(folder, {f"run-{e.seed}": e}, cache))
        if any(outcome.status != "finished" for outcome in outcomes.values()):
            raise RuntimeError(f"{outcomes}")

    with limit_blas(runs[0]):
        seconds = [[_processor_seconds(call, e) for call in (train_alone, train_in_worker)] for e in runs]
    few, many = (
        whole.run([*_sweep(folder / f"sweep-{n}", n, *ONE_EPOCH), "sweep.stack=none"]).processor for n in (20, 220)
    )
    return {
        "training": median(alone for alone, _ in seconds),
        "worker": median(in_worker - alone for alone, in_worker in seconds),
        "driver": (many - few) / 200,
    }


def _processor_seconds(call: Callable[[Experiment], None], e: Experiment) -> float:
    start = time.process_time()
    call(e)
    return time.process_time() - start


def _sweep(folder: Path, runs: int, *words: str) -> list[str]:
    more = [f"seed=0..{runs - 1}", "--jobs", WORKERS, "--name", "sweep", "--runs-dir", folder, "-q"]
    return [sys.executable, "-m", "backprop_cli", "sweep", *words, *map(str, more)]


def _timed(processes: Sequence[Sequence[str]]) -> float:
    start = time.perf_counter()
    running = [subprocess.Popen(words, env=environment(1), cwd=ROOT, stdout=subprocess.DEVNULL) for words in processes]
    if codes := [process.wait() for process in running if process.wait()]:
        raise RuntimeError(f"{processes[0]} failed with {codes[0]}")
    return time.perf_counter() - start
