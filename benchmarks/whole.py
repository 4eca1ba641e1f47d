"""Measurements of whole commands: from the shell to the prompt, wall time and memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.measure import ROOT, environment
from benchmarks.peers.common import data_folder

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
    """A process that has ended: wall seconds, peak resident memory in MB, and what it printed."""

    seconds: float
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
        return Run(seconds, usage.ru_maxrss * scale / 1e6, out.read().decode())


def in_turn(commands: dict[str, list[str]], rounds: int) -> dict[str, list[Run]]:
    """Run the commands in turn, so many rounds, after one that does not count."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, words in commands.items():
            done = run(words)
            if number:
                runs[name].append(done)
    return runs


def shell_commands(folder: Path, peers: tuple[str, ...]) -> dict[str, list[str]]:
    """Return the commands to time: the digits, the help, and what an import alone costs."""
    program = [sys.executable, "-m", "backprop_cli"]
    return {
        "train configs/digits.yaml": [*program, "train", "configs/digits.yaml", "-q", "--runs-dir", str(folder)],
        **{f"import {module}": [sys.executable, "-c", f"import {module}"] for module in peers},
        "--help": [*program, "--help"],
        "train --help": [*program, "train", "--help"],
        "import click": [sys.executable, "-c", "import click"],
    }


def first_batch(rounds: int) -> float:
    """Return the median seconds from a warm cache to the first batch of MNIST, NumPy loaded."""
    words = [sys.executable, "-c", FIRST_BATCH, str(data_folder())]
    return median(float(run(words).out) for _ in range(rounds))


def reference_memory(folder: Path) -> float:
    """Return the peak resident memory of the reference run, in MB."""
    words = [sys.executable, "-m", "backprop_cli", "train", "configs/mnist.yaml", "epochs=3", "-q", "--offline"]
    return run([*words, "--data-dir", str(data_folder()), "--runs-dir", str(folder)]).megabytes
