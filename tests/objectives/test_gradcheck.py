import numpy as np
import pytest

from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.network import dense_network
from backprop_cli.objectives.costs import COSTS
from backprop_cli.objectives.gradcheck import TOLERANCE, check_gradient, combinations, example_of, worst_of
from backprop_cli.objectives.objective import Backpropagation, Objective

COMBINATIONS = {(c.hidden, c.output, c.cost, c.extra): c for c in combinations()}


def objective_of(hidden="sigmoid", output="sigmoid", cost="quadratic", extra=""):
    return COMBINATIONS[hidden, output, cost, extra].objective


@pytest.mark.parametrize("combination", COMBINATIONS.values(), ids=["-".join(what) for what in COMBINATIONS])
def test_backprop_agrees_with_central_differences(combination):
    result = combination.check()
    assert result.error < TOLERANCE, result
    assert result.checked > 0.8 * combination.objective.layout.size


@pytest.mark.parametrize("combination", COMBINATIONS.values(), ids=["-".join(what) for what in COMBINATIONS])
def test_gradient_check_rejects_a_gradient_wrong_by_a_thousandth(combination):
    objective = combination.objective
    wrong = check_gradient(
        objective,
        *example_of(objective),
        indices=range(0, objective.layout.size, 5),
        gradient=lambda theta, x, y: 1.001 * objective.gradient(theta, x, y, np.random.default_rng(1)),
        noise=lambda: np.random.default_rng(1),
    )
    assert wrong.error > 100 * TOLERANCE


def test_gradient_check_finds_the_one_parameter_that_is_wrong():
    objective = objective_of()

    def gradient(theta, x, y):
        g = objective.gradient(theta, x, y)
        g[13] *= 1.001
        return g

    result = check_gradient(objective, *example_of(objective), gradient=gradient)
    assert result.at == objective.layout.name_of(13) == "W2[0,1]"
    assert result.error == pytest.approx(0.001, rel=0.01)


@pytest.mark.parametrize("place", [0, 13, -1, slice(None)], ids=str)
def test_gradient_check_rejects_a_gradient_that_is_not_a_number(place):
    objective = objective_of()

    def gradient(theta, x, y):
        g = objective.gradient(theta, x, y)
        g[place] = np.nan
        return g

    wrong = check_gradient(objective, *example_of(objective), gradient=gradient)
    right = check_gradient(objective, *example_of(objective))
    assert wrong.error == np.inf
    assert worst_of([right, wrong, right]).error == np.inf


def test_gradient_check_skips_and_counts_a_parameter_whose_step_crosses_a_kink():
    # one relu unit with z = w x = 0.00001 x: the shortest step turns it off; its bias does the same
    objective = Objective(Backpropagation(dense_network((1, 1), (ACTIVATIONS["relu"],)), COSTS["quadratic"]()))
    x, y = np.ones((1, 1)), np.ones((1, 1))
    near = check_gradient(objective, np.array([0.00001, 0.0]), x, y)
    assert (near.checked, near.skipped) == (0, 2)
    far = check_gradient(objective, np.array([0.5, 0.0]), x, y)
    assert (far.checked, far.skipped) == (2, 0)
    assert far.error < TOLERANCE


def test_gradient_check_leaves_theta_as_it_was():
    objective = objective_of("tanh, elu", "softmax", "cross_entropy", "l1")
    theta, x, y = example_of(objective)
    before = theta.copy()
    check_gradient(objective, theta, x, y)
    np.testing.assert_array_equal(theta, before)


def test_gradient_check_can_be_limited_to_some_parameters():
    objective = objective_of()
    result = check_gradient(objective, *example_of(objective), indices=[3, 40])
    assert (result.checked, result.skipped) == (2, 0)
    assert result.at in {objective.layout.name_of(3), objective.layout.name_of(40)}


def test_gradient_check_takes_a_shorter_step_where_the_curvature_is_large():
    # inputs so large that a step of 0.001 in a weight moves z by a third
    network = dense_network((2, 3, 1), (ACTIVATIONS["tanh"], ACTIVATIONS["tanh"]))
    objective = Objective(Backpropagation(network, COSTS["quadratic"]()))
    rng = np.random.default_rng(0)
    theta, x, y = rng.standard_normal(network.layout.size) / 300, 300 * rng.random((4, 2)), rng.random((4, 1))
    assert check_gradient(objective, theta, x, y).error < TOLERANCE
    wrong = check_gradient(objective, theta, x, y, gradient=lambda *args: 1.001 * objective.gradient(*args))
    assert wrong.error > 100 * TOLERANCE
