from dataclasses import replace

import numpy as np
import pytest

from backprop_cli.data.augment import Augment
from backprop_cli.nn.corruption import Gaussian, Masking, Salt
from backprop_cli.optim.averages import Ema
from backprop_cli.optim.max_norm import MaxNorm
from backprop_cli.optim.minimizers import MINIMIZERS
from backprop_cli.optim.optimizers import OPTIMIZERS
from backprop_cli.training.loop import batches_of_epoch
from backprop_cli.training.step import make_step
from backprop_cli.training.streams import Streams
from tests.training.helpers import dataset, plan, start, weights_and_biases
from tests.training.test_loop import After, copy, results, run

NOISY = {
    "dropout": {"dropouts": (0.0, 0.5, 0.2)},
    "input dropout": {"dropouts": (0.3, 0.0, 0.0)},
    "augment": {"augment": Augment(shift=1, rotation=5, elastic=3), "data": replace(dataset(), image=(2, 3))},
    "masking": {"corrupt": Masking(0.3)},
    "gaussian noise": {"corrupt": Gaussian(0.5)},
    "fixed noise": {"corrupt": Salt(0.4, fixed=True)},
    "ema": {"average": Ema(decay=0.9)},
    "max_norm": {"max_norm": MaxNorm(0.5)},
    "bernoulli": {"hidden": "bernoulli"},
    "all": {
        "dropouts": (0.1, 0.5, 0.2),
        "augment": Augment(shift=1),
        "corrupt": Masking(0.2),
        "average": Ema(decay=0.9),
        "max_norm": MaxNorm(1.0),
        "data": replace(dataset(), image=(2, 3)),
    },
}


RULES = {**OPTIMIZERS, **MINIMIZERS}


@pytest.mark.parametrize(
    ("what", "optimizer"),
    [(what, rule) for what in NOISY for rule in RULES if rule not in MINIMIZERS or what == "ema"],
)
@pytest.mark.parametrize("steps", [2, 3, 11])  # the last is inside the second epoch
def test_training_resumed_from_any_step_gives_the_same_bits_with_every_kind_of_noise(what, optimizer, steps):
    settings = {"hidden": "relu", "output": "softmax", "cost": "cross_entropy", **NOISY[what]}
    p = plan(**settings, optimizer=RULES[optimizer](), strength=0.01, eta=0.05)
    if optimizer in MINIMIZERS:
        p = replace(p, batch_size=37)
    whole, events = run(p)
    state, before = run(p, stop=After(steps))
    resumed, after = run(p, copy(state))
    np.testing.assert_array_equal(resumed.theta, whole.theta)
    np.testing.assert_array_equal(resumed.evaluated_theta, whole.evaluated_theta)
    assert results(before) + results(after) == results(events)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("what", NOISY)
def test_batches_fetched_several_at_a_time_make_the_same_steps(monkeypatch, what, optimizer):
    p = plan(**NOISY[what], optimizer=OPTIMIZERS[optimizer](), strength=0.01, eta=0.05, batch_size=3)
    monkeypatch.setattr("backprop_cli.training.loop.SLICES", 1)
    states = []
    for numbers, stops in ((1, [100]), (90, [100]), (90, [5, 9, 100]), (40, [13, 100])):  # of 18 in a batch
        monkeypatch.setattr("backprop_cli.training.batch.FETCHED", numbers)
        states.append(start(p))
        for steps in stops:
            run(p, states[-1], stop=After(steps))
        assert states[-1].status.epoch == p.epochs
    for state in states[1:]:
        assert state.theta.tobytes() == states[0].theta.tobytes()
        for name, array in state.arrays.items():
            assert array.tobytes() == states[0].arrays[name].tobytes()


@pytest.mark.parametrize("what", ["dropout", "input dropout", "augment", "masking", "gaussian noise", "bernoulli"])
def test_noise_differs_from_epoch_to_epoch_and_from_seed_to_seed(what):
    p = replace(plan(**NOISY[what]), batch_size=100, epochs=1)  # one batch of all, so that the order plays no part
    seeds = [run(q)[0].theta for q in (p, replace(p, seed=8))]
    epochs = []
    for epoch in (1, 2):
        state, streams = start(p), Streams(p.seed)
        step = make_step(p, state, np.asarray(p.eta, p.dtype), 37, streams)
        streams.restart(epoch)
        step(np.arange(37))
        epochs.append(state.theta)
    n = p.objective.layout.n_penalized
    for one, other in (seeds, epochs):
        assert np.mean(one[:n] != other[:n]) > 0.5  # other units are dropped, other pixels moved


def test_a_step_with_random_units_is_the_step_of_the_numbers_drawn():
    p = plan("bernoulli", "softmax", "cross_entropy", dtype="float64", eta=0.5)
    state, streams, m = start(p), Streams(p.seed), 10
    y = p.data.task.encode(p.data.train.targets, "float64")
    step = make_step(p, state, np.asarray(0.5), m, streams)
    streams.restart(3)
    step(np.arange(m))

    streams.restart(3)  # the same numbers, and the mathematics written out
    u1, u2 = (streams.dropout.random((m, n), dtype=np.float32) for n in (5, 4))
    theta = start(p).theta
    (W1, b1), (W2, b2), (W3, b3) = layers = weights_and_biases(p, theta)
    x = p.data.train.inputs[:m] * p.data.scale
    p1 = 1 / (1 + np.exp(-(x @ W1.T + b1)))
    a1 = (u1 < p1).astype(float)
    p2 = 1 / (1 + np.exp(-(a1 @ W2.T + b2)))
    a2 = (u2 < p2).astype(float)
    z = a2 @ W3.T + b3
    delta3 = (np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) - y[:m]) / m
    delta2 = delta3 @ W3 * p2 * (1 - p2)
    delta1 = delta2 @ W2 * p1 * (1 - p1)
    for (W, b), delta, a in zip(layers, (delta1, delta2, delta3), (x, a1, a2), strict=True):
        W -= 0.5 * delta.T @ a
        b -= 0.5 * delta.sum(axis=0)
    np.testing.assert_allclose(state.theta, theta, rtol=1e-10, atol=1e-12)


def test_a_step_with_dropout_is_the_step_of_the_network_without_the_dropped_units():
    p = plan("tanh", "softmax", "cross_entropy", dropouts=(0.25, 0.5, 0.5), dtype="float64", eta=0.5)
    state, streams, m = start(p), Streams(p.seed), 10
    y = p.data.task.encode(p.data.train.targets, "float64")
    step = make_step(p, state, np.asarray(0.5), m, streams)
    streams.restart(3)
    step(np.arange(m))

    streams.restart(3)  # the same numbers, and the mathematics written out
    masks = [
        (streams.dropout.random((m, n), dtype=np.float32) >= rate) / (1 - rate)
        for n, rate in zip((6, 5, 4), (0.25, 0.5, 0.5), strict=True)
    ]
    theta = start(p).theta
    (W1, b1), (W2, b2), (W3, b3) = layers = weights_and_biases(p, theta)
    x = p.data.train.inputs[:m] * p.data.scale * masks[0]
    h1 = np.tanh(x @ W1.T + b1)
    h2 = np.tanh((h1 * masks[1]) @ W2.T + b2)
    z = (h2 * masks[2]) @ W3.T + b3
    delta3 = (np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) - y[:m]) / m
    delta2 = delta3 @ W3 * masks[2] * (1 - h2**2)
    delta1 = delta2 @ W2 * masks[1] * (1 - h1**2)
    after = weights_and_biases(p, state.theta)
    signals = (x, h1 * masks[1], h2 * masks[2])
    for (new_W, new_b), (W, b), delta, a in zip(after, layers, (delta1, delta2, delta3), signals, strict=True):
        np.testing.assert_allclose(new_W, W - 0.5 * delta.T @ a, rtol=1e-12)
        np.testing.assert_allclose(new_b, b - 0.5 * delta.sum(axis=0), rtol=1e-12)


def test_a_step_with_masking_is_the_step_on_the_masked_inputs():
    p = plan("tanh", "softmax", "cross_entropy", dtype="float64", eta=0.5, corrupt=Masking(0.25))
    state, streams, m = start(p), Streams(p.seed), 10
    step = make_step(p, state, np.asarray(0.5), m, streams)
    streams.restart(3)
    step(np.arange(m))

    streams.restart(3)
    mask = streams.corruption.random((m, 6), dtype=np.float32) >= 0.25
    x, y = p.data.train.inputs[:m] * p.data.scale * mask, p.data.task.encode(p.data.train.targets[:m], "float64")
    theta = start(p).theta
    np.testing.assert_allclose(state.theta, theta - 0.5 * p.objective.gradient(theta, x, y), rtol=1e-12)


def test_fixed_noise_is_the_same_in_every_epoch_and_another_for_each_example():
    p = replace(plan(corrupt=Masking(0.5, fixed=True)), batch_size=100, epochs=1)
    thetas = []
    for epoch in (1, 2):
        state, streams = start(p), Streams(p.seed)
        step = make_step(p, state, np.asarray(p.eta, p.dtype), 37, streams)
        streams.restart(epoch)
        step(np.arange(37))
        thetas.append(state.theta)
    np.testing.assert_array_equal(*thetas)
    first, second = (Streams(p.seed).of_example(row).random(20) for row in (0, 1))
    assert not np.isclose(first[:, None], second).any()


def test_fixed_noise_does_not_depend_on_the_batch_that_an_example_is_in():
    p = plan(dtype="float64", corrupt=Gaussian(0.5, fixed=True))
    state, streams = start(p), Streams(p.seed)
    rows = np.array([5, 3, 20])
    make_step(p, state, np.asarray(0.5), 3, streams)(rows)
    noise = np.stack([Streams(p.seed).of_example(row).standard_normal(6, dtype=np.float32) for row in rows.tolist()])
    x = p.data.train.inputs[rows] * p.data.scale + 0.5 * noise
    theta, y = start(p).theta, p.data.task.encode(p.data.train.targets[rows], "float64")
    np.testing.assert_allclose(state.theta, theta - 0.5 * p.objective.gradient(theta, x, y), rtol=1e-12)


def test_no_corruption_gives_the_bits_of_training_without_it_and_dropout_its_own_numbers():
    for options in ({}, NOISY["dropout"]):
        plain, corrupted = (run(plan(**options, **more))[0] for more in ({}, {"corrupt": Masking(0.0)}))
        np.testing.assert_array_equal(plain.theta, corrupted.theta)


def test_evaluation_uses_no_dropout():
    p = plan(dropouts=(0.5, 0.5, 0.5), epochs=1)
    state, events = run(p)
    a = p.data.validation.inputs * np.float32(p.data.scale)
    for W, b in weights_and_biases(p, state.theta):
        a = 1 / (1 + np.exp(-(a @ W.T + b)))
    correct = np.mean(np.argmax(a, axis=1) == p.data.validation.targets)
    assert results(events)[-1].validation.accuracy == correct


def test_the_average_is_over_theta_after_each_step_and_is_evaluated():
    p = plan(average=Ema(decay=0.75), dtype="float64", epochs=1)
    plain = replace(p, average=None)
    theta, average = start(p).theta, start(p).theta
    every_y = p.data.task.encode(p.data.train.targets, "float64")
    for t, rows in enumerate(batches_of_epoch(p, 1), start=1):
        theta -= p.eta * p.objective.gradient(theta, p.data.train.inputs[rows] * p.data.scale, every_y[rows])
        d = min(0.75, (1 + t) / (10 + t))
        average = d * average + (1 - d) * theta
    averaged, events = run(p)
    np.testing.assert_allclose(averaged.evaluated_theta, average, rtol=1e-12)
    np.testing.assert_array_equal(averaged.theta, run(plain)[0].theta)
    y = p.data.task.encode(p.data.validation.targets, "float64")
    cost = p.objective.value(average, p.data.validation.inputs * p.data.scale, y)
    assert results(events)[0].validation.cost == pytest.approx(cost, rel=1e-12)


def test_the_average_is_over_the_weights_that_max_norm_has_shortened():
    p = plan(average=Ema(decay=0.75), max_norm=MaxNorm(0.3), dtype="float64", epochs=1)
    theta, average = start(p).theta, start(p).theta
    y = p.data.task.encode(p.data.train.targets, "float64")
    for t, rows in enumerate(batches_of_epoch(p, 1), start=1):
        theta -= p.eta * p.objective.gradient(theta, p.data.train.inputs[rows] * p.data.scale, y[rows])
        for W, _ in weights_and_biases(p, theta)[:-1]:
            for w in W:
                w *= min(0.3 / np.linalg.norm(w), 1)
        d = min(0.75, (1 + t) / (10 + t))
        average = d * average + (1 - d) * theta
    np.testing.assert_allclose(run(p)[0].evaluated_theta, average, rtol=1e-11)


def test_the_average_is_taken_over_the_iterations_of_a_minimizer_too():
    p = replace(plan(optimizer=MINIMIZERS["lbfgs"](), dtype="float64", average=Ema(decay=0.75)), batch_size=37)
    average = start(p).theta
    for t in (1, 2, 3):
        d = min(0.75, (1 + t) / (10 + t))
        average = d * average + (1 - d) * run(replace(p, epochs=t, average=None))[0].theta
    np.testing.assert_allclose(run(replace(p, epochs=3))[0].evaluated_theta, average, rtol=1e-12)


def test_long_weight_vectors_are_rescaled_and_short_ones_are_not():
    W = np.eye(5, 6)
    W[2] = [3, 4, 0, 0, 0, 0]
    MaxNorm(2.0).apply(W)
    np.testing.assert_allclose(W[2], [1.2, 1.6, 0, 0, 0, 0])
    np.testing.assert_array_equal(W[1], np.eye(5, 6)[1])


def test_training_with_max_norm_bounds_every_hidden_unit():
    p = plan(max_norm=MaxNorm(0.3), eta=3.0)
    *hidden, (output_W, _) = weights_and_biases(p, run(p)[0].theta)
    for W, _ in hidden:
        assert np.linalg.norm(W, axis=1).max() <= 0.3 * (1 + 1e-6)
    assert np.linalg.norm(output_W, axis=1).max() > 0.3
