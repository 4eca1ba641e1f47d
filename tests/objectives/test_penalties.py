import numpy as np
import pytest

from backprop_cli.objectives.penalties import PENALTIES

W = np.array([[2.0, -1.0], [0.5, -0.25]])
"""The weights of two networks."""


def test_the_penalties_by_hand():
    np.testing.assert_array_equal(PENALTIES["l2"].value(W), [(4 + 1) / 2, (0.25 + 0.0625) / 2])
    np.testing.assert_array_equal(PENALTIES["l1"].value(W), [3, 0.75])


@pytest.mark.parametrize("penalty", PENALTIES.values(), ids=lambda p: p.name)
def test_the_gradient_is_that_of_the_value(penalty):
    h = 1e-6
    for network in range(2):
        for index in range(2):
            step = np.zeros_like(W)
            step[network, index] = h
            difference = (penalty.value(W + step) - penalty.value(W - step)) / (2 * h)
            assert difference[network] == pytest.approx(penalty.gradient(W)[network, index], rel=1e-8)
            assert difference[1 - network] == 0


def test_only_the_gradient_of_l2_is_linear():
    for penalty in PENALTIES.values():
        assert penalty.linear == np.array_equal(penalty.gradient(W), W)
