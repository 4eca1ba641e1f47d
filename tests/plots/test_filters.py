"""Pictures of what the layers of a network respond to, against plain NumPy and SciPy."""

import json

import numpy as np
import pytest
from scipy.signal import correlate2d

from backprop_cli import load_run
from backprop_cli.drawing.style import to_bytes as style_bytes
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.layers.convolution import Conv2D
from backprop_cli.nn.layers.dense import Dense
from backprop_cli.nn.layers.pooling import MaxPool, MeanPool
from backprop_cli.nn.layers.upsampling import Upsample
from backprop_cli.nn.network import Stage, network_of
from backprop_cli.plots import signals

LINEAR = ACTIVATIONS["identity"]


@pytest.fixture
def images(tmp_path):
    path = tmp_path / "images.yaml"
    path.write_text(
        "dataset: digits\nlayers: [8x8, conv6x3, max2, conv3x2, 10]\nactivation: relu\noutput: softmax\n"
        "cost: cross_entropy\neta: 0.1\nepochs: 2\ntrain_size: 195\n"
    )
    return path


@pytest.fixture
def run(backprop, images):
    assert backprop("train", images, "--name", "run").code == 0
    return load_run("run")


def tiles_of(figure, block=0):
    """The images of a block by row and column, row by row."""
    return [np.asarray(image.get_array()) for image in figure.axes[block].get_images()]


def first_maps(run, inputs):
    """The maps of the first layer (n, maps, h, w), by SciPy."""
    W, b = (run.parameters[name].astype(float) for name in ("W1", "b1"))
    x = inputs.reshape(-1, 8, 8) / 16
    z = [[correlate2d(image, w[0], "valid") for w in W] for image in x]
    return np.maximum(np.array(z) + b[:, None, None], 0)


def test_maps_are_those_of_the_image_and_end_with_the_scores(backprop, run, figures):
    done = backprop("plot", "run", "--kind", "maps", "--image", "7", "--json")
    (picture,) = json.loads(done.out)["pictures"]
    inputs, label = run.data.test.inputs[7:8], run.data.test.targets[7]
    a = first_maps(run, inputs)[0]
    (figure,) = figures
    np.testing.assert_allclose(tiles_of(figure, 0), inputs.reshape(1, 8, 8))
    np.testing.assert_allclose(tiles_of(figure, 1), a, atol=1e-5)
    pooled = a.reshape(6, 3, 2, 3, 2).max(axis=(2, 4))
    np.testing.assert_allclose(tiles_of(figure, 2), pooled, atol=1e-5)
    np.testing.assert_allclose(np.ravel(tiles_of(figure, 4)), run.scores(inputs)[0], atol=1e-6)
    titles = [axis.get_title(loc="left") for axis in figure.axes[:5]]
    assert titles[:4] == [
        "image 7 of the test split",
        "layer 1: conv6x3, relu: 6 maps of 6x6",
        "max2: 6 maps of 3x3",
        "layer 2: conv3x2, relu: 3 maps of 2x2",
    ]
    assert titles[4] == f"scores of the classes: class {label}, predicted {run.predict(inputs)[0]}"
    assert "6 maps of 6x6" in picture["shows"]


def test_the_scale_of_an_image_may_be_its_own(backprop, run, figures):
    for scale in ("common", "each"):
        assert backprop("plot", "run", "--kind", "weights", "--scale", scale).code == 0
    common, each = map(tiles_of, figures)
    np.testing.assert_array_equal(common, run.parameters["W1"][:, 0])
    assert np.abs(each).max(axis=(1, 2)) == pytest.approx(1)
    np.testing.assert_allclose(each[0], common[0] / np.abs(common[0]).max())


def test_filters_are_ordered_by_the_mean_activity(backprop, run, figures):
    assert backprop("plot", "run", "--kind", "filters", "--split", "val").code == 0
    activity = first_maps(run, run.data.validation.inputs).mean(axis=(0, 2, 3))
    order = np.argsort(-activity)
    np.testing.assert_array_equal(tiles_of(figures[0]), run.parameters["W1"][order, 0])
    assert [text.get_text() for text in figures[0].axes[0].texts] == [f"map {j + 1}" for j in order]


def test_the_patches_that_excite_a_map_most_are_those_of_nine_images(backprop, run, figures, monkeypatch):
    monkeypatch.setattr(signals, "CHUNK", 10_000)  # several pieces
    assert backprop("plot", "run", "--kind", "maximal").code == 0
    inputs = run.data.test.inputs
    a, images = first_maps(run, inputs), inputs.reshape(-1, 8, 8)
    drawn = {image.get_gid(): np.asarray(image.get_array()) for image in figures[0].axes[0].get_images()}
    for unit, maps in enumerate(a.swapaxes(0, 1)):
        best = np.argsort(-maps.max(axis=(1, 2)), kind="stable")[:9]
        mosaic = drawn[f"0,{unit}"]
        assert mosaic.shape == (11, 11)
        assert np.isnan(mosaic[3]).all()
        for number, row in enumerate(best):
            i, j = np.unravel_index(maps[row].argmax(), maps[row].shape)
            y, x = (4 * n for n in divmod(number, 3))
            np.testing.assert_array_equal(mosaic[y : y + 3, x : x + 3], images[row, i : i + 3, j : j + 3])


def test_maps_with_the_same_output_everywhere_have_no_patches(backprop, images, figures):
    assert backprop("train", images, "eta=100", "epochs=1", "--name", "dead").code == 0
    assert (first_maps(load_run("dead"), load_run("dead").data.test.inputs) == 0).all()
    assert backprop("plot", "dead", "--kind", "maximal").code == 0
    axis = figures[0].axes[0]
    assert axis.get_title(loc="left").endswith("6 maps of 6x6, of which 6 have the same output everywhere")
    assert not axis.get_images()


def test_the_patches_of_units_are_whole_images(backprop, tiny, figures):
    assert backprop("train", tiny, "--name", "dense").code == 0
    assert backprop("plot", "dense", "--kind", "maximal").code == 0
    run = load_run("dense")
    x = run.data.test.inputs
    z = x / 16 @ run.parameters["W1"].T + run.parameters["b1"]
    mosaic = tiles_of(figures[0])[3]
    assert mosaic.shape == (26, 26)
    np.testing.assert_array_equal(mosaic[:8, :8], x[z[:, 3].argmax()].reshape(8, 8))
    assert figures[0].axes[0].get_title(loc="left") == "layer 1: 12, sigmoid: 12 units"


@pytest.mark.parametrize(
    "layers",
    [
        (Conv2D(2, 3), MaxPool(2), Conv2D(2, 2)),
        (Conv2D(2, 3, stride=2, same=True), Conv2D(2, 4, same=True)),
        (MeanPool(3, 2), Conv2D(1, 2, stride=2)),
        (Conv2D(2, 4, stride=3, same=True), Upsample(2), Conv2D(1, 3, same=True), MaxPool(2)),
    ],
    ids=str,
)
def test_a_field_contains_exactly_the_rows_and_columns_that_a_signal_depends_on(layers):
    stages = [Stage(layer) for layer in layers]
    network = network_of((1, 13, 11), [*stages, Stage(Dense(1), LINEAR)])
    theta = np.random.default_rng(0).uniform(0.5, 1, network.layout.size)  # positive, so that nothing cancels
    place = len(layers)
    x = np.zeros((1, 1, 13, 11))

    def at(x):
        return network.forward(theta, x)[0][place][0, 0]

    for axis in (1, 2):
        for position in range(network.shapes[place][axis]):
            seen = []
            for row in range(x.shape[axis + 1]):
                changed = x.copy()
                np.moveaxis(changed[0], axis, 0)[row] = 1
                difference = np.moveaxis(at(changed) - at(x), axis - 1, 0)[position]
                seen += [row] * bool(np.abs(difference).max() > 1e-12)
            first, last = signals.field(network, place, axis, position)
            inside = [row for row in range(first, last + 1) if 0 <= row < x.shape[axis + 1]]
            assert seen == inside


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--kind", "maps", "--image", "300"), "the test split has images 0 to 299, not 300"),
        (("--kind", "maps", "--image", "-1"), "-1 is not in the range x>=0"),
        (("--kind", "filters", "--scale", "x"), "'x' is not one of 'common', 'each'"),
    ],
)
@pytest.mark.usefixtures("run")
def test_wrong_options_are_errors(backprop, words, message):
    done = backprop("plot", "run", *words)
    assert done.code == 2
    assert message in done.err


@pytest.mark.usefixtures("unrendered")
def test_networks_without_images_have_no_maps(backprop, tiny, tmp_path):
    (tmp_path / "xor.yaml").write_text("dataset: xor\nlayers: [2, 2, 1]\nepochs: 1\n")
    assert backprop("train", tiny, "--name", "dense").code == 0
    assert backprop("train", "xor.yaml", "--name", "xor").code == 0
    assert "dense: its network has no layers of images" in backprop("plot", "dense", "--kind", "maps").err
    for kind in ("maps", "maximal", "filters"):
        assert "xor: the inputs of xor are not images" in backprop("plot", "xor", "--kind", kind).err


@pytest.fixture
def coloured(tmp_path):
    """The config of a convolutional network for images of three channels."""
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "colours.npz", x=rng.integers(0, 256, (60, 3, 6, 5)).astype(np.uint8), y=np.arange(60) % 3)
    path = tmp_path / "colours.yaml"
    path.write_text(
        "dataset: {name: arrays, file: colours.npz}\nlayers: 3x6x5-conv4x3-3\nactivation: relu\noutput: sigmoid\n"
        "eta: 0.1\nepochs: 1\nbatch_size: 10\n"
    )
    return path


def in_colour(rows):
    """Images of the rows of a data set as matplotlib takes them, (n, h, w, 3)."""
    return np.moveaxis(rows.reshape(-1, 3, 6, 5), 1, -1)


def test_filters_images_and_patches_of_three_channels_are_in_colour(backprop, coloured, figures):
    assert backprop("train", coloured, "--name", "run").code == 0
    kinds = ("mistakes", "weights", "maps", "maximal")
    assert backprop("plot", "run", *(word for kind in kinds for word in ("--kind", kind))).code == 0
    run, drawn = load_run("run"), dict(zip(kinds, figures, strict=True))
    W, images = np.moveaxis(run.parameters["W1"], 1, -1), in_colour(run.data.test.inputs)
    limit = np.quantile(np.abs(W), 0.995)
    np.testing.assert_allclose(tiles_of(drawn["weights"]), np.clip((W / limit + 1) / 2, 0, 1), atol=1e-6)
    (axis,) = drawn["weights"].axes  # and no colour bar
    assert [text.get_text() for text in axis.texts] == [f"map {j}" for j in range(1, 5)]
    np.testing.assert_allclose(tiles_of(drawn["maps"])[0], images[0] / images[0].max())
    mistake = tiles_of(drawn["mistakes"])[0]
    assert min(np.abs(mistake - image / 255).max() for image in images) < 0.01
    patch = tiles_of(drawn["maximal"])[0][:3, :3]
    shown = [image[i : i + 3, j : j + 3] for image in images for i in range(4) for j in range(3)]
    assert min(np.abs(patch - one / images.max()).max() for one in shown) < 1e-6
    for kind, figure in drawn.items():
        assert style_bytes(figure, "png"), kind


def test_reconstructions_walks_and_the_manifold_may_be_in_colour(backprop, coloured, figures):
    words = ("layers=3x6x5-2-auto", "targets=inputs", "activation=tanh")
    assert backprop("train", coloured, *words, "--name", "run").code == 0
    kinds = ("reconstructions", "manifold", "walk")
    assert backprop("plot", "run", *(word for kind in kinds for word in ("--kind", kind))).code == 0
    x = in_colour(load_run("run").data.test.inputs) / 255
    reconstructions, manifold, walk = figures
    np.testing.assert_allclose(tiles_of(reconstructions)[0], x[0] / x.max(), atol=1e-6)
    assert tiles_of(manifold)[0].shape == (16 * 8, 16 * 7, 3)
    np.testing.assert_allclose(tiles_of(walk)[0], x[0] / x.max(), atol=1e-6)
    np.testing.assert_allclose(tiles_of(walk)[10], x[1] / x.max(), atol=1e-6)


def test_samples_of_coloured_images_are_in_colour(backprop, coloured, monkeypatch):
    found = []
    monkeypatch.setattr("backprop_cli.plots.samples.to_bytes", lambda figure, format: found.append(figure) or b"")
    assert backprop("train", coloured, "layers=3x6x5-4", "cost=cd", "--name", "run").code == 0
    assert backprop("sample", "run", "--steps", 2, "--rows", 3, "--chains", 4).code == 0
    images = tiles_of(found[0])
    assert (len(images), images[0].shape) == (12, (6, 5, 3))
    x = in_colour(load_run("run").data.test.inputs) / 255
    assert min(np.abs(images[0] - image).max() for image in x) < 1e-6
