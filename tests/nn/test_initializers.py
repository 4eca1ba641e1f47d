import numpy as np
import pytest

from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.initializers import INITIALIZERS
from backprop_cli.nn.network import dense_network

N_IN, N_OUT = 400, 900
EXPECTED = {
    "scaled": (1 / 20, 1.0),
    "normal": (1.0, 1.0),
    "xavier": ((2 / 1300) ** 0.5, 0.0),
    "he": ((1 / 200) ** 0.5, 0.0),
    "zeros": (0.0, 0.0),
}


def start(name, dtype="float64"):
    network = dense_network((N_IN, N_OUT), [ACTIVATIONS["identity"]])
    theta = network.initialize(INITIALIZERS[name], np.random.default_rng(5), dtype)
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
