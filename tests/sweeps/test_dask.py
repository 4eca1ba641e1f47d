"""A sweep on a real Dask cluster: a scheduler and two workers, processes of this machine."""

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from tests.conftest import ROOT
from tests.sweeps.helpers import entries, settings_of, weights
from tests.sweeps.test_kills import WORDS, descendants, finish, training, wait_for

pytest.importorskip("distributed")
pytestmark = pytest.mark.long


class Cluster:
    """`dask scheduler` and `dask worker` processes; the scheduler's address is in a file."""

    def __init__(self, folder):
        self._env = {**os.environ, "PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s"}
        self.file, self.log = folder / "scheduler.json", (folder / "log").open("w")
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--dashboard-address", ":0")
        assert wait_for(self.file.exists)
        self.workers = [
            self._start("worker", "--nthreads", "1", "--no-dashboard", "--local-directory", folder / f"worker{i}")
            for i in range(2)
        ]

    def _start(self, kind, *words):
        command = [sys.executable, "-m", "distributed.cli.dask_" + kind, "--scheduler-file", self.file, *words]
        return subprocess.Popen(list(map(str, command)), env=self._env, stdout=self.log, stderr=self.log)

    def stop(self):
        for process in (*self.workers, self.scheduler):
            for pid in (*descendants(process.pid), process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()
        self.log.close()


@pytest.fixture
def cluster(tmp_path):
    started = Cluster(tmp_path)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    finish(start(folder, "--jobs", 1))
    return folder, weights(folder)


def start(folder, *more):
    words = [sys.executable, "-m", "backprop_cli", "sweep", "digits", *WORDS, "--name", "sweep", "--runs-dir", folder]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([*map(str, words), *map(str, more)], env=env, stdout=-1, stderr=-1, text=True)


def check(folder, undisturbed):
    assert sorted(settings_of(entries(folder))) == sorted(settings_of(entries(undisturbed[0])))
    assert weights(folder) == undisturbed[1]


def pause(moments, process):
    """Wait for a random time in which a sweep trains."""
    end = time.monotonic() + moments.random() * 3
    while time.monotonic() < end and process.poll() is None:
        time.sleep(0.01)


def test_twenty_workers_that_are_killed_lose_nothing(cluster, undisturbed, tmp_path):
    moments, kills = random.Random(0), 0
    for number in itertools.count():
        folder = tmp_path / str(number)
        process = start(folder, "--on", f"dask:{cluster.file}")
        assert wait_for(lambda folder=folder: training(folder), 60)
        while process.poll() is None:
            pause(moments, process)
            if below := descendants(moments.choice(cluster.workers).pid):  # the nanny starts another one
                os.kill(below[-1], signal.SIGKILL)
                kills += process.poll() is None
        finish(process)
        check(folder, undisturbed)
        if kills >= 20:
            return


@pytest.mark.parametrize("seed", range(5))
def test_a_killed_scheduler_ends_the_sweep_which_continues_on_another_one(cluster, undisturbed, tmp_path, seed):
    process = start(tmp_path, "--on", f"dask:{cluster.file}")
    assert wait_for(lambda: training(tmp_path), 60)
    pause(random.Random(seed), process)
    cluster.scheduler.kill()
    started = time.monotonic()
    try:
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert "Traceback" not in err
    assert (process.returncode, "error: the engine was lost" in err) in [(1, True), (0, False)], err
    assert time.monotonic() - started < 60
    cluster.stop()
    (tmp_path / "again").mkdir()
    other = Cluster(tmp_path / "again")
    try:
        finish(start(tmp_path, "--on", f"dask:{other.file}"))
    finally:
        other.stop()
    check(tmp_path, undisturbed)
