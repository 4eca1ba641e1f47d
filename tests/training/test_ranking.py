"""Curves over thresholds, against scikit-learn."""

import numpy as np
import pytest

from backprop_cli.training.ranking import calibration, precision_recall_curve, roc_curve

metrics = pytest.importorskip("sklearn.metrics")
calibrate = pytest.importorskip("sklearn.calibration")
RNG = np.random.default_rng(0)


def examples(n, levels=None):
    """Labels and scores; with `levels` many scores are equal."""
    scores = RNG.random(n)
    positive = RNG.random(n) < scores
    positive[:2] = False, True
    return positive, scores if levels is None else np.round(scores * levels) / levels


CASES = {"distinct": examples(400), "ties": examples(400, 7), "two": examples(2), "constant": examples(50, 0.1)}


@pytest.mark.parametrize(("positive", "scores"), CASES.values(), ids=CASES)
def test_the_roc_curve_and_its_area_are_those_of_scikit_learn(positive, scores):
    found = roc_curve(positive, scores)
    x, y, _ = metrics.roc_curve(positive, scores, drop_intermediate=True)
    np.testing.assert_allclose([found.x, found.y], [x, y])
    assert found.area == pytest.approx(metrics.roc_auc_score(positive, scores))


@pytest.mark.parametrize(("positive", "scores"), CASES.values(), ids=CASES)
def test_precision_and_recall_are_those_of_scikit_learn(positive, scores):
    found = precision_recall_curve(positive, scores)
    precision, recall, _ = metrics.precision_recall_curve(positive, scores)
    np.testing.assert_allclose([found.x[1:], found.y[1:]], [recall[-2::-1], precision[-2::-1]])
    assert (found.x[0], found.y[0]) == (0, found.y[1])
    assert found.area == pytest.approx(metrics.average_precision_score(positive, scores))


@pytest.mark.parametrize(("positive", "scores"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("bins", [5, 10])
def test_calibration_is_that_of_scikit_learn(positive, scores, bins):
    scores = np.append(scores, [0.0, 1.0])
    positive = np.append(positive, [False, True])
    inside = np.abs(scores * bins - np.round(scores * bins)) > 1e-9  # it counts a score on an edge to the bin below
    inside |= (scores == 0) | (scores == 1)
    found = calibration(positive[inside], scores[inside], bins)
    observed, predicted = calibrate.calibration_curve(positive[inside], scores[inside], n_bins=bins)
    np.testing.assert_allclose([found.observed, found.predicted], [observed, predicted])
    assert found.counts.sum() == inside.sum()


def test_the_expected_calibration_error_is_the_mean_distance_from_the_diagonal():
    found = calibration(np.array([1, 0, 1, 1]), np.array([0.25, 0.25, 0.75, 0.95]))
    assert found.error == pytest.approx((2 * 0.25 + 0.25 + 0.05) / 4)
