"""Autoencoders: the targets are the inputs."""

import numpy as np
import pytest

import backprop_cli as bp
from backprop_cli.data.augment import Augment, Augmenter
from backprop_cli.data.cache import Cache
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.objectives.costs import CrossEntropy
from backprop_cli.runs.model import load_checkpoint
from backprop_cli.sources.registry import DATASETS
from backprop_cli.training.streams import Streams
from tests.conftest import MNIST, Backprop

CONFIG = "dataset: digits\nlayers: 64-8-64\ntargets: inputs\nepochs: 2\noptimizer: adam\neta: 0.01\n"


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "ae.yaml"
    path.write_text(CONFIG)
    return path


def pixels(split):
    return np.asarray(split.inputs) / 16


def test_the_squared_error_is_that_of_the_outputs_and_the_scaled_inputs(config, tmp_path):
    run = bp.train(config, runs_dir=tmp_path / "runs")
    test = run.examples("test")
    outputs = run.outputs(test.inputs)
    error = np.mean(np.sum((outputs - pixels(test)) ** 2, axis=1))
    assert run.test["squared_error"] == pytest.approx(error, rel=1e-6)
    assert run.test["cost"] == pytest.approx(error / 2, rel=1e-6)
    assert "accuracy" not in run.test


def test_the_best_epoch_has_the_lowest_validation_cost(config, tmp_path):
    run = bp.train(config, runs_dir=tmp_path / "runs", epochs=6, eta=0.1)
    assert run.best_epoch == 1 + int(np.argmin(run.metrics["val_cost"]))


def test_outputs_of_pixels_are_sigmoids_and_those_of_other_numbers_are_not_squashed(config, tmp_path):
    run = bp.train(config, runs_dir=tmp_path / "runs")
    assert run.config.output == "sigmoid"
    moons = bp.train(config, runs_dir=tmp_path / "runs", dataset="moons", layers="2-3-2")
    assert moons.config.output == "identity"


def test_the_training_inputs_are_not_copied(config, tmp_path):
    run = bp.train(config, runs_dir=tmp_path / "runs")
    assert np.shares_memory(run.data.train.inputs, run.data.train.targets)


def test_labels_are_kept_beside_the_inputs(config, tmp_path):
    labels = bp.train(config, runs_dir=tmp_path / "runs").examples("test").labels
    classes = bp.train(config, runs_dir=tmp_path / "runs", layers="64-8-10", targets="one_hot").examples("test")
    assert np.array_equal(labels, classes.targets)


def test_auto_makes_the_last_layer_as_wide_as_the_inputs(config, tmp_path):
    run = bp.train(config, runs_dir=tmp_path / "runs", layers="auto-8-auto")
    assert run.config.architecture == "64-8-64"


def test_weights_count_in_the_cost_and_not_in_the_squared_error(tmp_path):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 3))
    weights = rng.uniform(0.1, 2, size=40)
    lines = [f"{a},{b},{c},{w},{i % 2}" for i, ((a, b, c), w) in enumerate(zip(rows, weights, strict=True))]
    (tmp_path / "t.csv").write_text("a,b,c,w,y\n" + "\n".join(lines) + "\n")
    settings = {"layers": "auto-2-auto", "targets": "inputs", "dataset.weight": "w", "epochs": 1, "target": "y"}
    run = bp.train(tmp_path / "t.csv", runs_dir=tmp_path / "runs", **settings)
    train = run.examples("train")
    errors = np.sum((run.outputs(train.inputs) - train.inputs) ** 2, axis=1)
    found = run.evaluate("train")
    assert found.metrics["squared_error"] == pytest.approx(np.mean(errors), rel=1e-5)
    assert found.cost == pytest.approx(np.mean(train.weights * errors / 2), rel=1e-5)


def textbook_gradient(run, x, y):
    """The gradient of a step, written out for 64-8-64 sigmoids and the quadratic cost."""
    W1, b1, W2, b2 = (run.parameters[name].astype("float64") for name in ("W1", "b1", "W2", "b2"))
    h = 1 / (1 + np.exp(-(x @ W1.T + b1)))
    a = 1 / (1 + np.exp(-(h @ W2.T + b2)))
    delta2 = (a - y) / len(x) * a * (1 - a)
    delta1 = delta2 @ W2 * h * (1 - h)
    return delta1.T @ x, delta2.T @ h


def test_the_target_of_a_step_is_the_clean_augmented_image(config, tmp_path):
    """With one batch of all images, one step is one epoch; noise and shifts are drawn again here."""
    settings = {"runs_dir": tmp_path / "runs", "optimizer": "sgd", "eta": 0.5, "dtype": "float64", "keep_epochs": [0]}
    settings |= {"corrupt": 0.4, "augment": {"shift": 1}, "batch_size": "full", "epochs": 1, "seed": 3}
    run = bp.train(config, **settings)
    streams = Streams(3)
    images = np.asarray(run.data.train.inputs).copy()
    Augmenter(Augment(shift=1), (8, 8))(images, streams.augmentation)
    mask = streams.corruption.random(images.shape, dtype=np.float32) >= np.float32(0.4)
    clean = images / 16
    before = run.at(0)
    dW1, dW2 = textbook_gradient(before, clean * mask, clean)
    last = load_checkpoint(run.folder, "last").network.layout.named(load_checkpoint(run.folder, "last").theta)
    np.testing.assert_allclose(last["W1"], before.parameters["W1"] - 0.5 * dW1, rtol=1e-10)
    np.testing.assert_allclose(last["W2"], before.parameters["W2"] - 0.5 * dW2, rtol=1e-10)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["layers=64-8-10"], "layers: the last layer has 10 units, but digits has 64 inputs to reconstruct; write 64"),
        (
            ["output=softmax"],
            "output: softmax needs classes, but digits is a data set of values with 'targets: inputs'",
        ),
        (["cost=perceptron", "output=threshold"], "cost: perceptron needs classes"),
        (["dataset=moons", "layers=2-3-2", "cost=cross_entropy", "output=sigmoid"], "cost: cross_entropy needs"),
        (["monitor=accuracy"], "monitor: digits is a reconstruction data set without accuracy"),
    ],
)
def test_what_does_not_fit_is_a_config_error(backprop: Backprop, config, words, message):
    outcome = backprop("train", config, *words)
    assert outcome.code == 2
    assert message in outcome.err


def test_the_floor_is_the_entropy_of_the_pixels_and_no_cost_is_below_it(config, tmp_path):
    run = bp.train(config, runs_dir=tmp_path / "runs", cost="cross_entropy")
    x = pixels(run.examples("test"))
    inside = (x > 0) & (x < 1)
    entropy = -x[inside] * np.log(x[inside]) - (1 - x[inside]) * np.log(1 - x[inside])
    assert run.test["floor"] == pytest.approx(entropy.sum() / len(x), rel=1e-12)
    assert run.test["cost"] > run.test["floor"]


def test_a_perfect_reconstruction_has_the_cost_of_the_floor():
    y = np.random.default_rng(0).uniform(0.01, 0.99, size=(5, 30))
    cost, sigmoid = CrossEntropy(), ACTIVATIONS["sigmoid"]
    z = np.log(y / (1 - y))
    np.testing.assert_allclose(cost.of_examples(sigmoid, z, y, y), cost.floor(y), rtol=1e-12)
    assert np.all(cost.floor(np.array([[0.0, 1.0]])) == 0)


@pytest.mark.skipif(not MNIST.exists(), reason="needs the original MNIST files")
def test_the_floor_of_mnist_is_the_published_one(monkeypatch):
    monkeypatch.setenv("BACKPROP_DATA_DIR", str(MNIST.parent))
    images = DATASETS["mnist"]().load(Cache(MNIST.parent))[1].inputs
    assert np.mean(CrossEntropy().floor(images / 255)) == pytest.approx(45.53, abs=0.005)


def test_the_floor_is_shown_after_training_and_by_eval(backprop: Backprop, config):
    outcome = backprop("train", config, "cost=cross_entropy")
    assert " above the floor of 13.71" in outcome.out
    assert " above the floor of 13.71" in backprop("eval", "@last").out
    assert "floor" not in backprop("train", config).out
