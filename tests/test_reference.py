"""The shipped experiments on the real data sets, and the sweep script."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT


def accuracies(backprop, config, seeds, *words):
    results = [json.loads(backprop("train", config, f"seed={s}", "-q", "--json", *words).out) for s in range(seeds)]
    return [result["test"]["accuracy"] for result in results]


def test_digits_reach_96_percent(backprop):
    found = accuracies(backprop, ROOT / "configs/digits.yaml", 5)
    assert sum(found) / 5 > 0.96, found


def test_mnist_reaches_95_percent_in_three_epochs(backprop, mnist_cache):
    found = accuracies(backprop, ROOT / "configs/mnist.yaml", 5, "epochs=3", "--data-dir", mnist_cache, "--offline")
    assert sum(found) / 5 >= 0.945, found
    assert max(found) > 0.95, found


def test_mnist_reaches_its_published_accuracy_in_thirty_epochs(backprop, mnist_cache):
    (found,) = accuracies(backprop, ROOT / "configs/mnist.yaml", 1, "--data-dir", mnist_cache, "--offline")
    assert found >= 0.953


@pytest.mark.speed
def test_digits_are_trained_from_the_shell_in_under_three_seconds(tmp_path):
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "backprop_cli", "train", ROOT / "configs/digits.yaml", "--runs-dir", tmp_path, "-q"],
        check=True,
        cwd=ROOT,
        capture_output=True,
    )
    assert done.stdout
    assert time.perf_counter() - start < 3


def sweep(folder, *words):
    """Run scripts/sweep.sh over two values of eta and two of lambda; return its table as rows of cells, and stderr."""
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ETAS": "0.1 0.001",
        "LAMBDAS": "0 1",
        "JOBS": "2",
    }
    done = subprocess.run([ROOT / "scripts/sweep.sh", *words], cwd=folder, env=env, capture_output=True, text=True)
    header, *rows = (re.split(r"  +", line.strip()) for line in done.stdout.splitlines() or [""])
    return done.returncode, [dict(zip(header, row, strict=False)) for row in rows], done.stderr


GRID = {f"eta{eta}-lambda{lmbda}" for eta in ("0.1", "0.001") for lmbda in "01"}


def test_a_sweep_over_classes_lists_the_highest_accuracy_first(tmp_path):
    code, rows, _ = sweep(tmp_path, ROOT / "configs/digits.yaml", "epochs=2")
    accuracies = [float(row["val_accuracy"].rstrip("%")) for row in rows]
    assert (code, {row["run"] for row in rows}) == (0, GRID)
    assert accuracies == sorted(accuracies, reverse=True)
    assert accuracies[0] > accuracies[-1]


def test_a_sweep_over_values_lists_the_lowest_cost_first(tmp_path):
    (tmp_path / "sine.yaml").write_text("dataset: {name: sine, n: 200}\nlayers: [1, 8, 1]\nepochs: 5\n")
    code, rows, _ = sweep(tmp_path, "sine.yaml", "validation=0.2")
    costs = [float(row["val_cost"]) for row in rows]
    assert (code, {row["run"] for row in rows}) == (0, GRID)
    assert costs == sorted(costs)
    assert costs[0] < costs[-1]


def test_a_repeated_sweep_trains_only_what_is_missing(tmp_path):
    words = (ROOT / "configs/digits.yaml", "epochs=1")
    sweep(tmp_path, *words)
    (runs,) = (tmp_path / "sweeps").iterdir()
    shutil.rmtree(runs / "eta0.1-lambda0")
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*") if path.is_file()}
    code, rows, _ = sweep(tmp_path, *words)
    assert (code, {row["run"] for row in rows}) == (0, GRID)
    assert before.items() < {path: path.stat().st_mtime_ns for path in runs.rglob("*") if path.is_file()}.items()


def test_a_repeated_sweep_resumes_killed_runs(tmp_path):
    words = (ROOT / "configs/digits.yaml", "epochs=1")
    sweep(tmp_path, *words)
    (record,) = tmp_path.glob("sweeps/*/eta0.1-lambda0/run.json")
    record.write_text(record.read_text().replace('"finished"', '"running"'))
    code, _, messages = sweep(tmp_path, *words)
    assert (code, json.loads(record.read_text())["status"]) == (0, "finished")


def test_a_sweep_of_a_changed_experiment_does_not_reuse_runs(tmp_path):
    for text in ("dataset: moons\nlayers: [2, 3, 1]\nepochs: 1\n", "dataset: moons\nlayers: [2, 4, 1]\nepochs: 1\n"):
        (tmp_path / "moons.yaml").write_text(text)
        _, rows, _ = sweep(tmp_path, "moons.yaml")
        assert len(rows) == 4
    assert len(list((tmp_path / "sweeps").iterdir())) == 2


def test_a_sweep_reports_a_problem_of_the_config_once(tmp_path):
    code, rows, messages = sweep(tmp_path, ROOT / "configs/digits.yaml", "epoch=2")
    assert (code, rows, messages.count("unknown key")) == (2, [], 1)
