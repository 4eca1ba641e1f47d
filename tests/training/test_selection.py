from dataclasses import replace

import numpy as np
import pytest

from backprop_cli.data.dataset import Dataset, Split
from backprop_cli.data.tasks import ENCODINGS, Classification
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.network import dense_network
from backprop_cli.objectives.costs import Perceptron
from backprop_cli.objectives.objective import Backpropagation, Objective
from backprop_cli.optim.optimizers import SGD
from backprop_cli.optim.schedules import Cosine, Plateau, StepDecay
from backprop_cli.optim.stopping import EarlyStopping
from backprop_cli.training.loop import EpochResult, Stopped
from backprop_cli.training.plan import Plan
from backprop_cli.training.selection import apply_patience, update_best
from backprop_cli.training.state import TrainingState
from tests.training.helpers import plan, start
from tests.training.test_loop import After, copy, results, run


def follow(p, values):
    """Return whether each epoch is the best so far, given its value, and the status at the end."""
    state, best = TrainingState(np.zeros(1)), []
    for epoch, value in enumerate(values, start=1):
        if state.status.stopped:
            break
        state.status.epoch = epoch
        best.append(update_best(p, state, value))
        apply_patience(p, state)
    return best, state.status


def test_ties_are_broken_by_the_validation_cost_and_then_by_the_epoch():
    state, best = TrainingState(np.zeros(1)), []
    epochs = [(0.9, 0.5), (0.9, 0.4), (0.9, 0.4), (0.8, 0.1), (0.9, 0.3), (0.9, 0.6)]
    for state.status.epoch, (accuracy, cost) in enumerate(epochs, start=1):
        best.append(update_best(plan(), state, accuracy, cost))
    assert best == [True, True, False, False, True, False]
    assert (state.status.best, state.status.best_cost, state.status.improved) == ((5, 0.9), 0.3, (1, 0.9))


def test_a_status_of_an_earlier_version_keeps_its_best_epoch_at_a_tie():
    state = TrainingState(np.zeros(1))
    state.status.epoch, state.status.best = 4, (3, 0.9)
    assert not update_best(plan(), state, 0.9, 0.1)
    assert update_best(plan(), state, 0.95, 0.2)
    assert (state.status.best, state.status.best_cost) == ((4, 0.95), 0.2)


def test_the_first_of_the_best_epochs_is_kept():
    best, status = follow(plan(), [0.5, 0.7, 0.7, 0.6, 0.8])
    assert best == [True, True, False, False, True]
    assert status.best == (5, 0.8)


def test_without_validation_the_last_epoch_is_the_best():
    best, _ = follow(plan(), [None, None, None])
    assert best == [True, True, True]


def test_early_stopping_stops_after_patience_epochs_without_improvement():
    _, status = follow(plan(early_stopping=EarlyStopping(patience=3)), [0.5, 0.7, 0.6, 0.7, 0.6, 0.9])
    assert (status.epoch, status.best) == (5, (2, 0.7))
    assert status.stopped == "no improvement of validation accuracy in 3 epochs"


def test_an_improvement_below_min_delta_is_the_best_epoch_but_does_not_reset_patience():
    p = plan(early_stopping=EarlyStopping(patience=2, min_delta=0.1))
    best, status = follow(p, [0.5, 0.55, 0.58, 0.9])
    assert (status.epoch, best) == (3, [True, True, True])
    assert (status.best, status.improved) == ((3, 0.58), (1, 0.5))


def test_plateau_halves_eta_repeatedly_and_then_stops():
    p = plan(schedule=Plateau(patience=2, stop_at=8))
    values = [0.5, 0.6, 0.5, 0.5, 0.7, 0.5, 0.5, 0.5, 0.5, 0.5]
    halved = []
    for n in range(1, len(values) + 1):
        _, status = follow(p, values[:n])
        halved.append(status.halvings)
    assert halved == [0, 0, 0, 1, 1, 1, 2, 2, 3, 3]
    assert status.epoch == 9
    assert status.stopped == "η has been reduced to 1/8 of its initial value"


def test_training_on_a_plateau_uses_the_halved_eta():
    p = plan(schedule=Plateau(patience=1, stop_at=4), eta=1e-9, epochs=20, dtype="float64")  # nothing ever improves
    _, events = run(p)
    assert [event.eta for event in results(events)] == [1e-9, 1e-9, 5e-10]
    assert events[-1] == Stopped(3, "η has been reduced to 1/4 of its initial value")


def test_a_plateau_divides_eta_by_five_if_asked_to():
    schedule = Plateau(patience=1, stop_at=125, factor=0.2)
    p = plan(schedule=schedule, eta=1e-9, epochs=20, dtype="float64")
    _, events = run(p)
    np.testing.assert_allclose([event.eta for event in results(events)], [1e-9, 1e-9, 2e-10, 4e-11], rtol=1e-12)
    assert events[-1] == Stopped(4, "η has been reduced to 1/125 of its initial value")


@pytest.mark.parametrize("schedule", [StepDecay(every=1, gamma=0.5), Cosine()], ids=lambda s: s.name)
def test_each_step_uses_the_eta_of_its_time(schedule):
    p = plan(schedule=schedule, warmup=0.5, dtype="float64", epochs=2)
    theta, y = start(p).theta, p.data.task.encode(p.data.train.targets, "float64")
    from backprop_cli.training.loop import batches_of_epoch

    for epoch in (1, 2):
        batches = batches_of_epoch(p, epoch)
        for step, rows in enumerate(batches):
            t = epoch - 1 + step / len(batches)
            eta = p.eta * min((t + 1 / 4) / 0.5, 1) * schedule.factors(np.array([max(t - 0.5, 0)]), 1.5)[0]
            theta -= eta * p.objective.gradient(theta, p.data.train.inputs[rows] * p.data.scale, y[rows])
    np.testing.assert_allclose(run(p)[0].theta, theta, rtol=1e-10)


@pytest.mark.parametrize(
    "more",
    [
        {"early_stopping": EarlyStopping(patience=2), "eta": 1e-9},
        {"early_stopping": EarlyStopping(patience=2), "monitor": "cost", "eta": 3.0},
        {"schedule": Plateau(patience=1, stop_at=4), "eta": 1e-9},
        {"schedule": Cosine(), "warmup": 1.0},
    ],
    ids=str,
)
@pytest.mark.parametrize("steps", [1, 6, 9])
def test_selection_is_the_same_after_resuming_from_any_step(more, steps):
    p = plan(epochs=8, **more)
    whole, events = run(p)
    state, before = run(p, stop=After(steps))
    resumed, after = run(p, copy(state))
    np.testing.assert_array_equal(resumed.theta, whole.theta)
    assert results(before) + results(after) == results(events)
    assert [e for e in after if isinstance(e, Stopped)] == [e for e in events if isinstance(e, Stopped)]


def perceptron(x, labels, epochs=50) -> Plan:
    split = Split(np.asarray(x, np.float32), np.asarray(labels, np.uint8))
    data = Dataset("points", Classification(2, ENCODINGS["scalar"]), 1.0, split, split[:0], split)
    network = dense_network((len(x[0]), 1), [ACTIVATIONS["threshold"]])
    objective = Objective(Backpropagation(network, Perceptron()))
    return Plan(objective, SGD(), data, 1.0, 1, epochs, seed=1, dtype="float64", count_mistakes=True)


def train_perceptron(p):
    return run(p, p.initial_state(np.zeros(p.objective.layout.size)))


def test_a_perceptron_follows_rosenblatts_rule_and_counts_its_mistakes():
    from backprop_cli.training.loop import batches_of_epoch

    p = perceptron([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 0, 0, 1])
    state, events = train_perceptron(p)
    w, b, counted = np.zeros(2), 0.0, []
    while not counted or counted[-1]:
        wrong = 0
        for (row,) in batches_of_epoch(p, len(counted) + 1):
            x, y = p.data.train.inputs[row], int(p.data.train.targets[row])
            answer = int(x @ w + b >= 0)
            w, b, wrong = w + (y - answer) * x, b + (y - answer), wrong + (y != answer)
        counted.append(wrong)
    assert [event.mistakes for event in results(events)] == counted
    np.testing.assert_array_equal(state.theta, [*w, b])
    assert events[-1] == Stopped(len(counted), "an epoch without a mistake")


def test_the_epoch_after_which_training_stops_is_evaluated():
    p = replace(perceptron([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 0, 0, 1]), evaluate_every=1000)
    *others, last = results(train_perceptron(p)[1])
    assert others
    assert all(event.train is None for event in others)
    assert last.train.accuracy == 1


def test_a_mistake_is_an_example_however_many_outputs_are_wrong():
    p = plan(output="winner", cost="perceptron", eta=1e-9, epochs=1, count_mistakes=True)
    state = start(p)
    a = p.objective.estimator.network.outputs(state.theta, p.data.train.inputs * np.float32(p.data.scale))
    wrong = int(np.sum(np.argmax(a, axis=1) != p.data.train.targets))
    (result,) = results(run(p, state)[1])
    assert 0 < wrong == result.mistakes


def test_a_perceptron_does_not_stop_early_on_inseparable_examples():
    _, events = train_perceptron(perceptron([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0], epochs=30))
    assert [event.epoch for event in events if isinstance(event, EpochResult)] == list(range(1, 31))
    assert all(event.mistakes for event in results(events))


def test_mistakes_are_counted_over_the_whole_epoch_also_after_resuming():
    p = perceptron(np.random.default_rng(0).random((20, 3)), [0, 1] * 10, epochs=3)
    _, events = train_perceptron(p)
    state = p.initial_state(np.zeros(4))
    _, before = run(p, state, stop=After(7))
    _, after = run(p, copy(state))
    assert [e.mistakes for e in results(before) + results(after)] == [e.mistakes for e in results(events)]
