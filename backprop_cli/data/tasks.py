"""What the outputs of a network mean: classes, in one of several encodings, or values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

Targets = npt.NDArray[Any]
"""Labels (n,), uint8 from 0, or values (n, k), floating."""

Outputs = npt.NDArray[np.floating[Any]]
"""What a network gave, or should give, of shape (n, n_L)."""


class Task(Protocol):
    """How targets become what a network is asked for, and how its answers are judged."""

    names: ClassVar[tuple[str, ...]]
    """The names of its `figures`."""

    @property
    def classes(self) -> int:
        """The number of classes; 0 where values are asked for."""

    @property
    def outputs(self) -> int:
        """The number of outputs that a network needs."""

    def encode(self, targets: Targets, dtype: Any) -> Outputs:
        """Return y (n, outputs)."""

    def predict(self, outputs: Outputs) -> npt.NDArray[Any]:
        """Return the predicted targets: labels (n,), or values (n, k)."""

    def measure(self, outputs: Outputs, targets: Targets) -> float:
        """Return a figure of these examples that can be added up over the parts of a split."""

    def figures(self, total: float, targets: Targets) -> dict[str, float]:
        """Return the figures of a whole split by name, given the sum of `measure` over its parts."""


@dataclass(frozen=True)
class Encoding:
    """What each of so many classes is encoded as: the rows of `codes(classes)`, (classes, outputs)."""

    name: str
    codes: Callable[[int], npt.NDArray[np.float64]]

    def scores(self, outputs: Outputs, classes: int) -> Outputs:
        """Return a score for each class, (n, classes), higher being more likely: 1 - ‖a - c‖ for the code c."""
        codes = codes_of(self, classes, "float64")  # in float32, large outputs would be equally far from all codes
        scores: Outputs = 1 - np.linalg.norm(outputs[:, None, :] - codes, axis=-1)
        return scores


class OneHot(Encoding):
    """An output for every class."""

    def scores(self, outputs: Outputs, classes: int) -> Outputs:
        """Return the outputs themselves: the largest is the one whose code is nearest."""
        return outputs


def _binary(classes: int) -> npt.NDArray[np.float64]:
    bits = max(1, (classes - 1).bit_length())
    return (np.arange(classes)[:, None] >> np.arange(bits)[::-1] & 1).astype(np.float64)


ENCODINGS: dict[str, Encoding] = {
    encoding.name: encoding
    for encoding in (
        OneHot("one_hot", lambda classes: np.eye(classes)),
        Encoding("binary", _binary),  # the digits of the class in base two, the highest first
        Encoding("scalar", lambda classes: np.linspace(0, 1, classes)[:, None]),  # class 0 is 0, the last is 1
    )
}
"""Every encoding of classes, by name."""


@cache
def codes_of(encoding: Encoding, classes: int, dtype: Any) -> Outputs:
    """Return the code of every class, (classes, outputs)."""
    return encoding.codes(classes).astype(dtype)


@dataclass(frozen=True)
class Classification:
    """Each example belongs to one of `classes`."""

    names: ClassVar[tuple[str, ...]] = ("accuracy",)
    classes: int
    encoding: Encoding = field(default=ENCODINGS["one_hot"])

    @property
    def outputs(self) -> int:
        """The length of a code."""
        return int(codes_of(self.encoding, self.classes, "float64").shape[1])

    def encode(self, targets: Targets, dtype: Any) -> Outputs:
        """Return the code of each label (n,), as y (n, outputs)."""
        return codes_of(self.encoding, self.classes, dtype).take(targets, axis=0)

    def scores(self, outputs: Outputs) -> Outputs:
        """Return a score for each class, (n, classes), given outputs (n, n_L); the highest is the prediction."""
        return self.encoding.scores(outputs, self.classes)

    def predict(self, outputs: Outputs) -> npt.NDArray[np.intp]:
        """Return the predicted class of each row of outputs (n, n_L)."""
        predicted: npt.NDArray[np.intp] = np.argmax(self.scores(outputs), axis=-1)
        return predicted

    def measure(self, outputs: Outputs, targets: Targets) -> float:
        """Return how many are predicted rightly."""
        return float(np.count_nonzero(self.predict(outputs) == targets))

    def figures(self, total: float, targets: Targets) -> dict[str, float]:
        """Return the accuracy, the share of examples predicted rightly."""
        return {"accuracy": total / len(targets)}


@dataclass(frozen=True)
class Regression:
    """Each example has a value at each of the outputs."""

    names: ClassVar[tuple[str, ...]] = ("rmse", "r2")
    outputs: int = 1
    classes: int = 0

    def encode(self, targets: Targets, dtype: Any) -> Outputs:
        """Return the values themselves."""
        return targets.astype(dtype)

    def predict(self, outputs: Outputs) -> Outputs:
        """Return the outputs, which are the values."""
        return outputs

    def measure(self, outputs: Outputs, targets: Targets) -> float:
        """Return the sum of the squared errors."""
        return float(np.sum(np.square(outputs - targets, dtype=np.float64)))

    def figures(self, total: float, targets: Targets) -> dict[str, float]:
        """Return rmse, the root of the mean squared error, and r2 = 1 - Σ(a - y)² / Σ(y - mean)².

        An r2 that has nothing to be compared with, because all targets are the same, is left out.
        """
        spread = float(np.sum(np.square(targets - targets.mean(axis=0, dtype=np.float64))))
        r2 = {"r2": 1 - total / spread} if spread > 0 else {}
        return {"rmse": (total / targets.size) ** 0.5, **r2}
