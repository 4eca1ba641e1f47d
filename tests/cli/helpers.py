import csv
import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from backprop_cli.runs.checkpoint import read_checkpoint
from tests.conftest import ROOT


def numbers(path):
    """The rows of a metrics file without their times."""
    with path.open() as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def same_bits(one, other):
    a, b = read_checkpoint(Path(one)), read_checkpoint(Path(other))
    return all(
        W.tobytes() == V.tobytes() and x.tobytes() == y.tobytes()
        for (W, x), (V, y) in zip(a.layers, b.layers, strict=True)
    ) and all(a.memory[name].tobytes() == b.memory[name].tobytes() for name in a.memory)


@contextmanager
def running(*words):
    """A `backprop` process of its own that has finished its first epoch."""
    process = subprocess.Popen(
        [sys.executable, "-m", "backprop_cli", *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if re.match(r"epoch +\d+/", line):
            break
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=10)


def record_of(name):
    return json.loads(Path("runs", name, "run.json").read_text())
