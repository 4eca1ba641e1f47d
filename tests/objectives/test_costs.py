import math
from decimal import Decimal, getcontext

import numpy as np
import pytest

from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.objectives.costs import COSTS, OUTPUT_PAIRS

getcontext().prec = 500  # enough for 1 + e^-1000
Y = np.array([[1.0, 0.0, 0.0]])


def exact_sigmoid_cross_entropy(z, y):
    a = 1 / (1 + (-Decimal(z)).exp())
    return -(a.ln() if y else (1 - a).ln())


def test_the_quadratic_cost_is_half_the_squared_distance():
    a = np.array([[1.0, 2.0], [0.0, 0.5]])
    y = np.array([[0.0, 2.0], [1.0, 0.5]])
    np.testing.assert_array_equal(COSTS["quadratic"]().of_examples(ACTIVATIONS["identity"], a, a, y), [0.5, 0.5])


@pytest.mark.parametrize("z", [-1000, -30, -1, 0, 2, 40, 1000])
@pytest.mark.parametrize("y", [0, 1])
def test_cross_entropy_of_a_sigmoid_is_exact_however_large_z(z, y):
    sigmoid, zs = ACTIVATIONS["sigmoid"], np.array([[float(z)]])
    cost = COSTS["cross_entropy"]().of_examples(sigmoid, zs, sigmoid.value(zs), np.array([[float(y)]]))
    assert cost[0] == pytest.approx(float(exact_sigmoid_cross_entropy(z, y)), rel=1e-14, abs=0)


@pytest.mark.parametrize("z", [(0.0, 0.0, 0.0), (1.0, -2.0, 0.5), (-1000.0, 0.0, 1000.0), (1000.0, 0.0, -1000.0)])
def test_cross_entropy_of_a_softmax_is_exact_however_large_z(z):
    softmax, zs = ACTIVATIONS["softmax"], np.array([z])
    powers = [Decimal(value).exp() for value in z]
    cost = COSTS["cross_entropy"]().of_examples(softmax, zs, softmax.value(zs), Y)
    assert cost[0] == pytest.approx(float(-(powers[0] / sum(powers)).ln()), rel=1e-14, abs=1e-300)


@pytest.mark.parametrize(("cost", "output"), OUTPUT_PAIRS, ids=str)
def test_costs_and_deltas_of_extreme_outputs_are_finite_without_a_warning(cost, output):
    f, z = ACTIVATIONS[output], np.array([[-1000.0, 0.0, 1000.0]])
    a = f.value(z)
    assert np.isfinite(COSTS[cost]().of_examples(f, z, a, Y)).all()
    assert np.isfinite(COSTS[cost]().delta(f, z, a, Y, 1.0)).all()


def test_delta_is_a_minus_y_for_cross_entropy_with_sigmoid_and_softmax():
    z = np.array([[0.5, -1.0, 2.0]])
    for output in ("sigmoid", "softmax"):
        f = ACTIVATIONS[output]
        delta = COSTS["cross_entropy"]().delta(f, z, f.value(z), Y, 1.0)
        np.testing.assert_array_equal(delta, f.value(z) - Y)


def test_delta_of_the_quadratic_cost_by_hand():
    # one unit, z = 0: a = 1/2, f' = 1/4, so delta = (1/2 - 1) / 4
    sigmoid, z = ACTIVATIONS["sigmoid"], np.zeros((1, 1))
    delta = COSTS["quadratic"]().delta(sigmoid, z, sigmoid.value(z), np.ones((1, 1)), 1.0)
    assert delta.item() == -0.125
    assert math.isclose(COSTS["quadratic"]().of_examples(sigmoid, z, sigmoid.value(z), np.ones((1, 1))).item(), 0.125)


def test_absolute_and_huber_costs_by_hand():
    identity, z, y = ACTIVATIONS["identity"], np.array([[0.0, 3.0, -0.5]]), np.zeros((1, 3))
    assert COSTS["absolute"]().of_examples(identity, z, z, y) == [3.5]
    np.testing.assert_array_equal(COSTS["absolute"]().delta(identity, z, z, y, 2.0), [[0, 2, -2]])
    huber = COSTS["huber"](width=1.0)
    np.testing.assert_array_equal(huber.of_examples(identity, z, z, y), [(3 - 0.5) + 0.125])
    np.testing.assert_array_equal(huber.delta(identity, z, z, y, 1.0), [[0, 1, -0.5]])


def test_label_smoothing_is_cross_entropy_with_the_smoothed_target():
    softmax, z = ACTIVATIONS["softmax"], np.array([[0.2, -1.0, 0.7]])
    a, plain, smooth = softmax.value(z), COSTS["cross_entropy"](), COSTS["cross_entropy"](smoothing=0.3)
    soft = np.array([[0.8, 0.1, 0.1]])
    np.testing.assert_allclose(smooth.of_examples(softmax, z, a, Y), plain.of_examples(softmax, z, a, soft), rtol=1e-14)
    np.testing.assert_allclose(smooth.delta(softmax, z, a, Y, 1.0), plain.delta(softmax, z, a, soft, 1.0), rtol=1e-14)


def test_a_class_weight_of_k_counts_an_example_k_times():
    softmax, z = ACTIVATIONS["softmax"], np.array([[0.2, -1.0, 0.7], [0.0, 0.3, 0.1]])
    a, y = softmax.value(z), np.eye(3)[[0, 2]]
    plain, weighted = COSTS["cross_entropy"](), COSTS["cross_entropy"](class_weights=(2.0, 1.0, 0.5))
    often = np.array([2.0, 0.5])
    np.testing.assert_allclose(
        weighted.of_examples(softmax, z, a, y), often * plain.of_examples(softmax, z, a, y), rtol=1e-14
    )
    np.testing.assert_allclose(
        weighted.delta(softmax, z, a, y, 1.0), often[:, None] * plain.delta(softmax, z, a, y, 1.0), rtol=1e-14
    )


def test_the_perceptron_cost_is_the_distance_of_mistakes_from_the_threshold():
    threshold, z = ACTIVATIONS["threshold"], np.array([[0.5], [-2.0], [-1.0], [3.0]])
    y = np.array([[0.0], [1.0], [0.0], [1.0]])
    cost, a = COSTS["perceptron"](), threshold.value(z)
    np.testing.assert_array_equal(cost.of_examples(threshold, z, a, y), [0.5, 2.0, 0.0, 0.0])
    np.testing.assert_array_equal(cost.delta(threshold, z, a, y, 1.0), [[1], [-1], [0], [0]])
    winner, z = ACTIVATIONS["winner"], np.array([[1.0, 3.0, 2.0]])
    assert cost.of_examples(winner, z, winner.value(z), np.eye(3)[[2]]) == [1.0]  # 3 won, by 1
    np.testing.assert_array_equal(cost.delta(winner, z, winner.value(z), np.eye(3)[[2]], 1.0), [[0, 1, -1]])
