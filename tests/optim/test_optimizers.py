import json
from pathlib import Path

import numpy as np
import pytest

from backprop_cli.engine.recording import Recording
from backprop_cli.optim.optimizers import OPTIMIZERS, SGD, Adam, Momentum, Rprop
from backprop_cli.optim.state import State
from tests.optim.landscapes import LOWEST, START, bowl, valley

ETA = np.asarray(0.1)
TORCH = json.loads((Path(__file__).parent / "torch_steps.json").read_text(encoding="utf-8"))
G = np.array(TORCH["gradients"])

every_rule = pytest.mark.parametrize("rule", OPTIMIZERS.values(), ids=lambda rule: rule.name)
both_precisions = pytest.mark.parametrize("dtype", ["float32", "float64"])


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


def test_momentum_grows_by_the_same_factor_from_epoch_to_epoch():
    rule = Momentum(mu=0.9, first=0.5, epochs=8, change="geometric")
    np.testing.assert_allclose([rule.mu_of(epoch) for epoch in range(1, 9)], np.geomspace(0.5, 0.9, 8))
    assert rule.mu_of(9) == rule.mu_of(100) == 0.9


def test_rprop_by_hand():
    rule, theta = Rprop(), np.array([0.0])
    state = rule.init(theta)
    places = []
    for g in (3.0, 0.1, -7.0, -7.0, 0.0, 2.0):
        rule.step(theta, np.array([g]), state, ETA)
        places.append(float(theta[0]))
    # 0.1, grows to 0.12, turns: 0.06 and waits, goes 0.06, has no sign, goes 0.06 since nothing turned
    np.testing.assert_allclose(places, [-0.1, -0.22, -0.22, -0.16, -0.16, -0.22])


def test_the_first_step_of_adam_is_eta_whatever_the_gradient():
    theta = np.zeros(3)
    rule = Adam(eps=1e-30)
    rule.step(theta, np.array([1e-12, -3.0, 1e12]), rule.init(theta), ETA)
    np.testing.assert_allclose(theta, [-0.1, 0.1, -0.1])


@pytest.mark.parametrize("case", TORCH["cases"], ids=lambda case: f"{case['name']}-{case['options']}")
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-12), ("float32", 1e-6)])
def test_every_step_agrees_with_pytorch(case, dtype, rtol):
    # the oracle is in double precision for both: single precision may stray from it by a few of its own roundings
    rule, theta = OPTIMIZERS[case["name"]](**case["options"]), np.array(TORCH["start"], dtype)
    state, eta = rule.init(theta), np.asarray(case["eta"], dtype)
    way = np.zeros_like(theta)  # the roundings are those of the places passed, not of where they end
    for g, expected in zip(G.astype(dtype), case["theta"], strict=True):
        way = np.maximum(way, np.abs(theta))
        rule.step(theta, g, state, eta)
        assert theta.dtype == dtype
        np.testing.assert_array_less(np.abs(theta - expected), rtol * np.maximum(way, np.abs(expected)))


def test_every_optimizer_has_been_compared_with_pytorch():
    assert {case["name"] for case in TORCH["cases"]} == set(OPTIMIZERS)


# eta and steps for the bowl, eta and steps for the valley
PATIENCE = {
    "sgd": ({}, 1e-2, 1000, 1e-3, 20_000),
    "momentum": ({}, 5e-3, 200, 5e-4, 4000),
    "nesterov": ({}, 5e-3, 200, 5e-4, 4000),
    "adagrad": ({}, 0.5, 100, 0.5, 10_000),
    "adadelta": ({"rho": 0.9, "eps": 1e-2}, 1e-3, 10_000, 1e-3, 20_000),
    "rmsprop": ({}, 1e-3, 1500, 1e-3, 10_000),
    "adam": ({"beta2": 0.99}, 2e-3, 1500, 2e-3, 4000),
    "adamw": ({"beta2": 0.99, "weight_decay": 1e-4}, 2e-3, 1500, 2e-3, 4000),
    "rprop": ({}, 0.1, 50, 1e-3, 5000),
}


@every_rule
@pytest.mark.parametrize("landscape", [bowl, valley])
def test_every_optimizer_finds_the_minimum_to_a_thousandth(rule, landscape):
    options, *patience = PATIENCE[rule.name]
    eta, steps = patience[:2] if landscape is bowl else patience[2:]
    optimizer, theta = rule(**options), np.array(START[landscape])
    state, rate = optimizer.init(theta), np.asarray(eta)
    for _ in range(steps):
        optimizer.step(theta, landscape(theta)[1], state, rate)
    np.testing.assert_allclose(theta, LOWEST[landscape], atol=1e-3)


def start(rule, dtype, shape=(8,)):
    theta = np.resize(np.array(TORCH["start"], dtype), shape)
    return rule(), theta, rule().init(theta), np.asarray(0.01, dtype)


def bits(*arrays):
    return [(array.shape, array.dtype, array.tobytes()) for array in arrays]


@every_rule
@both_precisions
@pytest.mark.parametrize("shape", [(8,), (3, 8)])
def test_a_recorded_step_equals_the_step(rule, dtype, shape):
    optimizer, theta, state, eta = start(rule, dtype, shape)
    _, recorded, own, _ = start(rule, dtype, shape)
    g, recording = np.zeros(shape, dtype), Recording()
    watched = State((name, recording.watch(array)) for name, array in own.items())
    optimizer.step(recording.watch(recorded), recording.watch(g), watched, recording.watch(eta))
    replay = recording.finish()
    rtol = 1e-14 if dtype == "float64" else 1e-6  # recorded in single precision, nothing is computed in double
    for row in G:
        g[...] = row
        optimizer.step(theta, g, state, eta)
        replay()
        for array, expected in zip((recorded, *own.values()), (theta, *state.values()), strict=True):
            np.testing.assert_allclose(array, expected, rtol=rtol, atol=rtol * np.abs(G).max())


@every_rule
@both_precisions
def test_a_saved_state_continues_with_the_same_bits(rule, dtype):
    optimizer, theta, state, eta = start(rule, dtype)
    for g in G[:5].astype(dtype):
        optimizer.step(theta, g, state, eta)
    later_theta, later = theta.copy(), State((name, array.copy()) for name, array in state.items())
    for g in G[5:].astype(dtype):
        optimizer.step(theta, g, state, eta)
    for g in G[5:].astype(dtype):
        rule().step(later_theta, g, later, eta)  # nothing is remembered but in the state
    assert bits(later_theta, *later.values()) == bits(theta, *state.values())


@every_rule
@both_precisions
def test_the_arrays_of_a_state_keep_their_shapes_and_dtypes(rule, dtype):
    optimizer, theta, state, eta = start(rule, dtype)
    arrays = dict(state)
    forms = {name: (array.shape, array.dtype) for name, array in state.items()}
    for g in G.astype(dtype):
        untouched = g.copy()
        optimizer.step(theta, g, state, eta)
        np.testing.assert_array_equal(g, untouched)
    assert {name: (array.shape, array.dtype) for name, array in state.items()} == forms
    assert all(
        state[name] is array and array.dtype == (dtype if array.ndim else "float64") for name, array in arrays.items()
    )


@every_rule
def test_a_stack_of_networks_steps_like_each_network_alone(rule):
    optimizer, theta, state, eta = start(rule, "float64", (2, 4))
    alone = [(row.copy(), optimizer.init(row)) for row in theta]
    for g in G.reshape(len(G), 2, 4):
        optimizer.step(theta, g, state, eta)
        for (row, own), row_g in zip(alone, g, strict=True):
            optimizer.step(row, row_g, own, eta)
    np.testing.assert_array_equal(theta, [row for row, _ in alone])


def test_bias_correction_is_accurate_in_single_precision():
    # at step 1 of beta2 = 0.9999999, 1 - beta2^t is 1e-7: nothing would be left of it in single precision
    theta, g = np.zeros(1, np.float32), np.ones(1, np.float32)
    rule, eta = Adam(beta2=0.9999999), np.asarray(0.1, np.float32)
    state = rule.init(theta)
    for t in range(1, 6):
        rule.step(theta, g, state, eta)
        np.testing.assert_allclose(theta, -0.1 * t, rtol=1e-6)  # a mean of ones is one


def test_only_sgd_is_plain_and_only_rprop_needs_full_batches():
    assert [name for name, rule in OPTIMIZERS.items() if rule.plain] == ["sgd"]
    assert [name for name, rule in OPTIMIZERS.items() if rule.full_batch] == ["rprop"]
