"""The fast layers of images against the textbook's."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from backprop_cli.engine.gradients import descent_of, gradient_of
from backprop_cli.engine.recording import Recording
from backprop_cli.image_layers.layers import Convolution, ConvolutionAndMaxPool, SquareMaxPool, fast
from backprop_cli.image_layers.patches import AT_ONCE, Patches
from backprop_cli.nn.activations import ACTIVATIONS, HIDDEN
from backprop_cli.nn.layers.convolution import Conv2D
from backprop_cli.nn.layers.dense import Dense
from backprop_cli.nn.layers.pooling import MaxPool, MeanPool
from backprop_cli.nn.layers.upsampling import Upsample
from backprop_cli.nn.layers.windows import Windows
from backprop_cli.nn.network import Network
from backprop_cli.objectives.costs import CrossEntropy
from backprop_cli.objectives.objective import Backpropagation, Objective
from backprop_cli.objectives.penalties import PENALTIES

TANH, GELU = ACTIVATIONS["tanh"], ACTIVATIONS["gelu"]
LAYERS = {
    "conv": (Conv2D(3, 3), TANH),
    "conv stride same": (Conv2D(3, 3, stride=2, same=True), TANH),
    "conv stride": (Conv2D(3, 2, stride=2), TANH),
    "conv, max": (Conv2D(3, 3), TANH, MaxPool(2)),
    "conv even, max": (Conv2D(3, 2), TANH, MaxPool(2)),
    "conv same, max": (Conv2D(3, 3, same=True), TANH, MaxPool(2, 2)),
    "conv, max without activation": (Conv2D(3, 3), MaxPool(2)),
    "conv, not monotone, max": (Conv2D(3, 3), GELU, MaxPool(2)),
    "conv, overlapping max": (Conv2D(3, 3), TANH, MaxPool(3, stride=1)),
    "conv, mean, conv, up": (Conv2D(3, 3), TANH, MeanPool(2), Conv2D(2, 2), TANH, Upsample(2)),
    "conv, conv, max": (Conv2D(2, 2), TANH, Conv2D(4, 3), TANH, MaxPool(2)),
    "conv, conv stride": (Conv2D(2, 2), TANH, Conv2D(3, 3, stride=2), TANH),
    "conv, conv stride, max": (Conv2D(2, 2), TANH, Conv2D(3, 2, stride=2), TANH, MaxPool(2)),
    "twice": (Conv2D(3, 3), TANH, MaxPool(2), Conv2D(4, 2), TANH, MaxPool(2)),
    "twice, second same": (Conv2D(3, 3), TANH, MaxPool(2), Conv2D(4, 3, same=True), TANH, MaxPool(2)),
}
SHAPE = (2, 9, 8)


@pytest.fixture(params=["all windows at once", "some windows at a time"])
def parts(request, monkeypatch):
    if request.param == "some windows at a time":
        monkeypatch.setattr("backprop_cli.image_layers.patches.AT_ONCE", 150)


@pytest.fixture(params=["few filters", "many filters"])
def filters(request, monkeypatch):
    if request.param == "many filters":
        monkeypatch.setattr("backprop_cli.image_layers.layers.MANY_FILTERS", 2)


@pytest.fixture(params=[1, 2, 3], ids="{} threads".format)
def lanes(request, monkeypatch):
    monkeypatch.setattr("backprop_cli.engine.optimize.SHARED", 20)
    return request.param


both = pytest.mark.usefixtures("parts", "filters")


def objective_of(layers, penalties=()):
    network = Network(SHAPE, (*layers, Dense(4), TANH, Dense(3)), ACTIVATIONS["softmax"])
    return Objective(Backpropagation(network, CrossEntropy()), tuple((PENALTIES[name], 0.1) for name in penalties))


def example_of(objective, m, seed=0):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((m, *SHAPE)).reshape(m, -1), np.eye(3)[rng.integers(0, 3, m)]
    return rng.standard_normal(objective.layout.size) / 2, x, y


def fast_form(objective):
    return replace(objective, estimator=fast(objective.estimator))


def layers_of(objective):
    return [type(layer) for layer in objective.estimator.network.layers]


@both
@pytest.mark.parametrize("m", [1, 7])
@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
def test_fast_layers_give_the_costs_and_the_gradient_of_the_textbook(layers, m):
    objective = objective_of(layers)
    theta, x, y = example_of(objective, m)
    quick = fast_form(objective)
    assert layers_of(quick) != layers_of(objective)
    assert [e.name for e in quick.layout.entries] == [e.name for e in objective.layout.entries]
    expected = objective.gradient(theta, x, y)
    assert quick.value(theta, x, y) == pytest.approx(objective.value(theta, x, y), rel=1e-12)
    np.testing.assert_allclose(quick.gradient(theta, x, y), expected, rtol=1e-10, atol=1e-14)


@both
@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
def test_recorded_layers_give_the_gradient_of_the_textbook_for_new_numbers(layers, lanes):
    objective, m = objective_of(layers), 7
    theta, x, y = example_of(objective, m)
    for form in (objective, fast_form(objective)):
        recording, grad = Recording(lanes=lanes), np.zeros_like(theta)
        held = [array.copy() for array in (theta, x, y)]
        sinks = gradient_of(recording, form.layout, recording.watch(grad))
        found = form.estimator.estimate(*map(recording.watch, held), sinks, weight=1 / m)
        replay = recording.finish(found.costs)
        for seed in range(3):
            for array, new in zip(held, example_of(objective, m, seed), strict=True):
                array[...] = new
            replay()
            np.testing.assert_allclose(grad, objective.gradient(*held), rtol=1e-9, atol=1e-13)
            assert replay.results[0].mean() == pytest.approx(objective.value(*held), rel=1e-12)


@both
@pytest.mark.parametrize("penalties", [(), ("l2",), ("l1",), ("l1", "l2")], ids=str)
def test_a_recorded_step_of_descent_is_that_of_the_textbook(penalties, lanes):
    objective, m = objective_of(LAYERS["twice"], penalties), 5
    theta, x, y = example_of(objective, m)
    expected = theta - 0.5 * objective.gradient(theta, x, y)
    quick, recording, eta = fast_form(objective), Recording(lanes=lanes), np.asarray(0.5)
    watched, rate = recording.watch(theta), recording.watch(eta)
    sinks = descent_of(recording, quick, watched, rate)
    quick.estimator.estimate(watched, recording.watch(x), recording.watch(y), sinks, weight=rate / m)
    recording.finish()()
    np.testing.assert_allclose(theta, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", HIDDEN)
def test_pooling_is_fused_where_the_activation_falls_nowhere(name):
    layers = layers_of(fast_form(objective_of((Conv2D(3, 3), ACTIVATIONS[name], MaxPool(2)))))
    z = np.linspace(-10, 10, 10_001)
    falls = np.any(np.diff(ACTIVATIONS[name].value(z)) < -1e-12)
    assert layers[0] is (Convolution if falls or ACTIVATIONS[name].random else ConvolutionAndMaxPool)


@both
def test_equal_maxima_are_passed_the_gradient_once():
    """Windows of background are equal numbers: the first gets all, as in the textbook."""
    objective = objective_of(LAYERS["conv, max"])
    theta, x, y = example_of(objective, 3)
    x[:] = 0.25
    np.testing.assert_allclose(fast_form(objective).gradient(theta, x, y), objective.gradient(theta, x, y), atol=1e-14)


def test_convolutions_with_many_filters_are_not_fused_with_their_pooling():
    layers = layers_of(fast_form(objective_of((Conv2D(32, 3), TANH, MaxPool(2), Conv2D(31, 2), MaxPool(2)))))
    assert layers[:4] == [Convolution, SquareMaxPool, type(TANH), ConvolutionAndMaxPool]


def test_patches_take_little_memory_however_many_there_are():
    images = np.arange(3 * 40 * 41 * 50, dtype=np.float32).reshape(3, 40, 41, 50)
    patches = Patches(images, Windows(5, 2))
    parts = [(part, some.copy()) for part, some in patches.parts()]
    assert len(parts) > 2
    assert max(some.size for _, some in parts) <= 1.5 * AT_ONCE
    found = np.zeros((5, 5, 3, *patches.shape))
    for (_, rows, columns), some in parts:
        found[..., rows, columns, :] += np.moveaxis(some, 0, 2)
    expected = sliding_window_view(images, (5, 5), axis=(1, 2))[:, ::2, ::2]
    assert np.array_equal(found, np.moveaxis(expected, (-2, -1, 0), (0, 1, 2)))


@both
def test_of_equal_maxima_with_unlike_patches_the_first_gets_the_gradient():
    objective = objective_of(LAYERS["conv, conv, max"])
    theta, x, y = example_of(objective, 3)
    objective.layout.named(theta)["W2"][...] = 0  # all z are the bias
    np.testing.assert_allclose(fast_form(objective).gradient(theta, x, y), objective.gradient(theta, x, y), atol=1e-14)


def test_dense_networks_stay_as_they_are():
    objective = objective_of(())
    assert fast(objective.estimator) is objective.estimator
