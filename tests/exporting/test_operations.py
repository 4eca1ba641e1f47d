"""Every layer and activation in every format, against the functions of the program."""

import numpy as np
import pytest

from backprop_cli.errors import UsageError
from backprop_cli.exporting.description import Description, Step, steps_of
from backprop_cli.exporting.formats import FORMATS, export_bytes, format_of
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.layers.convolution import Conv2D
from backprop_cli.nn.layers.dense import Dense
from backprop_cli.nn.layers.dropout import Dropout
from backprop_cli.nn.layers.pooling import MaxPool, MeanPool
from backprop_cli.nn.layers.upsampling import Upsample
from backprop_cli.nn.network import Network, dense_network
from tests.exporting.conftest import NEEDS, REFUSED

TANH = ACTIVATIONS["tanh"]
LAYERS = [Dense(3), Dropout(0.5), Conv2D(2, 3), MaxPool(2), MeanPool(2), Upsample(2)]
IMAGES = {
    "conv, max": (Conv2D(4, 3), TANH, MaxPool(2)),
    "same, overlapping max": (Conv2D(3, 5, same=True), TANH, MaxPool(3, 2)),
    "even same, mean": (Conv2D(3, 2, same=True), TANH, MeanPool(2)),
    "stride, upsampling": (Conv2D(3, 3, stride=2, same=True), TANH, Upsample(2), Dropout(0.5), Conv2D(2, 2)),
    "remainders": (MaxPool(3), Conv2D(2, 2, stride=2)),
}


def network(activation, W, b):
    n, n_in = W.shape
    steps = (Step("dense", (n_in,), (n,), {"W": W, "b": b}), Step(activation, (n,), (n,)))
    return Description("numbers", n_in, 0.5, steps, "float32")


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_registered_layer_and_activation_is_expressed_or_known_to_be_refused(suffix, tmp_path):
    registered = {part.operation for part in (*LAYERS, *ACTIVATIONS.values())}
    path = tmp_path / f"net{suffix}"
    assert registered - set(format_of(path).OPERATIONS) == REFUSED.get(suffix, set())
    for name in REFUSED[suffix] & set(ACTIVATIONS) if suffix in REFUSED else ():
        with pytest.raises(UsageError, match=f"activation '{name}'; use .onnx, .html, .h"):
            export_bytes(network(name, np.eye(2), np.zeros(2)), path)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_agree_with_the_program_also_where_they_saturate(name, suffix, tmp_path, reader):
    reader(suffix)
    if name in REFUSED.get(suffix, ()):
        pytest.skip("refused")
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 4, (40, 5)), [[-2000, 2000, 0, 1e-3, -60]], np.zeros((1, 5))]).astype(np.float32)
    x[-3:, 3] = [0.25, -0.5, 20]
    net = network(ACTIVATIONS[name].operation, np.eye(5, dtype=np.float32), np.zeros(5, np.float32))
    path = tmp_path / f"net{suffix}"
    path.write_bytes(export_bytes(net, path))
    z = x.astype(np.float64) / 2  # up to ±1000
    np.testing.assert_allclose(format_of(path).run(path, net, x), ACTIVATIONS[name].value(z), rtol=1e-5, atol=5e-7)


@pytest.mark.parametrize("suffix", FORMATS)
def test_layers_agree_with_the_program(suffix, tmp_path, reader):
    reader(suffix)
    rng = np.random.default_rng(1)
    activations = [ACTIVATIONS[name] for name in ("tanh", "elu", "identity")]
    ours = dense_network([7, 40, 3, 6], activations, dropouts=[0.2, 0.5, 0.0])
    theta = rng.normal(size=ours.layout.size).astype(np.float32)
    net = Description("numbers", 7, 1.0, tuple(steps_of(ours, theta)), "float32")
    path = tmp_path / f"net{suffix}"
    path.write_bytes(export_bytes(net, path))
    x = rng.normal(size=(50, 7)).astype(np.float32)
    np.testing.assert_allclose(format_of(path).run(path, net, x), ours.outputs(theta, x), rtol=1e-4, atol=1e-5)


def of_images(layers):
    rng = np.random.default_rng(2)
    ours = Network((2, 9, 7), (*layers, Dense(3)), ACTIVATIONS["softmax"])
    theta = rng.normal(size=ours.layout.size).astype(np.float32)
    x = rng.normal(size=(20, 126)).astype(np.float32)
    return Description("images", 126, 1.0, tuple(steps_of(ours, theta)), "float32"), x, ours.outputs(theta, x)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@pytest.mark.parametrize("suffix", [".onnx", ".safetensors"])
@pytest.mark.parametrize("name", IMAGES)
def test_layers_of_images_agree_with_the_program(name, suffix, tmp_path, reader):
    reader(suffix)
    net, x, expected = of_images(IMAGES[name])
    path = tmp_path / f"net{suffix}"
    path.write_bytes(export_bytes(net, path))
    np.testing.assert_allclose(format_of(path).run(path, net, x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("suffix", [".html", ".h"])
def test_a_page_and_a_header_refuse_convolutions_and_say_what_to_use(suffix, tmp_path):
    net, _, _ = of_images(IMAGES["conv, max"])
    with pytest.raises(UsageError, match=f"{suffix} files cannot express .* 'conv2d'; use .onnx, .safetensors"):
        export_bytes(net, tmp_path / f"net{suffix}")


def test_zeros_on_one_side_with_a_stride_are_refused_by_pytorch_and_agree_in_onnx(tmp_path, reader):
    net, x, expected = of_images((Conv2D(2, 4, stride=2, same=True),))
    with pytest.raises(UsageError, match="cannot express zeros on one side with a stride; use .onnx"):
        export_bytes(net, tmp_path / "net.safetensors")
    reader(".onnx")
    path = tmp_path / "net.onnx"
    path.write_bytes(export_bytes(net, path))
    np.testing.assert_allclose(format_of(path).run(path, net, x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_layer_that_a_format_does_not_know_is_named(suffix, tmp_path):
    with pytest.raises(UsageError, match="cannot express the layer or activation 'whirl'"):
        export_bytes(network("whirl", np.eye(2), np.zeros(2)), tmp_path / f"net{suffix}")


@pytest.mark.parametrize("suffix", [".onnx", ".html", ".h"])
def test_parameters_beyond_float32_are_refused(suffix, tmp_path):
    with pytest.raises(UsageError, match="too large for float32"):
        export_bytes(network("tanh", np.eye(2) * 1e39, np.zeros(2)), tmp_path / f"net{suffix}")


def test_every_format_has_a_program_that_checks_it():
    assert FORMATS.keys() == NEEDS.keys()
