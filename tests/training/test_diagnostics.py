from dataclasses import replace

import numpy as np
import pytest

from backprop_cli.optim.optimizers import Adam
from backprop_cli.training.diagnostics import LayerState, advice, diagnose
from backprop_cli.training.loop import batches_of_epoch
from backprop_cli.training.separability import separable
from tests.training.helpers import plan, start
from tests.training.test_loop import After, copy, results, run


def look(p, position=None):
    position = position or start(p)
    y = p.data.task.encode(p.data.train.targets, p.dtype)
    return list(diagnose(p, position, y, batches_of_epoch(p, 1), p.eta))


def test_norms_and_updates_are_the_means_over_the_batches():
    p = plan(dtype="float64", eta=0.5)
    theta, y = start(p).theta, p.data.task.encode(p.data.train.targets, "float64")
    gradients = [
        p.objective.network.layers(p.objective.gradient(theta, p.data.train.inputs[rows] * p.data.scale, y[rows]))
        for rows in batches_of_epoch(p, 1)
    ]
    for l, layer in enumerate(p.objective.network.layers(theta)):
        norm = np.mean([np.linalg.norm(g[l].W) for g in gradients])
        weights = np.linalg.norm(layer.W)
        state = look(p)[l]
        assert state.gradient_norm == pytest.approx(norm)
        assert state.weight_norm == pytest.approx(weights)
        assert state.update_ratio == pytest.approx(0.5 * norm / weights)


def test_units_that_are_dead_or_saturated_are_counted():
    p = plan("relu", "sigmoid")
    position = start(p)
    first, second, output = p.objective.network.layers(position.theta)
    first.W[:2], first.b[:2] = 0, -1  # two of five never rise above 0, and the others always do
    first.W[2:], first.b[2:] = 0, 1
    second.W[...], second.b[...] = 0, -1  # none of four does
    output.W[0], output.b[0] = 0, 50  # one of three outputs is 1, always
    output.W[1:], output.b[1:] = 0, 0
    states = look(p, position)
    assert (states[0].dead, states[1].dead) == (2 / 5, 1)
    assert states[0].saturated is None
    assert states[2].saturated == pytest.approx(1 / 3)
    assert states[2].dead is None


@pytest.mark.parametrize("optimizer", [None, Adam()], ids=str)
def test_looking_changes_nothing_and_a_resumed_run_sees_the_same(optimizer):
    p = plan(optimizer=optimizer, eta=0.1)
    seen = replace(p, diagnostics=True)
    np.testing.assert_array_equal(run(p)[0].theta, run(seen)[0].theta)
    _, events = run(seen)
    position, before = run(seen, stop=After(5))
    _, after = run(seen, copy(position))
    assert results(before) + results(after) == results(events)
    assert len(results(events)[0].layers) == 3


def test_advice_names_the_layer_and_what_may_help():
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
    position = start(p)
    position.theta[...] *= 1e-12
    assert 0 < look(p, position)[0].gradient_norm < 1e-20


def test_a_line_can_separate_and_but_not_xor():
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
    assert separable(x, np.array([[0], [0], [0], [1]], float)) is True
    assert separable(x, np.array([[0], [1], [1], [0]], float)) is False
    assert separable(x, np.array([[0, 0], [0, 1], [0, 1], [1, 0]], float)) is False  # one of two outputs is enough
    assert separable(np.zeros((1_000_001, 1)), np.zeros((1_000_001, 1))) is None
