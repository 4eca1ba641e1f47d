"""What an epoch of the reference network takes besides training: both splits scored, checkpoints, a line printed.

The config is used as it is: one thread trains, and as many as there are cores evaluate.
"""

from __future__ import annotations

import io
import tempfile
import time
from pathlib import Path
from statistics import median

from backprop_cli.config.load import load_experiment
from backprop_cli.data.cache import Cache
from backprop_cli.runs.build import load_data
from backprop_cli.runs.resuming import new_session
from backprop_cli.terminal.progress import describe
from backprop_cli.training.loop import EpochResult
from benchmarks.measure import ROOT
from benchmarks.peers.common import data_folder

BAR = 0.22
"""What part of its training the rest of an epoch is meant to take at most."""


def measure_monitoring(epochs: int = 15) -> tuple[float, float]:
    """Return the median seconds of an epoch's training, and of everything else there is in it."""
    experiment = load_experiment(ROOT / "configs" / "mnist.yaml", [f"epochs={epochs}"])
    data = load_data(experiment, Cache(data_folder(), offline=True))
    training, rest, log = [], [], io.StringIO()
    with tempfile.TemporaryDirectory() as folder, new_session(experiment, data, Path(folder), "run") as session:
        clock = time.perf_counter()
        for event in session.run():
            if isinstance(event, EpochResult):
                log.write(describe(event, epochs))
                clock, before = time.perf_counter(), clock
                training.append(event.seconds)
                rest.append(clock - before - event.seconds)
    return median(training[1:]), median(rest[1:])


if __name__ == "__main__":
    seconds, more = measure_monitoring()
    print(f"training {1000 * seconds:.1f} ms, monitoring {1000 * more:.1f} ms: {more / seconds:.0%} (bar {BAR:.0%})")
