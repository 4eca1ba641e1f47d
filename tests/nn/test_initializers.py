import numpy as np
import pytest

from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.initializers import INITIALIZERS, He, Normal, Scaled, Uniform, Xavier, Zeros
from backprop_cli.nn.layers.convolution import Conv2D
from backprop_cli.nn.layers.dense import Dense
from backprop_cli.nn.layers.pooling import MaxPool
from backprop_cli.nn.network import Stage, dense_network, network_of

N_IN, N_OUT = 400, 900
EXPECTED = {
    "scaled": (1 / 20, 1.0),
    "normal": (1.0, 1.0),
    "xavier": ((2 / 1300) ** 0.5, 0.0),
    "uniform": (0.05 / 3**0.5, 0.0),
    "he": ((1 / 200) ** 0.5, 0.0),
    "zeros": (0.0, 0.0),
}


def start(name, dtype="float64"):
    network = dense_network((N_IN, N_OUT), [ACTIVATIONS["identity"]])
    theta = network.initialize(INITIALIZERS[name](), np.random.default_rng(5), dtype)
    return network.layout.named(theta).values()


def test_every_initializer_has_an_expected_spread():
    assert set(EXPECTED) == set(INITIALIZERS)


@pytest.mark.parametrize("name", EXPECTED)
def test_weights_and_biases_have_the_spread_of_their_definition(name):
    W, b = start(name)
    weight_std, bias_std = EXPECTED[name]
    assert W.std() == pytest.approx(weight_std, rel=0.01)
    assert b.std() == pytest.approx(bias_std, rel=0.1)
    assert abs(W.mean()) <= 4 * weight_std / W.size**0.5


def test_float32_starts_where_float64_does():
    for single, double in zip(start("scaled", "float32"), start("scaled"), strict=True):
        np.testing.assert_array_equal(single, double.astype("float32"))


def drawn(initializer, others=None):
    """Return the parameters of 28x28-conv20x5-max2-100-10 by name."""
    f = ACTIVATIONS["sigmoid"]
    stages = [Stage(Conv2D(20, 5), f), Stage(MaxPool(2)), Stage(Dense(100), f), Stage(Dense(10), f)]
    network = network_of((1, 28, 28), stages)
    return network.layout.named(network.initialize(initializer, np.random.default_rng(5), "float64", others))


def test_a_word_draws_what_it_drew_before_it_had_options():
    W, b = start("scaled")
    rng = np.random.default_rng(5)
    np.testing.assert_array_equal(W, N_IN**-0.5 * rng.standard_normal((N_OUT, N_IN)))
    np.testing.assert_array_equal(b, 1.0 * rng.standard_normal(N_OUT))


def test_weights_scaled_by_outputs_count_the_maps_of_a_convolution_after_pooling():
    """Nielsen's conv.py: standard deviation √(1/(20 · 25/4)) = 0.0894 for 20 maps of 5 x 5 under a pool of 2 x 2."""
    theta = drawn(Scaled(fan="out"))
    assert theta["W1"].std() == pytest.approx(0.0894, rel=0.1)
    assert theta["W2"].std() == pytest.approx(1 / 10, rel=0.01)
    assert theta["b2"].std() == pytest.approx(1.0, rel=0.2)


@pytest.mark.parametrize(
    ("initializer", "limits"),
    [
        (Xavier(distribution="uniform"), [(6 / (25 + 500)) ** 0.5, (6 / (2880 + 100)) ** 0.5]),  # Keras
        (Xavier(distribution="uniform", pooled=True), [(6 / (25 + 125)) ** 0.5, (6 / (2880 + 100)) ** 0.5]),  # Theano
        (Xavier(distribution="uniform", gain=4), [4 * (6 / (25 + 500)) ** 0.5, 4 * (6 / (2880 + 100)) ** 0.5]),
        (He(distribution="uniform"), [(6 / 25) ** 0.5, (6 / 2880) ** 0.5]),
        (Uniform(limit=0.2), [0.2, 0.2]),
    ],
    ids=["keras", "theano", "gain", "he", "limit"],
)
def test_uniform_weights_fill_the_interval_of_their_definition(initializer, limits):
    theta = drawn(initializer)
    for name, limit in zip(("W1", "W2"), limits, strict=True):
        largest = np.abs(theta[name]).max()
        assert 0.98 * limit < largest <= limit
        assert theta[name].std() == pytest.approx(limit / 3**0.5, rel=0.05)


def test_sigma_and_bias_are_standard_deviations():
    theta = drawn(Normal(sigma=0.01, bias=0.0))
    assert theta["W2"].std() == pytest.approx(0.01, rel=0.01)
    assert not theta["b2"].any()


def test_a_layer_can_have_an_initializer_of_its_own_and_the_others_keep_theirs():
    plain, theta = drawn(Scaled()), drawn(Scaled(), {2: Zeros()})
    assert not theta["W3"].any()
    assert not theta["b3"].any()
    for name in ("W1", "b1", "W2", "b2"):
        np.testing.assert_array_equal(theta[name], plain[name])
