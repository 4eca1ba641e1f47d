import numpy as np
import pytest

from backprop_cli.nn.activations import HIDDEN
from backprop_cli.nn.costs import OUTPUT_PAIRS
from backprop_cli.nn.penalties import PENALTIES
from backprop_cli.optim.optimizers import OPTIMIZERS
from backprop_cli.training.step import Gradient, make_step
from backprop_cli.training.streams import Noise
from tests.training.helpers import dataset, plan, start

ROWS = np.array([3, 30, 8, 1])


def one_step(p):
    position = start(p)
    y = p.data.task.encode(p.data.train.targets, p.dtype)
    step = make_step(p, position, y, np.asarray(p.eta, p.dtype), len(ROWS), Noise(p.seed))
    np.testing.assert_array_equal(position.theta, start(p).theta)  # making a step is not taking it
    with np.errstate(all="ignore"):
        step(ROWS)
    return position.theta


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize(("cost", "output"), OUTPUT_PAIRS, ids=str)
@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_recorded_step_goes_down_the_gradient(hidden, cost, output, penalty):
    p = plan(hidden, output, cost, penalty, strength=0.02, eta=0.5, dtype="float64")
    x, y = p.data.train.inputs[ROWS] * p.data.scale, p.data.task.encode(p.data.train.targets, "float64")[ROWS]
    theta = start(p).theta
    expected = theta - 0.5 * p.objective.gradient(theta, x, y)
    np.testing.assert_allclose(one_step(p), expected, rtol=1e-13, atol=1e-15)


def test_a_batch_so_large_that_signals_lie_by_columns_makes_the_same_step():
    p = plan("relu", "softmax", "cross_entropy", strength=0.02, eta=0.5, dtype="float64", data=dataset(n=700))
    rows = np.arange(1, 651, dtype=np.intp)
    position = start(p)
    y = p.data.task.encode(p.data.train.targets, "float64")
    step = make_step(p, position, y, np.asarray(0.5), len(rows), Noise(p.seed))
    step(rows)
    theta = start(p).theta
    expected = theta - 0.5 * p.objective.gradient(theta, p.data.train.inputs[rows] * p.data.scale, y[rows])
    np.testing.assert_allclose(position.theta, expected, rtol=1e-12, atol=1e-15)


def test_the_textbook_update_of_weights_and_biases_by_its_own_formula():
    # W <- (1 - eta lambda/n) W - eta dC/dW, with n the training examples; b <- b - eta dC/db
    p = plan(strength=5.0 / 37, eta=0.5, dtype="float64")
    plain = plan(strength=0.0, eta=0.5, dtype="float64")
    before, n_weights = start(p).theta, p.objective.network.n_weights
    expected = one_step(plain)
    expected[:n_weights] -= 0.5 * 5.0 / 37 * before[:n_weights]
    np.testing.assert_allclose(one_step(p), expected, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("rule", OPTIMIZERS.values(), ids=lambda rule: rule.name)
@pytest.mark.parametrize("penalty", PENALTIES)
def test_recorded_steps_are_the_steps_of_the_optimizer_itself(rule, penalty):
    p = plan(optimizer=rule(), penalty=penalty, strength=0.1, eta=0.5, dtype="float64")
    recorded, plain = start(p), start(p)
    y, eta = p.data.task.encode(p.data.train.targets, "float64"), np.asarray(0.5)
    step = make_step(p, recorded, y, eta, len(ROWS), Noise(p.seed))
    for rows, rate in ((ROWS, 0.5), (ROWS + 2, 0.5), (ROWS, 0.125)):
        eta[...] = rate
        step(rows)
        g = p.objective.gradient(plain.theta, p.data.train.inputs[rows] * p.data.scale, y[rows])
        p.optimizer.step(plain.theta, g, plain.state_of("optimizer"), np.asarray(rate))
    np.testing.assert_allclose(recorded.theta, plain.theta, rtol=1e-12)
    for name, array in plain.memory.items():
        np.testing.assert_allclose(recorded.memory[name], array, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_batch_that_is_worked_through_in_pieces_makes_the_same_step(monkeypatch, optimizer):
    p = plan("tanh", "softmax", "cross_entropy", optimizer=OPTIMIZERS[optimizer](), strength=0.02, dtype="float64")
    rows, y, thetas = np.arange(35), p.data.task.encode(p.data.train.targets, "float64"), []
    for whole, piece in ((100, 100), (10, 8)):
        monkeypatch.setattr("backprop_cli.training.step.WHOLE", whole)
        monkeypatch.setattr("backprop_cli.training.step.PIECE", piece)
        position = start(p)
        step = make_step(p, position, y, np.asarray(0.5), len(rows), Noise(p.seed))
        step(rows)
        step(rows)
        thetas.append(position.theta)
    np.testing.assert_allclose(*thetas, rtol=1e-12)


def test_a_gradient_in_pieces_comes_with_the_cost_of_them_all(monkeypatch):
    monkeypatch.setattr("backprop_cli.training.step.WHOLE", 10)
    monkeypatch.setattr("backprop_cli.training.step.PIECE", 8)
    p = plan("tanh", "softmax", "cross_entropy", dtype="float64")
    position, rows = start(p), np.arange(35)
    y, grad = p.data.task.encode(p.data.train.targets, "float64"), np.zeros_like(position.theta)
    cost = Gradient(p, position, grad, y, len(rows), Noise(p.seed)).with_cost(rows)
    x = p.data.train.inputs[rows] * p.data.scale
    assert cost == pytest.approx(p.objective.value(position.theta, x, y[rows]), rel=1e-13)
    np.testing.assert_allclose(grad, p.objective.gradient(position.theta, x, y[rows]), rtol=1e-12, atol=1e-16)
