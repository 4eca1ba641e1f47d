"""Curves of classifiers over all thresholds of a score: ROC, precision and recall, calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backprop_cli.nn.arrays import Array


@dataclass(frozen=True, eq=False)
class ThresholdCurve:
    """Two shares x (k,) and y (k,) at falling thresholds of a score, and the area under the curve."""

    x: Array
    y: Array
    area: float


@dataclass(frozen=True, eq=False)
class Calibration:
    """Predicted probabilities in bins: their mean, how often they came true, and their number, each (bins,).

    Bins without a prediction are left out.
    """

    predicted: Array
    observed: Array
    counts: npt.NDArray[np.intp]

    @property
    def error(self) -> float:
        """The expected calibration error: the mean of |observed - predicted| over all predictions."""
        return float(np.sum(self.counts * np.abs(self.observed - self.predicted)) / self.counts.sum())


def roc_curve(positive: Array, scores: Array) -> ThresholdCurve:
    """Return the true positive rate over the false positive rate (Fawcett 2006), for scores (n,) of positives (n,).

    There are examples of both kinds. Points between two others on one line are left out.
    """
    true, false = _counts(positive, scores)
    corner = np.ones(len(true), bool)
    corner[1:-1] = (np.diff(true, 2) != 0) | (np.diff(false, 2) != 0)
    x, y = (np.concatenate([[0], counts[corner]]) / counts[-1] for counts in (false, true))
    return ThresholdCurve(x, y, float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2)))


def precision_recall_curve(positive: Array, scores: Array) -> ThresholdCurve:
    """Return the precision over the recall, a step function; the area is the average precision.

    There is at least one positive example.
    """
    true, false = _counts(positive, scores)
    recall, precision = np.concatenate([[0], true / true[-1]]), true / (true + false)
    return ThresholdCurve(recall, np.concatenate([precision[:1], precision]), float(np.diff(recall) @ precision))


def calibration(came_true: Array, probabilities: Array, bins: int = 10) -> Calibration:
    """Return how often predictions (n,) came true, given their probabilities (n,), in bins of equal width."""
    place = np.minimum((probabilities * bins).astype(np.intp), bins - 1)
    counts = np.bincount(place, minlength=bins)
    sums, hits = (np.bincount(place, weights, minlength=bins) for weights in (probabilities, came_true))
    some = counts > 0
    return Calibration(sums[some] / counts[some], hits[some] / counts[some], counts[some])


def _counts(positive: Array, scores: Array) -> tuple[Array, Array]:
    """Return how many positives and others have a score of at least each threshold, from the highest score down."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    true = np.cumsum(positive[order], dtype=np.float64)[last]
    return true, 1 + last - true
