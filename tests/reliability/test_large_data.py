"""Data larger than memory, and large tables: the memory of a whole training, measured from outside."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.cli.helpers import same_bits

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is measured in /proc")

MB = 1 << 20
NETWORK = "layers: [auto, 16, auto]\noutput: softmax\ncost: cross_entropy\ninitializer: scaled\n"
NETWORK += "eta: 0.1\nbatch_size: 100\nepochs: 1\n"
ARRAYS = "dataset: {name: arrays, x: x.npy, y: y.npy}\nthreads: 1\n" + NETWORK  # each has memory of its own


def anonymous_memory(folder, *words):
    """Run `backprop WORDS…`; return the most memory (MB) that it had beside files that are mapped."""
    peak, command = 0, [sys.executable, "-m", "backprop_cli", *words]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            found = re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
            peak = max(peak, int(found[1]) if found else 0)
            time.sleep(0.002)
        assert process.returncode == 0, process.stderr.read()
    return peak / 1024


def write_arrays(folder, rows, seed=0):
    """Images of 28 x 28 bytes, the same for all examples of a class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 10, rows).astype(np.uint8)
    x = np.lib.format.open_memmap(folder / "x.npy", "w+", np.uint8, (rows, 28, 28))
    images = rng.integers(0, 256, (10, 28, 28), np.uint8)
    for start in range(0, rows, 10_000):
        x[start : start + 10_000] = images[y[start : start + 10_000]]
    np.save(folder / "y.npy", y)
    (folder / "some.yaml").write_text(ARRAYS)
    return (folder / "x.npy").stat().st_size / MB


def train_and_evaluate(folder):
    trained = anonymous_memory(folder, "train", "some.yaml", "--name", "run")
    return max(trained, anonymous_memory(folder, "eval", "run"))


def test_an_array_on_disk_takes_little_memory(tmp_path):
    (tmp_path / "small").mkdir()
    small = write_arrays(tmp_path / "small", 2_000)
    large = write_arrays(tmp_path, 120_000)
    assert large - small > 80
    before = train_and_evaluate(tmp_path / "small")
    assert train_and_evaluate(tmp_path) - before < 0.1 * (large - small)


@pytest.mark.long
def test_two_gigabytes_on_disk_train_in_400_megabytes(tmp_path):
    size = write_arrays(tmp_path, 2_740_000)
    assert size > 2000
    used = train_and_evaluate(tmp_path)
    print(f"{size:,.0f} MB in a file, {used:.0f} MB of anonymous memory")
    assert used < 400


def keep_on_disk(monkeypatch):
    for module in ("arrays", "own"):
        monkeypatch.setattr(f"backprop_cli.sources.{module}.LARGE", 0)


def test_an_array_on_disk_may_be_larger_than_memory(backprop, tmp_path, monkeypatch):
    write_arrays(tmp_path, 20_000)
    monkeypatch.setattr("backprop_cli.config.checks._physical_memory", lambda: 150 * MB)
    done = backprop("check", "some.yaml")
    assert (done.code, "needs about 0.2 GiB, but this machine has 0.1" in done.err) == (2, True)
    keep_on_disk(monkeypatch)
    write_arrays(tmp_path, 20_000)  # changed, so that it is read again
    assert backprop("check", "some.yaml").code == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_array_on_disk_gives_the_bits_of_one_in_memory(backprop, tmp_path, monkeypatch, dtype):
    write_arrays(tmp_path, 2_000)
    words = ("train", "some.yaml", f"dtype={dtype}", "-q", "--name")
    assert backprop(*words, "memory").code == 0
    keep_on_disk(monkeypatch)
    assert backprop(*words, "disk").code == 0
    runs = [tmp_path / "runs" / name for name in ("memory", "disk")]
    assert same_bits(*(run / "checkpoints/last.npz" for run in runs))
    first, second = (json.loads((run / "run.json").read_text()) for run in runs)
    assert first["test"] == second["test"]


def write_table(path, rows):
    rng = np.random.default_rng(0)
    with path.open("w") as file:
        file.write(",".join([*(f"x{k}" for k in range(17)), "colour", "size", "y"]) + "\n")
        for start in range(0, rows, 50_000):
            m = min(50_000, rows - start)
            numbers = np.char.mod("%.4f", rng.normal(size=(m, 17)))
            words = [rng.choice(["red", "green", "blue"], m), rng.choice(["S", "M", "L", ""], m)]
            cells = np.column_stack([numbers, *words, np.where(rng.random(m) < 0.3, "yes", "no")])
            file.writelines(",".join(row) + "\n" for row in cells.tolist())


@pytest.mark.long
def test_a_table_of_a_million_rows_takes_little_memory_beside_its_inputs(tmp_path, monkeypatch):
    """17 numbers and 7 words are 24 inputs of 4 bytes; as much again is for the numbers of rows in their splits."""
    monkeypatch.setenv("BACKPROP_DATA_DIR", str(tmp_path / "cache"))
    used = {}
    for rows in (250_000, 1_000_000):
        write_table(tmp_path / f"{rows}.csv", rows)
        (tmp_path / f"{rows}.yaml").write_text(f"dataset: {{name: table, file: {rows}.csv, target: y}}\n" + NETWORK)
        for start in ("first", "second"):
            used[rows, start] = anonymous_memory(tmp_path, "train", f"{rows}.yaml", "--name", f"{rows}-{start}")
            print(f"{rows:,} rows, {start} start: {used[rows, start]:.0f} MB of anonymous memory")
    for start in ("first", "second"):
        assert (used[1_000_000, start] - used[250_000, start]) * MB < 2 * 24 * 4 * 750_000
