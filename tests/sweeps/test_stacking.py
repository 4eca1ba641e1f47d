import csv
import json
from concurrent.futures import BrokenExecutor

import pytest

import backprop_cli
from backprop_cli.config.load import document_of, validate
from backprop_cli.errors import ConfigError
from backprop_cli.runs import metrics
from backprop_cli.sweeps import dispatch, worker
from backprop_cli.sweeps.stacking import usual_size
from tests.cli.helpers import same_bits
from tests.sweeps.helpers import CONFIG, Here, entries, sweep, weights

SEEDS = {"seed": [0, 1, 2, 3, 4]}


@pytest.fixture(autouse=True)
def _no_delays(monkeypatch):
    monkeypatch.setattr(dispatch, "DELAYS", (0, 0, 0))


def sizes(executor):
    """How many runs each task had; the last call is the evaluation of the best setting."""
    return [len(task.runs) for (task,) in executor.calls[:-1]]


@pytest.fixture
def stacked(monkeypatch):
    """The sizes of the stacks that are trained."""
    found = []
    train_together = worker.train_together
    monkeypatch.setattr(worker, "train_together", lambda runs: (found.append(len(runs)), train_together(runs)))
    return found


def rows(path):
    if not path.exists():  # of a run that diverged in its first epoch
        return []
    with path.open() as file:
        return [{**row, "seconds": ""} for row in csv.DictReader(file)]


def record(path):
    times = {"argv": [], "started": "", "ended": "", "seconds": 0, "test": {}}
    return {**json.loads(path.read_text()), **times}


@pytest.mark.parametrize(
    ("over", "config"),
    [
        (SEEDS, {}),
        ({"eta": [0.1, 1, 3], "lambda": [0.1, 1]}, {"cost": "cross_entropy"}),
        ({"optimizer.mu": [0.5, 0.9], "eta": [0.1, 0.01]}, {"optimizer": {"name": "nesterov"}, "average": "ema"}),
        (SEEDS, {"epochs": 20, "early_stopping": {"patience": 1}}),
        ({"dropout": [0.1, 0.5], "seed": [0, 1]}, {"optimizer": "adam", "eta": 0.01, "activation": "relu"}),
        ({"eta": [0.01, 1e30, 0.02]}, {"activation": "relu", "output": "identity"}),
    ],
    ids=["seeds", "lambda", "momentum", "early stopping", "dropout", "divergence"],
)
def test_the_folder_of_a_run_in_a_stack_is_that_of_a_run_alone(tmp_path, stacked, over, config):
    sweep(tmp_path / "stacks", over, {**CONFIG, **config}, stack=10)
    assert stacked == [len(entries(tmp_path / "stacks"))]
    sweep(tmp_path / "alone", over, {**CONFIG, **config}, stack="none")
    assert len(stacked) == 1
    assert weights(tmp_path / "stacks") == weights(tmp_path / "alone")
    for path in sorted((tmp_path / "stacks/sweep").glob("*/")):
        other = tmp_path / "alone/sweep" / path.name
        assert rows(path / "metrics.csv") == rows(other / "metrics.csv")
        assert record(path / "run.json") == record(other / "run.json")
    found = [[{**entry, "seconds": 0} for entry in entries(tmp_path / name)] for name in ("stacks", "alone")]
    assert found[0] == found[1]


def test_a_run_of_a_stack_has_the_bits_of_train_with_its_config(tmp_path, stacked):
    sweep(tmp_path, SEEDS)
    assert stacked == [5]
    run = tmp_path / "sweep" / "0001-s3"
    alone = backprop_cli.train(run / "config.yaml", runs_dir=tmp_path)
    assert same_bits(alone.path / "checkpoints/last.npz", run / "checkpoints/last.npz")
    assert same_bits(alone.path / "checkpoints/best.npz", run / "checkpoints/best.npz")


@pytest.mark.parametrize(
    ("stack", "jobs", "expected"),
    [("auto", 1, [5]), ("auto", 2, [3, 2]), ("auto", 8, [1] * 5), ("none", 1, [1] * 5), (2, 2, [2, 2, 1])],
)
def test_runs_are_grouped_so_that_there_is_work_for_every_worker(tmp_path, stack, jobs, expected):
    executor = Here(jobs)
    sweep(tmp_path, SEEDS, stack=stack, executor=executor)
    assert sizes(executor) == expected


def test_only_runs_of_one_kind_are_grouped(tmp_path, stacked):
    executor = Here()
    sweep(tmp_path, {"layers.1": [8, 9], "batch_size": [10, 20], "seed": [0, 1]}, executor=executor)
    assert sizes(executor) == [2, 2, 2, 2]
    assert stacked == [2, 2, 2, 2]


def test_runs_that_can_be_no_stack_are_trained_one_after_the_other(tmp_path, stacked):
    found = sweep(tmp_path, SEEDS, {**CONFIG, "optimizer": "lbfgs", "batch_size": "full"}, stack=10)
    assert (stacked, found.counts) == ([], {"finished": 5})


def test_the_runs_of_a_lost_stack_are_continued_one_by_one(tmp_path, stacked):
    def lose_the_stack(number):
        if number == 1:
            raise BrokenExecutor("killed")

    executor = Here(before=lose_the_stack)
    found = sweep(tmp_path, SEEDS, executor=executor)
    assert sizes(executor) == [5, 1, 1, 1, 1, 1]
    assert (stacked, found.counts) == ([], {"finished": 5})


def test_a_run_that_fails_in_a_stack_fails_alone(tmp_path, monkeypatch):
    append = metrics.append_row

    class Full:
        def __init__(self):
            self.left = 3

        def __call__(self, path, row):
            if path.parent.name == "0001-s2":
                self.left -= 1
                if not self.left:
                    raise OSError(28, "No space left on device")
            append(path, row)

    monkeypatch.setattr(metrics, "append_row", Full())
    found = sweep(tmp_path, SEEDS)
    assert [entry.run for entry in found.failed] == ["0001-s2"]
    assert "No space left" in found.failed[0].error
    monkeypatch.undo()
    sweep(tmp_path, SEEDS, retry_failed=True)
    sweep(tmp_path / "alone", SEEDS, stack="none")
    assert weights(tmp_path) == weights(tmp_path / "alone")


def test_the_files_of_a_short_stack_are_flushed_once(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr("os.fsync", flushed.append)
    sweep(tmp_path, SEEDS)
    files = [path for run in (tmp_path / "sweep").glob("*/") for path in (run, *run.rglob("*"))]
    tested = 2 * 5  # beside the folder of the sweep: the records with the metrics on the test split, and their folders
    assert len(flushed) == len(files) + 1 + tested


def test_an_interrupted_stack_continues_to_the_same_bits(tmp_path, monkeypatch):
    class After:
        def __init__(self, calls):
            self.left = calls

        def __call__(self):
            self.left -= 1
            return self.left < 0

    config = {**CONFIG, "epochs": 6, "optimizer": "adam", "eta": 0.01}
    for calls in (7, 50, 333, 10**9):
        monkeypatch.setattr(worker, "stopping", After(calls))
        sweep(tmp_path, SEEDS, config)
    sweep(tmp_path / "alone", SEEDS, config, stack="none")
    assert weights(tmp_path) == weights(tmp_path / "alone")


@pytest.mark.parametrize(
    ("words", "size"),
    [
        ({}, 8),
        ({"layers": "784-100-10"}, 1),
        ({"batch_size": 100}, 1),
        ({"optimizer": "momentum"}, 5),
        ({"optimizer": "adam"}, 1),
        ({"layers": "28x28-conv20x5-max2-100-10"}, 1),
        ({"dataset": "digits", "layers": "64-100-10", "optimizer": "adam"}, 8),
    ],
    ids=str,
)
def test_auto_takes_stacks_where_they_are_faster(words, size):
    config = document_of({"dataset": "mnist", "layers": "784-30-10", **words}, "here")
    assert usual_size(validate(config, "here")) == size


@pytest.mark.parametrize("stack", ["all", 0, 1001, 2.5])
def test_another_word_for_stack_is_refused(tmp_path, stack):
    with pytest.raises(ConfigError, match="sweep.stack must be auto, none or a number of runs from 1 to 1000"):
        sweep(tmp_path, SEEDS, stack=stack)
