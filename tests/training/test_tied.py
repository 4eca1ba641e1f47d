"""Tied weights: the second half of the layers has the weights of the first half, transposed."""

from dataclasses import replace

import numpy as np
import pytest

import backprop_cli as bp
from backprop_cli.data.tasks import Reconstruction
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.layers.dense import Dense
from backprop_cli.nn.network import Stage, network_of, tied
from backprop_cli.objectives.costs import COSTS
from backprop_cli.objectives.objective import Backpropagation, Objective
from backprop_cli.objectives.penalties import PENALTIES
from backprop_cli.optim.averages import Ema
from backprop_cli.optim.max_norm import MaxNorm
from backprop_cli.optim.minimizers import MINIMIZERS
from backprop_cli.optim.optimizers import OPTIMIZERS
from backprop_cli.training.step import textbook_step
from tests.conftest import Backprop
from tests.training.helpers import dataset, plan, start
from tests.training.test_loop import After, copy, run
from tests.training.test_step import ROWS, Recorded

SIZES = (6, 5, 3, 5, 6)


def autoencoder(dropout=0.0, strength=0.1, **more):
    data = dataset()
    splits = {name: data.split(short).reconstructing() for name, short in SPLITS.items()}
    data = replace(data, task=Reconstruction(6, factor=data.scale), **splits)
    names = ("tanh", "elu", "sigmoid", "sigmoid")
    stages = [Stage(Dense(n), ACTIVATIONS[name], dropout) for n, name in zip(SIZES[1:], names, strict=True)]
    penalties = tuple((penalty, strength) for penalty in PENALTIES.values())
    objective = Objective(Backpropagation(network_of((6,), tied(stages, SIZES)), COSTS["quadratic"]()), penalties)
    return replace(plan(data=data, **more), objective=objective, monitor="cost")


SPLITS = {"train": "train", "validation": "val", "test": "test"}


def examples(p, rows):
    x = p.data.train.inputs[rows] * np.asarray(p.data.scale, p.dtype)
    return x, x


@pytest.mark.parametrize("rule", OPTIMIZERS.values(), ids=lambda rule: rule.name)
@pytest.mark.parametrize("more", [{}, {"average": Ema(0.9), "max_norm": MaxNorm(0.5)}], ids=["", "ema, max-norm"])
def test_a_recorded_step_equals_the_textbook_step(rule, more):
    p = autoencoder(optimizer=rule(), eta=0.5, dtype="float64", **more)
    recorded, state = Recorded(p), start(p)
    for rows in (ROWS, ROWS + 2):
        recorded(rows)
        textbook_step(p, state, *examples(p, rows), np.asarray(0.5))
    np.testing.assert_allclose(recorded.state.theta, state.theta, rtol=1e-11, atol=1e-14)


def test_the_gradient_is_the_sum_of_both_uses_written_out():
    p = autoencoder(strength=0.0, dtype="float64")
    theta, (x, y) = start(p).theta, examples(p, ROWS)
    w = p.objective.layout.named(theta)
    assert list(w) == ["W1", "b1", "W2", "b2", "b3", "b4"]
    a1 = np.tanh(x @ w["W1"].T + w["b1"])
    z2 = a1 @ w["W2"].T + w["b2"]
    a2 = np.where(z2 > 0, z2, np.expm1(z2))
    a3 = 1 / (1 + np.exp(-(a2 @ w["W2"] + w["b3"])))
    a4 = 1 / (1 + np.exp(-(a3 @ w["W1"] + w["b4"])))
    delta4 = (a4 - y) / len(x) * a4 * (1 - a4)
    delta3 = delta4 @ w["W1"].T * a3 * (1 - a3)
    delta2 = delta3 @ w["W2"].T * np.where(z2 > 0, 1, a2 + 1)
    delta1 = delta2 @ w["W2"] * (1 - a1**2)
    found = p.objective.layout.named(p.objective.gradient(theta, x, y))
    np.testing.assert_allclose(found["W1"], delta1.T @ x + (delta4.T @ a3).T, rtol=1e-12)
    np.testing.assert_allclose(found["W2"], delta2.T @ a1 + (delta3.T @ a2).T, rtol=1e-12)
    for name, delta in (("b1", delta1), ("b2", delta2), ("b3", delta3), ("b4", delta4)):
        np.testing.assert_allclose(found[name], delta.sum(axis=0), rtol=1e-12)


@pytest.mark.parametrize("rule", [*OPTIMIZERS, *MINIMIZERS])
def test_the_weights_are_tied_exactly_after_every_step(rule):
    p = autoencoder(optimizer={**OPTIMIZERS, **MINIMIZERS}[rule](), eta=0.05, epochs=2)
    if rule in MINIMIZERS:
        p = replace(p, batch_size=37)
    layers = p.objective.layout.split(run(p)[0].theta)
    np.testing.assert_array_equal(layers[0].W, layers[-1].W.T)
    np.testing.assert_array_equal(layers[2].W, layers[-3].W.T)


def test_the_penalty_counts_each_weight_once():
    p = autoencoder(strength=0.3, dtype="float64")
    theta = start(p).theta
    w = np.concatenate([p.objective.layout.named(theta)[name].ravel() for name in ("W1", "W2")])
    assert p.objective.penalty(theta) == pytest.approx(0.3 * np.sum(np.abs(w)) + 0.15 * np.sum(w**2), rel=1e-12)


def test_max_norm_bounds_the_hidden_units_of_the_first_half():
    p = autoencoder(max_norm=MaxNorm(0.3), eta=1.0)
    w = p.objective.layout.named(run(p)[0].theta)
    for name in ("W1", "W2"):
        assert np.linalg.norm(w[name], axis=1).max() <= 0.3 * (1 + 1e-6)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_resumed_from_any_step_gives_the_same_bits(optimizer):
    p = autoencoder(optimizer=OPTIMIZERS[optimizer](), eta=0.05, dropout=0.2)
    whole, _ = run(p)
    state, _ = run(p, stop=After(6))
    np.testing.assert_array_equal(run(p, copy(state))[0].theta, whole.theta)


def test_a_large_batch_has_the_gradient_of_its_micro_batches(monkeypatch):
    p = replace(autoencoder(eta=0.5, dtype="float64"), batch_size=37)
    whole = Recorded(p, 37)(np.arange(37)).theta.copy()
    monkeypatch.setattr("backprop_cli.training.gradient.MAX_BATCH", 10)
    monkeypatch.setattr("backprop_cli.training.gradient.MICRO_BATCH", 8)
    np.testing.assert_allclose(Recorded(p, 37)(np.arange(37)).theta, whole, rtol=1e-12)


CONFIG = "dataset: digits\nlayers: 64-20-6-20-64\ntargets: inputs\ntied: true\nactivation: tanh\nepochs: 2\n"


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "tied.yaml"
    path.write_text(CONFIG)
    return path


def test_a_checkpoint_has_each_array_once_and_gives_the_same_outputs(config, tmp_path):
    run = bp.train(config, runs_dir=tmp_path / "runs")
    w = run.parameters
    assert {name: array.shape for name, array in w.items()} == {
        "W1": (20, 64),
        "b1": (20,),
        "W2": (6, 20),
        "b2": (6,),
        "b3": (20,),
        "b4": (64,),
    }
    x = run.examples("test").inputs / np.float32(16)
    a = np.tanh(np.tanh(x @ w["W1"].T + w["b1"]) @ w["W2"].T + w["b2"])
    a = np.tanh(a @ w["W2"] + w["b3"]) @ w["W1"] + w["b4"]
    np.testing.assert_allclose(run.outputs(run.examples("test").inputs), 1 / (1 + np.exp(-a)), rtol=1e-4, atol=1e-6)


def test_the_gradient_check_and_the_trace_of_a_tied_network_hold(backprop: Backprop, config):
    assert backprop("gradcheck", config).code == 0
    outcome = backprop("trace", config, "layers=64-2-64")
    assert outcome.code == 0, outcome.err
    assert "W⁽²⁾ = (W⁽¹⁾)ᵀ" in outcome.out
    assert "dC/dW⁽¹⁾ + (dC/dW⁽²⁾)ᵀ" in outcome.out


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("64-20-8-64", "layers: there are 3 layers of weights, but 'tied' needs dense layers, an even number"),
        ("64-20-8-21-64", "layers[3]: has 21 units, but with 'tied' it mirrors layers[1], which has 20; write 20"),
        ("8x8-conv3x3-64", "layers: conv3x3 is no dense layer, but 'tied' needs dense layers"),
    ],
)
def test_layers_that_do_not_mirror_are_a_config_error(backprop: Backprop, config, layers, message):
    outcome = backprop("train", config, f"layers={layers}")
    assert outcome.code == 2
    assert message in outcome.err
