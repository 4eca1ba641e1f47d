"""A sweep whose processes are killed at any moment ends as if they had not been."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from backprop_cli.runs.folder import RunFolder
from tests.conftest import ROOT
from tests.sweeps.helpers import entries, settings_of, weights

WORDS = ("eta=0.5,1,2", "seed=0..1", "epochs=8", "train_size=195", "layers=64-8-10", "batch_size=1")
COMMAND = ("sweep", "digits", *WORDS, "--name", "sweep", "--jobs", "2", "--runs-dir")

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")


def start(folder, *more, words=COMMAND):
    command = [sys.executable, "-m", "backprop_cli", *words, folder, *more]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def descendants(pid):
    """The processes below a process: its workers and what starts them."""
    children = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            words = entry.read_text().rpartition(")")[2].split()
            children.setdefault(int(words[1]), []).append(int(entry.parent.name))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found[1:]


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.01)
    return found


def is_alive(pid):
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def training(folder):
    return list(folder.glob("sweep/*/metrics.csv"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    started = time.monotonic()
    finish(start(folder))
    return folder, time.monotonic() - started, weights(folder)


def check(folder, undisturbed):
    assert sorted(settings_of(entries(folder))) == sorted(settings_of(entries(undisturbed[0])))
    assert {entry["status"] for entry in entries(folder)} == {"finished"}
    assert weights(folder) == undisturbed[2]


def test_a_killed_worker_loses_nothing(undisturbed, tmp_path):
    process = start(tmp_path)
    assert wait_for(lambda: len(training(tmp_path)) >= 2)
    os.kill(descendants(process.pid)[-1], signal.SIGKILL)
    finish(process)
    check(tmp_path, undisturbed)


def test_nothing_is_left_when_the_driver_is_killed_and_the_same_command_continues(undisturbed, tmp_path):
    process = start(tmp_path)
    assert wait_for(lambda: len(training(tmp_path)) >= 3)
    below = descendants(process.pid)
    assert len(below) >= 3
    process.kill()
    process.communicate()
    assert wait_for(lambda: not any(map(is_alive, below)), 5)
    finish(start(tmp_path))
    check(tmp_path, undisturbed)


def test_a_signal_saves_the_runs_and_the_same_command_continues(undisturbed, tmp_path):
    process = start(tmp_path)
    assert wait_for(lambda: len(training(tmp_path)) >= 3)
    below = descendants(process.pid)
    process.terminate()
    _, err = process.communicate(timeout=30)
    assert process.returncode == 143
    assert "Traceback" not in err
    assert wait_for(lambda: not any(map(is_alive, below)), 5)
    finish(start(tmp_path))
    check(tmp_path, undisturbed)


def test_ctrl_c_which_reaches_every_process_does_the_same(undisturbed, tmp_path):
    command = [sys.executable, "-m", "backprop_cli", *COMMAND, tmp_path]
    process = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert wait_for(lambda: len(training(tmp_path)) >= 3)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, "Traceback" in err) == (130, False)
    finish(start(tmp_path))
    check(tmp_path, undisturbed)


@pytest.mark.long
def test_two_hundred_kills_of_driver_and_workers(undisturbed, tmp_path):
    moments, kills, sweeps = random.Random(0), 0, 0
    while kills < 200:
        folder = tmp_path / str(sweeps)
        sweeps += 1
        for _ in range(moments.randrange(1, 12)):
            process = start(folder)
            time.sleep(moments.random() * undisturbed[1])
            victims = [process.pid, *descendants(process.pid)]
            with suppress(ProcessLookupError):
                os.kill(moments.choice(victims), signal.SIGKILL)
                kills += 1
            if moments.random() < 0.5:
                process.kill()
            process.communicate(timeout=120)
            assert wait_for(lambda victims=victims: not any(map(is_alive, victims)), 5)
        finish(start(folder))
        check(folder, undisturbed)


KILLS = 200
STACKS = ("sweep", "digits", "eta=0.5,1,2", "seed=0..3", "epochs=24", "layers=64-8-10", "batch_size=1", "sweep.stack=6")
"""Two workers, each with a stack of six runs."""


def in_a_stack(folder):
    """Whether more runs are locked than there are workers."""
    return sum(RunFolder(path.parent).is_locked() for path in folder.glob("sweep/*/run.json")) > 2


@pytest.mark.long
def test_two_hundred_kills_inside_stacks(tmp_path):
    more = (*STACKS, "--name", "sweep", "--jobs", "2", "--runs-dir")
    started = time.monotonic()
    finish(start(tmp_path / "undisturbed", words=more))
    seconds, expected = time.monotonic() - started, weights(tmp_path / "undisturbed")
    moments, kills, sweeps = random.Random(1), 0, 0
    while kills < KILLS:
        folder = tmp_path / str(sweeps)
        sweeps += 1
        for _ in range(moments.randrange(1, 12)):
            process = start(folder, words=more)
            wait_for(lambda folder=folder, started=process: in_a_stack(folder) or started.poll() is not None)
            time.sleep(moments.random() * seconds / 8)
            victims, inside = [process.pid, *descendants(process.pid)], in_a_stack(folder)
            with suppress(ProcessLookupError):
                os.kill(moments.choice(victims), signal.SIGKILL)
                kills += inside
            if moments.random() < 0.5:
                time.sleep(moments.random() * seconds / 4)
                process.kill()
            process.communicate(timeout=120)
            assert wait_for(lambda victims=victims: not any(map(is_alive, victims)), 5)
            if not inside:  # few runs are left
                break
        finish(start(folder, words=more))
        assert sorted(settings_of(entries(folder))) == sorted(settings_of(entries(tmp_path / "undisturbed")))
        assert {entry["status"] for entry in entries(folder)} == {"finished"}
        assert weights(folder) == expected
