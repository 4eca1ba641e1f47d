"""Metrics, compared with sklearn.metrics."""

import warnings

import numpy as np
import pytest

from backprop_cli.data.tasks import ENCODINGS, Classification, Regression

metrics = pytest.importorskip("sklearn.metrics", reason="needs the extra 'sklearn'")

CASES = {
    "ten classes": (10, 500, None),
    "two classes": (2, 300, None),
    "ties": (2, 200, 1),
    "ties of four classes": (4, 200, 1),
    "six examples of three classes": (3, 6, None),
}


def softmax_outputs(classes, n, digits, seed, dtype=np.float64):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, classes)) * 2
    labels = np.where(rng.random(n) < 0.5, z.argmax(axis=1), rng.integers(0, classes, n))
    labels[:classes] = np.arange(classes)
    a = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    if digits is not None:  # equal numbers, which still sum to one
        a = np.round(a, digits)
        a[:, -1] = 1 - a[:, :-1].sum(axis=1)
        a = np.clip(a, 0, 1)
        a /= a.sum(axis=1, keepdims=True)
    return a.astype(dtype), labels.astype(np.uint8)


def ours(a, labels, **options):
    task = Classification(a.shape[1], fractions=True, sums_to_one=True, **options)
    return task.further_metrics(a, labels, task.further)


@pytest.mark.parametrize(("classes", "n", "digits"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_metrics_of_probabilities_are_those_of_scikit_learn(classes, n, digits, dtype):
    for seed in range(5):
        a, labels = softmax_outputs(classes, n, digits, seed, dtype)
        predicted, every = a.argmax(axis=1), np.arange(classes)
        found = ours(a, labels)
        average = "binary" if classes == 2 else "macro"
        assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(labels, predicted))
        assert found["f1"] == pytest.approx(metrics.f1_score(labels, predicted, average=average))
        assert found["log_loss"] == pytest.approx(metrics.log_loss(labels, a, labels=every), rel=1e-5)
        theirs = (
            metrics.roc_auc_score(labels, a[:, 1])
            if classes == 2
            else metrics.roc_auc_score(labels, a, multi_class="ovr")
        )
        assert found["roc_auc"] == pytest.approx(theirs)


def test_certain_and_wrong_predictions_have_a_finite_log_loss():
    a, labels = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32), np.array([1, 1])
    expected = metrics.log_loss(labels, a, labels=[0, 1])
    assert ours(a, labels)["log_loss"] == pytest.approx(expected, rel=1e-6)


def test_a_class_without_examples_leaves_the_area_undefined_and_counts_in_no_mean():
    a, labels = softmax_outputs(4, 200, None, 1)
    labels[labels == 2] = 0
    found, predicted = ours(a, labels), a.argmax(axis=1)
    assert "roc_auc" not in found
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that class 2 is predicted, but has no examples
        assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(labels, predicted))
    assert found["f1"] == pytest.approx(metrics.f1_score(labels, predicted, average="macro"))


def test_of_one_class_only_what_is_defined_is_reported():
    a = np.array([[0.9, 0.1], [0.8, 0.2]])
    assert ours(a, np.array([0, 0])).keys() == {"balanced_accuracy", "log_loss"}  # no F1 of a class that never occurs
    found = ours(a, np.array([1, 1]))
    assert (found["f1"], found["balanced_accuracy"]) == (0, 0)


def test_outputs_that_are_no_probabilities_have_no_log_loss_but_an_area():
    a, labels = softmax_outputs(3, 100, None, 2)
    task = Classification(3)
    assert task.further_metrics(a, labels, task.further).keys() == {"balanced_accuracy", "f1", "roc_auc"}


def test_a_network_that_has_overflowed_has_no_metric_that_is_not_a_number():
    found = ours(np.full((4, 3), np.nan), np.array([0, 1, 2, 0]))
    assert all(np.isfinite(value) for value in found.values())


def test_one_sigmoid_output_is_the_probability_of_the_second_class():
    p = np.random.default_rng(0).random(100)
    labels = (np.random.default_rng(1).random(100) < p).astype(np.uint8)
    task = Classification(2, ENCODINGS["scalar"], fractions=True)
    found = task.further_metrics(p[:, None], labels, task.further)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(labels, p))
    assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(labels, p))


def test_sigmoid_outputs_of_classes_are_divided_by_their_sum():
    rng = np.random.default_rng(0)
    a, labels = rng.random((50, 3)), rng.integers(0, 3, 50)
    a[7] = 0  # all of them underflowed
    p = np.where(a.sum(axis=1, keepdims=True) > 0, a / np.maximum(a.sum(axis=1, keepdims=True), 1e-300), 1 / 3)
    task = Classification(3, fractions=True)
    found = task.further_metrics(a, labels, task.further)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(labels, p, labels=range(3)))


@pytest.mark.parametrize("values", [1, 3])
def test_the_mean_absolute_error_is_in_the_units_of_the_values(values):
    rng = np.random.default_rng(0)
    task = Regression(values, tuple(range(10, 10 + values)), (2.0,) * values)
    outputs, targets = rng.normal(size=(40, values)), rng.normal(12, 2, (40, values))
    expected = metrics.mean_absolute_error(targets, task.predict(outputs))
    assert task.further_metrics(outputs, targets, task.further) == {"mae": pytest.approx(expected)}
