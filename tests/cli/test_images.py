"""Networks of images through the commands: every command works with them, or says why not."""

import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from backprop_cli import fit
from backprop_cli.nn.layers.convolution import Conv2D
from backprop_cli.nn.layers.pooling import MaxPool
from tests.cli.helpers import numbers, running, same_bits


@pytest.fixture
def images(tmp_path):
    path = tmp_path / "images.yaml"
    path.write_text(
        "dataset: digits\nlayers: [8x8, {conv: 6, size: 3, activation: relu}, max2, {units: 20}, 10]\n"
        "activation: relu\noutput: softmax\ncost: cross_entropy\neta: 0.1\nepochs: 3\ntrain_size: 195\n"
    )
    return path


def test_a_convolutional_network_learns_the_digits(backprop, images):
    done = backprop("train", images, "train_size=1197", "epochs=16", "--name", "run", "--json")
    assert done.code == 0
    assert json.loads(done.out)["test"]["accuracy"] > 0.93
    assert "training 8x8-conv6x3-max2-20-10 on digits" in backprop("train", images, "epochs=1").err
    assert "accuracy" in backprop("eval", "run").out
    Path("images.csv").write_text("\n".join([",".join(["0"] * 64), ",".join(["16"] * 64)]))
    assert len(json.loads(backprop("predict", "run", "images.csv", "--json").out)["predictions"]) == 2


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("optimizer=adam", "eta=0.001", "layers.2.dropout=0.5", "max_norm=1", "diagnostics=true"),
        ("optimizer=momentum", "augment.shift=1", "average=ema", "lambda=1", "layers.1.padding=same"),
        ("batch_size=full", "optimizer=lbfgs"),
    ],
    ids=str,
)
def test_three_epochs_resumed_to_six_equal_six_epochs(backprop, images, words):
    assert backprop("train", images, "epochs=6", "--name", "whole", *words).code == 0
    assert backprop("train", images, "epochs=3", "--name", "parts", *words).code == 0
    assert backprop("resume", "parts", "--epochs", 6).code == 0
    for name in ("last", "best"):
        assert same_bits(f"runs/whole/checkpoints/{name}.npz", f"runs/parts/checkpoints/{name}.npz")
    assert numbers(Path("runs/whole/metrics.csv")) == numbers(Path("runs/parts/metrics.csv"))


def test_an_interrupted_epoch_resumes_to_the_same_bits(backprop, images):
    words = ("train_size=1197", "batch_size=1", "layers.2.dropout=0.5", "epochs=4")
    backprop("train", images, "--name", "whole", *words)
    with running("train", images, "--name", "parts", *words) as process:
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
    assert process.returncode == 130
    assert backprop("resume", "parts").code == 0
    assert same_bits("runs/whole/checkpoints/last.npz", "runs/parts/checkpoints/last.npz")


def test_a_batch_that_does_not_fit_into_memory_is_worked_through_in_pieces(backprop, images, monkeypatch):
    words = ("batch_size=195", "dtype=float64", "epochs=2")
    backprop("train", images, "--name", "whole", *words)
    monkeypatch.setattr("backprop_cli.training.gradient.PIECE", 20_000)
    backprop("train", images, "--name", "pieces", *words)
    whole, pieces = "runs/whole/checkpoints/last.npz", "runs/pieces/checkpoints/last.npz"
    with np.load(whole) as expected, np.load(pieces) as found:
        for name in ("W1", "b1", "W2", "b3"):
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-9, atol=1e-12)
        assert expected["W1"].shape == (6, 1, 3, 3)


@pytest.mark.parametrize(
    "layers", ["8x8-conv2x3-10", "64-conv2x3-10", "auto-conv2x3-auto", "[{image: [8, 8]}, {conv: 2, size: 3}, 10]"]
)
def test_the_same_network_is_written_in_several_ways(backprop, images, layers):
    facts = json.loads(backprop("check", images, f"layers={layers}", "--json").out)
    assert facts["parameters"] == 2 * 9 + 2 + 72 * 10 + 10
    shown = [(layer["output"], layer["parameters"], layer["multiplications"]) for layer in facts["layers"]]
    assert shown == [("1x8x8", 0, 0), ("2x6x6", 20, 36 * 18), ("10", 730, 720)]


def test_check_shows_a_table_of_the_layers(backprop, images):
    out = backprop("check", images, "layers=8x8-conv6x3-max2-20-10").out
    assert "# 1  conv6x3  6x6x6           60            1,944" in out
    assert "# 2  max2     6x3x3            0                0" in out


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("layers=64-conv2x9-10", "layers[1]: conv2x9 has windows of 9x9, but its input is 8x8; use 8 or less"),
        ("layers=64-max2-max2-max4-10", "layers[3]: max4 has windows of 4x4, but its input is 2x2; use 2 or less"),
        ("layers=64-30-10-conv2x3", "layers[3]: conv2x3 cannot be the output layer; write its number of units"),
        ("layers=64-30-conv2x3-10", "layers[2]: conv2x3 needs images as its input, not 30 numbers"),
        ("layers=64-conv2-10", "layers[1] must be a number of units, 'auto', or a word such as conv20x5"),
        ("layers=8x8-max2", "layers[1]: max2 cannot be the output layer; write its number of units"),
        ("layers=7x7-max2-10", "layers: the first layer is 7x7, but digits has images of 8x8; write 8x8"),
        ("layers=4x16-max2-10", "layers: the first layer is 4x16, but digits has images of 8x8; write 8x8"),
        ("layers=conv2x3-10", "layers: the first layer is the input; write its size, such as 28x28, before conv2x3"),
        ("layers=64-8x8-10", "layers[1]: 8x8 is the size of an image, which only the first layer can be"),
        ("layers=[64, {max: 2, activation: relu}, 10]", "layers[1] has activation, which max does not have"),
        ("layers=[64, {conv: 2}, 10]", "layers[1] needs size, such as {conv: 20, size: 5}"),
        ("layers=[64, {conv: 2, max: 2}, 10]", "layers[1] must have exactly one of units, conv, max, mean and up"),
        ("layers=[64, {stride: 2}, 10]", "layers[1] must have exactly one of units, conv, max, mean and up"),
        ("layers=64-conv2x0-10", "layers[1] must be at least 1, not 0"),
        ("layers.7.dropout=0.5", "there is no layer 7; the last one is 4"),
        ("layers.1.drop=0.5", "unknown key 'drop'"),
    ],
)
def test_layers_that_do_not_fit_are_located_errors(backprop, images, word, problem):
    done = backprop("check", images, word)
    assert done.code == 2
    assert f"command line: {word}: {problem}" in done.err


def test_a_convolution_on_numbers_that_are_no_images_is_an_error(backprop, tmp_path):
    path = tmp_path / "moons.yaml"
    path.write_text("dataset: moons\nlayers: 2-conv2x1-2\n")
    done = backprop("check", path)
    assert done.code == 2
    assert f"{path}:2:9: layers[1]: conv2x1 needs images as its input, not 2 numbers; write the first layer" in done.err


def test_options_of_a_layer_are_set_by_its_number(backprop, images):
    words = ("layers.1.stride=2", "layers.2.dropout=0.5", "layers.3.activation=tanh")
    layers = json.loads(backprop("check", images, *words, "--json").out)["experiment"]["layers"]
    assert layers[1] == {"conv": 6, "size": 3, "stride": 2, "activation": "relu"}
    assert layers[2:4] == [{"max": 2, "dropout": 0.5}, {"units": 20, "activation": "tanh"}]


def test_a_trace_shows_a_convolution_number_by_number(backprop, tmp_path):
    """A 3x3 image, one kernel of 2x2, the maximum of its map, one output."""
    path = tmp_path / "trace.yaml"
    path.write_text(
        "dataset: {name: given, x: [[1, 2, 0, 0, 1, 3, 1, 0, 1]], y: [[1.0]]}\nlayers: 3x3-conv1x2-max2-1\n"
        "activation: identity\ninitial: {W1: [[[[1, 0], [0, 2]]]], b1: [0.5], W2: [[3]], b2: [0]}\n"
        "eta: 0.1\nvalidation: 0\n"
    )
    done = backprop("trace", path, "--json")
    assert done.code == 0, done.err
    layer, output = json.loads(done.out)["layers"]
    assert layer["z"] == [[[[3.5, 8.5], [0.5, 3.5]]]]  # 1·1 + 2·1 + ½, 2·1 + 3·2 + ½, …
    assert layer["passed"] == [{"operation": "maxpool", "p": [[[[8.5]]]], "dC_dp": [[[[3 * 24.5]]]]}]
    assert output["z"] == [[25.5]]
    assert layer["delta"] == [[[[0, 73.5], [0, 0]]]]
    assert layer["dC_dW"] == [[[[2 * 73.5, 0], [73.5, 3 * 73.5]]]]
    assert layer["dC_db"] == [73.5]
    text = backprop("trace", path).out
    assert "z⁽¹⁾[0,0] = W⁽¹⁾ ∗ a⁽⁰⁾ + b⁽¹⁾" in text
    assert "z⁽²⁾ = p⁽¹⁾ (W⁽²⁾)ᵀ + b⁽²⁾" in text
    assert r"W^{(1)} \ast a^{(0)} + b^{(1)}" in backprop("trace", path, "--markdown").out


def test_other_commands_work_with_images_or_say_why_not(backprop, images, unrendered):
    assert backprop("train", images, "keep_epochs=[1,2]", "diagnostics=true", "--name", "run").code == 0
    kinds = ("curves", "confusion", "mistakes", "weights", "maps", "maximal", "gradients")
    assert backprop("plot", "run").out.split() == [f"runs/run/plots/{kind}.png" for kind in kinds]
    assert backprop("plot", "run", "--kind", "film", "-o", "film.gif").code == 0
    assert backprop("report", "run").code == 0
    assert backprop("gradcheck", images, "activation=tanh", "layers=8x8-conv2x3-mean2-10").code == 0
    for suffix in ("onnx", "safetensors"):
        assert backprop("export", "run", "-o", f"net.{suffix}").code == 0
    for suffix in ("html", "h"):
        done = backprop("export", "run", "-o", f"net.{suffix}")
        assert done.code == 2
        assert f".{suffix} files cannot express the layer or activation 'conv2d'" in done.err


def test_fit_takes_layers_of_images():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    x = rng.random((300, 8, 8)) * 0.5
    rows, columns = rng.integers(0, 6, (2, 300))
    for image, label, i, j in zip(x, y, rows, columns, strict=True):  # a bar of three pixels, lying or standing
        image[i : i + 1 + 2 * label, j : j + 3 - 2 * label] += 1
    fitted = fit([Conv2D(4, 3), MaxPool(6), 2], x[:200], y[:200], eta=0.02, epochs=60)
    assert fitted.evaluate(x[200:], y[200:])["accuracy"] > 0.9
