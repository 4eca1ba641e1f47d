"""Training repeats: one config, one machine, one number of threads, one SHA-256 of the weights."""

import hashlib

import pytest

from backprop_cli.runs.checkpoint import read_checkpoint
from tests.conftest import ROOT

CONFIGS = {
    "plain": ("configs/digits.yaml", "epochs=3"),
    "momentum, penalty": ("configs/digits.yaml", "epochs=3", "optimizer=momentum", "eta=0.05", "lambda=1"),
    "large layers, two threads": ("configs/mnist.yaml", "layers=784-800-10", "batch_size=128", "epochs=1", "threads=2"),
    "mnist": ("configs/mnist.yaml", "epochs=2"),
}


def weights(forks, tmp_path, config, *words):
    done = forks("train", ROOT / config, *words, "--name", "run", "--overwrite", "-q", cwd=tmp_path, timeout=120)
    assert done.code == 0, done.err
    checkpoint = read_checkpoint(tmp_path / "runs/run/checkpoints/last.npz")
    return hashlib.sha256(b"".join(array.tobytes() for array in checkpoint.parameters.values())).hexdigest()


def test_five_runs_give_equal_weights(forks, tmp_path):
    assert len({weights(forks, tmp_path, *CONFIGS["plain"]) for _ in range(5)}) == 1


@pytest.mark.long
@pytest.mark.parametrize("words", CONFIGS.values(), ids=CONFIGS.keys())
def test_twenty_runs_give_equal_weights(forks, tmp_path, mnist_cache, words):
    found = {weights(forks, tmp_path, *words, "--data-dir", mnist_cache) for _ in range(20)}
    print(found)
    assert len(found) == 1
