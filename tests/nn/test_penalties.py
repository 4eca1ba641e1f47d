import numpy as np
import pytest

from backprop_cli.nn.penalties import PENALTIES

W = np.array([[2.0, -1.0], [0.5, -0.25]])


def test_the_penalties_by_hand():
    assert PENALTIES["l2"].value(W) == (4 + 1 + 0.25 + 0.0625) / 2
    assert PENALTIES["l1"].value(W) == 3.75


@pytest.mark.parametrize("penalty", PENALTIES.values(), ids=lambda p: p.name)
def test_the_gradient_is_that_of_the_value(penalty):
    h, expected = 1e-6, np.empty_like(W)
    for index in np.ndindex(W.shape):
        step = np.zeros_like(W)
        step[index] = h
        expected[index] = (penalty.value(W + step) - penalty.value(W - step)) / (2 * h)
    np.testing.assert_allclose(penalty.gradient(W), expected, rtol=1e-8)


@pytest.mark.parametrize("penalty", PENALTIES.values(), ids=lambda p: p.name)
def test_shrinking_is_a_step_against_the_gradient(penalty):
    w = W.copy()
    penalty.shrink(w, np.asarray(0.125))
    np.testing.assert_array_equal(w, W - 0.125 * penalty.gradient(W))
