from dataclasses import replace

import numpy as np
import pytest

from backprop_cli.errors import DivergedError
from backprop_cli.optim.optimizers import Momentum, Nesterov
from backprop_cli.optim.stopping import EarlyStopping
from backprop_cli.training.batch import Batches
from backprop_cli.training.loop import EpochResult, Progress, Stopped, batches_of_epoch, train
from backprop_cli.training.plan import Plan
from backprop_cli.training.state import TrainingState
from tests.training.helpers import plan, start, weights_and_biases


def run(p: Plan, state: TrainingState | None = None, stop=lambda: False):
    state = state or start(p)
    return state, list(train(p, state, stop))


def results(events):
    return [replace(event, seconds=0) for event in events if isinstance(event, EpochResult)]


class After:
    """Stops after n calls."""

    def __init__(self, n):
        self.n = n

    def __call__(self):
        self.n -= 1
        return self.n < 0


def copy(state):
    arrays = {name: array.copy() for name, array in state.arrays.items()}
    return TrainingState(state.theta.copy(), arrays, replace(state.status))


@pytest.mark.parametrize(("first", "last", "rows"), [(0, 1, 10), (1, 3, 20), (2, 4, 10), (3, 4, 7), (1, 9, 20)])
def test_steps_on_batches_of_one_size_are_fetched_together(first, last, rows):
    batches = Batches(np.arange(37), 10)
    found = batches.alike(first, last)
    assert found.tolist() == list(range(10 * first, 10 * first + rows))
    assert [len(batch) for batch in batches] == [10, 10, 10, 7]


def test_an_epoch_uses_every_example_once_in_its_own_order():
    p = plan()
    first, second = (np.concatenate(batches_of_epoch(p, epoch)) for epoch in (1, 2))
    np.testing.assert_array_equal(np.sort(first), np.arange(37))
    np.testing.assert_array_equal(np.sort(second), np.arange(37))
    assert np.sum(first == second) < 10  # of two random orders of 37 numbers one place is alike, on average
    assert [len(batch) for batch in batches_of_epoch(p, 1)] == [10, 10, 10, 7]


def test_a_batch_of_all_examples_keeps_their_order():
    for size in (37, 100):
        (rows,) = batches_of_epoch(plan(batch_size=size), 2)
        np.testing.assert_array_equal(rows, np.arange(37))


def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone():
    p = plan()
    for other in (replace(p, eta=0.1), replace(p, epochs=99), replace(p, dtype="float64")):
        np.testing.assert_array_equal(
            np.concatenate(batches_of_epoch(other, 3)), np.concatenate(batches_of_epoch(p, 3))
        )
    other = np.concatenate(batches_of_epoch(replace(p, seed=8), 3))
    assert np.sum(other == np.concatenate(batches_of_epoch(p, 3))) < 10


def test_training_equals_a_plain_loop_over_batches():
    p = plan(dtype="float64", strength=0.01)
    theta, y = start(p).theta, p.data.task.encode(p.data.train.targets, "float64")
    for epoch in range(1, 5):
        for rows in batches_of_epoch(p, epoch):
            theta = theta - p.eta * p.objective.gradient(theta, p.data.train.inputs[rows] * p.data.scale, y[rows])
    np.testing.assert_allclose(run(p)[0].theta, theta, rtol=1e-10)


@pytest.mark.parametrize("rule", [Momentum, Nesterov])
def test_a_momentum_that_changes_is_that_of_each_epoch(rule):
    p = plan(optimizer=rule(mu=0.9, first=0.5, epochs=2), dtype="float64")
    theta, y = start(p).theta, p.data.task.encode(p.data.train.targets, "float64")
    v = np.zeros_like(theta)
    for epoch, mu in zip(range(1, 5), (0.5, 0.5, 0.9, 0.9), strict=True):
        for rows in batches_of_epoch(p, epoch):
            step = p.eta * p.objective.gradient(theta, p.data.train.inputs[rows] * p.data.scale, y[rows])
            v = mu * v - step
            theta = theta + (v if rule is Momentum else mu * v - step)
    np.testing.assert_allclose(run(p)[0].theta, theta, rtol=1e-10)


def test_scores_agree_with_the_plain_formulas():
    p = plan("tanh", "softmax", "cross_entropy", dtype="float64")
    state, events = run(p)
    last = results(events)[-1]
    for split, score in ((p.data.train, last.train), (p.data.validation, last.validation)):
        x, y = split.inputs * p.data.scale, p.data.task.encode(split.targets, "float64")
        assert score.cost == pytest.approx(p.objective.value(state.theta, x, y), rel=1e-12)
        wins = 0
        for row, label in zip(x, split.targets, strict=True):
            a = row
            for (W, b), unit in zip(
                weights_and_biases(p, state.theta), p.objective.estimator.network.units, strict=True
            ):
                a = unit.activation.value(W @ a + b)
            wins += int(np.argmax(a) == label)
        assert score.accuracy == wins / len(split)


def test_events_report_every_epoch_and_the_progress_within_it():
    _, events = run(plan(epochs=2))
    assert [event for event in events if isinstance(event, Progress)] == [
        Progress(epoch, step, 4) for epoch in (1, 2) for step in (1, 2, 3, 4)
    ]
    assert [event.epoch for event in results(events)] == [1, 2]


CHANGING = Momentum(mu=0.9, first=0.5, epochs=2, change="geometric")


@pytest.mark.parametrize("optimizer", [None, Momentum(), CHANGING], ids=["sgd", "momentum", "changing"])
@pytest.mark.parametrize("steps", [1, 3, 4, 6, 9, 15])
def test_training_resumed_from_any_step_gives_the_same_bits(optimizer, steps):
    p = plan(optimizer=optimizer, strength=0.01, eta=0.3)
    whole, events = run(p)
    state, before = run(p, stop=After(steps))
    assert state.status.epoch < p.epochs
    resumed, after = run(p, copy(state))
    np.testing.assert_array_equal(resumed.theta, whole.theta)
    assert results(before) + results(after) == results(events)


def test_extending_a_finished_run_gives_the_bits_of_a_long_one():
    p = plan(epochs=5)
    state, _ = run(p)
    extended, _ = run(replace(p, epochs=10), copy(state))
    np.testing.assert_array_equal(extended.theta, run(replace(p, epochs=10))[0].theta)


def test_divergence_is_reported_with_its_step():
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
                change = np.zeros_like(theta)
                weight = np.float32(p.eta) / np.float32(len(rows))
                p.objective.estimator.estimate(theta, x, y[rows], p.objective.layout.sums(change), weight)
                theta = theta - change
                finite.append((e, number, np.isfinite(theta).all()))
    first = next((e, number) for e, number, ok in finite if not ok)
    assert first == (epoch, step)


def test_parameters_whose_sum_overflows_have_not_diverged():
    state = start(plan())
    state.theta[...] = 3e38
    assert len(results(run(plan(epochs=1), state)[1])) == 1


def test_a_cost_that_is_not_finite_is_divergence_too_and_the_epoch_does_not_count():
    p = plan("relu", "identity", "absolute", eta=1e-20)
    state = start(p)
    state.theta[...] = 1e15  # the outputs overflow, but no gradient does
    with pytest.raises(DivergedError) as error:
        run(p, state)
    assert (error.value.epoch, error.value.step) == (1, 4)
    assert (state.status.epoch, state.status.step) == (0, 4)
    assert np.isfinite(state.theta).all()


def test_without_validation_every_epoch_is_the_best_also_if_it_is_not_evaluated():
    p = plan(evaluate_every=3)
    p = replace(p, data=replace(p.data, validation=p.data.validation[:0]))
    assert [(event.is_best, event.train is None) for event in results(run(p)[1])] == [
        (True, True),
        (True, True),
        (True, False),
        (True, False),
    ]


def test_a_plan_without_validation_has_results_without_it():
    p = plan()
    p = replace(p, data=replace(p.data, validation=p.data.validation[:0]))
    assert all(event.validation is None for event in results(run(p)[1]))


@pytest.mark.parametrize("every", [2, 3, 7])
def test_skipping_evaluations_changes_only_the_metrics(every):
    p = plan(epochs=8)
    whole, events = run(p)
    state, some = run(replace(p, evaluate_every=every))
    np.testing.assert_array_equal(state.theta, whole.theta)
    for event, full in zip(results(some), results(events), strict=True):
        if event.epoch % every and event.epoch < 8:
            assert (event.train, event.validation, event.is_best) == (None, None, False)
        else:
            assert (event.train, event.validation) == (full.train, full.validation)


def test_patience_counts_epochs_that_are_not_evaluated_too():
    p = plan(epochs=40, eta=1e-9, early_stopping=EarlyStopping(patience=6), evaluate_every=4)
    _, events = run(p)
    assert events[-1] == Stopped(12, "no improvement of validation accuracy in 8 epochs")  # 4, and two without any


def test_the_best_epoch_may_be_chosen_by_cost_without_early_stopping():
    p = plan(epochs=30, eta=3.0, monitor="cost")
    state, events = run(p)
    costs = [event.validation.cost for event in results(events)]
    assert state.status.best == (1 + int(np.argmin(costs)), -min(costs))
