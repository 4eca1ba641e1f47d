import numpy as np
import pytest

from backprop_cli.nn.activations import OUTPUTS
from backprop_cli.objectives.costs import OUTPUT_PAIRS
from backprop_cli.optim.averages import Ema
from backprop_cli.optim.max_norm import MaxNorm
from backprop_cli.optim.minimizers import LBFGS, Minimizer
from backprop_cli.optim.optimizers import OPTIMIZERS
from backprop_cli.optim.state import State
from backprop_cli.training.gradient import AccumulatedGradient
from backprop_cli.training.loop import Stopped
from backprop_cli.training.step import make_step, textbook_step
from backprop_cli.training.streams import Streams
from tests.training.helpers import dataset, plan, start
from tests.training.test_loop import run

ROWS = np.array([3, 30, 8, 1])
PENALTIES = ("l1", "l2", "l1 + l2")


class Recorded:
    """The recorded step of a plan from its start, on batches of m."""

    def __init__(self, p, m=4):
        self.state, self.eta = start(p), np.asarray(p.eta, p.dtype)
        self.streams = Streams(p.seed)
        self.step = make_step(p, self.state, self.eta, m, self.streams)
        np.testing.assert_array_equal(self.state.theta, start(p).theta)  # recording changes nothing

    def __call__(self, rows):
        with np.errstate(all="ignore"):
            self.step(rows)
        return self.state


def examples(p, rows):
    split = p.data.train
    return split.inputs[rows] * np.asarray(p.data.scale, p.dtype), p.data.task.encode(split.targets[rows], p.dtype)


def assert_steps_are_those_of_the_textbook(p):
    recorded, state = Recorded(p), start(p)
    for rows, eta in ((ROWS, 0.5), (ROWS + 2, 0.5), (ROWS, 0.125)):
        recorded.eta[...] = eta
        recorded(rows)
        textbook_step(p, state, *examples(p, rows), np.asarray(eta))
    np.testing.assert_allclose(recorded.state.theta, state.theta, rtol=1e-11)
    for name, array in state.arrays.items():
        np.testing.assert_allclose(recorded.state.arrays[name], array, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("hidden", OUTPUTS)  # all but the random ones
@pytest.mark.parametrize(("cost", "output"), OUTPUT_PAIRS, ids=str)
@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_recorded_step_subtracts_eta_times_the_gradient(hidden, cost, output, penalty):
    p = plan(hidden, output, cost, penalty, strength=0.02, eta=0.5, dtype="float64")
    theta, recorded = start(p).theta, Recorded(p)
    for rows in (ROWS, ROWS + 2):
        theta = theta - 0.5 * p.objective.gradient(theta, *examples(p, rows))
        np.testing.assert_allclose(recorded(rows).theta, theta, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("rates", [(), (1.0, 0.5, 2.0)])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_a_step_on_a_single_example_equals_the_textbook_step(optimizer, rates):
    p = plan(optimizer=OPTIMIZERS[optimizer](), strength=0.02, eta=0.5, dtype="float64", rates=rates)
    recorded, state = Recorded(p, m=1), start(p)
    for row in (3, 0, 11):
        rows = np.array([row])
        textbook_step(p, state, *examples(p, rows), np.asarray(p.eta))
        np.testing.assert_allclose(recorded(rows).theta, state.theta, rtol=1e-12, atol=1e-15)


def test_a_batch_stored_by_columns_makes_the_same_step():
    p = plan("relu", "softmax", "cross_entropy", strength=0.02, eta=0.5, dtype="float64", data=dataset(n=700))
    rows = np.arange(1, 651, dtype=np.intp)
    theta = start(p).theta
    expected = theta - 0.5 * p.objective.gradient(theta, *examples(p, rows))
    np.testing.assert_allclose(Recorded(p, 650)(rows).theta, expected, rtol=1e-12, atol=1e-15)


def test_the_textbook_update_of_weights_and_biases_by_hand():
    # W <- (1 - eta lambda/n) W - eta dC/dW, with n the training examples; b <- b - eta dC/db
    p = plan(strength=5.0 / 37, eta=0.5, dtype="float64")
    before, n = start(p).theta, p.objective.layout.n_penalized
    expected = Recorded(plan(eta=0.5, dtype="float64"))(ROWS).theta
    expected[:n] -= 0.5 * 5.0 / 37 * before[:n]
    np.testing.assert_allclose(Recorded(p)(ROWS).theta, expected, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("c", [0.3, 3.0])  # with 3.0, the weight decay alone changes every sign
def test_plain_sgd_with_both_penalties_by_hand(c):
    # W <- W - eta (dC/dW + c sign W + c W): the penalties act on the W before the step, and not on each other
    p = plan(penalty="l1 + l2", strength=c, eta=0.5, dtype="float64")
    W, n = start(p).theta, p.objective.layout.n_penalized
    expected = Recorded(plan(eta=0.5, dtype="float64"))(ROWS).theta
    expected[:n] -= 0.5 * (c * np.sign(W[:n]) + c * W[:n])
    np.testing.assert_allclose(Recorded(p)(ROWS).theta, expected, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("rule", OPTIMIZERS.values(), ids=lambda rule: rule.name)
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("more", [{}, {"average": Ema(0.9), "max_norm": MaxNorm(0.5)}], ids=["", "ema, max-norm"])
@pytest.mark.parametrize("vector", [1, 1_000_000], ids=["sums by BLAS", ""])
def test_a_recorded_step_equals_the_textbook_step(monkeypatch, rule, penalty, more, vector):
    monkeypatch.setattr("backprop_cli.engine.fusion.VECTOR", vector)
    p = plan(optimizer=rule(), penalty=penalty, strength=0.1, eta=0.5, dtype="float64", **more)
    assert_steps_are_those_of_the_textbook(p)


def test_a_step_with_momentum_adds_the_products_of_the_gradient_to_the_velocity(monkeypatch):
    monkeypatch.setattr("backprop_cli.engine.fusion.VECTOR", 1)
    for strength, sums in ((0.0, 0), (0.1, 1)):
        p = plan(optimizer=OPTIMIZERS["momentum"](), strength=strength)
        layout, calls = p.objective.layout, Recorded(p).step.recorded[1].recorded
        long = [call for call in calls if call.out.ndim == 1 and call.out.size >= layout.n_penalized]
        assert len(long) == 1 + sums  # theta += v, and c theta added to v


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_recorded_dropout_draws_a_new_mask_in_every_step(optimizer):
    p = plan("tanh", optimizer=OPTIMIZERS[optimizer](), dropouts=(0.2, 0.5, 0.5), eta=0.1, dtype="float64")
    recorded, state, streams = Recorded(p), start(p), Streams(p.seed)
    for rows in (ROWS, ROWS + 2):
        recorded(rows)
        noise = _Float32(streams.dropout)
        textbook_step(p, state, *examples(p, rows), np.asarray(0.1), noise)
    np.testing.assert_allclose(recorded.state.theta, state.theta, rtol=1e-11)


class _Float32:
    def __init__(self, rng):
        self.rng = rng

    def random(self, size):
        return self.rng.random(size, dtype=np.float32)


@pytest.mark.parametrize(
    "rule", [OPTIMIZERS["momentum"], OPTIMIZERS["adam"], OPTIMIZERS["rprop"]], ids=lambda r: r.name
)
def test_a_step_on_slices_of_theta_equals_the_step_on_the_whole(monkeypatch, rule):
    p = plan(optimizer=rule(), penalty="l1 + l2", strength=0.1, eta=0.5, dtype="float64", average=Ema(0.9))
    whole = Recorded(p)
    monkeypatch.setattr("backprop_cli.engine.optimize.LONG", 10)
    monkeypatch.setattr("backprop_cli.engine.optimize.SLICE", 7)
    sliced = Recorded(p)
    for rows in (ROWS, ROWS + 2, ROWS):
        np.testing.assert_array_equal(sliced(rows).theta, whole(rows).theta)
    for name, array in whole.state.arrays.items():
        np.testing.assert_array_equal(sliced.state.arrays[name], array)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_batch_in_micro_batches_makes_the_same_step(monkeypatch, optimizer):
    p = plan("tanh", "softmax", "cross_entropy", optimizer=OPTIMIZERS[optimizer](), strength=0.02, dtype="float64")
    rows, thetas = np.arange(35), []
    for largest, micro in ((100, 100), (10, 8)):
        monkeypatch.setattr("backprop_cli.training.gradient.MAX_BATCH", largest)
        monkeypatch.setattr("backprop_cli.training.gradient.MICRO_BATCH", micro)
        recorded = Recorded(p, 35)
        recorded(rows)
        thetas.append(recorded(rows).theta)
    np.testing.assert_allclose(*thetas, rtol=1e-12)


def test_a_gradient_in_micro_batches_comes_with_the_cost_of_the_whole_batch(monkeypatch):
    monkeypatch.setattr("backprop_cli.training.gradient.MAX_BATCH", 10)
    monkeypatch.setattr("backprop_cli.training.gradient.MICRO_BATCH", 8)
    p = plan("tanh", "softmax", "cross_entropy", optimizer=LBFGS(), dtype="float64")
    state, rows = start(p), np.arange(35)
    grad = np.zeros_like(state.theta)
    cost = AccumulatedGradient(p, state, grad, len(rows), Streams(p.seed))(rows)
    x, y = examples(p, rows)
    assert cost == pytest.approx(p.objective.value(state.theta, x, y), rel=1e-13)
    np.testing.assert_allclose(grad, p.objective.gradient(state.theta, x, y), rtol=1e-12, atol=1e-16)


class Hesitant(Minimizer):
    """Moves only every `every`th time it is asked to."""

    name = "hesitant"

    def __init__(self, every):
        self.every, self.asked = every, 0

    def init(self, theta):
        return State()

    def step(self, cost_and_gradient, theta, s):
        self.asked += 1
        if self.asked % self.every == 0:
            theta -= 0.1 * cost_and_gradient(theta)[1]


def test_a_minimizer_has_converged_only_if_it_finds_nothing_twice_in_a_row():
    moving, stuck = (run(plan(optimizer=Hesitant(every), batch_size=37, epochs=3)) for every in (2, 3))
    assert moving[0].status.stopped is None
    assert moving[0].status.epoch == 3
    assert stuck[1][-1] == Stopped(1, "no lower cost was found")
