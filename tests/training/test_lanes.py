"""Steps that several threads share."""

import numpy as np
import pytest

import backprop_cli as bp
from backprop_cli.optim.averages import Ema
from backprop_cli.optim.max_norm import MaxNorm
from backprop_cli.optim.optimizers import OPTIMIZERS
from backprop_cli.threads import blas_info, choose_lanes, limit_in_lanes, limit_threads
from tests.training.helpers import dataset, plan
from tests.training.test_step import Recorded, assert_steps_are_those_of_the_textbook


@pytest.fixture
def everything_is_shared(monkeypatch):
    """Split the calls on small arrays too."""
    monkeypatch.setattr("backprop_cli.engine.optimize.SHARED", 2)
    monkeypatch.setattr("backprop_cli.engine.optimize.LONG", 10)
    monkeypatch.setattr("backprop_cli.engine.optimize.SLICE", 7)
    monkeypatch.setattr("backprop_cli.engine.calls.SMALL_RESULT", 0)


@pytest.mark.usefixtures("everything_is_shared")
@pytest.mark.parametrize("lanes", [2, 3])
@pytest.mark.parametrize("rule", OPTIMIZERS.values(), ids=lambda rule: rule.name)
@pytest.mark.parametrize("more", [{}, {"average": Ema(0.9), "max_norm": MaxNorm(0.5)}], ids=["", "ema, max-norm"])
def test_a_shared_step_equals_the_textbook_step(rule, lanes, more):
    p = plan(optimizer=rule(), penalty="l1 + l2", strength=0.1, eta=0.5, dtype="float64", lanes=lanes, **more)
    assert_steps_are_those_of_the_textbook(p)


@pytest.mark.usefixtures("everything_is_shared")
@pytest.mark.parametrize("rule", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("lanes", [2, 3])
def test_shared_steps_repeat_to_the_bit(rule, lanes):
    p = plan(
        "relu", "softmax", "cross_entropy", optimizer=OPTIMIZERS[rule](), eta=0.1, data=dataset(n=700), lanes=lanes
    )
    rng, (first, *others) = np.random.default_rng(0), [Recorded(p, 64) for _ in range(4)]
    for _ in range(50):
        rows = rng.permutation(600)[:64]
        for step in (first, *others):
            step(rows)
    for step in others:
        np.testing.assert_array_equal(step.state.theta, first.state.theta)


@pytest.mark.usefixtures("everything_is_shared")
@pytest.mark.parametrize(
    ("layers", "noise"), [("64-30-20-10", "dropout"), ("8x8-conv4x3-max2-conv4x2same-10", "input_dropout")]
)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_in_two_threads_gives_the_weights_of_one(monkeypatch, tmp_path, layers, noise, optimizer):
    monkeypatch.setattr("backprop_cli.threads.LARGE", 0)
    monkeypatch.setattr("backprop_cli.engine.optimize.SLICE", 700)
    config = {
        "dataset": "digits",
        "layers": layers,
        "activation": "tanh",
        "optimizer": optimizer,
        "eta": 0.01,
        noise: 0.2,
    }
    one, two, again = (
        bp.train({**config, "threads": threads, "dtype": "float64", "epochs": 1}, runs_dir=tmp_path / "runs")
        for threads in (1, 2, 2)
    )
    for name, array in one.parameters.items():
        np.testing.assert_allclose(two.parameters[name], array, rtol=1e-8, atol=1e-12)
        np.testing.assert_array_equal(again.parameters[name], two.parameters[name])


def test_small_layers_and_many_threads_are_not_shared():
    assert choose_lanes(2, 128 * 784 * 512) == 2
    assert choose_lanes(2, 10 * 784 * 30) == 1
    assert choose_lanes(1, 128 * 784 * 512) == 1
    assert choose_lanes(64, 128 * 784 * 512) == 1


def test_blas_uses_one_thread_while_threads_share_a_step():
    with limit_threads(2), limit_in_lanes(2):
        assert blas_info()["threads"] == 1
    with limit_threads(2), limit_in_lanes(1):
        assert blas_info()["threads"] == 2
