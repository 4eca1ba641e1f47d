"""Every I/O failure is handled: if the N-th call fails, for every N, the error names it and the run can be resumed."""

import errno
import json
import os
import re
import shutil

import pytest

from backprop_cli.runs.checkpoint import read_checkpoint
from tests.cli.helpers import same_bits
from tests.reliability.conftest import fault

ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EDQUOT)


@pytest.fixture
def place(tmp_path, tiny):
    """A folder with a config in it."""
    return tmp_path


def whole_run(forks, place):
    assert forks("train", "tiny.yaml", "epochs=3", "--runs-dir", "good", "--name", "run", cwd=place).code == 0
    return place / "good/run/checkpoints/last.npz"


def assert_said_and_whole(done, place, error):
    """One line says what and where, and every checkpoint that is there can be read."""
    if done.code == 0:  # a resume does not need the config: it tells, and writes it anew
        assert "warning: runs/run/config.yaml is not" in done.err
        return
    assert done.code == 1, done
    usual = ("training ", "resuming ", "epoch ", "warning: ")
    lines = [line for line in done.err.splitlines() if not line.startswith(usual)]
    assert len(lines) == 1, done.err
    assert re.match(r"error: .*\bruns\b.*: ", lines[0])
    assert os.strerror(error) in lines[0]
    for path in (place / "runs").rglob("*.npz"):
        read_checkpoint(path)
    if (place / "runs/run/run.json").exists():
        assert json.loads((place / "runs/run/run.json").read_text())["status"] in ("failed", "running", "finished")


def fail_every_call(forks, place, words, good, before=None, step=1, calls="open write fsync rename mkdir"):
    """Let call N fail, for N = 1, 1 + step, … until a run passes clean; resume, and compare; return the failures."""
    n = 0
    for first in range(1, 1000, step):
        for error in ERRORS if step == 1 else (ERRORS[first % 4],):
            for forever in (False, True):
                shutil.rmtree(place / "runs", ignore_errors=True)
                if before:
                    shutil.copytree(before, place / "runs")
                done = forks(*words, cwd=place, fault=fault(first, error, forever, calls=calls))
                if not done.fired:
                    assert done.code == 0
                    return n
                n += 1
                assert_said_and_whole(done, place, error)
                if done.code == 0:
                    pass
                elif (place / "runs/run/checkpoints/last.npz").exists():
                    again = forks("resume", "run", "--epochs", 3, cwd=place)
                    assert again.code == 0
                else:
                    assert forks(*words, "--overwrite", cwd=place).code == 0
                assert same_bits(place / "runs/run/checkpoints/last.npz", good)
    raise AssertionError("no run passed")


def test_some_failures_of_a_training_are_reported_and_survived(forks, place):
    good = whole_run(forks, place)
    words = ("train", "tiny.yaml", "epochs=3", "--name", "run")
    assert fail_every_call(forks, place, words, good, step=23) >= 6


@pytest.mark.long
def test_every_failure_of_a_training_is_reported_and_survived(forks, place):
    good = whole_run(forks, place)
    words = ("train", "tiny.yaml", "epochs=3", "--name", "run")
    print(fail_every_call(forks, place, words, good), "failures of a training")


@pytest.mark.long
def test_every_failure_of_a_resume_is_reported_and_survived(forks, place):
    good = whole_run(forks, place)
    words = ("train", "tiny.yaml", "epochs=1", "--runs-dir", "before", "--name", "run")
    assert forks(*words, cwd=place).code == 0
    words = ("resume", "run", "--epochs", 3)
    calls = "open write fsync rename"  # where the folder of checkpoints is there, to make it may fail
    n = fail_every_call(forks, place, words, good, before=place / "before", calls=calls)
    print(n, "failures of a resume")
