import math

import numpy as np
import pytest

from backprop_cli.explain.trace import trace
from backprop_cli.nn.activations import ACTIVATIONS, HIDDEN
from backprop_cli.nn.network import dense_network
from backprop_cli.objectives.costs import COSTS, OUTPUT_PAIRS
from backprop_cli.objectives.gradcheck import combinations, example_of
from backprop_cli.objectives.objective import Backpropagation, Objective
from backprop_cli.objectives.penalties import PENALTIES
from backprop_cli.optim.optimizers import Momentum

COMBINATIONS = {
    (c.hidden, c.output, c.cost, c.extra): c.objective
    for c in combinations()
    if c.extra not in ("dropout", "sample weights") and not c.extra.startswith("sparsity")  # trace refuses these
}


def objective_of(hidden="sigmoid", output="sigmoid", cost="quadratic", sizes=(2, 2, 1), penalties=()):
    network = dense_network(sizes, (*[HIDDEN[hidden]] * (len(sizes) - 2), ACTIVATIONS[output]))
    return Objective(Backpropagation(network, COSTS[cost]()), penalties)


def test_every_number_of_a_2_2_1_network_agrees_with_calculation_by_hand():
    # W1 = [[0.1, 0.2], [0.3, 0.4]], W2 = [[0.5, -0.6]], b1 = [0.01, 0.02], b2 = [0.03]; one example, (1, 2) -> 1
    theta = np.array([0.1, 0.2, 0.3, 0.4, 0.5, -0.6, 0.01, 0.02, 0.03])

    x, y = np.array([[1.0, 2.0]]), np.array([[1.0]])
    found = trace(objective_of(), theta, x, y, new=theta - 0.5 * objective_of().gradient(theta, x, y))
    one, two = found.layers

    def sigma(z):
        return 1 / (1 + math.exp(-z))

    z11, z12 = 0.1 * 1 + 0.2 * 2 + 0.01, 0.3 * 1 + 0.4 * 2 + 0.02
    a11, a12 = sigma(z11), sigma(z12)
    z2 = 0.5 * a11 - 0.6 * a12 + 0.03
    a2 = sigma(z2)
    assert (z11, z12) == (pytest.approx(0.51), pytest.approx(1.12))
    assert one.z.tolist() == [pytest.approx([z11, z12])]
    assert one.a.tolist() == [pytest.approx([a11, a12])]
    assert two.z.tolist() == [pytest.approx([z2])]
    assert found.cost == found.value == pytest.approx(0.5 * (a2 - 1) ** 2)

    d2 = (a2 - 1) * a2 * (1 - a2)
    d11, d12 = d2 * 0.5 * a11 * (1 - a11), d2 * -0.6 * a12 * (1 - a12)
    assert two.dC_da is not None
    assert two.slope is not None
    assert one.dC_da is not None
    assert (two.dC_da.item(), two.slope.item()) == (pytest.approx(a2 - 1), pytest.approx(a2 * (1 - a2)))
    assert one.dC_da.tolist() == [pytest.approx([0.5 * d2, -0.6 * d2])]
    assert two.delta.tolist() == [pytest.approx([d2])]
    assert one.delta.tolist() == [pytest.approx([d11, d12])]
    assert two.dC_dW.tolist() == [pytest.approx([d2 * a11, d2 * a12])]
    assert one.dC_dW.tolist() == [pytest.approx([d11, 2 * d11]), pytest.approx([d12, 2 * d12])]
    assert one.dC_db.tolist() == pytest.approx([d11, d12])
    assert one.new_W.tolist() == [
        pytest.approx([0.1 - 0.5 * d11, 0.2 - d11]),
        pytest.approx([0.3 - 0.5 * d12, 0.4 - d12]),
    ]
    assert two.new_b.tolist() == pytest.approx([0.03 - 0.5 * d2])
    assert found.new_value < found.value
    assert found.difference.at == "W1[0,1]"  # 2 d11; of d12 the other half


@pytest.mark.parametrize("objective", COMBINATIONS.values(), ids=["-".join(what) for what in COMBINATIONS])
def test_derivatives_agree_with_differences(objective):
    theta, x, y = example_of(objective)
    for index in range(0, theta.size, 7):
        difference = trace(objective, theta, x, y, theta, index).difference
        assert difference.crosses_kink or difference.quotient == pytest.approx(
            difference.derivative, rel=1e-5, abs=1e-9
        )


@pytest.mark.parametrize(("cost", "output"), OUTPUT_PAIRS)
@pytest.mark.parametrize("hidden", HIDDEN)
def test_delta_is_the_product_of_its_factors(hidden, cost, output):
    objective = objective_of(hidden, output, cost, (3, 4, 4, 3))
    theta, x, y = example_of(objective)
    found = trace(objective, theta, x, y, theta)
    for layer in found.layers:
        if layer.dC_da is not None and layer.slope is not None:
            np.testing.assert_array_equal(layer.dC_da * layer.slope, layer.delta)
    *hidden_layers, last = found.layers
    assert all(layer.dC_da is not None for layer in hidden_layers)
    assert (last.dC_da is None) == (cost in ("cross_entropy", "perceptron"))
    assert (last.slope is None) == (output == "softmax")
    np.testing.assert_array_equal(hidden_layers[-1].dC_da, last.delta @ last.W)


def test_penalties_are_beside_the_gradient_of_the_cost_and_theta_stays_unchanged():
    objective = objective_of("tanh", "softmax", "cross_entropy", (3, 4, 3), ((PENALTIES["l2"], 0.1),))
    theta, x, y = example_of(objective)
    before, new = theta.copy(), theta.copy()
    rule = Momentum(0.5)
    rule.step(new, objective.gradient(theta, x, y), rule.init(theta), np.asarray(0.3))
    found = trace(objective, theta, x, y, new)
    np.testing.assert_array_equal(theta, before)
    moved = objective.layout.named(new)
    for l, layer in enumerate(found.layers, start=1):
        np.testing.assert_allclose(layer.new_W, moved[f"W{l}"], rtol=1e-15)
        np.testing.assert_allclose(layer.new_b, moved[f"b{l}"], rtol=1e-15)
        np.testing.assert_allclose(layer.penalty_dW, 0.1 * layer.W)
    assert found.new_value == pytest.approx(objective.value(new, x, y))
    assert found.value == pytest.approx(found.cost + found.penalty)


def test_a_difference_across_a_kink_is_reported():
    # one relu unit with z = 0.00001 x
    objective = objective_of(output="relu", sizes=(1, 1))
    one = np.ones((1, 1))
    near, far = np.array([0.00001, 0.0]), np.array([0.5, 0.0])
    assert trace(objective, near, one, one, near).difference.crosses_kink
    assert not trace(objective, far, one, one, far).difference.crosses_kink


def test_the_first_weight_is_traced_if_all_gradients_are_zero():
    objective = objective_of("relu", "relu")
    difference = trace(objective, -np.ones(9), np.ones((1, 2)), np.ones((1, 1)), np.ones(9)).difference
    assert (difference.at, difference.derivative, difference.error) == ("W1[0,0]", 0, 0)
