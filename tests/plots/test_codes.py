"""Pictures of autoencoders, against plain NumPy and scikit-learn."""

import json

import numpy as np
import pytest
from sklearn.decomposition import PCA

from backprop_cli import load_run
from backprop_cli.plots.codes import code_of, principal_components
from backprop_cli.plots.signals import fed, outputs_from, signals_of


@pytest.fixture
def autoencoder(backprop, tmp_path):
    """Trains an autoencoder of the digits, with these layers, and returns the run."""
    path = tmp_path / "ae.yaml"
    path.write_text(
        "dataset: digits\nlayers: auto-5-auto\ntargets: inputs\nactivation: tanh\noptimizer: adam\neta: 0.01\n"
        "batch_size: 32\nepochs: 3\ntrain_size: 195\n"
    )

    def train(*words):
        assert backprop("train", path, "--name", "run", *words).code == 0
        return load_run("run")

    return train


def rows_of(axis):
    """The images of a block as (rows, columns, h, w)."""
    images = {tuple(map(int, image.get_gid().split(","))): image.get_array() for image in axis.get_images()}
    rows, columns = np.max(list(images), axis=0) + 1
    return np.array([[images[row, column] for column in range(columns)] for row in range(rows)])


def forward(run, x, *layers):
    for l in layers:
        z = x @ run.parameters[f"W{l}"].T + run.parameters[f"b{l}"]
        x = 1 / (1 + np.exp(-z)) if l == len(run.config.activations) else np.tanh(z)
    return x


def test_reconstructions_are_beside_their_images_the_best_and_the_worst_apart(backprop, autoencoder, figures):
    run = autoencoder()
    done = backprop("plot", "run", "--kind", "reconstructions", "--image", "4", "--json")
    x = run.data.test.inputs[4:] / 16
    a = forward(run, x, 1, 2)
    errors = ((a - x) ** 2).sum(axis=1)
    order = np.argsort(errors)
    (figure,) = figures
    assert [[tick.get_text() for tick in axis.get_yticklabels()] for axis in figure.axes] == [
        ["original", "reconstruction"]
    ] * 3
    for axis, rows in zip(figure.axes, (np.arange(10), order[:10], order[::-1][:10]), strict=True):
        np.testing.assert_allclose(rows_of(axis), np.stack([x[rows], a[rows]]).reshape(2, 10, 8, 8), atol=1e-5)
        assert [tick.get_text() for tick in axis.get_xticklabels()] == [f"{error:.3g}" for error in errors[rows]]
    shown = json.loads(done.out)["pictures"][0]["shows"]
    assert f"of images 4 to 299 of the test split: mean squared error of an image {errors.mean():.4g}" in shown


@pytest.mark.parametrize(("words", "scale"), [("input_dropout=0.25", 1 / 0.75), ("corrupt=0.25", 1)])
def test_what_training_does_to_the_images_is_shown(backprop, autoencoder, figures, words, scale):
    run = autoencoder(words)
    assert backprop("plot", "run", "--kind", "reconstructions").code == 0
    original, noisy, reconstruction = rows_of(figures[0].axes[0]).reshape(3, 10, 64)
    dropped = (noisy == 0) & (original > 0)
    assert 0.15 < dropped.sum() / (original > 0).sum() < 0.35
    np.testing.assert_allclose(noisy[~dropped], original[~dropped] * scale, rtol=1e-5)
    np.testing.assert_allclose(reconstruction, forward(run, noisy, 1, 2), atol=1e-5)


def test_codes_of_two_units_are_drawn_as_they_are_by_class(backprop, autoencoder, figures):
    run = autoencoder("layers=64-8-2-8-64")
    assert backprop("plot", "run", "--kind", "codes", "--split", "val").code == 0
    split, axis = run.data.validation, figures[0].axes[0]
    codes = forward(run, split.inputs / 16, 1, 2)
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("unit 1 of the code", "unit 2 of the code")
    for label, drawn in enumerate(axis.collections):
        np.testing.assert_allclose(drawn.get_offsets(), codes[split.labels == label], atol=1e-5)


def test_more_units_are_projected_on_their_principal_components(backprop, autoencoder, figures):
    run = autoencoder()
    assert backprop("plot", "run", "--kind", "codes").code == 0
    codes = forward(run, run.data.test.inputs / 16, 1)
    oracle = PCA(2).fit(codes)
    points, shares = principal_components(codes)
    np.testing.assert_allclose(np.abs(points), np.abs(oracle.transform(codes)), atol=1e-6)
    np.testing.assert_allclose(shares, oracle.explained_variance_ratio_)
    axis = figures[0].axes[0]
    assert axis.get_xlabel() == f"principal component 1 ({shares[0]:.1%} of the variance)"
    drawn = np.concatenate([part.get_offsets() for part in axis.collections])
    np.testing.assert_allclose(np.sort(drawn, axis=0), np.sort(points, axis=0), atol=1e-4)


def test_the_manifold_has_the_outputs_for_codes_on_a_grid(backprop, autoencoder, figures):
    run = autoencoder("layers=64-8-2-8-64")
    assert backprop("plot", "run", "--kind", "manifold").code == 0
    codes = forward(run, run.data.test.inputs / 16, 1, 2)
    (left, bottom), (right, top) = np.quantile(codes, (0.02, 0.98), axis=0)
    (image,) = figures[0].axes[0].get_images()
    for code, corner in (
        ((left, top), (slice(1, 9), slice(1, 9))),
        ((left, bottom), (slice(-9, -1), slice(1, 9))),
        ((right, bottom), (slice(-9, -1), slice(-9, -1))),
    ):
        expected = forward(run, np.array([code]), 3, 4).reshape(8, 8)
        np.testing.assert_allclose(image.get_array()[corner], expected, atol=1e-5)
    assert image.get_extent()[0] < left < right < image.get_extent()[1]


def test_a_walk_goes_straight_from_code_to_code(backprop, autoencoder, figures):
    run = autoencoder()
    done = backprop("plot", "run", "--kind", "walk", "--image", "288", "--json")
    assert "9 codes on the line" in json.loads(done.out)["pictures"][0]["shows"]
    x = run.data.test.inputs[288:] / 16
    codes, rows = forward(run, x, 1), rows_of(figures[0].axes[0])
    assert rows.shape == (6, 11, 8, 8)
    for row, (first, second) in zip(rows, zip(range(0, 12, 2), range(1, 12, 2), strict=True), strict=True):
        np.testing.assert_allclose(row[[0, -1]], x[[first, second]].reshape(2, 8, 8), rtol=1e-6)
        for image, t in zip(row[1:-1], np.arange(9) / 8, strict=True):
            between = forward(run, ((1 - t) * codes[first] + t * codes[second])[None], 2)
            np.testing.assert_allclose(image.ravel(), between[0], atol=1e-5)
    assert backprop("plot", "run", "--kind", "walk", "--image", "299").code == 2


def test_an_autoencoder_has_these_plots_and_report_by_default(backprop, autoencoder, unrendered):
    autoencoder("layers=64-2-64")
    kinds = ("curves", "reconstructions", "codes", "manifold", "walk", "weights")
    assert backprop("plot", "run").out.split() == [f"runs/run/plots/{kind}.png" for kind in kinds]
    assert backprop("report", "run").code == 0


def test_maps_may_be_the_code_and_the_outputs(backprop, autoencoder, figures):
    autoencoder("layers=8x8-conv4x3same-max2-conv2x3same-up2-conv1x3same")
    kinds = ("curves", "reconstructions", "codes", "walk", "weights", "maps", "maximal")
    assert backprop("plot", "run").out.split() == [f"runs/run/plots/{kind}.png" for kind in kinds]
    reconstruction = rows_of(figures[1].axes[0])[1, 0]
    np.testing.assert_allclose(np.asarray(figures[5].axes[5].get_images()[0].get_array()), reconstruction, atol=1e-6)


@pytest.mark.parametrize(
    ("layers", "kind", "message"),
    [
        ("64-1-64", "codes", "its code is a single number"),
        ("64-64", "codes", "its network has no hidden layer"),
        ("64-3-64", "manifold", "its code does not have two units"),
    ],
)
@pytest.mark.usefixtures("unrendered")
def test_other_codes_say_why_they_are_not_drawn(backprop, autoencoder, layers, kind, message):
    autoencoder(f"layers={layers}")
    done = backprop("plot", "run", "--kind", kind)
    assert (done.code, message in done.err) == (2, True)


@pytest.mark.usefixtures("unrendered")
def test_a_classifier_has_codes_if_they_are_asked_for_but_no_reconstructions(backprop, tiny):
    assert backprop("train", tiny, "--name", "run").code == 0
    assert backprop("plot", "run", "--kind", "codes").code == 0
    done = backprop("plot", "run", "--kind", "reconstructions")
    assert "it is no autoencoder; train with targets=inputs" in done.err


@pytest.mark.parametrize("words", [(), ("tied=true",)])
def test_the_outputs_for_the_codes_of_examples_are_those_for_the_examples(autoencoder, words):
    run = autoencoder("layers=64-8-2-8-64", *words)
    x, code = run.data.test.inputs, code_of(run)
    codes = np.concatenate([signals[code.place] for signals in signals_of(run, fed(run, x))])
    assert codes.shape == (300, 2)
    np.testing.assert_allclose(outputs_from(run, code, codes), run.outputs(x), atol=1e-6)
