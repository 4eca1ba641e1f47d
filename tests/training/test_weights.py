"""Weights of examples and of classes."""

from dataclasses import replace

import numpy as np
import pytest

import backprop_cli
from backprop_cli import fit
from backprop_cli.errors import DataError, UsageError
from backprop_cli.objectives.costs import COSTS, CrossEntropy
from backprop_cli.objectives.gradcheck import TOLERANCE, combinations
from backprop_cli.optim.minimizers import MINIMIZERS
from backprop_cli.optim.optimizers import OPTIMIZERS
from backprop_cli.training.loop import EpochResult, train
from backprop_cli.training.step import textbook_step

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 3))
Y = (X[:, 0] + 0.5 * RNG.normal(size=24) > 0).astype(int)
COUNTS = RNG.integers(0, 4, 24)
SETTINGS = {"dtype": "float64", "batch_size": 1000, "epochs": 20, "eta": 0.1, "lmbda": 0.0}


@pytest.mark.parametrize("rule", ["sgd", "momentum", "adam", "lbfgs"])
@pytest.mark.parametrize("task", ["classes", "values"])
def test_a_weight_of_k_is_the_example_k_times(rule, task):
    y, layers = (Y, [5, 2]) if task == "classes" else (X[:, :1] * X[:, 1:2], [5, 1])
    weighted = fit(layers, X, y, sample_weight=COUNTS, optimizer=rule, **SETTINGS)
    repeated = fit(layers, X.repeat(COUNTS, axis=0), y.repeat(COUNTS, axis=0), optimizer=rule, **SETTINGS)
    np.testing.assert_allclose(weighted.theta, repeated.theta, rtol=1e-6, atol=1e-8)
    costs = [[epoch.train.cost for epoch in fitted.history] for fitted in (weighted, repeated)]
    np.testing.assert_allclose(*costs, rtol=1e-9)


def test_only_the_proportions_of_weights_matter():
    one, two = (fit([5, 2], X, Y, sample_weight=w, lmbda=1.0, seed=3) for w in (COUNTS, 1000.0 * COUNTS))
    np.testing.assert_allclose(one.theta, two.theta, rtol=1e-5)


def test_equal_weights_are_no_weights():
    one, two = (fit([5, 2], X, Y, sample_weight=w, optimizer="sgd") for w in (None, np.full(24, 7)))
    np.testing.assert_array_equal(one.theta, two.theta)


def test_validation_examples_may_have_weights():
    w = np.linspace(0, 2, 24)
    found = fit([5, 2], X, Y, validation=(X, Y, w), epochs=2, dtype="float64")
    p = np.take_along_axis(found.outputs(X), Y[:, None], axis=1)[:, 0]
    best = min(epoch.validation.cost for epoch in found.history if epoch.is_best)
    assert best == pytest.approx(np.average(-np.log(p), weights=w))


@pytest.mark.parametrize("rule", [*OPTIMIZERS, *MINIMIZERS])
def test_the_recorded_step_with_weights_is_the_textbook_step(rule):
    from tests.training.helpers import dataset, plan, start

    data = dataset(n=12)
    w = np.linspace(0.1, 1.9, len(data.train))
    optimizer = {**OPTIMIZERS, **MINIMIZERS}[rule]()
    p = plan("tanh", "softmax", "cross_entropy", optimizer=optimizer, dtype="float64", batch_size=100, epochs=1)
    p = replace(p, data=replace(data, train=replace(data.train, weights=w)))
    recorded, textbook = start(p), start(p)
    assert any(isinstance(event, EpochResult) for event in train(p, recorded))
    x, y = data.x(data.train.inputs, "float64"), data.task.encode(data.train.targets, "float64")
    textbook_step(replace(p, objective=p.objective.weighing(w)), textbook, x, y, np.asarray(p.etas(1, 1, 0)[0]))
    np.testing.assert_allclose(recorded.theta, textbook.theta, rtol=1e-9, atol=1e-12)


def test_gradients_with_sample_weights_agree_with_central_differences():
    found = [c for c in combinations() if c.extra == "sample weights"]
    assert {c.cost for c in found} == set(COSTS)
    assert all(c.check().error < TOLERANCE for c in found)


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        (np.ones(3), "sample_weight must be 24 numbers"),
        (np.ones((24, 1)), "sample_weight must be 24 numbers"),
        (["a"] * 24, "sample_weight must be 24 numbers"),
        (-np.ones(24), "some numbers in sample_weight are negative"),
        (np.full(24, np.nan), "some numbers in sample_weight are NaN"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(weights, reason):
    with pytest.raises(UsageError, match=reason):
        fit([5, 2], X, Y, sample_weight=weights)


def test_weights_that_are_all_0_teach_nothing():
    with pytest.raises(DataError, match="the weights of all training examples are 0"):
        fit([5, 2], X, Y, sample_weight=np.zeros(24))


def test_balanced_class_weights_are_those_of_scikit_learn():
    utils = pytest.importorskip("sklearn.utils.class_weight")
    labels = np.repeat([0, 1, 2], [50, 9, 1])
    found = CrossEntropy(class_weights="balanced").fitted_to(np.bincount(labels).tolist())
    expected = utils.compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(found.class_weights, expected)
    assert found.fitted_to([1, 2, 3]) is found


def test_balanced_class_weights_train_as_their_numbers_do():
    labels = np.r_[np.zeros(20, int), np.ones(4, int)]
    numbers = CrossEntropy(class_weights=(24 / 40, 24 / 8))
    one, two = (fit([4, 2], X, labels, cost=cost) for cost in (CrossEntropy(class_weights="balanced"), numbers))
    np.testing.assert_array_equal(one.theta, two.theta)


DIGITS = {"dataset": "digits", "layers": [64, 12, 10], "output": "softmax", "train_size": 300, "epochs": 4}
BALANCED = {"name": "cross_entropy", "class_weights": "balanced"}


def test_a_run_records_its_balanced_weights_and_resumes_to_the_same_bits(tmp_path):
    whole = backprop_cli.train(DIGITS, cost=BALANCED, runs_dir=tmp_path)
    n, counts = 300, np.bincount(whole.data.train.targets)
    np.testing.assert_allclose(whole.record["cost"]["class_weights"], n / (10 * counts))
    assert whole.config.cost.class_weights == "balanced"
    part = backprop_cli.train(DIGITS, cost=BALANCED, runs_dir=tmp_path, epochs=2)
    np.testing.assert_array_equal(backprop_cli.resume(part, epochs=4).theta, whole.theta)
    assert whole.evaluate().cost == pytest.approx(whole.test["cost"], rel=1e-12)


def test_class_weights_that_are_neither_numbers_nor_balanced_are_an_error(backprop):
    done = backprop("train", "digits", "cost.class_weights=balance")
    assert (done.code, "cost.class_weights" in done.err, "balanced" in done.err) == (2, True, True), done.err
    done = backprop("train", "digits", "cost.class_weights=[1, 2]")
    assert (done.code, "has 2 numbers, but there are 10 classes" in done.err) == (2, True), done.err


def test_the_gradients_of_an_experiment_with_balanced_weights_are_checked(backprop, tiny):
    words = ("cost=cross_entropy", "cost.class_weights=balanced", "output=softmax")
    assert backprop("gradcheck", tiny, *words).code == 0


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(120, 2)), rng.integers(0, 3, 120)
    cells = [f"{a},{b},{k},{int(a + b > 0.5)}" for (a, b), k in zip(x, w, strict=True)]
    path = tmp_path / "weighted.csv"
    path.write_text("\n".join(["a,b,w,y", *cells]) + "\n")
    dataset = {"name": "table", "file": str(path), "target": "y", "weight": "w"}
    return {"dataset": dataset, "layers": ["auto", 4, "auto"], "output": "softmax", "cost": "cross_entropy"}


def test_a_run_on_a_weighted_table_resumes_to_the_same_bits_and_agrees_with_eval(table, tmp_path):
    whole = backprop_cli.train(table, epochs=4, runs_dir=tmp_path, diagnostics=True)
    part = backprop_cli.train(table, epochs=2, runs_dir=tmp_path, diagnostics=True)
    np.testing.assert_array_equal(backprop_cli.resume(part, epochs=4).theta, whole.theta)
    examples, found = whole.data.test, whole.evaluate()
    p = np.take_along_axis(found.outputs, examples.targets[:, None].astype(int), axis=1)[:, 0]
    assert found.cost == pytest.approx(np.average(-np.log(p), weights=examples.weights), rel=1e-5)
    assert whole.test["cost"] == pytest.approx(found.cost, rel=1e-12)
    plain = {**table["dataset"], "weight": None, "ignore": ["w"]}
    other = backprop_cli.train({**table, "dataset": plain}, epochs=4, runs_dir=tmp_path)
    assert not np.array_equal(other.theta, whole.theta)


def test_the_gradients_of_a_weighted_table_are_checked_and_trace_says_that_it_has_weights(table, tmp_path, backprop):
    config = backprop_cli.train(table, epochs=1, runs_dir=tmp_path, name="w").path / "config.yaml"
    assert backprop("gradcheck", config).code == 0
    done = backprop("trace", config)
    assert (done.code, "trace cannot show examples that have weights" in done.err) == (2, True)
