from dataclasses import replace

import numpy as np
import pytest

from backprop_cli.optim.optimizers import Adam
from backprop_cli.training.diagnostics import EXAMPLES, diagnose
from backprop_cli.training.loop import batches_of_epoch
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


def test_the_norm_of_delta_is_that_of_the_mean_gradient_of_the_biases():
    p = plan(dtype="float64")
    theta, n = start(p).theta, len(p.data.train)
    assert n < EXAMPLES
    y = p.data.task.encode(p.data.train.targets, "float64")
    for l, b in enumerate(["b1", "b2", "b3"]):
        mean = sum(  # of the gradients of single examples, by central differences
            np.array([slope(p, theta, b, j, rows, y) for j in range(len(p.objective.layout.named(theta)[b]))])
            for rows in np.arange(n)[:, None]
        )
        assert look(p)[l].delta_norm == pytest.approx(np.linalg.norm(mean / n), rel=1e-6)


def slope(p, theta, name, j, rows, y):
    """dC/db_j of the examples in rows, by central differences."""
    costs = []
    for h in (1e-5, -1e-5):
        moved = theta.copy()
        p.objective.layout.named(moved)[name][j] += h
        a = p.objective.estimator.network.outputs(moved, p.data.train.inputs[rows] * p.data.scale)
        costs.append(np.sum((a - y[rows]) ** 2) / 2)
    return (costs[0] - costs[1]) / 2e-5


def test_epoch_0_has_the_diagnostics_and_scores_before_training():
    p = plan(diagnostics=True, eta=0.5)
    before, *epochs = results(run(p)[1])
    assert [result.epoch for result in (before, *epochs)] == list(range(len(epochs) + 1))
    assert before.layers == tuple(look(p))
    assert (before.eta, before.is_best, before.seconds) == (None, False, 0)
    assert before.train.cost > epochs[-1].train.cost
    assert [result.epoch for result in results(run(replace(p, diagnostics=False))[1])][0] == 1


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


def test_a_gradient_that_has_vanished_is_still_measured():
    p = plan(dtype="float32")
    state = start(p)
    state.theta[...] *= 1e-12
    assert 0 < look(p, state)[0].gradient_norm < 1e-20
