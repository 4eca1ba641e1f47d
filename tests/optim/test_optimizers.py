import numpy as np
import pytest

from backprop_cli.optim.optimizers import OPTIMIZERS, SGD, Momentum

ETA = np.asarray(0.1)


def test_sgd_by_hand():
    theta = np.array([1.0, -2.0])
    SGD().step(theta, np.array([10.0, 5.0]), {}, ETA)
    np.testing.assert_allclose(theta, [0.0, -2.5])


def test_momentum_by_hand():
    rule, theta = Momentum(mu=0.5), np.array([1.0])
    state = rule.init(theta)
    rule.step(theta, np.array([2.0]), state, ETA)  # v = -0.2
    np.testing.assert_allclose(theta, [0.8])
    rule.step(theta, np.array([2.0]), state, ETA)  # v = -0.1 - 0.2
    np.testing.assert_allclose(theta, [0.5])
    np.testing.assert_allclose(state["v"], [-0.3])


@pytest.mark.parametrize("rule", OPTIMIZERS.values(), ids=lambda rule: rule.name)
def test_every_optimizer_finds_the_bottom_of_a_bowl(rule):
    curvature, theta = np.array([1.0, 3.0]), np.array([5.0, -4.0])
    optimizer = rule()
    state = optimizer.init(theta)
    for _ in range(500):
        optimizer.step(theta, curvature * theta, state, ETA)
    np.testing.assert_allclose(theta, 0, atol=1e-6)
