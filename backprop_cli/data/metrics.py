"""Metrics of a whole split, as scikit-learn defines them; None where a metric is undefined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_cli.frozen import frozen

Array = npt.NDArray[Any]

LOWER_IS_BETTER = frozenset(
    {"cost", "log_loss", "mae", "rmse", "squared_error", "reconstruction", "free_energy", "free_energy_gap"}
)
"""The metrics of which smaller values are better."""


def confusion_of(predicted: Array, labels: Array, classes: int) -> npt.NDArray[np.intp]:
    """Return how many examples of class t are predicted as class p, in row t and column p (classes, classes)."""
    pairs = labels.astype(np.intp) * classes + predicted
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


@frozen
class Classified:
    """Predictions for examples with `labels` (n,): the `predicted` classes (n,), and `scores` (n, classes) of each.

    Higher scores are more likely. They are `probabilities`, or there are none.
    """

    labels: Array
    predicted: Array
    scores: Array
    probabilities: Array | None

    @cached_property
    def confusion(self) -> npt.NDArray[np.intp]:
        """See `confusion_of`."""
        return confusion_of(self.predicted, self.labels, self.scores.shape[1])


def balanced_accuracy(of: Classified) -> float | None:
    """Return the mean recall of the classes that there are examples of."""
    counts = of.confusion.sum(axis=1)
    return float(np.mean(np.diag(of.confusion)[counts > 0] / counts[counts > 0]))


def f1(of: Classified) -> float | None:
    """Return 2PR/(P + R) of precision P and recall R, of the second of two classes, or the mean over more classes.

    It is 2 TP/(2 TP + FP + FN). Classes without an example that are never predicted do not count.
    """
    twice, sums = 2 * np.diag(of.confusion), of.confusion.sum(axis=0) + of.confusion.sum(axis=1)
    chosen = np.flatnonzero(sums) if len(sums) > 2 else np.flatnonzero(sums[1:]) + 1
    return float(np.mean(twice[chosen] / sums[chosen])) if len(chosen) else None


def roc_auc(of: Classified) -> float | None:
    """Return the area under the ROC curve of the second of two classes, or the mean of each class against the rest.

    It is undefined if a class has no example.
    """
    classes = of.scores.shape[1]
    if classes == 2:
        certain = of.scores[:, 1] if of.probabilities is not None else of.scores[:, 1] - of.scores[:, 0]
        return _area(of.labels == 1, certain)
    areas = [_area(of.labels == c, of.scores[:, c]) for c in range(classes)]
    return None if None in areas else float(np.mean(np.array(areas, float)))


def _area(positive: npt.NDArray[np.bool_], scores: Array) -> float | None:
    """Return the share of pairs (positive, negative) in which the positive has the higher score; ties count half."""
    n_positive = int(positive.sum())
    pairs = n_positive * (len(positive) - n_positive)
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # of equal scores, the mean of their ranks
    rank_sum = float(ranks[place][positive].sum())
    return (rank_sum - n_positive * (n_positive + 1) / 2) / pairs if pairs else None


def best_f1_threshold(positive: npt.NDArray[np.bool_], chances: Array) -> float:
    """Return the threshold at which predicting `positive` (n,) from `chances` (n,) has the highest F1.

    It is half-way to the next lower chance. There must be a positive example.
    """
    order = np.argsort(-chances, kind="stable")
    ordered = np.append(chances[order].astype(np.float64), 0.0)
    hits = np.cumsum(positive[order])
    score = 2 * hits / (np.arange(1, len(hits) + 1) + hits[-1])
    best = int(np.argmax(np.where(ordered[:-1] > ordered[1:], score, -1)))  # equal chances cannot be told apart
    return float(ordered[best] + ordered[best + 1]) / 2


def log_loss(of: Classified) -> float | None:
    """Return -1/n Σ ln p of the probability p of the right class, which is kept away from 0 and 1 by one epsilon."""
    if of.probabilities is None:
        return None
    eps = np.finfo(of.probabilities.dtype).eps
    p = np.take_along_axis(of.probabilities, of.labels.astype(np.intp)[:, None], axis=1)
    return float(-np.mean(np.log(np.clip(p, eps, 1 - eps), dtype=np.float64)))


def mae(values: Array, targets: Array) -> float | None:
    """Return the mean absolute error of values (n, k)."""
    return float(np.mean(np.abs(values - targets), dtype=np.float64))


OF_CLASSES: Mapping[str, Callable[[Classified], float | None]] = {
    "balanced_accuracy": balanced_accuracy,
    "f1": f1,
    "roc_auc": roc_auc,
    "log_loss": log_loss,
}
"""The metrics of a classification besides the accuracy."""

OF_VALUES: Mapping[str, Callable[[Array, Array], float | None]] = {"mae": mae}
"""The metrics of a regression besides rmse and r2."""
