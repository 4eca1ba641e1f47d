"""Convolution, pooling and upsampling against PyTorch, SciPy and dense matrices."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import correlate2d

from backprop_cli.errors import UsageError
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.layers.convolution import Conv2D
from backprop_cli.nn.layers.dense import Dense
from backprop_cli.nn.layers.pooling import MaxPool, MeanPool
from backprop_cli.nn.layers.upsampling import Upsample
from backprop_cli.nn.network import Network
from backprop_cli.nn.parameters import GradientSum, Params
from backprop_cli.objectives.costs import COSTS
from backprop_cli.objectives.objective import Backpropagation, Objective

RNG = np.random.default_rng(0)
TORCH = json.loads((Path(__file__).parent / "torch_images.json").read_text())
KINDS = {"conv": Conv2D, "max": MaxPool, "mean": MeanPool, "up": Upsample}
LINEAR = [
    Conv2D(3, 3),
    Conv2D(2, 2, stride=2),
    Conv2D(2, 3, same=True),
    Conv2D(1, 2, stride=3, same=True),
    Conv2D(2, 4, stride=2, same=True),
    MeanPool(2),
    MeanPool(3, stride=1),
    MeanPool(2, stride=3),
    Upsample(2),
]


def parameters(layer, in_shape, draw=RNG.standard_normal):
    return Params({parameter.name: draw(parameter.shape) for parameter in layer.build(in_shape)[1]})


def backward(layer, p, cache, delta):
    grad = Params({name: np.zeros_like(array) for name, array in p.items()})
    return layer.backward(p, cache, delta, GradientSum(grad)), grad


@pytest.mark.parametrize("name", TORCH)
def test_a_layer_computes_what_pytorch_computes(name):
    case = {key: np.array(value, float) for key, value in TORCH[name].items() if key != "options"}
    kind = name.split()[0].rstrip(",")
    options = TORCH[name]["options"]
    layer = KINDS[kind](**options)
    p = Params({key: case[key] for key in ("W", "b") if key in case})
    factor = options["size"] ** 2 if kind == "mean" else 1  # the recorded numbers are sums, which are integers
    y, cache = layer.forward(p, case["x"])
    dx, grad = backward(layer, p, cache, case["delta"])
    assert layer.build(case["x"].shape[1:])[0] == case["y"].shape[1:]
    np.testing.assert_array_equal(factor * y, case["y"])
    np.testing.assert_array_equal(factor * dx, case["dx"])
    for key, array in grad.items():
        np.testing.assert_array_equal(array, case[f"d{key}"])


@pytest.mark.parametrize(("stride", "same", "size"), [(1, False, 3), (2, False, 2), (1, True, 3), (1, False, 1)])
def test_a_convolution_is_a_correlation_summed_over_channels(stride, same, size):
    layer, x = Conv2D(4, size, stride, same), RNG.standard_normal((3, 2, 7, 6))
    p = parameters(layer, x.shape[1:])
    z, _ = layer.forward(p, x)
    for m, f in np.ndindex(3, 4):
        maps = [correlate2d(x[m, c], p.W[f, c], "same" if same else "valid") for c in range(2)]
        np.testing.assert_allclose(z[m, f], sum(maps)[::stride, ::stride] + p.b[f], atol=1e-12)


@pytest.mark.parametrize("layer", LINEAR, ids=str)
def test_backward_is_the_adjoint_of_forward(layer):
    x = RNG.standard_normal((4, 2, 7, 6))
    p = parameters(layer, x.shape[1:])
    zero, _ = layer.forward(p, 0 * x)
    y, cache = layer.forward(p, x)
    delta = RNG.standard_normal(y.shape)
    dx, _ = backward(layer, p, cache, delta)
    assert np.vdot(y - zero, delta) == pytest.approx(np.vdot(x, dx), rel=1e-12)


@pytest.mark.parametrize("layer", LINEAR, ids=str)
def test_a_layer_is_a_matrix_whose_entries_are_shared(layer):
    """Build the dense matrix from unit images; BP4 of the convolution sums that of the matrix over equal entries."""
    in_shape = (2, 5, 4)
    p = parameters(layer, in_shape)
    units = np.eye(40).reshape(40, *in_shape)
    matrix = (layer.forward(p, units)[0] - layer.forward(p, 0 * units)[0]).reshape(40, -1).T
    x = RNG.standard_normal((3, *in_shape))
    y, cache = layer.forward(p, x)
    delta = RNG.standard_normal(y.shape)
    flat = delta.reshape(3, -1)
    dx, grad = backward(layer, p, cache, delta)
    np.testing.assert_allclose(dx.reshape(3, -1), flat @ matrix, atol=1e-12)
    for index in np.ndindex(p["W"].shape) if p else ():
        one = Params(W=np.zeros_like(p.W), b=np.zeros_like(p.b))
        one.W[index] = 1
        copies = layer.forward(one, units)[0].reshape(40, -1).T  # 1 wherever the matrix has this weight
        assert grad.W[index] == pytest.approx(np.sum(copies * (flat.T @ x.reshape(3, -1))), abs=1e-11)


def test_max_pooling_passes_the_gradient_to_the_place_of_the_maximum():
    x = RNG.standard_normal((3, 2, 6, 4))
    layer = MaxPool(2)
    y, cache = layer.forward(Params(), x)
    delta = RNG.standard_normal(y.shape)
    dx, _ = backward(layer, Params(), cache, delta)
    assert np.count_nonzero(dx) == delta.size
    np.testing.assert_allclose(x[dx != 0].sum(), y.sum())
    assert np.vdot(y, delta) == pytest.approx(np.vdot(x, dx), rel=1e-12)


@pytest.mark.parametrize("layer", [MaxPool(2), MaxPool(3, stride=1)], ids=str)
def test_the_first_of_equal_maxima_gets_the_whole_gradient(layer):
    y, cache = layer.forward(Params(), np.full((1, 1, 4, 4), 0.5))
    dx, _ = backward(layer, Params(), cache, np.ones_like(y))
    expected = np.zeros((4, 4))
    last = 4 - layer.size + 1
    expected[: last : layer.windows.stride, : last : layer.windows.stride] = 1
    np.testing.assert_array_equal(dx[0, 0], expected)


def test_overlapping_windows_add_their_gradients():
    x = np.zeros((1, 1, 3, 3))
    x[0, 0, 1, 1] = 1
    layer = MaxPool(2, stride=1)
    y, cache = layer.forward(Params(), x)
    dx, _ = backward(layer, Params(), cache, np.array([[[[1.0, 2], [3, 4]]]]))
    np.testing.assert_array_equal(dx[0, 0], [[0, 0, 0], [0, 10, 0], [0, 0, 0]])


def test_shifting_an_image_by_the_stride_shifts_its_maps():
    layer, x = Conv2D(3, 3, stride=2), RNG.standard_normal((2, 1, 12, 12))
    p = parameters(layer, (1, 12, 12))
    z, _ = layer.forward(p, x[..., :-2, :-2])
    shifted, _ = layer.forward(p, x[..., 2:, 2:])
    np.testing.assert_allclose(z[..., 1:, 1:], shifted[..., :-1, :-1], atol=1e-13)


def images_and(layers, in_shape=(1, 4, 4)):
    network = Network(in_shape, layers, ACTIVATIONS["softmax"])
    return Objective(Backpropagation(network, COSTS["cross_entropy"]()))


def test_a_kernel_as_large_as_the_image_makes_a_dense_layer():
    """The same weights give the same costs in every step of training."""
    conv = images_and((Conv2D(5, 4), ACTIVATIONS["tanh"], Dense(3)))
    dense = images_and((Dense(5), ACTIVATIONS["tanh"], Dense(3)), in_shape=(16,))
    assert conv.layout.size == dense.layout.size
    thetas = [RNG.standard_normal(conv.layout.size)] * 2
    x, y = RNG.standard_normal((8, 16)), np.eye(3)[RNG.integers(0, 3, 8)]
    for _ in range(50):
        costs = [objective.value(theta, x, y) for objective, theta in zip((conv, dense), thetas, strict=True)]
        assert costs[0] == pytest.approx(costs[1], rel=1e-12)
        gradients = [objective.gradient(theta, x, y) for objective, theta in zip((conv, dense), thetas, strict=True)]
        thetas = [theta - 0.5 * gradient for theta, gradient in zip(thetas, gradients, strict=True)]
    assert costs[0] < 0.2


def test_images_may_be_given_flat_with_rows_and_columns_or_with_channels():
    objective = images_and((Conv2D(2, 3), MaxPool(2), Dense(3)), in_shape=(1, 6, 4))
    plain = images_and((Conv2D(2, 3), MaxPool(2), Dense(3)), in_shape=(6, 4))
    theta, y = RNG.standard_normal(objective.layout.size), np.eye(3)[:1]
    x = RNG.standard_normal((1, 24))
    expected = objective.gradient(theta, x, y)
    np.testing.assert_array_equal(objective.gradient(theta, x.reshape(1, 1, 6, 4), y), expected)
    np.testing.assert_array_equal(plain.gradient(theta, x.reshape(1, 6, 4), y), expected)


@pytest.mark.parametrize(
    ("layers", "in_shape", "count"),
    [  # Nielsen, chapter 6; mnist_convnet and mnist_cnn of the Keras examples
        ((Conv2D(20, 5), MaxPool(2), Dense(100), Dense(10)), (1, 28, 28), 289_630),
        ((Conv2D(32, 3), MaxPool(2), Conv2D(64, 3), MaxPool(2), Dense(10)), (1, 28, 28), 34_826),
        ((Conv2D(32, 3), Conv2D(64, 3), MaxPool(2), Dense(128), Dense(10)), (1, 28, 28), 1_199_882),
    ],
    ids=["nielsen", "mnist_convnet", "mnist_cnn"],
)
def test_published_networks_have_the_published_numbers_of_parameters(layers, in_shape, count):
    assert Network(in_shape, layers, ACTIVATIONS["softmax"]).layout.size == count


def test_initializers_scale_by_the_inputs_and_outputs_of_a_kernel():
    W, b = Conv2D(20, 5).build((3, 28, 28))[1]
    assert (W.fan_in, W.fan_out, b.fan_in) == (75, 500, 75)


@pytest.mark.parametrize(
    ("layer", "in_shape", "message"),
    [
        (Conv2D(2, 5), (1, 4, 8), "has windows of 5x5, but its input is 4x8; use 4 or less"),
        (MaxPool(3), (2, 2, 5), "has windows of 3x3, but its input is 2x5; use 2 or less"),
        (Conv2D(2, 5), (64,), "needs images as its input, not 64 numbers"),
        (Upsample(2), (64,), "needs images as its input, not 64 numbers"),
    ],
)
def test_a_layer_refuses_inputs_that_do_not_fit(layer, in_shape, message):
    with pytest.raises(UsageError, match=message):
        Network(in_shape, (layer,), ACTIVATIONS["softmax"]).layout  # noqa: B018 - is built, and fails


def test_windows_of_same_pooling_reach_over_the_edge_and_have_fewer_numbers():
    x = np.random.default_rng(0).normal(size=(3, 2, 7, 5))
    padded = np.pad(x, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=-np.inf)
    layer = MaxPool(2, same=True)
    y, cache = layer.forward(Params(), x)
    assert layer.build((2, 7, 5)) == ((2, 4, 3), ())
    np.testing.assert_array_equal(y, padded.reshape(3, 2, 4, 2, 3, 2).max(axis=(3, 5)))
    dx = layer.backward(Params(), cache, np.ones_like(y), None)
    assert dx.shape == x.shape
    assert np.sum(dx) == y.size
    assert np.all(dx[x < np.repeat(np.repeat(y, 2, axis=2), 2, axis=3)[:, :, :7, :5]] == 0)


def test_same_pooling_gives_every_gradient_to_one_place_where_all_are_equal():
    layer = MaxPool(2, same=True)
    y, cache = layer.forward(Params(), np.zeros((1, 1, 3, 3)))
    dx = layer.backward(Params(), cache, np.ones_like(y), None)
    np.testing.assert_array_equal(dx[0, 0], [[1, 0, 1], [0, 0, 0], [1, 0, 1]])
