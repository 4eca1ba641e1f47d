"""Tasks: what the outputs of a network mean, classes (in one of several encodings), values, or the inputs; metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import field, replace
from functools import cache
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from backprop_cli.data.metrics import OF_CLASSES, OF_VALUES, Classified, best_f1_threshold
from backprop_cli.errors import UsageError
from backprop_cli.frozen import frozen

Targets = npt.NDArray[Any]
"""Labels (n,), uint8 from 0, or values (n, k), floating."""

Outputs = npt.NDArray[np.floating[Any]]
"""The outputs of a network, or what they should be, (n, n_L)."""

Encoder = Callable[[Targets, Outputs], object]
"""(targets, y): write what a network should output for the targets into y."""


@frozen
class Encoding:
    """Codes of classes: the rows of `codes(classes)`, (classes, outputs)."""

    name: str
    codes: Callable[[int], npt.NDArray[np.float64]]
    output_per_class: ClassVar[bool] = False

    def scores(self, outputs: Outputs, classes: int) -> Outputs:
        """Return a score for each class, (n, classes), higher being more likely: 1 - ‖a - c‖ for the code c."""
        codes = codes_of(self, classes, "float64")  # in float32, large outputs would be equally far from all codes
        return 1 - np.linalg.norm(outputs[:, None, :] - codes, axis=-1)

    def probabilities(self, outputs: Outputs, classes: int) -> Outputs | None:
        """Return the probability of each class (n, classes), or None; one output of two classes is the second's."""
        return np.concatenate([1 - outputs, outputs], axis=1) if classes == 2 else None


class OneHot(Encoding):
    """One output per class."""

    output_per_class: ClassVar[bool] = True

    def scores(self, outputs: Outputs, classes: int) -> Outputs:
        """Return the outputs themselves: the largest is the one whose code is nearest."""
        return outputs

    def probabilities(self, outputs: Outputs, classes: int) -> Outputs | None:
        """Return the outputs divided by their sum."""
        total = np.sum(outputs, axis=1, keepdims=True)
        return np.divide(outputs, total, out=np.full_like(outputs, 1 / classes), where=total > 0)


def _binary(classes: int) -> npt.NDArray[np.float64]:
    bits = max(1, (classes - 1).bit_length())
    return (np.arange(classes)[:, None] >> np.arange(bits)[::-1] & 1).astype(np.float64)


def _scalar(classes: int) -> npt.NDArray[np.float64]:
    return np.linspace(0, 1, classes)[:, None]


ENCODINGS: dict[str, Encoding] = {
    encoding.name: encoding
    for encoding in (
        OneHot("one_hot", np.eye),
        Encoding("binary", _binary),  # the digits of the class in base two, the highest first
        Encoding("scalar", _scalar),  # class 0 is 0, the last is 1
    )
}
"""Every encoding of classes, by name."""


@cache
def codes_of(encoding: Encoding, classes: int, dtype: Any) -> Outputs:
    """Return the code of every class, (classes, outputs)."""
    return encoding.codes(classes).astype(dtype)


@frozen
class Classification:
    """Each example belongs to one of `classes`.

    `metric_names` are the metrics besides the cost, `further` those that only the best network is measured by, or that
    are monitored; `monitor` is the one that the best epoch is chosen by. `fractions` says that outputs are between 0
    and 1 and stand for probabilities, `sums_to_one` that those of an example sum to one. Of two classes, the second is
    predicted from a probability of `threshold` on. If it `reconstructs`, the targets are the inputs.
    """

    kind: ClassVar[str] = "classification"
    reconstructs: ClassVar[bool] = False
    unsupervised: ClassVar[bool] = False
    metric_names: ClassVar[tuple[str, ...]] = ("accuracy",)
    further: ClassVar[tuple[str, ...]] = tuple(OF_CLASSES)
    monitor: ClassVar[str] = "accuracy"
    classes: int
    encoding: Encoding = field(default=ENCODINGS["one_hot"])
    fractions: bool = field(default=False, compare=False)
    sums_to_one: bool = field(default=False, compare=False)
    threshold: float | None = None

    @property
    def outputs(self) -> int:
        """The length of a code."""
        return int(self.codes("float64").shape[1])

    def codes(self, dtype: Any) -> Outputs:
        """Return the code of every class, (classes, outputs)."""
        return codes_of(self.encoding, self.classes, dtype)

    def encode(self, targets: Targets, dtype: Any) -> Outputs:
        """Return what a network should output: the code of each label (n,), as y (n, outputs)."""
        return self.codes(dtype).take(targets, axis=0)

    def encoder(self, dtype: Any) -> Encoder:
        """Return what writes the codes of labels into an array of that dtype: the fast form of `encode`."""
        take = self.codes(dtype).take
        return lambda targets, y: take(targets, 0, y, "clip")  # the default mode copies y

    def scores(self, outputs: Outputs) -> Outputs:
        """Return a score for each class, (n, classes), given outputs (n, n_L); the highest is the prediction."""
        return self.encoding.scores(outputs, self.classes)

    def predict(self, outputs: Outputs) -> npt.NDArray[np.intp]:
        """Return the predicted class of each row of outputs (n, n_L)."""
        if self.threshold is not None:
            return (self.chances(outputs) >= np.float64(self.threshold)).astype(np.intp)
        return np.argmax(self.scores(outputs), axis=-1)

    def probabilities(self, outputs: Outputs) -> Outputs | None:
        """Return the probability of each class, (n, classes), or None if the outputs tell none."""
        if not self.fractions:
            return None
        return outputs if self.sums_to_one else self.encoding.probabilities(outputs, self.classes)

    def chances(self, outputs: Outputs) -> Outputs:
        """Return the probability of the second of two classes, (n,), where outputs are probabilities."""
        probabilities = self.probabilities(outputs)
        assert probabilities is not None
        return np.asarray(probabilities[:, 1])

    def at(self, threshold: float | str | None) -> Classification:
        """Return the task with a threshold, a number that may be text, or None: the more likely class is predicted.

        Raises UsageError unless it is from 0 to 1, there are two classes, and outputs are probabilities.
        """
        if threshold is None:
            return replace(self, threshold=None)
        if self.classes != 2:
            raise UsageError(f"a threshold needs two classes, but there are {self.classes}")
        if not self.fractions:
            raise UsageError("a threshold needs probabilities: train with output: softmax, or output: sigmoid")
        try:
            number = float(threshold)
        except ValueError:
            number = np.nan
        if not 0 <= number <= 1:
            raise UsageError(f"a threshold must be a number from 0 to 1, not {threshold!r}")
        return replace(self, threshold=number)

    def best_threshold(self, outputs: Outputs, targets: Targets) -> float:
        """Return the threshold with the highest F1. Raises UsageError without an example of the second class."""
        if not np.any(targets == 1):
            raise UsageError("best-f1: the validation split has no example of the second class")
        return best_f1_threshold(targets == 1, self.at(0.5).chances(outputs))

    def measure(self, outputs: Outputs, targets: Targets) -> float:
        """Return the number of correct predictions, which can be summed over the parts of a split."""
        return float(np.count_nonzero(self.predict(outputs) == targets))

    def metrics(self, total: float, targets: Targets) -> dict[str, float]:
        """Return the accuracy of a whole split, given the sum of `measure` over its parts."""
        return {"accuracy": total / len(targets)}

    def further_metrics(self, outputs: Outputs, targets: Targets, names: Iterable[str]) -> dict[str, float]:
        """Return some of the `further` metrics of a whole split, without those that are undefined."""
        probabilities = self.probabilities(outputs)
        scores = self.scores(outputs) if probabilities is None else probabilities
        found = Classified(targets, self.predict(outputs), scores, probabilities)
        return _defined({name: OF_CLASSES[name](found) for name in names})


@frozen
class Regression:
    """Each example has a value for each of the outputs, which are (value - center) / scale.

    `center` and `scale` have a number for each output, or are empty: 0 and 1. Metrics are in the units of the values.
    """

    threshold: ClassVar[None] = None
    kind: ClassVar[str] = "regression"
    reconstructs: ClassVar[bool] = False
    unsupervised: ClassVar[bool] = False
    metric_names: ClassVar[tuple[str, ...]] = ("rmse", "r2")
    further: ClassVar[tuple[str, ...]] = tuple(OF_VALUES)
    monitor: ClassVar[str] = "cost"
    classes: ClassVar[int] = 0
    outputs: int = 1
    center: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    def encode(self, targets: Targets, dtype: Any) -> Outputs:
        """Return what a network should output for values (n, outputs)."""
        if not self.center:
            return targets.astype(dtype)
        return ((targets - np.array(self.center)) / np.array(self.scale)).astype(dtype)

    def encoder(self, dtype: Any) -> Encoder:
        """Return what writes what a network should output into an array."""
        if not self.center:
            return lambda targets, y: np.copyto(y, targets, "same_kind")
        center, scale = np.array(self.center), np.array(self.scale)
        return lambda targets, y: np.copyto(y, (targets - center) / scale, "same_kind")

    def predict(self, outputs: Outputs) -> Outputs:
        """Return the values (n, outputs) that outputs stand for."""
        return outputs if not self.center else np.asarray(outputs * np.array(self.scale) + np.array(self.center))

    def measure(self, outputs: Outputs, targets: Targets) -> float:
        """Return the sum of the squared errors of the values."""
        return float(np.sum(np.square(self.predict(outputs) - targets, dtype=np.float64)))

    def metrics(self, total: float, targets: Targets) -> dict[str, float]:
        """Return rmse, the root mean squared error, and r2 = 1 - Σ(a - y)² / Σ(y - mean)².

        r2 is left out where it is undefined, because all targets are equal.
        """
        spread = float(np.sum(np.square(targets - targets.mean(axis=0, dtype=np.float64))))
        r2 = {"r2": 1 - total / spread} if spread > 0 else {}
        return {"rmse": (total / targets.size) ** 0.5, **r2}

    def further_metrics(self, outputs: Outputs, targets: Targets, names: Iterable[str]) -> dict[str, float]:
        """Return some of the `further` metrics of a whole split."""
        values = self.predict(outputs)
        return _defined({name: OF_VALUES[name](values, targets) for name in names})

    def at(self, threshold: float | str | None) -> Regression:
        """Return the task itself. Raises UsageError for a threshold."""
        if threshold is not None:
            raise UsageError("a threshold needs two classes, but this is a regression task")
        return self

    def best_threshold(self, outputs: Outputs, targets: Targets) -> float:
        """Raise UsageError."""
        raise UsageError("a threshold needs two classes, but this is a regression task")


@frozen
class Reconstruction(Regression):
    """The targets of each example are its inputs, and the outputs are the inputs · scale that the network is fed."""

    kind: ClassVar[str] = "reconstruction"
    reconstructs: ClassVar[bool] = True
    unsupervised: ClassVar[bool] = True
    metric_names: ClassVar[tuple[str, ...]] = ("squared_error",)
    further: ClassVar[tuple[str, ...]] = ()
    factor: float = 1.0

    def encode(self, targets: Targets, dtype: Any) -> Outputs:
        """Return what a network should output for inputs (n, n_0): what it is fed."""
        return np.asarray(targets * np.asarray(self.factor, dtype), dtype)

    def encoder(self, dtype: Any) -> Encoder:
        """Return what writes what a network should output into an array."""
        factor = np.asarray(self.factor, dtype)
        return lambda targets, y: np.multiply(targets, factor, y)

    def predict(self, outputs: Outputs) -> Outputs:
        """Return the inputs (n, n_0) that outputs stand for, in the units of the data."""
        return super().predict(outputs / np.asarray(self.factor, outputs.dtype))

    def measure(self, outputs: Outputs, targets: Targets) -> float:
        """Return the sum of the squared errors of the outputs."""
        return float(np.sum(np.square(outputs - self.encode(targets, outputs.dtype)), dtype=np.float64))

    def metrics(self, total: float, targets: Targets) -> dict[str, float]:
        """Return squared_error, Σ (a - x)² over the outputs, the mean over the examples."""
        return {"squared_error": total / len(targets)}


def _defined(metrics: dict[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if value is not None and np.isfinite(value)}


Task = Classification | Regression
"""How targets become desired outputs, and how outputs are evaluated."""

MONITORS = (
    *("accuracy", "cost", *Classification.further),
    *(*Regression.metric_names, *Regression.further, *Reconstruction.metric_names),
)
"""The metrics that the best epoch can be chosen by."""
