"""Measurements of whole commands: from the shell to the prompt, wall time and memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.measure import ROOT, environment
from benchmarks.peers.common import data_folder
from benchmarks.workloads import Bar

DIGITS = "train configs/digits.yaml"
FIRST_STEP = "train configs/digits.yaml train_size=10, to the line of its first epoch"
TORCH = "import torch"

WHOLE_BAR, STEP_BAR = Bar(0.35, 0.30), 0.25
"""What part of the time of `import torch` the run of digits is meant to take, and the seconds to its first step."""

FIRST_BATCH = """
import sys, time
from pathlib import Path
from backprop_cli.data.cache import Cache
from backprop_cli.sources.registry import load_dataset
from backprop_cli.sources.mnist import Mnist
from backprop_cli.data.tasks import Classification
start = time.perf_counter()
data = load_dataset(Mnist(), Classification(10), 10_000, 50_000, Cache(Path(sys.argv[1]), offline=True))
batch = data.train.inputs[:10] * data.scale
print(time.perf_counter() - start)
"""


@dataclass(frozen=True)
class Run:
    """A process that has ended: wall and processor seconds, peak resident memory in MB, and what it printed."""

    seconds: float
    processor: float
    megabytes: float
    out: str


def run(words: list[str], threads: int = 1) -> Run:
    """Run a command and account for it."""
    with tempfile.TemporaryFile() as out:
        start = time.perf_counter()
        process = subprocess.Popen(
            words, env=environment(threads), cwd=ROOT, stdout=out, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{words} failed with {process.returncode}")
        out.seek(0)
        scale = 1 if sys.platform == "darwin" else 1024
        return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * scale / 1e6, out.read().decode())


def seconds_to_first_step(folder: Path, source: Path = ROOT) -> float:
    """Start a run of digits whose first epoch is one step; return the seconds until the line of this epoch appears.

    So this is the time to the first step, and that of evaluating the epoch and writing the files of the run.
    """
    words = [sys.executable, "-m", "backprop_cli", "train", str(ROOT / "configs" / "digits.yaml")]
    words += ["train_size=10", "epochs=1", "--runs-dir", str(folder)]
    start = time.perf_counter()
    process = subprocess.Popen(
        words, env=environment(1, source), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    with process.stderr as lines:
        found = any(line.startswith("epoch") for line in lines)
        seconds = time.perf_counter() - start
        rest = lines.read()
    if process.wait() or not found:
        raise RuntimeError(f"{words} failed with {process.returncode}:\n{rest}")
    return seconds


def in_turn(commands: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each command, so many rounds in turn, after one that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            taken = command()
            seconds[name] += [taken] if number else []
    return seconds


def shell_commands(folder: Path, peers: tuple[str, ...]) -> dict[str, Callable[[], float]]:
    """Return the commands to time: the digits, the help, and what an import alone costs."""
    program = [sys.executable, "-m", "backprop_cli"]
    words = {
        DIGITS: [*program, *DIGITS.split(), "-q", "--runs-dir", str(folder)],
        **{f"import {module}": [sys.executable, "-c", f"import {module}"] for module in ("numpy", *peers)},
        "--help": [*program, "--help"],
        "train --help": [*program, "train", "--help"],
        "import click": [sys.executable, "-c", "import click"],
    }
    timed = {name: lambda command=command: run(command).seconds for name, command in words.items()}
    return {FIRST_STEP: partial(seconds_to_first_step, folder), **timed}


def first_batch(rounds: int) -> float:
    """Return the median seconds from a warm cache to the first batch of MNIST, NumPy loaded."""
    words = [sys.executable, "-c", FIRST_BATCH, str(data_folder())]
    return median(float(run(words).out) for _ in range(rounds))


def reference_memory(folder: Path) -> float:
    """Return the peak resident memory of the reference run, in MB."""
    words = [sys.executable, "-m", "backprop_cli", "train", "configs/mnist.yaml", "epochs=3", "-q", "--offline"]
    return run([*words, "--data-dir", str(data_folder()), "--runs-dir", str(folder)]).megabytes
