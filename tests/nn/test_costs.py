import math
from decimal import Decimal, getcontext

import numpy as np
import pytest

from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.costs import COSTS, OUTPUT_PAIRS

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


def test_delta_is_a_minus_y_for_the_two_pairs_of_which_that_is_a_theorem():
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
