"""Numbers of an optimizer's state that have decayed to almost nothing."""

from dataclasses import replace

import numpy as np
import pytest

from backprop_cli.optim.optimizers import OPTIMIZERS
from backprop_cli.training.loop import batches_of_epoch, train
from backprop_cli.training.step import textbook_step
from tests.training.helpers import dataset, plan, start

SMALLEST = float(np.finfo(np.float32).tiny)
DECAYING = ("momentum", "nesterov", "rmsprop", "adadelta", "adam", "adamw")


def rarely_set(name, epochs=40):
    """A plan of many steps, in which one input is not 0 in the first example only."""
    data = dataset(n=80)
    inputs = data.train.inputs.copy()
    inputs[1:, 0] = 0
    data = replace(data, train=replace(data.train, inputs=inputs))
    return plan("sigmoid", "softmax", "cross_entropy", data=data, optimizer=OPTIMIZERS[name](), eta=0.01, epochs=epochs)


def denormal(state):
    return sum(np.count_nonzero((a != 0) & (np.abs(a) < SMALLEST)) for a in state.group("optimizer").values())


@pytest.mark.parametrize("name", DECAYING)
def test_no_number_of_the_state_stays_below_the_smallest_normal_one(name):
    p = rarely_set(name)
    inputs = p.data.train.inputs.copy()
    inputs[:, 0] = 0
    state = start(p)
    for array in state.group("optimizer").values():
        if array.ndim:
            array[:3] = 1e-36
    for _ in train(replace(p, data=replace(p.data, train=replace(p.data.train, inputs=inputs))), state):
        assert denormal(state) == 0


@pytest.mark.parametrize("name", DECAYING)
def test_training_stays_that_of_the_textbook(name):
    p = rarely_set(name, epochs=3)
    state, textbook = start(p), start(p)
    for _ in train(p, state):
        pass
    eta = np.asarray(p.eta, p.dtype)
    for epoch in range(1, 4):
        for rows in batches_of_epoch(p, epoch):
            x = p.data.train.inputs[rows] * np.asarray(p.data.scale, p.dtype)
            textbook_step(p, textbook, x, p.data.task.encode(p.data.train.targets[rows], p.dtype), eta)
    np.testing.assert_allclose(state.theta, textbook.theta, rtol=2e-5, atol=1e-6)


def test_a_stop_at_any_step_changes_no_bit():
    p = rarely_set("adam", epochs=2)
    whole = start(p)
    for _ in train(p, whole):
        pass
    state, calls = start(p), 0

    def stop():
        nonlocal calls
        calls += 1
        return calls % 3 == 0

    while state.status.epoch < p.epochs:
        for _ in train(p, state, stop):
            pass
    np.testing.assert_array_equal(state.theta, whole.theta)
    for key, array in whole.arrays.items():
        np.testing.assert_array_equal(state.arrays[key], array)


@pytest.mark.parametrize("eps", [1e-8, 1e-30])
@pytest.mark.parametrize("name", ["rmsprop", "adam"])
def test_what_is_dropped_is_far_below_eps(name, eps):
    limits = OPTIMIZERS[name](eps=eps).negligible(tiny=1e-30)
    assert np.sqrt(limits["v"]) <= eps * 2**-24
    assert limits.get("m", 0) <= eps * 2**-48
