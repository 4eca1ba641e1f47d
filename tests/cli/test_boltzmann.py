"""Boltzmann machines through the commands: training, resuming, likelihood, samples, and errors."""

import json

import numpy as np
import pytest

import backprop_cli as bp
from backprop_cli.data.cache import Cache
from backprop_cli.runs.checkpoint import read_checkpoint
from backprop_cli.sources.digits import Digits
from tests.conftest import ROOT
from tests.runs.test_kept_epochs import rows

CONFIG = "dataset: digits\nlayers: 64-12\ncost: {name: pcd, chains: 20}\nepochs: 3\ntrain_size: 195\n"
TINY = "dataset: {name: given, x: [[0, 1, 1, 0], [1, 1, 0, 0]], y: [[0], [1]]}\nlayers: 4-3\ncost: cd\nepochs: 2\n"


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "rbm.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def trained(backprop, config):
    done = backprop("train", config)
    assert done.code == 0
    return done


def test_a_machine_is_trained_and_its_metrics_are_columns(trained):
    run = bp.load_run("rbm-001")
    assert set(run.table) >= {
        *(f"{split}_{name}" for split in ("train", "val") for name in ("cost", "pseudo_likelihood", "reconstruction")),
        "val_free_energy_gap",
    }
    np.testing.assert_array_equal(run.table["val_cost"], -run.table["val_pseudo_likelihood"])
    assert {name: array.shape for name, array in run.parameters.items()} == {"W1": (12, 64), "b1": (12,), "a1": (64,)}
    assert run.config.monitor == "pseudo_likelihood"
    assert run.best_epoch == 1 + np.argmax(run.table["val_pseudo_likelihood"])
    assert "validation pseudo likelihood" in trained.out + trained.err


def test_the_metrics_are_those_of_their_definition(trained):
    """Reconstruction and free-energy gap, computed by hand from the weights of the last checkpoint."""
    run = bp.load_run("rbm-001", checkpoint="last")
    W, b, a = (array.astype(float) for array in run.parameters.values())
    mean = {}
    for name in ("train", "val"):
        v = run.examples(name).inputs / 16
        z = v @ W.T + b
        back = 1 / (1 + np.exp(-(1 / (1 + np.exp(-z)) @ W + a)))
        mean[name] = np.mean(-v @ a - np.log1p(np.exp(z)).sum(axis=1))
        assert run.final[f"{name}_reconstruction"] == pytest.approx(np.mean(np.sum((v - back) ** 2, axis=1)), rel=1e-4)
    assert run.final["val_free_energy_gap"] == pytest.approx(mean["val"] - mean["train"], abs=1e-3)


@pytest.mark.parametrize("overrides", [{}, {"cost": "cd", "optimizer": "adam", "eta": 0.01}], ids=["pcd", "cd, adam"])
def test_a_run_stopped_inside_an_epoch_resumes_to_the_same_bits(tmp_path, monkeypatch, config, overrides):
    monkeypatch.chdir(tmp_path)
    whole = bp.train(config, name="whole", **overrides)

    def stop(event):
        if getattr(event, "step", None) == 9 and event.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bp.train(config, name="part", on_event=stop, **overrides)
    resumed = bp.resume("part")
    ours, theirs = (read_checkpoint(run.folder.checkpoint("last")) for run in (resumed, whole))
    for one, other in ((ours.parameters, theirs.parameters), (ours.arrays, theirs.arrays)):
        assert one.keys() == other.keys()
        for name, array in one.items():
            np.testing.assert_array_equal(array, other[name])
    assert rows(resumed) == rows(whole)


def test_damaged_chains_are_an_error_of_the_checkpoint(trained, backprop):
    from backprop_cli.runs.checkpoint import to_bytes

    path = bp.load_run("rbm-001").folder.checkpoint("last")
    checkpoint = read_checkpoint(path)
    chains = np.full_like(checkpoint.arrays["estimator.h"], np.nan)
    path.write_bytes(to_bytes(type(checkpoint)(checkpoint.meta, checkpoint.parameters, {"estimator.h": chains})))
    done = backprop("resume", "rbm-001", "--epochs", 5)
    assert done.code == 1
    assert "chains" in done.err


def test_predictions_are_the_means_of_the_hidden_units(trained, backprop):
    x = Digits().load(Cache(ROOT))[1].inputs[:4]
    np.save("x.npy", x)
    run = bp.load_run("rbm-001")
    expected = 1 / (1 + np.exp(-(x / 16 @ run.parameters["W1"].T + run.parameters["b1"])))
    np.testing.assert_allclose(run.predict(x), expected, rtol=1e-5)
    assert backprop("predict", "rbm-001", "x.npy").code == 0


@pytest.mark.parametrize("method", ["exact", "ais"])
def test_eval_prints_the_likelihood(trained, backprop, method):
    found = json.loads(backprop("eval", "rbm-001", "--likelihood", method, "--json").out)["results"][0]["likelihood"]
    run = bp.load_run("rbm-001")
    of_python = bp.likelihood(run, method="exact")
    error = 3 * max(way["log_z_error"] for way in found["methods"].values())
    assert found["log_likelihood"] == pytest.approx(of_python.value, abs=max(error, 1e-9))
    assert "mean ln p(v)" in backprop("eval", "rbm-001", "--likelihood", method).out


def test_the_likelihood_of_binary_data_is_a_distribution_over_all_inputs(backprop, tmp_path):
    """Summed over all 16 inputs, exp of the log-likelihoods is 1."""
    (tmp_path / "all.yaml").write_text(TINY)
    assert backprop("train", "all.yaml").code == 0
    run = bp.load_run("all-001")
    W, b, a = (array.astype(float) for array in run.parameters.values())
    v = (np.arange(16)[:, None] >> np.arange(4) & 1).astype(float)
    log_z = bp.likelihood(run, "train").log_z["exact"].value
    assert np.sum(np.exp(v @ a + np.log1p(np.exp(v @ W.T + b)).sum(axis=1) - log_z)) == pytest.approx(1, rel=1e-12)


def test_samples_are_written_as_a_picture_or_an_array(trained, backprop):
    done = backprop("sample", "rbm-001", "--steps", 3, "--rows", 4, "--chains", 5, "-o", "s.npy")
    assert (done.code, done.out) == (0, "s.npy\n")
    samples = np.load("s.npy")
    assert samples.shape == (4, 5, 64)
    assert 0 <= samples.min() < samples.max() <= 1
    test = Digits().load(Cache(ROOT))[1].inputs / 16
    assert all((test == start).all(axis=1).any() for start in samples[0])
    np.testing.assert_array_equal(bp.sample("rbm-001", steps=3, rows=4, chains=5), samples)
    assert backprop("sample", "rbm-001", "--steps", 2, "--rows", 2, "-o", "s.png").code == 0
    with open("s.png", "rb") as file:
        assert file.read(4) == b"\x89PNG"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["layers=4-3-2"], "layers: cost cd has a visible and a hidden layer; write 4-3, or train more layers"),
        (["layers=2x2-conv1x1-3"], "layers: cost cd has a visible and a hidden layer"),
        (["layers=4-auto"], "layers: the hidden layer needs a number of units"),
        (
            ["output=softmax"],
            "cost: cd cannot be used with softmax outputs; use 'output: sigmoid'",
        ),
        (["optimizer=lbfgs"], "cost: cd cannot be combined with lbfgs, which needs a deterministic cost"),
        (["optimizer=cg"], "which needs a deterministic cost"),
        (["targets=one_hot"], "targets: not used by cost cd; remove this key"),
        (["targets=inputs"], "targets: not used by cost cd; remove this key"),
        (["diagnostics=true"], "diagnostics: has no effect on cost cd"),
        (["input_dropout=0.1"], "input_dropout: has no effect on cost cd"),
        (["dropout=0.1"], "dropout: applies to hidden layers, but there are none"),
        (["monitor=accuracy"], "without accuracy; use 'cost', or one of pseudo_likelihood, reconstruction"),
        (["cost.k=0"], "cost.k must be at least 1, not 0"),
        (["cost.chains=5"], "unknown key 'chains'; it is an option of pcd"),
        (["cost.visible=mean"], "cost.visible"),
        (["dataset=moons", "layers=2-3"], "cost: cd needs inputs from 0 to 1, and those of moons are not"),
        (["dataset={name: given, x: [[0, 2]], y: [0]}", "layers=2-3"], "and those of given are not"),
        (["corrupt=0.3"], "corrupt: cannot be combined with cost cd, which learns the inputs as they are"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_a_machine_cannot_have_is_an_error_with_a_remedy(backprop, tmp_path, words, message):
    (tmp_path / "tiny.yaml").write_text(TINY)
    done = backprop("train", "tiny.yaml", *words)
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "runs").exists()


def test_a_table_is_scaled_to_0_1_or_is_an_error_before_it_is_trained_on(backprop, tmp_path):
    (tmp_path / "t.csv").write_text("a,b,c\n" + "1,2,x\n3,4,y\n5,6,x\n7,9,y\n" * 10)
    words = ("train", "t.csv", "target=c", "layers=auto-3", "cost=cd", "epochs=1")
    done = backprop(*words)
    assert done.code == 2
    assert "column 'a' has -1.188 to 1.485; use 'scale: minmax' in 'dataset'" in done.err
    assert backprop(*words, "dataset.scale=minmax").code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trace", "tiny.yaml"], "cost: cd has no deltas to trace"),
        (["sample", "net-001"], "not a Boltzmann machine; train one with cost=cd or cost=pcd"),
        (["eval", "net-001", "--likelihood", "exact"], "not a Boltzmann machine"),
        (["sample", "tiny-001", "--chains", "50"], "the test split has 2 examples to start 50 chains from"),
        (["sample", "tiny-001", "-o", "s.txt"], "the name must end in .png"),
        (["eval", "big-001", "--likelihood", "exact"], "a layer of at most 20 binary units, not 21; use ais"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)
def test_commands_that_do_not_fit_are_one_clear_line(backprop, tmp_path, words, message):
    (tmp_path / "tiny.yaml").write_text(TINY)
    assert backprop("train", "tiny.yaml").code == 0
    assert backprop("train", "tiny.yaml", "cost=quadratic", "layers=4-3-1", "--name", "net-001").code == 0
    big = ["dataset=digits", "layers=64-21", "train_size=100", "epochs=1"]
    assert backprop("train", "tiny.yaml", *big, "--name", "big-001").code == 0
    done = backprop(*words)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("words", [["plot"], ["report"], ["export", "-o", "m.onnx"], ["export", "-o", "m.h"]], ids=str)
def test_a_machine_is_plotted_reported_and_exported_like_a_network(trained, backprop, words):
    command, *options = words
    assert backprop(command, "rbm-001", *options).code == 0


def test_gradcheck_checks_the_exact_gradient_of_the_likelihood(backprop, config):
    done = json.loads(backprop("gradcheck", config, "lambda=5", "--json").out)
    assert done["ok"]
    assert {row["parameters"] for row in done["rows"]} == {"W1", "b1", "a1"}
    assert done["largest_error"] < 1e-7


def test_visible_biases_can_start_at_the_log_odds_of_the_mean(tmp_path, monkeypatch, config):
    monkeypatch.chdir(tmp_path)
    run = bp.train(config, cost={"name": "cd", "visible_bias": "logit"}, keep_epochs=[0])
    mean = np.clip(run.data.train.inputs.mean(axis=0) / 16, 0.001, 0.999)
    np.testing.assert_allclose(run.at(0).parameters["a1"], np.log(mean / (1 - mean)), rtol=1e-5, atol=1e-6)
