"""The published experiments, on the real images: does the whole learn what it should, and how fast?"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT


def accuracies(backprop, config, seeds, *words):
    results = [json.loads(backprop("train", config, f"seed={s}", "-q", "--json", *words).out) for s in range(seeds)]
    return [result["test"]["accuracy"] for result in results]


def test_the_digits_are_learned_to_96_percent(backprop):
    found = accuracies(backprop, ROOT / "configs/digits.yaml", 5)
    assert sum(found) / 5 > 0.96, found


def test_the_reference_network_learns_mnist_in_three_epochs(backprop, mnist_cache):
    found = accuracies(backprop, ROOT / "configs/mnist.yaml", 5, "epochs=3", "--data-dir", mnist_cache, "--offline")
    assert sum(found) / 5 >= 0.945, found
    assert max(found) > 0.95, found


def test_the_reference_network_reaches_its_published_accuracy_in_thirty(backprop, mnist_cache):
    (found,) = accuracies(backprop, ROOT / "configs/mnist.yaml", 1, "--data-dir", mnist_cache, "--offline")
    assert found >= 0.953


def test_the_digits_are_trained_from_the_shell_in_under_three_seconds(tmp_path):
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "backprop_cli", "train", ROOT / "configs/digits.yaml", "--runs-dir", tmp_path, "-q"],
        check=True,
        cwd=ROOT,
        capture_output=True,
    )
    assert done.stdout
    assert time.perf_counter() - start < 3


@pytest.mark.parametrize("again", [False, True])
def test_a_sweep_trains_a_grid_and_skips_what_is_done(tmp_path, monkeypatch, again):
    monkeypatch.chdir(tmp_path)
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ETAS": "0.1 0.3",
        "LAMBDAS": "0 1",
        "JOBS": "2",
    }
    words = [ROOT / "scripts/sweep.sh", ROOT / "configs/digits.yaml", "epochs=2"]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    if again:
        done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
        assert done.stderr.count("done before") == 4
    lines = done.stdout[done.stdout.index("validation") :].splitlines()[1:]
    accuracies = [float(line.split()[0]) for line in lines]
    assert len(lines) == 4
    assert accuracies == sorted(accuracies, reverse=True)
    assert {line.split()[2] for line in lines} == {f"eta{e}-lambda{k}" for e in ("0.1", "0.3") for k in "01"}
