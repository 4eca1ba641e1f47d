from dataclasses import replace

import numpy as np
import pytest

from backprop_cli.errors import DivergedError
from backprop_cli.optim.optimizers import Momentum
from backprop_cli.training.loop import EpochResult, Progress, batches_of_epoch, train
from backprop_cli.training.plan import Plan, Position
from tests.training.helpers import plan, start


def run(p: Plan, position: Position | None = None, stop=lambda: False):
    position = position or start(p)
    return position, list(train(p, position, stop))


def results(events):
    return [replace(event, seconds=0) for event in events if isinstance(event, EpochResult)]


class After:
    """Says stop at the n-th question."""

    def __init__(self, n):
        self.n = n

    def __call__(self):
        self.n -= 1
        return self.n < 0


def copy(position):
    memory = {name: array.copy() for name, array in position.memory.items()}
    return replace(position, theta=position.theta.copy(), memory=memory)


def test_an_epoch_shows_every_example_once_in_an_order_of_its_own():
    p = plan()
    first, second = (np.concatenate(batches_of_epoch(p, epoch)) for epoch in (1, 2))
    np.testing.assert_array_equal(np.sort(first), np.arange(37))
    np.testing.assert_array_equal(np.sort(second), np.arange(37))
    assert not np.array_equal(first, second)
    assert [len(batch) for batch in batches_of_epoch(p, 1)] == [10, 10, 10, 7]


def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone():
    p = plan()
    for other in (replace(p, eta=0.1), replace(p, epochs=99), replace(p, dtype="float64")):
        np.testing.assert_array_equal(
            np.concatenate(batches_of_epoch(other, 3)), np.concatenate(batches_of_epoch(p, 3))
        )
    assert not np.array_equal(batches_of_epoch(replace(p, seed=8), 3)[0], batches_of_epoch(p, 3)[0])


def test_training_is_the_plain_loop_over_batches():
    p = plan(dtype="float64", strength=0.01)
    theta, y = start(p).theta, p.data.task.encode(p.data.train.targets, "float64")
    for epoch in range(1, 5):
        for rows in batches_of_epoch(p, epoch):
            theta = theta - p.eta * p.objective.gradient(theta, p.data.train.inputs[rows] * p.data.scale, y[rows])
    np.testing.assert_allclose(run(p)[0].theta, theta, rtol=1e-10)


def test_scores_are_those_of_the_plain_formulas():
    p = plan("tanh", "softmax", "cross_entropy", dtype="float64")
    position, events = run(p)
    last = results(events)[-1]
    for split, score in ((p.data.train, last.train), (p.data.validation, last.validation)):
        x, y = split.inputs * p.data.scale, p.data.task.encode(split.targets, "float64")
        assert score.cost == pytest.approx(p.objective.value(position.theta, x, y), rel=1e-12)
        wins = 0
        for row, label in zip(x, split.targets, strict=True):
            a = row
            for layer in p.objective.network.layers(position.theta):
                a = layer.activation.value(layer.W @ a + layer.b)
            wins += int(np.argmax(a) == label)
        assert score.accuracy == wins / len(split)


def test_events_tell_every_epoch_and_the_way_there():
    _, events = run(plan(epochs=2))
    assert [event for event in events if isinstance(event, Progress)] == [
        Progress(epoch, step, 4) for epoch in (1, 2) for step in (1, 2, 3, 4)
    ]
    assert [event.epoch for event in results(events)] == [1, 2]


@pytest.mark.parametrize("optimizer", [None, Momentum()], ids=["sgd", "momentum"])
@pytest.mark.parametrize("steps", [1, 3, 4, 6, 9, 15])
def test_training_stopped_anywhere_goes_on_to_the_same_bits(optimizer, steps):
    p = plan(optimizer=optimizer, strength=0.01, eta=0.3)
    whole, events = run(p)
    position, before = run(p, stop=After(steps))
    assert position.epoch < p.epochs
    resumed, after = run(p, copy(position))
    np.testing.assert_array_equal(resumed.theta, whole.theta)
    assert results(before) + results(after) == results(events)


def test_extending_a_finished_run_gives_the_bits_of_a_long_one():
    p = plan(epochs=5)
    position, _ = run(p)
    extended, _ = run(replace(p, epochs=10), copy(position))
    np.testing.assert_array_equal(extended.theta, run(replace(p, epochs=10))[0].theta)


def test_divergence_is_reported_at_the_step_at_which_it_happens():
    p = plan("relu", "identity", eta=1e4, epochs=50)
    with pytest.raises(DivergedError) as error:
        run(p)
    epoch, step = error.value.epoch, error.value.step
    theta, y = start(p).theta, p.data.task.encode(p.data.train.targets, "float32")
    finite = []
    with np.errstate(all="ignore"):
        for e in range(1, epoch + 1):
            for number, rows in enumerate(batches_of_epoch(p, e), start=1):
                x = p.data.train.inputs[rows] * np.float32(p.data.scale)
                grad = np.empty_like(theta)
                p.objective.backpropagate(theta, grad, x, y[rows], weight=np.float32(p.eta) / np.float32(len(rows)))
                theta = theta - grad
                finite.append((e, number, np.isfinite(theta).all()))
    first = next((e, number) for e, number, ok in finite if not ok)
    assert first == (epoch, step)


def test_a_plan_without_validation_has_results_without_it():
    p = plan()
    p = replace(p, data=replace(p.data, validation=p.data.validation[:0]))
    assert all(event.validation is None for event in results(run(p)[1]))
