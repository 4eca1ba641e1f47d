"""This project, through its command line; the times are those of metrics.csv.

`monitoring` is what an epoch takes besides: both splits evaluated, checkpoints written, a line printed, as a share of
the training time.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.peers.common import data_folder
from benchmarks.workloads import Workload


def config_of(w: Workload) -> dict[str, object]:
    """Return the workload as a config."""
    return {
        "dataset": "mnist",
        "layers": list(w.layers),
        "activation": w.activation,
        "output": w.output,
        "cost": w.cost,
        "eta": w.eta,
        "batch_size": w.batch_size,
        "lambda": w.lmbda,
        "initializer": w.initializer,
        "threads": w.threads,
        "epochs": 1 + w.epochs,
    }


def main() -> None:
    w = Workload.from_json(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "workload.yaml"
        config.write_text(json.dumps(config_of(w)))
        words = [sys.executable, "-m", "backprop_cli", "train", str(config), "--name", "run", "--offline"]
        words += ["--data-dir", str(data_folder()), "--runs-dir", folder]
        subprocess.run(words, check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(Path(folder) / "run" / "metrics.csv") as file:
            seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
        record = json.loads((Path(folder) / "run" / "run.json").read_text())
    monitoring = record["seconds"] / sum(seconds) - 1
    print(json.dumps({"seconds": seconds[1:], "accuracy": record["test"]["accuracy"], "monitoring": monitoring}))


if __name__ == "__main__":
    main()
