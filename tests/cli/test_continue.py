import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import backprop_cli
from backprop_cli.config.load import load_experiment
from backprop_cli.errors import UsageError
from backprop_cli.results.continuing import claimed_run
from backprop_cli.runs.folder import RunFolder
from tests.cli.helpers import numbers, record_of, running, same_bits
from tests.conftest import ROOT


@pytest.fixture
def long(tmp_path):
    """A config whose epochs take long enough to be caught inside one."""
    path = tmp_path / "long.yaml"
    path.write_text("dataset: digits\nlayers: [64, 300, 10]\neta: 0.5\nepochs: 4\nbatch_size: 1\n")
    return path


@pytest.fixture
def without_data(monkeypatch):
    """Call it to make every further attempt to load data fail."""

    def refuse(*arguments):
        raise AssertionError("data was loaded")

    return lambda: monkeypatch.setattr("backprop_cli.runs.build.load_data", refuse)


def files(folder):
    return {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", [(), ("--name", "mine")])
def test_a_finished_run_is_printed_and_not_trained_again(backprop, tiny, without_data, name):
    first = backprop("train", tiny, "--continue", *name)
    before = files("runs")
    without_data()
    again = backprop("train", tiny, "--continue", *name)
    assert (first.code, again.code, again.out) == (0, 0, first.out)
    (run,) = Path("runs").iterdir()
    assert again.err == f"{run} is already finished (3 epochs)\n"
    assert files("runs") == before
    assert json.loads(backprop("train", tiny, "--continue", "--json", *name).out)["status"] == "finished"


@pytest.mark.parametrize("name", [(), ("--name", "parts")])
def test_a_killed_run_is_resumed_to_the_same_bits(backprop, long, name):
    backprop("train", long, "--name", "whole", "--runs-dir", "others")
    with running("train", long, "--continue", *name) as process:
        process.kill()
    done = backprop("train", long, "--continue", *name)
    (run,) = Path("runs").iterdir()
    assert (done.code, done.err.startswith(f"resuming {run} after epoch ")) == (0, True)
    assert same_bits("others/whole/checkpoints/last.npz", run / "checkpoints/last.npz")
    assert numbers(Path("others/whole/metrics.csv")) == numbers(run / "metrics.csv")


def test_an_interrupted_run_is_resumed(backprop, long):
    with running("train", long) as process:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
    assert record_of("long-001")["status"] == "interrupted"
    assert backprop("train", long, "--continue").code == 0
    assert record_of("long-001")["status"] == "finished"
    assert os.listdir("runs") == ["long-001"]


def test_a_diverged_run_is_an_error_with_exit_3(backprop, tmp_path, without_data):
    (tmp_path / "wild.yaml").write_text("dataset: sine\nlayers: 1-20-1\neta: 1e20\nactivation: relu\n")
    assert backprop("train", "wild.yaml", "--continue").code == 3
    without_data()
    for words in ((), ("--name", "wild-001")):
        done = backprop("train", "wild.yaml", "--continue", *words)
        assert (done.code, done.err.count("\n")) == (3, 1)
        assert done.err.startswith("error: runs/wild-001 diverged in epoch ")


def test_another_config_under_the_name_is_an_error_that_names_the_keys(backprop, tiny):
    backprop("train", tiny, "--name", "mine")
    before = files("runs")
    done = backprop("train", tiny, "--name", "mine", "--continue", "eta=0.5", "optimizer=momentum", "epochs=4")
    changes = "eta=1.0, not 0.5; epochs=3, not 4; optimizer=sgd, not momentum; optimizer.mu=, not 0.9"
    assert (done.code, f"runs/mine has another config ({changes}); choose another --name" in done.err) == (2, True)
    done = backprop("train", tiny, "--name", "mine", "--continue", "epochs=4")
    assert (done.code, "to train it longer: backprop resume runs/mine --epochs 4" in done.err) == (2, True)
    assert files("runs") == before


def test_without_a_name_only_a_run_with_the_same_resolved_config_counts(backprop, tiny, tmp_path):
    backprop("train", tiny)
    backprop("train", tiny, "--continue", "eta=0.5")
    (tmp_path / "same.yaml").write_text(tiny.read_text() + "activation: sigmoid\nvalidation: 300\n")
    done = backprop("train", "same.yaml", "--continue", "-q")
    assert (done.out, sorted(os.listdir("runs"))) == ("runs/tiny-001\n", ["tiny-001", "tiny-002"])


def test_a_complete_run_is_preferred_to_an_interrupted_one_of_the_same_config(backprop, long):
    with running("train", long) as process:
        process.kill()
    backprop("train", long)
    assert backprop("train", long, "--continue", "-q").out == "runs/long-002\n"
    shutil.rmtree("runs/long-002")
    assert backprop("train", long, "--continue", "-q").out == "runs/long-001\n"


def test_a_run_of_a_version_without_some_keys_is_recognized(backprop, tiny):
    backprop("train", tiny)
    record = record_of("tiny-001")
    for key in ("threads", "diagnostics", "evaluate_every"):
        del record["experiment"][key]
    Path("runs/tiny-001/run.json").write_text(json.dumps(record))
    for words in ((), ("--name", "tiny-001")):
        assert backprop("train", tiny, "--continue", "-q", *words).out == "runs/tiny-001\n"
    del record["experiment"]  # version 0.1; config.yaml has it
    Path("runs/tiny-001/run.json").write_text(json.dumps(record))
    assert backprop("train", tiny, "--continue", "-q").out == "runs/tiny-001\n"


def test_damaged_runs_are_not_continued_and_stop_nothing(backprop, tiny):
    for name, text in (("a", "{"), ("b", "{}"), ("c", '{"status": "finished", "experiment": {"eta": 1}}')):
        Path("runs", name).mkdir(parents=True)
        Path("runs", name, "run.json").write_text(text)
    assert backprop("train", tiny, "--continue", "-q").out == "runs/tiny-001\n"


def test_a_run_killed_while_it_was_created_is_replaced(backprop, tiny):
    Path("runs/mine/checkpoints").mkdir(parents=True)
    assert backprop("train", tiny, "--name", "mine").code == 1
    assert backprop("train", tiny, "--name", "mine", "--continue", "-q").out == "runs/mine\n"
    Path("runs/photos").mkdir()
    Path("runs/photos/holiday.jpg").write_text("…")
    assert backprop("train", tiny, "--name", "photos", "--continue").code == 1
    assert Path("runs/photos/holiday.jpg").exists()


def test_a_run_in_another_process_is_a_clear_error(backprop, long):
    with running("train", long, "--name", "mine", "epochs=1000"):
        for words in ((), ("--name", "mine")):
            done = backprop("train", long, "epochs=1000", "--continue", *words)
            assert (done.code, done.err) == (1, "error: runs/mine is being trained by another process\n")


@pytest.mark.parametrize("name", [None, "mine"])
def test_an_experiment_is_claimed_before_it_has_a_run(backprop, tiny, name):
    experiment = load_experiment(tiny)
    words = ["--name", name] if name else []
    with claimed_run(experiment, Path("runs"), name) as run:
        assert run is None
        done = backprop("train", tiny, "--continue", *words)
        assert (done.code, "is being trained by another process" in done.err) == (1, True)
    assert backprop("train", tiny, "--continue", *words).code == 0
    with claimed_run(experiment, Path("runs"), name) as run:
        assert run == RunFolder(Path("runs", name or "tiny-001"))


def test_simultaneous_starts_train_an_experiment_once(tiny, tmp_path):
    command = [sys.executable, "-m", "backprop_cli", "train", tiny, "--continue", "epochs=50"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = [
        subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    outputs = [process.communicate(timeout=60)[1] for process in started]
    assert sum("training 64-12-10 on digits" in text for text in outputs) == 1
    assert {process.returncode for process in started} <= {0, 1}
    assert os.listdir(tmp_path / "runs") == ["tiny-001"]


def test_continue_and_overwrite_exclude_each_other(backprop, tiny):
    assert backprop("train", tiny, "--name", "mine", "--continue", "--overwrite").code == 2


def test_python_continues_a_run_too(backprop, tiny):
    run = backprop_cli.train(tiny, continue_run=True)
    before = files("runs")
    assert backprop_cli.train(tiny, continue_run=True).path == run.path
    assert files("runs") == before
    with pytest.raises(UsageError, match="another config"):
        backprop_cli.train(tiny, name="tiny-001", continue_run=True, eta=0.5)
