"""Pre-training layer by layer: phases of one run, each an ordinary experiment."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import backprop_cli as bp
from backprop_cli.config.load import override_experiment
from backprop_cli.config.phases import phases_of, total_epochs
from backprop_cli.data.cache import Cache
from backprop_cli.errors import ConfigError
from backprop_cli.listing.summary import best_row, read_summary
from backprop_cli.runs.build import load_data
from backprop_cli.runs.checkpoint import read_checkpoint
from backprop_cli.runs.folder import RunFolder
from backprop_cli.runs.metrics import read_rows
from backprop_cli.runs.resuming import new_session, prepare_resume, resumed_session
from backprop_cli.training.streams import stream

CONFIG = {"dataset": "digits", "layers": [64, 12, 8, 10], "train_size": 200, "epochs": 2, "eta": 1.0, "seed": 5}
AUTOENCODER = {**CONFIG, "layers": [64, 12, 5, 12, 64], "targets": "inputs", "eta": 0.1}
METHODS = {
    "rbm": {"name": "rbm", "epochs": 2, "k": 2, "optimizer": {"name": "momentum", "mu": 0.5}},
    "autoencoder": {"name": "autoencoder", "epochs": 2, "optimizer": "adam", "eta": [0.01, 0.005]},
}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def rows(run):
    with run.folder.metrics.open() as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


@pytest.mark.parametrize("name", METHODS)
def test_phases_are_epochs_of_the_run(name):
    run = bp.train(CONFIG, name="run", pretrain=METHODS[name])
    assert [row["phase"] for row in rows(run)] == [*[f"{name} 1/2"] * 2, *[f"{name} 2/2"] * 2, "", ""]
    assert [row["epoch"] for row in rows(run)] == [*"123456"]
    assert [bool(row["val_accuracy"]) for row in rows(run)] == [False] * 4 + [True] * 2
    assert run.record["epochs"] == 6
    assert run.record["best"]["epoch"] in (5, 6)
    assert run.record["best"].keys() == {"epoch", "train_cost", "train_accuracy", "val_cost", "val_accuracy"}
    assert [*run.metrics["epoch"]] == [1, 2, 3, 4, 5, 6]
    np.testing.assert_array_equal(run.metrics["phase"], [1, 1, 2, 2, np.nan, np.nan])


def test_tables_of_runs_count_the_epochs_of_phases_and_choose_the_best_one_after_them(backprop):
    run = bp.train(CONFIG, name="run", pretrain=METHODS["autoencoder"], monitor="cost", epochs=5)
    assert best_row(read_rows(run.folder.metrics), {"monitor": "cost"})["epoch"] == run.record["best"]["epoch"] > 4
    assert read_summary(run.folder).planned == 9
    assert "9 of 9" in backprop("runs", "show", "run").out


@pytest.mark.parametrize("pretrain", [{"name": "rbm", "epochs": 0}, {"name": "autoencoder", "epochs": [0, 0]}])
def test_no_epochs_are_the_bits_of_no_pretraining(pretrain):
    plain, run = bp.train(CONFIG, name="plain"), bp.train(CONFIG, name="run", pretrain=pretrain)
    for name, value in plain.parameters.items():
        assert value.tobytes() == run.parameters[name].tobytes()
    assert rows(plain) == rows(run)


def test_a_phase_is_the_training_of_an_autoencoder():
    pretrain = {"name": "autoencoder", "epochs": 3, "eta": 0.5, "cost": "quadratic", "lambda": 2.0}
    run = bp.train(CONFIG, name="run", layers=[64, 12, 10], pretrain=pretrain)
    (phase,) = phases_of(run.config)
    e = phase.experiment
    theta = e.network.initialize(e.initializer, stream(5, "initialization", 1), e.dtype)
    initial = {name: value.tolist() for name, value in e.network.layout.named(theta).items()}
    alone = bp.train({**e.to_dict(), "initial": initial}, name="alone")
    trained = read_checkpoint(run.folder.checkpoint("pretrained")).parameters
    last = bp.load_run("alone", checkpoint="last").parameters
    for name, same in {"W1": "W1", "b1": "b1", "V1": "W2", "c1": "b2"}.items():
        np.testing.assert_array_equal(trained[name], last[same])
    assert [*alone.metrics["train_cost"]] == [*run.metrics["train_cost"][:3]]


@pytest.mark.parametrize("name", METHODS)
def test_upper_layers_are_trained_on_the_means_of_the_layer_below(name):
    run = bp.train(CONFIG, name="run", pretrain=METHODS[name], keep_epochs=[2, 4])
    first, second = (bp.load_run("run", checkpoint=epoch).parameters for epoch in "24")
    np.testing.assert_array_equal(first["W1"], second["W1"])  # the second phase does not change the first layer
    x = run.data.train.inputs * run.data.scale
    codes = sigmoid(x @ first["W1"].T + first["b1"])
    trained = read_checkpoint(run.folder.checkpoint("pretrained")).parameters
    h = sigmoid(codes @ trained["W2"].T + trained["b2"])
    if name == "rbm":
        means = sigmoid(h @ trained["W2"] + trained["a2"])
        found = np.mean(np.sum((codes - means) ** 2, axis=1))
        assert found == pytest.approx(run.metrics["train_reconstruction"][3], rel=1e-4)
    else:
        a = sigmoid(h @ trained["V2"].T + trained["c2"])
        found = -np.mean(np.sum(codes * np.log(a) + (1 - codes) * np.log(1 - a), axis=1))
        assert found == pytest.approx(run.metrics["train_cost"][3], rel=1e-4)


@pytest.mark.parametrize("name", METHODS)
def test_an_autoencoder_is_unrolled(name):
    bp.train(AUTOENCODER, name="run", pretrain=METHODS[name], keep_epochs=[4])
    unrolled = bp.load_run("run", checkpoint="4").parameters
    trained = read_checkpoint(RunFolder(bp.load_run("run").path).checkpoint("pretrained")).parameters
    for k, mirror in ((1, 4), (2, 3)):
        back = (trained[f"W{k}"].T, trained[f"a{k}"]) if name == "rbm" else (trained[f"V{k}"], trained[f"c{k}"])
        np.testing.assert_array_equal(unrolled[f"W{k}"], trained[f"W{k}"])
        np.testing.assert_array_equal(unrolled[f"W{mirror}"], back[0])
        np.testing.assert_array_equal(unrolled[f"b{mirror}"], back[1])


def test_a_linear_code_is_a_boltzmann_machine_with_linear_hidden_units():
    layers = [64, 12, {"units": 5, "activation": "identity"}, 12, 64]
    pretrain = {"name": "rbm", "epochs": 1, "eta": [0.1, 0.001], "initializer": {"name": "normal", "sigma": 0.01}}
    run = bp.train(AUTOENCODER, name="run", layers=layers, pretrain=pretrain)
    _, code = phases_of(run.config)
    assert code.experiment.activations == ("identity",)
    assert [float(row["eta"]) for row in rows(run)[:2]] == [0.1, 0.001]


def interrupted(experiment, at, name):
    """Train with a stop after every `at` steps, and a new process in between."""
    data, steps = load_data(experiment, Cache()), iter(range(1, 10**6))
    with new_session(experiment, data, Path("runs"), "x", name=name) as session:
        for _ in session.run(lambda: next(steps) % at == 0):
            pass
    places = [session.record().get("phase")]
    while session.status == "interrupted":
        with session.folder.lock():
            resumption = prepare_resume(session.folder)
            assert not resumption.warnings
            with resumed_session(resumption, data) as session:
                for _ in session.run(lambda: next(steps) % at == 0):
                    pass
        places.append(session.record().get("phase"))
    return places


@pytest.mark.filterwarnings("ignore:the network has learned nothing")
@pytest.mark.parametrize("config", [CONFIG, AUTOENCODER], ids=["classes", "unrolled"])
@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("at", [7, 20])  # inside of epochs, and at the end of each
def test_a_run_that_was_stopped_inside_every_phase_has_the_same_bits(config, name, at):
    values = {**config, "pretrain": METHODS[name], "optimizer": "adam", "eta": 0.01}
    experiment = override_experiment(values, [], "test")
    whole = bp.train(experiment, name="whole")
    places = interrupted(experiment, at, "parts")
    assert {f"{name} 1/2", f"{name} 2/2", None} <= set(places)
    parts = bp.load_run("parts")
    for which in ("best", "last", "pretrained"):
        one, other = (read_checkpoint(run.folder.checkpoint(which)) for run in (whole, parts))
        assert {k: v.tobytes() for k, v in one.parameters.items()} == {
            k: v.tobytes() for k, v in other.parameters.items()
        }
    assert rows(whole) == rows(parts)


@pytest.mark.parametrize("name", METHODS)
def test_start_takes_what_was_pretrained(name):
    run = bp.train(CONFIG, name="run", pretrain=METHODS[name])
    path = run.folder.checkpoint("pretrained")
    following = bp.train(CONFIG, name="next", start=str(path), keep_epochs=[0], layers=[64, 12, 8, 20, 10])
    first = bp.load_run("next", checkpoint="0").parameters
    trained = read_checkpoint(path).parameters
    for key in ("W1", "b1", "W2", "b2"):
        np.testing.assert_array_equal(first[key], trained[key])
    lines = following.record["start"]["layers"]
    assert lines[:4] == ["W1, b1 from run (12x64)", "W2, b2 from run (8x12)", "W3, b3 new", "W4, b4 new"]
    assert lines[4].startswith("a1 of run not used" if name == "rbm" else "V1, c1 of run not used")


def test_start_drops_the_visible_biases_of_a_boltzmann_machine():
    bp.train(CONFIG, name="rbm", layers=[64, 12], cost="cd", eta=0.05)
    run = bp.train(CONFIG, name="next", start="rbm", freeze=1)
    np.testing.assert_array_equal(run.parameters["W1"], bp.load_run("rbm").parameters["W1"])
    assert "a1 of rbm not used (64)" in run.record["start"]["layers"]


def test_freezing_begins_after_pretraining():
    run = bp.train(
        CONFIG, pretrain=METHODS["rbm"], freeze={"layers": 2, "epochs": 1}, keep_epochs=[4, 5, 6], name="run"
    )
    four, five, six = (bp.load_run("run", checkpoint=str(epoch)).parameters for epoch in (4, 5, 6))
    assert four["W1"].tobytes() == five["W1"].tobytes() != six["W1"].tobytes()
    assert four["W3"].tobytes() != five["W3"].tobytes()
    assert total_epochs(run.config) == 6


def test_a_run_with_one_hidden_layer_is_trained_longer_after_its_phase():
    run = bp.train(CONFIG, layers=[64, 12, 10], pretrain=METHODS["rbm"] | {"epochs": 1}, name="run")
    assert bp.resume(run, epochs=4).record["epochs"] == 5


def test_progress_and_result_say_the_phase(backprop, tmp_path):
    (tmp_path / "deep.yaml").write_text(json.dumps(CONFIG))
    found = backprop("train", "deep.yaml", "pretrain=autoencoder", "pretrain.epochs=1")
    assert "epoch 1/4  autoencoder 1/2  train cost" in found.err
    assert "backprop resume runs/deep-001 --epochs 4" in found.out
    assert backprop("resume", "@last").err.endswith(
        "(4 epochs, 2 after pre-training); to train longer use --epochs 4\n"
    )
    assert backprop("resume", "@last", "--epochs", "3").code == 0


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("pretrain=rbn", "pretrain.name: unknown name 'rbn'; did you mean 'rbm'? (known: autoencoder, rbm)"),
        ("pretrain.epochs=3", "pretrain.name is missing"),
        ("pretrain={name: rbm, epocs: 3}", "unknown key 'epocs'; did you mean 'epochs'?"),
        ("pretrain={name: rbm, epochs: [1, 2, 3]}", "pretrain.epochs: 3 values for 2 layers; write one for each"),
        ("pretrain={name: rbm, epochs: -1}", "pretrain.epochs: must be an integer of at least 0"),
        ("pretrain={name: autoencoder, eta: [0.1, x]}", "pretrain.eta must be a number, not 'x'"),
        ("pretrain={name: [rbm]}", "pretrain.name must be one name, not a list"),
        ("pretrain={name: rbm, optimizer: lbfgs}", "pretrain, layer 1: cost: cd cannot be combined with lbfgs"),
        ("pretrain=rbm; activation=relu", "layers of Boltzmann machines cannot have relu units; use sigmoid"),
        ("pretrain={name: rbm, corrupt: 0.1}", "pretrain, layer 1: corrupt: cannot be combined with cost cd"),
        ("pretrain=rbm; dataset=moons; layers=2-3-2", "pretrain, layer 1: cost: cd needs inputs from 0 to 1"),
        ("pretrain=rbm; layers=64-10", "pretrain: there are no hidden layers to train; remove this key"),
        ("pretrain=rbm; layers=8x8-conv3x3-20-10", "pretrain: only dense layers can be pre-trained, not conv3x3"),
        ("pretrain=rbm; layers=64-30-20-64; targets=inputs", "the layers must mirror, such as 64-30-20-30-64"),
        ("pretrain=rbm; layers=64-30; cost=cd", "pretrain: cost cd trains a single layer; remove this key"),
        ("pretrain=rbm; start=other", "pretrain: cannot be combined with 'start'"),
    ],
)
def test_what_cannot_be_pretrained_is_an_error_at_its_place(words, problem):
    with pytest.raises(ConfigError, match="command line: ") as found:
        override_experiment(CONFIG, words.split("; "), "config")
    assert problem in str(found.value)


def test_inputs_of_a_boltzmann_machine_are_from_0_to_1(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "wide.npz", x=rng.normal(size=(60, 4)), y=rng.integers(0, 2, 60))
    config = {"dataset": {"name": "arrays", "file": str(tmp_path / "wide.npz")}, "layers": "4-3-2", "pretrain": "rbm"}
    with pytest.raises(bp.errors.UsageError, match="need inputs from 0 to 1"):
        bp.train(config)
    assert not list(tmp_path.glob("runs/*/run.json"))


def test_a_list_of_noise_has_a_share_for_each_layer():
    pretrain = {"name": "autoencoder", "epochs": 1, "corrupt": [0.1, 0.3], "tied": True}
    run = bp.train(CONFIG, name="run", pretrain=pretrain)
    assert [phase.experiment.corrupt.share for phase in phases_of(run.config)] == [0.1, 0.3]
    trained = read_checkpoint(run.folder.checkpoint("pretrained")).parameters
    assert {"W1", "b1", "c1", "W2", "b2", "c2"} == set(trained)


@pytest.mark.filterwarnings("ignore:the network has learned nothing")
def test_a_phase_in_which_a_minimizer_finds_no_lower_cost_is_over():
    pretrain = {"name": "autoencoder", "epochs": 400, "optimizer": "lbfgs", "batch_size": "full", "lambda": 200.0}
    run = bp.train(CONFIG, name="run", layers=[64, 3, 10], pretrain=pretrain)
    assert run.status == "finished"
    assert len(run.epochs) < 402
    assert run.record["epochs"] == 402
    again = bp.resume(run, epochs=3)
    assert again.record["epochs"] == 403
