import numpy as np
import pytest

from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.layers.dropout import Dropout
from backprop_cli.nn.network import dense_network
from backprop_cli.objectives.costs import COSTS
from backprop_cli.objectives.gradcheck import combinations, example_of
from backprop_cli.objectives.objective import Backpropagation, Objective
from backprop_cli.objectives.penalties import PENALTIES

IDENTITY, RELU, SIGMOID = (ACTIVATIONS[name] for name in ("identity", "relu", "sigmoid"))


def test_weights_come_first_and_every_array_is_a_view_of_theta():
    layout = dense_network((3, 2, 1), (IDENTITY, IDENTITY)).layout
    theta = np.arange(11.0)
    arrays = layout.named(theta)
    assert list(arrays) == ["W1", "b1", "W2", "b2"]
    np.testing.assert_array_equal(arrays["W1"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(arrays["W2"], [[6, 7]])
    np.testing.assert_array_equal(arrays["b1"], [8, 9])
    np.testing.assert_array_equal(arrays["b2"], [10])
    arrays["W1"][1, 2] = -1
    assert theta[5] == -1
    assert (layout.n_penalized, layout.size) == (8, 11)


def test_arrays_by_name_are_joined_to_the_theta_they_are_views_of():
    layout = dense_network((3, 2, 1), (IDENTITY, IDENTITY)).layout
    theta = np.arange(11.0)
    np.testing.assert_array_equal(layout.join(layout.named(theta), "float64"), theta)
    for wrong in (
        {"W1": np.zeros((2, 3))},
        {**layout.named(theta), "b2": np.zeros(2)},
        {**layout.named(theta), "c": theta},
    ):
        with pytest.raises(ValueError, match="not those of this network"):
            layout.join(wrong, "float64")


def test_parameters_are_named_with_their_indices():
    layout = dense_network((3, 2, 1), (IDENTITY, IDENTITY)).layout
    names = ["W1[0,0]", "W1[0,1]", "W1[0,2]", "W1[1,0]", "W1[1,1]", "W1[1,2]", "W2[0,0]", "W2[0,1]"]
    assert [layout.name_of(i) for i in range(11)] == [*names, "b1[0]", "b1[1]", "b2[0]"]


def test_forward_by_hand():
    network = dense_network((2, 2, 1), (RELU, IDENTITY))
    #                 W1              W2      b1       b2
    theta = np.array([1.0, 2, -1, 1, 3, -2, 0.5, -1, 0.25])
    x = np.array([[1.0, 1.0], [0.0, 2.0]])
    (_, z1, a1, z2), _ = network.forward(theta, x)
    np.testing.assert_array_equal(z1, [[3.5, -1], [4.5, 1]])
    np.testing.assert_array_equal(a1, [[3.5, 0], [4.5, 1]])
    np.testing.assert_array_equal(z2, [[10.75], [11.75]])
    np.testing.assert_array_equal(network.outputs(theta, x), z2)


def test_backward_by_hand():
    network = dense_network((2, 2, 1), (RELU, IDENTITY))
    theta = np.array([1.0, 2, -1, 1, 3, -2, 0.5, -1, 0.25])
    grad = np.zeros_like(theta)
    _, caches = network.forward(theta, np.array([[1.0, 1.0], [0.0, 2.0]]))
    deltas = network.backward(theta, caches, np.array([[1.0], [-2.0]]), network.layout.sums(grad))
    # delta of the hidden layer: [3, 0] (its second unit is off), and -2 [3, -2]
    np.testing.assert_array_equal(deltas[1], [[3, 0], [-6, 4]])
    grads = network.layout.named(grad)
    np.testing.assert_array_equal(grads["W2"], [[3.5 - 9, 0 - 2]])
    np.testing.assert_array_equal(grads["b2"], [-1])
    np.testing.assert_array_equal(grads["W1"], [[3, 3 - 12], [0, 8]])
    np.testing.assert_array_equal(grads["b1"], [3 - 6, 4])


@pytest.mark.parametrize("combination", list(combinations()), ids=lambda c: f"{c.hidden}-{c.output}-{c.cost}-{c.extra}")
def test_a_stack_of_networks_goes_through_the_same_formulas(combination):
    objective, rng = combination.objective, np.random.default_rng(0)
    theta, x, y = example_of(objective)
    thetas = theta + 0.1 * rng.standard_normal((5, theta.size))
    noise = {"noise": Frozen(rng)} if "dropout" in combination.extra else {}  # all networks with the same masks
    values, gradients = objective.value(thetas, x, y, **noise), objective.gradient(thetas, x, y, **noise)
    for k, theta in enumerate(thetas):
        assert values[k] == pytest.approx(objective.value(theta, x, y, **noise), rel=1e-12)
        np.testing.assert_allclose(gradients[k], objective.gradient(theta, x, y, **noise), rtol=1e-10, atol=1e-14)


class Frozen:
    """Gives the same numbers for every example and network."""

    def __init__(self, rng):
        self.numbers = rng.random(100)

    def random(self, size):
        return np.broadcast_to(self.numbers[: size[-1]], size)


def test_dropout_keeps_the_expected_signal_and_drops_nothing_without_noise():
    layer, x = Dropout(0.2), np.full((200_000, 1), 0.7)
    y, mask = layer.forward({}, x, np.random.default_rng(0))
    np.testing.assert_allclose(np.unique(y), [0, 0.7 / 0.8])
    assert y.mean() == pytest.approx(0.7, rel=0.01)
    np.testing.assert_array_equal(layer.backward({}, mask, np.full_like(x, 3.0), None), 3 * mask)
    assert layer.forward({}, x)[0] is x


@pytest.mark.parametrize("penalty", PENALTIES.values(), ids=lambda p: p.name)
def test_the_penalty_applies_to_weights_and_not_to_biases(penalty):
    estimator = Backpropagation(dense_network((3, 4, 2), (SIGMOID, SIGMOID)), COSTS["quadratic"]())
    rng, n = np.random.default_rng(1), estimator.layout.n_penalized
    theta, x, y = rng.standard_normal(estimator.layout.size), rng.random((6, 3)), rng.random((6, 2))
    plain, with_penalty = Objective(estimator), Objective(estimator, ((penalty, 0.5),))
    difference = with_penalty.gradient(theta, x, y) - plain.gradient(theta, x, y)
    weights = theta[:n]
    np.testing.assert_allclose(difference[:n], 0.5 * penalty.gradient(weights), atol=1e-14)
    np.testing.assert_array_equal(difference[n:], 0)
    assert with_penalty.value(theta, x, y) - plain.value(theta, x, y) == pytest.approx(0.5 * penalty.value(weights))


def test_repeating_the_examples_of_a_batch_does_not_change_its_mean_cost():
    network = dense_network((3, 4, 2), (SIGMOID, SIGMOID))
    objective = Objective(Backpropagation(network, COSTS["cross_entropy"]()), ((PENALTIES["l2"], 0.1),))
    rng = np.random.default_rng(1)
    theta, x, y = rng.standard_normal(network.layout.size), rng.random((6, 3)), rng.random((6, 2))
    twice = np.concatenate([x, x]), np.concatenate([y, y])
    assert objective.value(theta, *twice) == pytest.approx(objective.value(theta, x, y), rel=1e-14)
    np.testing.assert_allclose(objective.gradient(theta, *twice), objective.gradient(theta, x, y), rtol=1e-12)
