"""With a damaged last checkpoint, resume continues from the best one and warns; a named file is never substituted."""

import os
from pathlib import Path

import pytest

from backprop_cli.runs.checkpoint import read_checkpoint
from tests.cli.helpers import numbers, record_of, same_bits

LAST, BEST = Path("runs/run/checkpoints/last.npz"), Path("runs/run/checkpoints/best.npz")


@pytest.fixture
def best_is_early(backprop, tiny):
    """A finished run of six epochs, `run`, whose best is an earlier one, and the same again as `whole`."""
    words = ("eta=9", "validation=5", "epochs=6", "seed=2")
    for name in ("run", "whole"):
        assert backprop("train", tiny, *words, "--name", name).code == 0
    best = record_of("run")["best"]["epoch"]
    assert best < 6
    return best


def damage(path):
    data = bytearray(path.read_bytes())
    data[data.index(b"NUMPY") + 300] ^= 1  # among the numbers of W1
    path.write_bytes(data)


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("harm", [damage, cut, Path.unlink], ids=["damaged", "cut", "lost"])
def test_resume_continues_from_the_best_checkpoint_and_names_its_epoch(backprop, best_is_early, harm):
    harm(LAST)
    done = backprop("resume", "run")
    assert done.code == 0, done.err
    assert f"resuming from {BEST}, after epoch {best_is_early}" in done.err
    assert str(LAST) in done.err
    assert same_bits(LAST, "runs/whole/checkpoints/last.npz")
    assert numbers(Path("runs/run/metrics.csv")) == numbers(Path("runs/whole/metrics.csv"))
    assert record_of("run")["test"] == record_of("whole")["test"]


def test_an_extended_run_continues_to_its_new_last_epoch(backprop, best_is_early):
    backprop("resume", "run", "--epochs", 7)
    if record_of("run")["best"]["epoch"] == 7:
        pytest.fail("the seed of this test is to be one whose best epoch comes early")
    damage(LAST)
    assert backprop("resume", "run").code == 0
    assert read_checkpoint(LAST).meta.status.epoch == 7


def test_a_finished_run_whose_best_epoch_is_the_last_is_repaired(backprop, tiny):
    backprop("train", tiny, "validation=0", "--name", "run")
    good = LAST.read_bytes()
    damage(LAST)
    assert backprop("resume", "run").code == 0
    assert LAST.read_bytes() == good


def test_without_a_valid_checkpoint_resume_reports_each(backprop, best_is_early):
    damage(LAST)
    cut(BEST)
    rows = Path("runs/run/metrics.csv").read_bytes()
    done = backprop("resume", "run")
    assert done.code == 1
    assert f"{LAST}: not a whole checkpoint" in done.err
    assert f"{BEST}: not a whole checkpoint" in done.err
    assert Path("runs/run/metrics.csv").read_bytes() == rows


@pytest.mark.parametrize("words", [(LAST,), ("run", "--which", "last")], ids=["by path", "by name"])
def test_a_named_checkpoint_is_never_substituted(backprop, best_is_early, words):
    damage(LAST)
    done = backprop("eval", *words)
    assert (done.code, done.out) == (1, "")
    assert f"{LAST}: not a whole checkpoint" in done.err


def test_a_run_without_its_record_can_be_resumed(backprop, best_is_early):
    Path("runs/run/run.json").unlink()
    assert backprop("resume", "run", "--epochs", 7).code == 0
    assert record_of("run")["epochs"] == 7


def test_a_pipe_in_place_of_a_checkpoint_is_not_waited_for(backprop, best_is_early):
    LAST.unlink()
    BEST.unlink()
    os.mkfifo(LAST)
    done = backprop("eval", "run", "--which", "last")
    assert done.code == 1
    assert f"{LAST}: cannot be read: not a regular file" in done.err
