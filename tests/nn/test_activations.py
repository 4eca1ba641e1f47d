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
    "selu": lambda z: 1.0507009873554805 * (z if z > 0 else 1.6732632423543772 * (math.exp(z) - 1)),
    "softplus": lambda z: math.log(1 + math.exp(z)),
    "gelu": lambda z: z / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))),
    "silu": lambda z: z / (1 + math.exp(-z)),
    "identity": lambda z: z,
    "bernoulli": lambda z: 1 / (1 + math.exp(-z)),
}
Z = np.array([-5.0, -1.3, -0.2, 0.4, 1.0, 6.0])


@pytest.mark.parametrize("f", HIDDEN.values(), ids=lambda f: f.name)
def test_an_activation_is_the_function_of_its_name(f):
    np.testing.assert_allclose(f.value(Z), [BY_HAND[f.name](z) for z in Z], rtol=1e-13)


def test_gelu_is_close_to_z_times_the_normal_distribution():
    exact = [z * (1 + math.erf(z / math.sqrt(2))) / 2 for z in Z]
    np.testing.assert_allclose(HIDDEN["gelu"].value(Z), exact, atol=5e-4)


def test_selu_keeps_mean_0_and_variance_1():
    # the fixed point that its two constants were made for (Klambauer et al. 2017, section 2)
    a = HIDDEN["selu"].value(np.random.default_rng(0).standard_normal(4_000_000))
    assert abs(a.mean()) < 0.002
    assert abs(a.var() - 1) < 0.002


def test_threshold_and_winner_outputs_are_0_or_1():
    z = np.array([[-0.1, 0.0, 2.0], [3.0, -1.0, 2.0]])
    np.testing.assert_array_equal(ACTIVATIONS["threshold"].value(z), [[0, 1, 1], [1, 0, 1]])
    np.testing.assert_array_equal(ACTIVATIONS["winner"].value(z), [[0, 0, 1], [1, 0, 0]])


@pytest.mark.parametrize("f", HIDDEN.values(), ids=lambda f: f.name)
def test_pull_back_multiplies_by_the_slope(f):
    h = 1e-6
    slope = (f.value(Z + h) - f.value(Z - h)) / (2 * h)
    g = np.array([3.0, -1.0, 2.0, 0.5, 1.0, -4.0])
    np.testing.assert_allclose(f.pull_back(Z, f.value(Z), g), g * slope, atol=1e-8)


def test_softmax_is_positive_sums_to_one_and_ignores_a_common_shift():
    softmax = ACTIVATIONS["softmax"]
    a = softmax.value(np.array([[1.0, 2.0, 3.0]]))
    weights = [math.exp(k) for k in (1, 2, 3)]
    np.testing.assert_allclose(a[0], [w / sum(weights) for w in weights], rtol=1e-14)
    np.testing.assert_allclose(softmax.value(np.array([[1001.0, 1002.0, 1003.0]])), a, rtol=1e-14)


def test_softmax_pull_back_multiplies_by_the_jacobian():
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


def test_bernoulli_draws_ones_with_the_probability_of_its_mean():
    f, z = ACTIVATIONS["bernoulli"], np.repeat(np.array([[-1000.0, -2.0, 0.0, 1.0, 1000.0]]), 100_000, axis=0)
    a, _ = f.forward({}, z, np.random.default_rng(0))
    assert set(np.unique(a)) == {0.0, 1.0}
    p = 1 / (1 + np.exp(-z[0].clip(-700)))
    assert (np.abs(a.mean(axis=0) - p) <= 4 * np.sqrt(p * (1 - p) / len(z))).all()
    np.testing.assert_array_equal(a[:, [0, -1]], [[0, 1]] * len(z))


def test_bernoulli_without_noise_is_its_mean_and_its_gradient_is_that_of_the_mean_with_and_without_noise():
    f, z, g = ACTIVATIONS["bernoulli"], Z[None], np.linspace(-1, 2, 6)[None]
    sigmoid = ACTIVATIONS["sigmoid"]
    a, without = f.forward({}, z)
    _, noisy = f.forward({}, z, np.random.default_rng(0))
    np.testing.assert_array_equal(a, sigmoid.value(z))
    for cache in (without, noisy):
        np.testing.assert_array_equal(f.backward({}, cache, g, None), sigmoid.pull_back(z, sigmoid.value(z), g))


@pytest.mark.parametrize("f", ACTIVATIONS.values(), ids=lambda f: f.name)
def test_an_output_layer_never_dies_and_is_never_random(f):
    chosen = ACTIVATIONS[f.as_output]
    assert not chosen.can_die
    assert not chosen.random
