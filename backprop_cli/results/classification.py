"""Predictions of classes compared with labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_cli.data.metrics import confusion_of
from backprop_cli.frozen import frozen

Labels = npt.NDArray[Any]


@frozen
class ClassificationReport:
    """Predictions compared with labels: confusion[t, p] counts the examples of class t that are predicted as p."""

    confusion: npt.NDArray[np.intp]

    @property
    def n(self) -> int:
        """The number of examples."""
        return int(self.confusion.sum())

    @property
    def correct(self) -> int:
        """The number of examples predicted correctly."""
        return int(np.trace(self.confusion))

    @property
    def accuracy(self) -> float:
        """The share of examples predicted correctly."""
        return self.correct / self.n

    @property
    def precision(self) -> npt.NDArray[np.float64]:
        """Of the examples predicted as a class, the share that belongs to it; NaN if there are none."""
        return _share(np.diag(self.confusion), self.confusion.sum(axis=0))

    @property
    def recall(self) -> npt.NDArray[np.float64]:
        """Of the examples of a class, the share predicted as it; NaN if there are none."""
        return _share(np.diag(self.confusion), self.confusion.sum(axis=1))

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain numbers; what is undefined is None."""
        return {
            "examples": self.n,
            "correct": self.correct,
            "accuracy": self.accuracy,
            "precision": [None if np.isnan(p) else float(p) for p in self.precision],
            "recall": [None if np.isnan(r) else float(r) for r in self.recall],
            "confusion": self.confusion.tolist(),
        }


def classification_report(predicted: Labels, labels: Labels, classes: int) -> ClassificationReport:
    """Return the report of predictions (n,), given the labels (n,)."""
    return ClassificationReport(confusion_of(predicted, labels, classes))


def _share(part: npt.NDArray[np.intp], whole: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    share = np.full(len(part), np.nan)
    np.divide(part, whole, out=share, where=whole > 0)
    return share
