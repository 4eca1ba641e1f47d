"""Contrastive divergence: recorded and textbook steps, the expected estimate by enumeration, and scikit-learn."""

import numpy as np
import pytest

from backprop_cli.boltzmann.costs import LIKELIHOODS
from backprop_cli.optim.optimizers import OPTIMIZERS
from backprop_cli.training.step import make_step, textbook_step
from backprop_cli.training.streams import Streams
from tests.boltzmann.helpers import dataset, machine, network, plan, probabilities, start, states
from tests.training.test_loop import After, copy, results, run

KINDS = [
    {"cost": cost, "output": output, "k": k, "visible": visible}
    for cost in LIKELIHOODS
    for output in ("sigmoid", "identity")
    for k in (1, 3)
    for visible in ("means", "samples")
]


class Float32:
    """The noise of a recorded step, for the textbook: the same numbers in the same order."""

    def __init__(self, streams):
        self.streams = streams

    def random(self, size):
        return self.streams.dropout.random(size, np.float32)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_recorded_steps_are_those_of_the_textbook(kind, optimizer):
    p = plan(
        **kind, optimizer=OPTIMIZERS[optimizer](), strength=0.02, **({"chains": 7} if kind["cost"] == "pcd" else {})
    )
    ours, theirs, eta = start(p), start(p), np.asarray(p.eta)
    streams, again = Streams(p.seed), Streams(p.seed)
    step = make_step(p, ours, eta, 4, streams)
    for rows in (np.array([3, 30, 8, 1]), np.array([2, 5, 7, 11])):
        step(rows)
        x = p.data.train.inputs[rows] * p.data.scale
        textbook_step(p, theirs, x, np.zeros_like(x), eta, Float32(again))
        np.testing.assert_allclose(ours.theta, theirs.theta, rtol=1e-10, atol=1e-13)
        for name, array in ours.arrays.items():
            np.testing.assert_allclose(array, theirs.arrays[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("cost", LIKELIHOODS)
def test_examples_with_weights_count_as_often(cost):
    """Two examples of weight 1 and 3 pull as one and three copies do, when the chains have the same noise."""

    class Half:
        def random(self, size):
            return np.full(size, 0.5)

    p = plan(cost)
    theta, s = start(p).theta, start(p)
    estimator = p.objective.estimator.bound(s.group("estimator"))
    x = dataset().train.inputs[:2] / 255

    def gradient(rows, weight):
        grad = np.zeros_like(theta)
        s.group("estimator").get("h", grad)[...] = 0
        estimator.estimate(theta, rows, np.zeros_like(rows), p.objective.layout.sums(grad), weight, Half())
        return grad

    weighted = gradient(x, np.array([[1.0], [3.0]]) / 4)
    np.testing.assert_allclose(weighted, gradient(x[[0, 1, 1, 1]], 1 / 4), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kind", [k for k in KINDS if k["k"] == 3], ids=str)
@pytest.mark.parametrize("steps", [2, 7])
def test_training_resumed_inside_an_epoch_gives_the_same_bits(kind, steps):
    p = plan(**kind, dtype="float32", optimizer=OPTIMIZERS["momentum"]())
    state = start(p)
    whole, events = run(p, copy(state))
    stopped, before = run(p, copy(state), stop=After(steps))
    assert stopped.status.step
    resumed, after = run(p, copy(stopped))
    np.testing.assert_array_equal(resumed.theta, whole.theta)
    for name, array in whole.arrays.items():
        np.testing.assert_array_equal(resumed.arrays[name], array)
    assert results(before) + results(after) == results(events)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_the_mean_of_many_estimates_is_the_expected_one_by_enumeration(k):
    """The distribution after k steps is the data times Tᵏ, with T = p(v' | v) (as in Shark's test of CD)."""
    rbm, p, theta = machine(4, 3, scale=0.7)
    v, h = states(4), states(3)
    joint = probabilities(p)
    up, down = joint / joint.sum(axis=1, keepdims=True), (joint / joint.sum(axis=0)).T
    data = v[[1, 6, 6, 12]]
    start_at = np.array([np.mean((data == row).all(axis=1)) for row in v])
    after = start_at @ np.linalg.matrix_power(up @ down, k)
    statistic = np.array([np.outer(up[i] @ h, row).ravel() for i, row in enumerate(v)])  # E[h | v] vᵀ
    expected = {"W": (after - start_at) @ statistic, "b": (after - start_at) @ up @ h, "a": (after - start_at) @ v}

    net = network(4, 3)
    estimator = LIKELIHOODS["cd"](k=k, visible="samples").estimator(net)
    rng, samples = np.random.default_rng(5), []
    many = np.tile(data, (250, 1))
    for _ in range(60):
        grad = np.zeros_like(theta)
        estimator.estimate(theta, many, np.zeros_like(many), net.layout.sums(grad), 1 / len(many), rng)
        samples.append(grad)
    mean, error = np.mean(samples, axis=0), np.std(samples, axis=0, ddof=1) / np.sqrt(len(samples))
    for name, view in net.layout.split(mean)[0].items():
        spread = net.layout.split(error)[0][name].ravel()
        assert np.all(np.abs(view.ravel() - expected[name]) < 4 * spread + 1e-12), name


def test_with_many_steps_the_expected_estimate_is_the_gradient_of_the_likelihood():
    _, p, _ = machine(4, 3, scale=0.7)
    joint = probabilities(p)
    up, down = joint / joint.sum(axis=1, keepdims=True), (joint / joint.sum(axis=0)).T
    after = np.linalg.matrix_power(up @ down, 500)[0]
    np.testing.assert_allclose(after, joint.sum(axis=1), atol=1e-12)


def test_a_persistent_step_is_that_of_scikit_learn():
    """With the same uniform numbers, one step of PCD-1 leads to the same parameters and chains."""
    neural_network = pytest.importorskip("sklearn.neural_network", reason="needs the extra 'sklearn'")

    class Uniform:
        def __init__(self):
            self.rng = np.random.default_rng(4)

        def random(self, size):
            return self.rng.random(size)

        def uniform(self, size):
            return self.rng.random(size)

    p = plan("pcd", chains=10, data=dataset(visible=6))
    state = start(p)
    theirs = neural_network.BernoulliRBM(4, learning_rate=0.1, batch_size=10)
    views = {name: array.copy() for name, array in p.objective.layout.named(state.theta).items()}
    theirs.components_, theirs.intercept_hidden_, theirs.intercept_visible_ = views["W1"], views["b1"], views["a1"]
    theirs.h_samples_ = np.zeros((10, 4))
    x, numbers, ours = p.data.train.inputs[:10] / 255, Uniform(), Uniform()
    for _ in range(20):
        theirs._fit(x, numbers)
        textbook_step(p, state, x, np.zeros_like(x), np.asarray(p.eta), ours)
    after = p.objective.layout.named(state.theta)
    np.testing.assert_array_equal(state.arrays["estimator.h"], theirs.h_samples_)
    np.testing.assert_allclose(after["W1"], theirs.components_, atol=1e-13)
    np.testing.assert_allclose(after["b1"], theirs.intercept_hidden_, atol=1e-13)
    np.testing.assert_allclose(after["a1"], theirs.intercept_visible_, atol=1e-13)


def test_without_weights_pcd_finds_the_log_odds_of_the_mean():
    """An RBM with one hidden unit and W = 0 is independent bits: PCD must find b = logit(mean)."""
    rng = np.random.default_rng(1)
    data = (rng.random((5000, 4)) < [0.1, 0.4, 0.6, 0.95]).astype(float)
    net = network(4, 1)
    estimator = LIKELIHOODS["pcd"](chains=5000).estimator(net)
    theta = np.zeros(net.layout.size)
    bound = estimator.bound(dict(estimator.init(theta)))
    visible = net.layout.named(theta)["a1"]
    found = []
    for _ in range(300):
        grad = np.zeros_like(theta)
        bound.estimate(theta, data, np.zeros_like(data), net.layout.sums(grad), 1 / len(data), rng)
        visible -= 2.0 * net.layout.named(grad)["a1"]
        found.append(visible.copy())
    mean = data.mean(axis=0)
    np.testing.assert_allclose(np.mean(found[-150:], axis=0), np.log(mean / (1 - mean)), atol=0.02)
