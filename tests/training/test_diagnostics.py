from dataclasses import replace

import numpy as np
import pytest

from backprop_cli.optim.optimizers import Adam
from backprop_cli.training.diagnostics import LayerState, advice, diagnose
from backprop_cli.training.loop import batches_of_epoch
from backprop_cli.training.separability import separable
from tests.training.helpers import plan, start, weights_and_biases
from tests.training.test_loop import After, copy, results, run


def look(p, state=None):
    return list(diagnose(p, state or start(p), batches_of_epoch(p, 1), p.eta))


def test_norms_and_updates_are_the_means_over_the_batches():
    p = plan(dtype="float64", eta=0.5)
    theta, y = start(p).theta, p.data.task.encode(p.data.train.targets, "float64")
    gradients = [
        weights_and_biases(p, p.objective.gradient(theta, p.data.train.inputs[rows] * p.data.scale, y[rows]))
        for rows in batches_of_epoch(p, 1)
    ]
    for l, (W, _) in enumerate(weights_and_biases(p, theta)):
        norm = np.mean([np.linalg.norm(g[l][0]) for g in gradients])
        weights = np.linalg.norm(W)
        state = look(p)[l]
        assert state.gradient_norm == pytest.approx(norm)
        assert state.weight_norm == pytest.approx(weights)
        assert state.update_ratio == pytest.approx(0.5 * norm / weights)


def test_units_that_are_dead_or_saturated_are_counted():
    p = plan("relu", "sigmoid")
    state = start(p)
    (W1, b1), (W2, b2), (W3, b3) = weights_and_biases(p, state.theta)
    W1[...], b1[:2], b1[2:] = 0, -1, 1  # two of five are 0 for every example
    W2[...], b2[...] = 0, -1  # all of four are
    W3[...], b3[0], b3[1:] = 0, 50, 0  # one of three outputs is 1, always
    states = look(p, state)
    assert (states[0].dead, states[1].dead) == (2 / 5, 1)
    assert states[0].saturated is None
    assert states[2].saturated == pytest.approx(1 / 3)
    assert states[2].dead is None


@pytest.mark.parametrize("optimizer", [None, Adam()], ids=str)
def test_diagnostics_do_not_change_training_and_are_the_same_after_resume(optimizer):
    p = plan(optimizer=optimizer, eta=0.1)
    seen = replace(p, diagnostics=True)
    np.testing.assert_array_equal(run(p)[0].theta, run(seen)[0].theta)
    _, events = run(seen)
    state, before = run(seen, stop=After(5))
    _, after = run(seen, copy(state))
    assert results(before) + results(after) == results(events)
    assert len(results(events)[0].layers) == 3


def test_advice_names_the_layer_and_a_remedy():
    fine = LayerState(1.0, 1.0, 0.01, saturated=0.1)
    names = ("sigmoid", "sigmoid")
    assert list(advice([fine, fine], names, "sgd")) == []
    slow = LayerState(1e-5, 1.0, 1e-5)
    (line,) = advice([slow, fine], names, "sgd")
    assert line.startswith("layer 1 learns 1,000 times slower than the quickest layer: its gradient vanishes")
    assert line.endswith("try activation=relu, or fewer layers, or optimizer=adam")
    (line,) = advice([slow, fine], ("relu", "sigmoid"), "adam")
    assert line.endswith("try fewer layers")
    (line,) = advice([LayerState(1.0, 1.0, 0.01, dead=0.75), fine], names, "sgd")
    assert line.startswith("layer 1: 75% of its units are dead")
    (line,) = advice([LayerState(1.0, 1.0, 0.01, saturated=0.9), fine], names, "sgd")
    assert line.startswith("layer 1: 90% of its signals are saturated")


def test_a_gradient_that_has_vanished_is_still_measured():
    p = plan(dtype="float32")
    state = start(p)
    state.theta[...] *= 1e-12
    assert 0 < look(p, state)[0].gradient_norm < 1e-20


def test_and_is_linearly_separable_and_xor_is_not():
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
    assert separable(x, np.array([[0], [0], [0], [1]], float)) is True
    assert separable(x, np.array([[0], [1], [1], [0]], float)) is False
    assert separable(x, np.array([[0, 0], [0, 1], [0, 1], [1, 0]], float)) is False  # one of two outputs is enough
    assert separable(np.zeros((1_000_001, 1)), np.zeros((1_000_001, 1))) is None
