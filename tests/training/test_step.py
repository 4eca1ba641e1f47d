import numpy as np
import pytest

from backprop_cli.nn.costs import OUTPUT_PAIRS
from backprop_cli.nn.penalties import PENALTIES
from backprop_cli.optim.optimizers import Momentum
from backprop_cli.training.step import Step
from tests.training.helpers import plan, start

ROWS = np.array([3, 30, 8, 1])


def one_step(p):
    position = start(p)
    y = p.data.train.one_hot(3, p.dtype)
    step = Step(p, position.theta, position.memory, y, np.asarray(p.eta, p.dtype), len(ROWS))
    np.testing.assert_array_equal(position.theta, start(p).theta)  # making a step is not taking it
    with np.errstate(all="ignore"):
        step(ROWS)
    return position.theta


@pytest.mark.parametrize("hidden", ["sigmoid", "tanh", "relu", "leaky_relu", "elu", "identity"])
@pytest.mark.parametrize(("cost", "output"), OUTPUT_PAIRS, ids=str)
@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_recorded_step_goes_down_the_gradient(hidden, cost, output, penalty):
    p = plan(hidden, output, cost, penalty, strength=0.02, eta=0.5, dtype="float64")
    x, y = p.data.train.pixels[ROWS] * p.data.scale, p.data.train.one_hot(3, "float64")[ROWS]
    theta = start(p).theta
    expected = theta - 0.5 * p.objective.gradient(theta, x, y)
    np.testing.assert_allclose(one_step(p), expected, rtol=1e-13, atol=1e-15)


def test_the_textbook_update_of_weights_and_biases_by_its_own_formula():
    # W <- (1 - eta lambda/n) W - eta dC/dW, with n the training examples; b <- b - eta dC/db
    p = plan(strength=5.0 / 37, eta=0.5, dtype="float64")
    plain = plan(strength=0.0, eta=0.5, dtype="float64")
    before, n_weights = start(p).theta, p.objective.network.n_weights
    expected = one_step(plain)
    expected[:n_weights] -= 0.5 * 5.0 / 37 * before[:n_weights]
    np.testing.assert_allclose(one_step(p), expected, rtol=1e-14, atol=1e-15)


def test_a_step_of_another_optimizer_is_that_optimizers_own():
    p = plan(optimizer=Momentum(mu=0.5), strength=0.1, eta=0.5, dtype="float64")
    position = start(p)
    x, y = p.data.train.pixels[ROWS] * p.data.scale, p.data.train.one_hot(3, "float64")
    step = Step(p, position.theta, position.memory, y, np.asarray(0.5), len(ROWS))
    theta, v = start(p).theta, 0.0
    for _ in range(3):
        step(ROWS)
        v = 0.5 * v - 0.5 * p.objective.gradient(theta, x, y[ROWS])
        theta = theta + v
    np.testing.assert_allclose(position.theta, theta, rtol=1e-12)
