"""What leaves a layer, as numbers: the codes of autoencoders, and of any other network."""

import json

import numpy as np
import pytest

import backprop_cli as bp
from tests.conftest import Backprop

AUTOENCODER = {"dataset": "digits", "layers": "64-12-5-12-64", "targets": "inputs", "activation": "tanh", "epochs": 1}


@pytest.fixture
def run(tmp_path):
    return bp.train(AUTOENCODER, runs_dir=tmp_path / "runs", name="ae")


def test_codes_are_the_activations_of_the_layer(run):
    pixels = np.asarray(run.examples("test").inputs)
    w = run.parameters
    h1 = np.tanh(pixels / np.float32(16) @ w["W1"].T + w["b1"])
    h2 = np.tanh(h1 @ w["W2"].T + w["b2"])
    np.testing.assert_allclose(bp.predict(run, pixels, layer=1).values, h1, atol=1e-6)
    np.testing.assert_allclose(bp.predict(run, pixels, layer=2).values, h2, atol=1e-6)


def test_the_last_layer_gives_the_outputs(run):
    pixels = np.asarray(run.examples("test").inputs)
    np.testing.assert_array_equal(bp.predict(run, pixels, layer=4).values, run.outputs(pixels))


def test_codes_of_a_convolution_are_the_pooled_maps_that_the_next_layer_takes(tmp_path):
    config = {"dataset": "digits", "layers": "8x8-conv3x3-max2-10", "epochs": 1}
    run = bp.train(config, runs_dir=tmp_path / "runs")
    pixels = np.asarray(run.examples("test").inputs)[:20]
    codes = bp.predict(run, pixels, layer=1).values
    assert codes.shape == (20, 27)
    w = run.parameters
    z = codes @ w["W2"].T + w["b2"]
    np.testing.assert_allclose(run.outputs(pixels), 1 / (1 + np.exp(-z)), rtol=1e-5)


def test_reconstructions_have_the_units_of_the_data(run, tmp_path):
    pixels = np.asarray(run.examples("test").inputs)
    np.testing.assert_allclose(run.predict(pixels), 16 * run.outputs(pixels), rtol=1e-6)
    rows = np.random.default_rng(0).normal([5, -3], [2, 0.1], size=(60, 2))
    (tmp_path / "t.csv").write_text("a,b,y\n" + "\n".join(f"{a},{b},0\n{a},{b},1" for a, b in rows) + "\n")
    table = bp.train(tmp_path / "t.csv", target="y", targets="inputs", runs_dir=tmp_path / "runs", epochs=40)
    found = bp.predict(table, tmp_path / "t.csv")
    assert np.mean(np.abs(found.values[::2] - rows), axis=0) == pytest.approx([0, 0], abs=0.5)
    assert "prediction_a,prediction_b" in found.to_csv().splitlines()[0]


def test_the_command_writes_codes_as_an_array_and_as_a_table(backprop: Backprop, tmp_path, run):
    pixels = np.asarray(run.examples("test").inputs)[:7]
    np.save(tmp_path / "data.npy", pixels)
    expected = bp.predict(run, pixels, layer=2).values
    assert backprop("predict", "ae", "data.npy", "--layer", 2, "-o", "codes.npy").code == 0
    np.testing.assert_array_equal(np.load(tmp_path / "codes.npy"), expected)
    assert backprop("predict", "ae", "data.npy", "--layer", 2, "-o", "codes.csv").code == 0
    lines = (tmp_path / "codes.csv").read_text().splitlines()
    assert lines[0] == "input,code_1,code_2,code_3,code_4,code_5"
    np.testing.assert_allclose([[float(c) for c in line.split(",")[1:]] for line in lines[1:]], expected, rtol=1e-6)
    found = json.loads(backprop("predict", "ae", "data.npy", "--layer", 2, "--json").out)
    np.testing.assert_allclose([one["values"] for one in found["predictions"]], expected, rtol=1e-6)


def test_probabilities_can_be_written_as_an_array(backprop: Backprop, tmp_path, tiny):
    trained = bp.train(tiny, output="softmax", runs_dir=tmp_path / "runs", name="c")
    np.save(tmp_path / "data.npy", np.asarray(trained.examples("test").inputs)[:7])
    assert backprop("predict", "c", "data.npy", "-o", "p.npy").code == 0
    np.testing.assert_allclose(np.load(tmp_path / "p.npy").sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("layer", [0, 5, -1])
def test_a_layer_that_is_not_there_is_a_usage_error(backprop: Backprop, tmp_path, run, layer):
    np.save(tmp_path / "data.npy", np.asarray(run.examples("test").inputs)[:2])
    outcome = backprop("predict", "ae", "data.npy", "--layer", layer)
    assert outcome.code == 2
    assert "has the layers 1 to 4" in outcome.err
