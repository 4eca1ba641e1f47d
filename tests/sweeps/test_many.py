"""What the driver of a sweep takes for 10,000 runs: memory, lines, and time of its own."""

import time
from concurrent.futures import Executor, Future
from pathlib import Path

import pytest

from backprop_cli.data.cache import Cache
from backprop_cli.errors import UsageError
from backprop_cli.sweeps.definition import define_sweep
from backprop_cli.sweeps.progress import follow
from backprop_cli.sweeps.sweep import open_sweep
from backprop_cli.sweeps.worker import Outcome
from tests.sweeps.helpers import CONFIG

RUNS = 10_000
OVER = {"eta": "0.01..3:log", "lambda": [0, "0.1..10:log"], "layers.1": "5..10"}


class Instant(Executor):
    """Answers at once that a run was finished, with a metric that improves again and again."""

    _max_workers = 2

    def __init__(self):
        self.calls = 0

    def submit(self, function, task):
        self.calls += 1
        future = Future()
        best = {"epoch": 1, "val_cost": 1.0 / self.calls, "val_accuracy": 1 - 1.0 / self.calls}
        future.set_result({name: Outcome("finished", 1, best, 0.01) for name in getattr(task, "runs", [])})
        return future


def memory():
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc/self/status")
def test_the_driver_of_ten_thousand_runs_stays_small_says_little_and_reads_its_journal_in_seconds(tmp_path):
    definition = define_sweep(CONFIG, [], "here", {"over": OVER, "trials": RUNS})
    lines, marks = [], []

    def watch():
        if executor.calls and executor.calls % 1_000 == 0:
            marks.append(memory())
        return False

    executor = Instant()
    started = time.process_time()
    with open_sweep(definition, tmp_path, Cache(), name="sweep", executor=executor, stop=watch) as driver:
        follow(driver, lines.append, bar=False)
    seconds = time.process_time() - started
    assert executor.calls == RUNS
    assert len(lines) <= 90  # and the table
    assert max(marks) - marks[0] < 20
    assert seconds / RUNS < 0.010
    started = time.process_time()
    with open_sweep(definition, tmp_path, Cache(), name="sweep", executor=executor, stop=watch) as driver:
        assert driver.done == RUNS
        assert list(driver.run()) == []
    assert time.process_time() - started < 10


def test_more_than_ten_thousand_runs_must_say_how_many_are_kept(tmp_path):
    definition = define_sweep(CONFIG, [], "here", {"over": OVER, "trials": RUNS + 1})
    with (
        pytest.raises(UsageError, match="10,001 runs take about 0.9 GB in 70,007 files and folders; write sweep.keep="),
        open_sweep(definition, tmp_path, Cache(), executor=Instant()),
    ):
        pass
