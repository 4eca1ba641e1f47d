"""Pixels cut at a threshold, and shifted copies of the training images, for every data set of images."""

import numpy as np
import pytest
from scipy.ndimage import shift

import backprop_cli
from backprop_cli.config.load import load_experiment
from backprop_cli.data.cache import Cache
from backprop_cli.errors import ConfigError
from backprop_cli.runs.build import build_plan, initial_theta, load_data
from backprop_cli.sources.arrays import Arrays
from backprop_cli.sources.digits import Digits
from tests.conftest import ROOT

CACHE = Cache(ROOT / "none")
DIGITS = ROOT / "configs" / "digits.yaml"
WAYS = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))


@pytest.fixture
def images(tmp_path):
    """A file of 60 grey images of 5 x 7 bytes."""
    rng = np.random.default_rng(0)
    path = tmp_path / "images.npz"
    np.savez(path, x=rng.integers(0, 256, (60, 5, 7), dtype=np.uint8), y=np.arange(60) % 3)
    return path


def experiment(*words):
    return load_experiment(DIGITS, words)


def data(*words):
    return load_data(experiment(*words), CACHE)


@pytest.mark.parametrize("pixels", [1, 2])
def test_the_training_images_are_followed_by_their_shifts_and_the_others_are_as_they_were(pixels):
    plain, found = data(), data(f"dataset.shifts={pixels}")
    x = plain.train.inputs.reshape(-1, 8, 8)
    expected = [shift(x, (0, pixels * down, pixels * right), order=0) for down, right in WAYS]
    np.testing.assert_array_equal(found.train.inputs, np.concatenate(expected).reshape(-1, 64))
    np.testing.assert_array_equal(found.train.targets, np.tile(plain.train.targets, 5))
    for before, after in ((plain.validation, found.validation), (plain.test, found.test)):
        np.testing.assert_array_equal(before.inputs, after.inputs)
        np.testing.assert_array_equal(before.targets, after.targets)


def test_the_images_of_a_user_are_shifted_as_well(images):
    options = {"file": str(images), "test": 10}
    plain, found = (source.splits(CACHE, 10, 40) for source in (Arrays(**options), Arrays(**options, shifts=1)))
    x = plain[0].inputs.reshape(-1, 5, 7)
    expected = np.concatenate([shift(x, (0, *way), order=0) for way in WAYS])
    np.testing.assert_array_equal(found[0].inputs, expected.reshape(-1, 35))
    np.testing.assert_array_equal(found[2].inputs, plain[2].inputs)


def test_an_epoch_and_the_penalty_count_all_copies_and_the_sizes_of_the_splits_do_not():
    e = experiment("dataset.shifts=1", "train_size=100", "lambda=2", "batch_size=50")
    assert (e.train_size, e.validation, e.data.pool) == (100, 300, 1497)
    plan = build_plan(e, load_data(e, CACHE))
    assert len(plan.data.train) == 500
    ((_, strength),) = plan.objective.penalties
    assert strength == 2 / 500
    assert load_experiment(DIGITS, ["dataset.shifts=1", "batch_size=full"]).data.trained == 5 * 1197


def test_a_resolved_config_with_shifts_describes_the_same_examples(tmp_path):
    e = experiment("dataset.shifts=1")
    path = tmp_path / "resolved.yaml"
    path.write_text(e.to_yaml(), encoding="utf-8")
    assert load_experiment(path).data == e.data


@pytest.mark.parametrize("fold", [(), ("fold.k=5", "fold.i=1")])
def test_binary_pixels_are_exactly_0_or_1_as_inputs_in_every_split(fold):
    plain, found = data(*fold), data("dataset.binary=0.5", *fold)
    for name in ("train", "val", "test"):
        for dtype in ("float32", "float64"):
            x = found.x(found.split(name).inputs, dtype)
            np.testing.assert_array_equal(x, plain.split(name).inputs > 8)


def test_binary_pixels_are_cut_before_they_are_shifted():
    both, shifted = data("dataset.binary=0.5", "dataset.shifts=1"), data("dataset.shifts=1")
    np.testing.assert_array_equal(both.train.inputs > 0, shifted.train.inputs > 8)


def test_bytes_of_a_user_are_cut_at_a_share_of_255(images):
    plain, found = (Arrays(file=str(images), binary=binary).splits(CACHE, 10, 40)[0].inputs for binary in (None, 0.25))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, np.where(plain > 63.75, 255, 0))


def test_rows_to_predict_are_cut_as_the_training_images_were(tmp_path):
    run = backprop_cli.train(experiment("dataset.binary=0.5", "epochs=1"), runs_dir=tmp_path)
    grey = Digits().splits(CACHE, 300, 1197)[2].inputs[:50]
    np.testing.assert_array_equal(run.outputs(grey), run.outputs(np.where(grey > 8, 16, 0)))
    np.save(tmp_path / "grey.npy", grey)
    np.save(tmp_path / "cut.npy", np.where(grey > 8, 16, 0).astype(np.uint8))
    of_files = [backprop_cli.predict(run, tmp_path / f"{name}.npy") for name in ("grey", "cut")]
    np.testing.assert_array_equal(*(found.outputs for found in of_files))


def test_a_pixel_at_the_limit_is_0_in_training_and_for_prediction(tmp_path):
    bytes_ = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.savez(tmp_path / "all.npz", x=np.stack([bytes_] * 20), y=np.arange(20) % 2)
    for k in range(1, 255):
        source = Arrays(file=str(tmp_path / "all.npz"), binary=k / 255)
        trained, expected = source.splits(CACHE, 4, 12)[0].inputs[0], bytes_.ravel() > k
        np.testing.assert_array_equal(trained > 0, expected)
        np.testing.assert_array_equal(source.spec.fed(bytes_.ravel().astype(np.float32), source.spec.scale), expected)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dataset.shifts=8"], "8 pixels move images of 8x8 out of view; use 7 or less"),
        (["dataset.binary=1.0"], "dataset.binary must be less than 1"),
        (["dataset=moons", "layers=2-8-2", "dataset.shifts=1"], "unknown key 'shifts'"),
    ],
)
def test_options_that_do_not_fit_are_refused(words, message):
    with pytest.raises(ConfigError, match=message):
        experiment(*words)


def test_rows_of_numbers_cannot_be_shifted(tmp_path):
    np.savez(tmp_path / "rows.npz", x=np.zeros((60, 35)), y=np.arange(60) % 3)
    words = [f"dataset={{name: arrays, file: {tmp_path / 'rows.npz'}, shifts: 1}}", "layers=auto-8-auto"]
    with pytest.raises(ConfigError, match="shifts: needs grey images, but the examples of arrays have no height"):
        experiment(*words)


def test_a_run_on_shifted_images_resumes_to_the_same_bits(tmp_path):
    words = ("dataset.shifts=1", "dataset.binary=0.3", "train_size=200")
    whole, part = (backprop_cli.train(experiment(*words, f"epochs={epochs}"), runs_dir=tmp_path) for epochs in (2, 1))
    resumed = backprop_cli.resume(part, epochs=2)
    for name, array in whole.parameters.items():
        np.testing.assert_array_equal(array, resumed.parameters[name])


def test_the_largest_expanded_set_is_refused_before_it_is_loaded(monkeypatch):
    monkeypatch.setattr("backprop_cli.config.checks._physical_memory", lambda: 10**9)
    words = ["dataset=mnist", "layers=784-10-10", "batch_size=10"]
    assert load_experiment(DIGITS, words).data.trained == 50_000
    with pytest.raises(ConfigError, match="training on 260,000 examples needs about"):
        load_experiment(DIGITS, [*words, "dataset.shifts=1"])


def test_the_test_images_and_initial_weights_do_not_depend_on_the_options():
    plain, other = experiment(), experiment("dataset.shifts=1", "dataset.binary=0.5")
    np.testing.assert_array_equal(initial_theta(plain), initial_theta(other))
