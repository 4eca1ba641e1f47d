"""Autoencoders whose outputs are the maps of a convolution."""

import numpy as np
import pytest
from scipy.signal import correlate2d

import backprop_cli as bp
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.layers.convolution import Conv2D
from backprop_cli.nn.layers.pooling import MaxPool
from backprop_cli.nn.layers.upsampling import Upsample
from backprop_cli.nn.network import Stage, network_of
from backprop_cli.objectives.costs import COSTS
from backprop_cli.objectives.gradcheck import TOLERANCE, check_gradient
from backprop_cli.objectives.objective import Backpropagation, Objective
from tests.conftest import Backprop

CONFIG = {
    "dataset": "digits",
    "layers": "8x8-conv4x3same-max2-conv3x3same-up2-conv1x3same",
    "targets": "inputs",
    "activation": "tanh",
    "cost": "cross_entropy",
    "optimizer": "sgd",
    "eta": 0.02,
    "epochs": 1,
}


def network():
    tanh = ACTIVATIONS["tanh"]
    stages = [Stage(Conv2D(2, 3, same=True), tanh), Stage(MaxPool(2)), Stage(Upsample(2))]
    return network_of((1, 4, 6), [*stages, Stage(Conv2D(1, 3, same=True), ACTIVATIONS["sigmoid"])])


@pytest.mark.parametrize("cost", ["quadratic", "cross_entropy"])
def test_the_gradient_agrees_with_central_differences(cost):
    rng = np.random.default_rng(0)
    objective = Objective(Backpropagation(network(), COSTS[cost]()))
    theta, x = rng.normal(size=objective.layout.size), rng.random((5, 24))
    found = check_gradient(objective, theta, x, x)
    assert found.checked > 0.9 * theta.size
    assert found.error < TOLERANCE


def test_outputs_are_the_maps_row_by_row(tmp_path):
    run = bp.train({**CONFIG, "layers": "8x8-conv1x3same"}, runs_dir=tmp_path / "runs")
    images = np.asarray(run.examples("test").inputs).reshape(-1, 8, 8)[:5] / 16
    W, b = run.parameters["W1"][0, 0], run.parameters["b1"]
    z = np.stack([correlate2d(image, W, "same") for image in images]) + b
    expected = 1 / (1 + np.exp(-z.reshape(5, 64)))
    np.testing.assert_allclose(run.outputs(16 * images.reshape(5, 64)), expected, rtol=1e-5)


@pytest.mark.parametrize("words", [{}, {"optimizer": "adam", "corrupt": 0.3}, {"batch_size": 128}])
def test_training_in_two_parts_gives_the_same_bits(tmp_path, words):
    whole = bp.train(CONFIG, runs_dir=tmp_path / "runs", **{**words, "epochs": 2})
    part = bp.train(CONFIG, runs_dir=tmp_path / "runs", **words)
    resumed = bp.resume(part, epochs=2)
    np.testing.assert_array_equal(whole.theta, resumed.theta)


def test_a_step_is_that_of_the_textbook(tmp_path):
    settings = {"batch_size": "full", "dtype": "float64", "keep_epochs": [0], "train_size": 200}
    run = bp.train(CONFIG, runs_dir=tmp_path / "runs", **settings)
    x = np.asarray(run.data.train.inputs) / 16
    objective = Objective(Backpropagation(run.model.network, COSTS["cross_entropy"]()))
    before = run.at(0).theta
    np.testing.assert_allclose(run.theta, before - 0.02 * objective.gradient(before, x, x), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("8x8-conv4x3same-max2-conv1x3same", "layers[3]: conv1x3same gives maps of 1x4x4, but the inputs to"),
        ("8x8-conv2x3same", "layers[1]: conv2x3same gives maps of 2x8x8, but the inputs to reconstruct are 1x8x8"),
        ("8x8-conv1x3", "layers[1]: conv1x3 gives maps of 1x6x6"),
        ("8x8-conv1x9", "layers[1]: conv1x9"),
        ("8x8-conv4x3-max2", "layers[2]: max2 cannot be the output layer"),
    ],
)
def test_maps_of_another_size_are_a_config_error(backprop: Backprop, tmp_path, layers, message):
    (tmp_path / "c.yaml").write_text("dataset: digits\nlayers: 64-64\ntargets: inputs\n")
    outcome = backprop("train", "c.yaml", f"layers={layers}")
    assert outcome.code == 2
    assert message in outcome.err


def test_maps_are_not_the_outputs_of_a_classifier(backprop: Backprop, tmp_path):
    (tmp_path / "c.yaml").write_text("dataset: digits\nlayers: 8x8-conv1x3same\n")
    assert "conv1x3same cannot be the output layer" in backprop("train", "c.yaml").err
