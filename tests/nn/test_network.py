import numpy as np
import pytest

from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.costs import COSTS
from backprop_cli.nn.network import Network, backward, forward
from backprop_cli.nn.objective import Objective
from backprop_cli.nn.penalties import PENALTIES

IDENTITY, RELU, SIGMOID = (ACTIVATIONS[name] for name in ("identity", "relu", "sigmoid"))


def test_weights_come_first_and_every_array_is_a_view_of_theta():
    network = Network((3, 2, 1), (IDENTITY, IDENTITY))
    theta = np.arange(11.0)
    first, second = network.layers(theta)
    np.testing.assert_array_equal(first.W, [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(second.W, [[6, 7]])
    np.testing.assert_array_equal(first.b, [8, 9])
    np.testing.assert_array_equal(second.b, [10])
    first.W[1, 2] = -1
    assert theta[5] == -1
    assert (network.n_weights, network.n_parameters) == (8, 11)


def test_parameters_have_the_names_of_mathematics():
    network = Network((3, 2, 1), (IDENTITY, IDENTITY))
    names = ["W1[0,0]", "W1[0,1]", "W1[0,2]", "W1[1,0]", "W1[1,1]", "W1[1,2]", "W2[0,0]", "W2[0,1]"]
    assert [network.name_of(i) for i in range(11)] == [*names, "b1[0]", "b1[1]", "b2[0]"]


def test_forward_by_hand():
    network = Network((2, 2, 1), (RELU, IDENTITY))
    #                 W1              W2      b1       b2
    theta = np.array([1.0, 2, -1, 1, 3, -2, 0.5, -1, 0.25])
    z, a = forward(network.layers(theta), np.array([[1.0, 1.0], [0.0, 2.0]]))
    np.testing.assert_array_equal(z[1], [[3.5, -1], [4.5, 1]])
    np.testing.assert_array_equal(a[1], [[3.5, 0], [4.5, 1]])
    np.testing.assert_array_equal(a[2], [[10.75], [11.75]])


def test_backward_by_hand():
    network = Network((2, 2, 1), (RELU, IDENTITY))
    theta = np.array([1.0, 2, -1, 1, 3, -2, 0.5, -1, 0.25])
    grad = np.empty_like(theta)
    layers, grads = network.layers(theta), network.layers(grad)
    z, a = forward(layers, np.array([[1.0, 1.0], [0.0, 2.0]]))
    backward(layers, grads, z, a, delta=np.array([[1.0], [-2.0]]))
    # delta of the hidden layer: [3, 0] (its second unit is off), and -2 [3, -2]
    np.testing.assert_array_equal(grads[1].W, [[3.5 - 9, 0 - 2]])
    np.testing.assert_array_equal(grads[1].b, [-1])
    np.testing.assert_array_equal(grads[0].W, [[3, 3 - 12], [0, 8]])
    np.testing.assert_array_equal(grads[0].b, [3 - 6, 4])


def test_a_stack_of_networks_goes_through_the_same_formulas():
    rng, network = np.random.default_rng(0), Network((3, 4, 2), (SIGMOID, SIGMOID))
    thetas, x = rng.standard_normal((5, network.n_parameters)), rng.random((7, 3))
    y, grads = rng.random((7, 2)), np.empty_like(thetas)
    objective = Objective(network, COSTS["quadratic"]())
    _, a = forward(network.layers(thetas), x)
    objective.backpropagate(thetas, grads, x, y, weight=1 / 7)
    for k, theta in enumerate(thetas):
        np.testing.assert_allclose(a[-1][k], forward(network.layers(theta), x)[1][-1], rtol=1e-13)
        np.testing.assert_allclose(grads[k], objective.gradient(theta, x, y), rtol=1e-12)


@pytest.mark.parametrize("penalty", PENALTIES.values(), ids=lambda p: p.name)
def test_the_penalty_reaches_the_weights_and_leaves_the_biases(penalty):
    network = Network((3, 4, 2), (SIGMOID, SIGMOID))
    rng = np.random.default_rng(1)
    theta, x, y = rng.standard_normal(network.n_parameters), rng.random((6, 3)), rng.random((6, 2))
    plain = Objective(network, COSTS["quadratic"]())
    with_penalty = Objective(network, COSTS["quadratic"](), ((penalty, 0.5),))
    difference = with_penalty.gradient(theta, x, y) - plain.gradient(theta, x, y)
    weights = theta[: network.n_weights]
    np.testing.assert_allclose(difference[: network.n_weights], 0.5 * penalty.gradient(weights), atol=1e-14)
    np.testing.assert_array_equal(difference[network.n_weights :], 0)
    assert with_penalty.value(theta, x, y) - plain.value(theta, x, y) == pytest.approx(0.5 * penalty.value(weights))


def test_the_cost_of_a_batch_is_a_mean_so_that_repeating_it_changes_nothing():
    network = Network((3, 4, 2), (SIGMOID, SIGMOID))
    objective = Objective(network, COSTS["cross_entropy"](), ((PENALTIES["l2"], 0.1),))
    rng = np.random.default_rng(1)
    theta, x, y = rng.standard_normal(network.n_parameters), rng.random((6, 3)), rng.random((6, 2))
    twice = np.concatenate([x, x]), np.concatenate([y, y])
    assert objective.value(theta, *twice) == pytest.approx(objective.value(theta, x, y), rel=1e-14)
    np.testing.assert_allclose(objective.gradient(theta, *twice), objective.gradient(theta, x, y), rtol=1e-12)
