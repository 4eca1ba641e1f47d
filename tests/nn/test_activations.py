import math

import numpy as np
import pytest

from backprop_cli.nn.activations import ACTIVATIONS, HIDDEN

BY_HAND = {
    "sigmoid": lambda z: 1 / (1 + math.exp(-z)),
    "tanh": math.tanh,
    "relu": lambda z: z if z > 0 else 0.0,
    "leaky_relu": lambda z: z if z > 0 else 0.01 * z,
    "elu": lambda z: z if z > 0 else math.exp(z) - 1,
    "identity": lambda z: z,
}
Z = np.array([-5.0, -1.3, -0.2, 0.4, 1.0, 6.0])


@pytest.mark.parametrize("f", HIDDEN.values(), ids=lambda f: f.name)
def test_an_activation_is_the_function_of_its_name(f):
    np.testing.assert_allclose(f.value(Z), [BY_HAND[f.name](z) for z in Z], rtol=1e-14)


@pytest.mark.parametrize("f", HIDDEN.values(), ids=lambda f: f.name)
def test_pulling_back_multiplies_by_the_slope(f):
    h = 1e-6
    slope = (f.value(Z + h) - f.value(Z - h)) / (2 * h)
    g = np.array([3.0, -1.0, 2.0, 0.5, 1.0, -4.0])
    np.testing.assert_allclose(f.pull_back(Z, f.value(Z), g.copy()), g * slope, atol=1e-8)


def test_softmax_is_positive_sums_to_one_and_ignores_a_common_shift():
    softmax = ACTIVATIONS["softmax"]
    a = softmax.value(np.array([[1.0, 2.0, 3.0]]))
    weights = [math.exp(k) for k in (1, 2, 3)]
    np.testing.assert_allclose(a[0], [w / sum(weights) for w in weights], rtol=1e-14)
    np.testing.assert_allclose(softmax.value(np.array([[1001.0, 1002.0, 1003.0]])), a, rtol=1e-14)


def test_softmax_pulls_back_through_its_whole_jacobian():
    softmax = ACTIVATIONS["softmax"]
    z, g, h = np.array([[0.3, -1.0, 0.7]]), np.array([[1.0, -2.0, 0.5]]), 1e-6
    steps = h * np.eye(3)[:, None, :]
    expected = [((softmax.value(z + s) - softmax.value(z - s)) / (2 * h) * g).sum() for s in steps]
    np.testing.assert_allclose(softmax.pull_back(z, softmax.value(z), g)[0], expected, atol=1e-9)


@pytest.mark.parametrize("f", ACTIVATIONS.values(), ids=lambda f: f.name)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_inputs_give_finite_outputs_without_a_warning(f, dtype):
    z = np.array([[-1000, 0, 1000]], dtype)
    a = f.value(z)
    assert a.dtype == dtype
    assert np.isfinite(a).all()
    assert np.isfinite(f.pull_back(z, a, np.ones_like(a))).all()
