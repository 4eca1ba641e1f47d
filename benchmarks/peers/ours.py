"""This project, through its command line; the times are those of metrics.csv.

A second argument has further keys of the config. `monitoring` is what an epoch takes besides: both splits evaluated,
checkpoints written, a line printed, as a share of the training time.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.peers.common import data_folder, data_of, timed
from benchmarks.workloads import Workload


def main() -> None:
    w = Workload.from_json(sys.argv[1])
    more = json.loads(sys.argv[2]) if sys.argv[2:] else {}
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "workload.yaml"
        config.write_text(json.dumps(w.to_config() | more))
        words = [sys.executable, "-m", "backprop_cli", "train", str(config), "--name", "run", "--offline"]
        words += ["--data-dir", str(data_folder()), "--runs-dir", folder]
        subprocess.run(words, check=True, cwd=folder, stdout=subprocess.DEVNULL)
        with open(Path(folder) / "run" / "metrics.csv") as file:
            seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
        record = json.loads((Path(folder) / "run" / "run.json").read_text())
        result = {"seconds": seconds[1:], "accuracy": record["test"]["accuracy"]}
        result["monitoring"] = record["seconds"] / sum(seconds) - 1
        if w.convolutions:
            result["evaluation"] = evaluation_seconds(w, Path(folder) / "run" / "checkpoints" / "last.npz")
    print(json.dumps(result))


def evaluation_seconds(w: Workload, checkpoint: Path) -> float:
    """Return the seconds in which a trained network is evaluated on the test images, as after an epoch."""
    from backprop_cli.runs.build import limit_blas  # not above: commits that are compared need not have all of this
    from backprop_cli.runs.model import Model

    model, data = Model.load(checkpoint), data_of(w)
    evaluator = model.evaluator(data)
    with limit_blas(model.experiment):
        return median(timed(lambda: evaluator.score(data.test)))


if __name__ == "__main__":
    main()
