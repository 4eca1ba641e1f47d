"""The Python API: what the commands do, from Python."""

import doctest
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import backprop_cli
from backprop_cli.config.load import load_experiment
from backprop_cli.errors import ConfigError, DataError, DivergedError, RunError, UsageError
from backprop_cli.training.loop import EpochResult
from tests.cli.helpers import same_bits
from tests.conftest import ROOT

DIGITS = {"dataset": "digits", "layers": [64, 12, 10], "eta": 1.0, "epochs": 3, "train_size": 195}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "name", ["train", "resume", "evaluate", "predict", "export", "load_run", "find_eta", "cross_validate", "trace"]
)
def test_the_example_of_each_function_runs(name):
    examples = doctest.DocTestFinder(recurse=False).find(getattr(backprop_cli, name), name, globs={})
    results = [doctest.DocTestRunner().run(example) for example in examples]
    assert [result.failed for result in results] == [0]
    assert results[0].attempted > 0


def test_importing_the_package_imports_neither_numpy_nor_pydantic():
    code = "import sys, backprop_cli; print(sorted({'numpy', 'scipy', 'pydantic', 'yaml'} & set(sys.modules)))"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert set(backprop_cli.__all__) <= set(dir(backprop_cli))


def test_train_gives_the_bits_of_the_command(backprop, tiny):
    assert backprop("train", tiny, "eta=0.5", "optimizer=momentum", "--name", "command").code == 0
    by_path = backprop_cli.train(tiny, eta=0.5, optimizer="momentum", name="path")
    experiment = load_experiment(tiny)
    assert (by_path.name, by_path.path) == ("path", Path("runs/path"))
    backprop_cli.train(experiment, eta=np.float64(0.5), optimizer={"name": "momentum"}, name="experiment")
    for name in ("path", "experiment"):
        assert same_bits("runs/command/checkpoints/last.npz", f"runs/{name}/checkpoints/last.npz")
    record = json.loads(Path("runs/command/run.json").read_text())
    assert (by_path.test, by_path.best, by_path.status) == (record["test"], record["best"], "finished")


def test_overrides_take_lmbda_and_dotted_keys():
    run = backprop_cli.train(DIGITS, runs_dir=None, lmbda=0.25, eta=0.01, epochs=1, **{"optimizer.name": "adam"})
    assert run.config.strengths == {"l2": 0.25}
    assert run.config.optimizer.name == "adam"


def test_a_run_in_memory_leaves_nothing_on_disk(tmp_path):
    run = backprop_cli.train(DIGITS, runs_dir=None)
    assert os.listdir(tmp_path) == []
    assert not run.path.exists()
    with pytest.raises(RunError, match="kept in memory cannot be resumed"):
        backprop_cli.resume(run, epochs=4)
    saved = backprop_cli.train(DIGITS)
    assert np.array_equal(run.theta, saved.theta)
    assert run.metrics["train_cost"].tolist() == saved.metrics["train_cost"].tolist()
    assert run.evaluate().metrics["accuracy"] == saved.test["accuracy"]


def test_events_are_reported(capfd):
    events = []
    run = backprop_cli.train(DIGITS, runs_dir=None, on_event=events.append)
    costs = [event.train.cost for event in events if isinstance(event, EpochResult)]
    assert costs == pytest.approx(run.metrics["train_cost"].tolist(), rel=1e-5)
    assert capfd.readouterr() == ("", "")


def test_signal_handlers_are_left_alone():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    during = []

    def note(event):
        during.extend(signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM))

    backprop_cli.train(DIGITS, runs_dir=None, epochs=1, on_event=note)
    assert during[:2] == before


def test_errors_are_raised():
    with pytest.raises(ConfigError, match="unknown key 'epoch'"):
        backprop_cli.train(DIGITS, epoch=3)
    with pytest.raises(DataError):
        backprop_cli.train(ROOT / "configs/mnist.yaml", data_dir="none", offline=True)
    with pytest.raises(UsageError, match="'nothing'"):
        backprop_cli.load_run("nothing")
    backprop_cli.train(DIGITS, name="taken")
    with pytest.raises(RunError, match="taken"):
        backprop_cli.train(DIGITS, name="taken")
    with pytest.raises(DivergedError):
        backprop_cli.train(dataset="sine", config={"layers": "1-20-1"}, eta=1e20, activation="relu", name="wild")
    with pytest.raises(DivergedError, match="runs/wild diverged in epoch 1"):
        backprop_cli.resume("wild")


def test_an_exception_in_on_event_ends_training_and_the_run_can_be_resumed():
    def fail(event):
        if isinstance(event, EpochResult) and event.epoch == 2:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        backprop_cli.train(DIGITS, name="parts", on_event=fail)
    assert backprop_cli.load_run("parts").status == "failed"
    assert backprop_cli.resume("parts").status == "finished"
    backprop_cli.train(DIGITS, name="whole")
    assert same_bits("runs/whole/checkpoints/last.npz", "runs/parts/checkpoints/last.npz")


def test_resume_extends_a_run_and_leaves_a_finished_one_alone():
    run = backprop_cli.train(DIGITS, epochs=2, name="run")
    before = (run.path / "run.json").read_bytes()
    assert backprop_cli.resume(run).status == "finished"
    assert (run.path / "run.json").read_bytes() == before
    assert backprop_cli.resume("run", epochs=3).epochs.tolist() == [1, 2, 3]
    backprop_cli.train(DIGITS, name="whole")
    assert same_bits("runs/whole/checkpoints/last.npz", "runs/run/checkpoints/last.npz")


def test_resume_warns_if_results_may_not_be_bit_identical():
    run = backprop_cli.train(DIGITS, name="run")
    text = (run.path / "run.json").read_text()
    (run.path / "run.json").write_text(text.replace('"threads": 1', '"threads": 7'))
    with pytest.warns(UserWarning, match="blas changed, so results may not be bit-identical"):
        backprop_cli.resume(run, epochs=4)


def test_evaluate_agrees_with_the_command(backprop):
    runs = [backprop_cli.train(DIGITS, seed=seed, name=f"seed{seed}") for seed in (1, 2)]
    expected = json.loads(backprop("eval", "seed1", "seed2", "--ensemble", "--json").out)
    found = backprop_cli.evaluate(["seed1", runs[1]])
    assert [one.metrics["accuracy"] for one in found] == [one["accuracy"] for one in expected["results"]]
    ensemble = backprop_cli.evaluate(runs, ensemble=True)
    assert ensemble.to_dict() == expected["ensemble"]
    assert [one.cost for one in ensemble.members] == [one["cost"] for one in expected["results"]]
    one = backprop_cli.evaluate(runs[0].path / "checkpoints/last.npz", "val")
    assert one.metrics["accuracy"] == runs[0].final["val_accuracy"]
    assert one.confusion.trace() / 300 == one.metrics["accuracy"]


def test_predict_agrees_for_arrays_files_and_runs():
    run = backprop_cli.train(DIGITS, output="softmax", cost="cross_entropy")
    x = run.data.test.inputs[:20]
    np.save("x.npy", x)
    by_array, by_file = backprop_cli.predict(run, x), backprop_cli.predict("@last", "x.npy")
    assert by_array.labels.tolist() == by_file.labels.tolist() == run.predict(x).tolist()
    assert by_array.confidences == pytest.approx(by_file.confidences, abs=1e-6)
    assert by_array.confidences.sum(axis=1) == pytest.approx(np.ones(20), abs=1e-5)
    assert backprop_cli.predict(run, x[0].reshape(8, 8)).labels.tolist() == by_array.labels.tolist()[:1]
    found = backprop_cli.predict(run, ["x.npy", "none.npy"])
    assert (len(found), [one.input for one in found.failed]) == (20, ["none.npy"])
    with pytest.raises(UsageError, match=r"expected \(n, 64\)"):
        backprop_cli.predict(run, np.zeros((2, 63)))


def test_predict_gives_the_values_of_a_regression():
    run = backprop_cli.train(
        {"dataset": "sine", "layers": "1-8-1", "activation": "tanh", "output": "identity"}, eta=0.1, epochs=2
    )
    x = np.linspace(-1, 1, 5)[:, None]
    p = run.parameters
    expected = np.tanh(x @ p["W1"].T + p["b1"]) @ p["W2"].T + p["b2"]
    assert run.predict(x) == pytest.approx(expected, abs=1e-5)
    assert backprop_cli.predict(run, x).values == pytest.approx(expected, abs=1e-5)
    with pytest.raises(UsageError, match="predicts values, not classes"):
        _ = backprop_cli.predict(run, x).labels


def test_a_trace_shows_the_steps_of_the_command(backprop):
    config = ROOT / "configs/xor.yaml"
    assert backprop("train", config, "epochs=2", "optimizer=adam", "--name", "run").code == 0
    for what in ("run", backprop_cli.load_run("run"), config):
        words = ("trace", getattr(what, "path", what), "--steps", 2, "--rows", "1,2", "eta=0.5")
        found = backprop_cli.trace(what, steps=2, rows=[1, 2], eta=0.5)
        assert found.to_text() + "\n" == backprop(*words).out
        assert found._repr_markdown_() + "\n" == backprop(*words, "--markdown").out
    given = backprop_cli.trace(config, x=np.array([0.5, 1]), y=[1], W2=[[0, 1]])
    assert given.steps[0].trace.x.tolist() == [[0.5, 1]]
    assert given.steps[0].trace.layers[1].W.tolist() == [[0, 1]]
    with pytest.raises(UsageError, match="W9"):
        backprop_cli.trace(config, weight="W9[0]")
    for rows in ([4], [-1], []):
        with pytest.raises(UsageError, match="the training examples are 0 to 3"):
            backprop_cli.trace(config, rows=rows)
    with pytest.raises(ConfigError, match="keyword argument: x="):
        backprop_cli.trace(config, x="a", y=1)
