"""Costs: how far the output a = f(z) is from the target y, each beside dC/dz (BP1).

z, a and y have shape (..., m, n_out). The cost of a batch is the mean over its m examples of the cost of
each, and that 1/m enters here, as the `weight` of an example, and nowhere else. A field is an option of the config.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Protocol

import numpy as np
from annotated_types import Ge, Lt, MinLen

from backprop_cli.nn.activations import HIDDEN, Activation
from backprop_cli.nn.arrays import Array


class Cost(Protocol):
    """A cost, for the output activations in `outputs`.

    `for_values` says whether it can be used for regression, `smooth` whether a line search can minimize it,
    `counts_mistakes` whether outputs are 0 or 1, so that training ends with an epoch without mistakes.
    """

    name: ClassVar[str]
    outputs: ClassVar[tuple[str, ...]]
    for_values: ClassVar[bool] = True
    smooth: ClassVar[bool] = True
    counts_mistakes: ClassVar[bool] = False

    @property
    def needs_one_hot(self) -> str | None:
        """Which of its options needs one output per class, if any does."""
        return None

    def problems(self, classes: int) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with its options for so many classes: the option, and what is wrong with it."""
        yield from ()

    def of_examples(self, output: Activation, z: Array, a: Array, y: Array) -> Array:
        """Return the cost of each example, of shape (..., m)."""

    def delta(self, output: Activation, z: Array, a: Array, y: Array, weight: Array | float) -> Array:
        """Return d(weight · Σ_x C_x)/dz, of the shape of z (BP1); weight = 1/m makes it the mean's."""

    def sides(self, z: Array, a: Array, y: Array) -> Array | None:
        """Return on which side of its kinks each number lies, or None for a smooth cost."""


@dataclass(frozen=True)
class Quadratic(Cost):
    """C = 1/(2m) Σ ‖a - y‖² (Nielsen, eq. 6)."""

    name: ClassVar[str] = "quadratic"
    outputs: ClassVar[tuple[str, ...]] = (*HIDDEN, "softmax")

    def of_examples(self, output: Activation, z: Array, a: Array, y: Array) -> Array:
        """Return ½ ‖a - y‖² of each example."""
        difference = a - y
        costs: Array = 0.5 * np.sum(difference * difference, axis=-1)
        return costs

    def delta(self, output: Activation, z: Array, a: Array, y: Array, weight: Array | float) -> Array:
        """Return weight · (a - y) ⊙ f'(z), or what softmax has in place of f' (BP1)."""
        return output.pull_back(z, a, weight * (a - y))

    def sides(self, z: Array, a: Array, y: Array) -> None:
        """There is no kink."""


@dataclass(frozen=True)
class CrossEntropy(Cost):
    """The cross-entropy of a sigmoid output or of a softmax output, the two that have one.

    Sigmoid: C = -1/m Σ Σ [y ln a + (1 - y) ln(1 - a)] (Nielsen, eq. 63).
    Softmax: C = -1/m Σ Σ y ln a (Nielsen, eq. 80, for targets that sum to one).
    Both are computed from z, where ln a never sees an a that was rounded to 0 or 1.

    `smoothing` mixes the target with the uniform one, y <- (1 - s) y + s/n_out (Szegedy et al. 2016, section 7).
    `class_weights`, one for each class, multiply the cost of the examples of that class; the mean stays one over m.
    """

    name: ClassVar[str] = "cross_entropy"
    outputs: ClassVar[tuple[str, ...]] = ("sigmoid", "softmax")
    for_values: ClassVar[bool] = False
    smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0
    class_weights: Annotated[tuple[Annotated[float, Ge(0)], ...], MinLen(1)] | None = None

    @property
    def needs_one_hot(self) -> str | None:
        """Class weights and label smoothing do."""
        if self.class_weights is not None:
            return "class_weights"
        return "smoothing" if self.smoothing else None

    def problems(self, classes: int) -> Iterator[tuple[str, str]]:
        """Yield whether there is a weight for each class, and one that is not 0."""
        weights = self.class_weights
        if weights is not None and len(weights) != classes:
            yield "class_weights", f"has {len(weights)} numbers, but there are {classes} classes"
        elif weights is not None and not any(weights):
            yield "class_weights", "all are 0, so that nothing would be learned"

    def of_examples(self, output: Activation, z: Array, a: Array, y: Array) -> Array:
        """Return the cross-entropy of each example."""
        costs = {"sigmoid": _of_sigmoid, "softmax": _of_softmax}[output.name](z, self._smooth(y))
        if self.class_weights is not None:
            costs *= np.sum(y * self._weights(y), axis=-1)
        return costs

    def delta(self, output: Activation, z: Array, a: Array, y: Array, weight: Array | float) -> Array:
        """Return weight · (a - y) (BP1): the slope of the output cancels (Nielsen, eq. 68 and problem 3.1)."""
        delta: Array = weight * (a - self._smooth(y))
        if self.class_weights is not None:
            delta *= np.sum(y * self._weights(y), axis=-1, keepdims=True)
        return delta

    def sides(self, z: Array, a: Array, y: Array) -> None:
        """There is no kink."""

    def _smooth(self, y: Array) -> Array:
        if not self.smoothing:
            return y
        smooth: Array = (1 - self.smoothing) * y + self.smoothing / y.shape[-1]
        return smooth

    def _weights(self, y: Array) -> Array:
        return np.asarray(self.class_weights, y.dtype)


def _of_sigmoid(z: Array, y: Array) -> Array:
    """-ln σ(z) = ln(1 + e^-z) and -ln(1 - σ(z)) = ln(1 + e^z), together max(z, 0) - y z + ln(1 + e^-|z|)."""
    costs: Array = np.sum(np.maximum(z, 0) - y * z + np.log1p(np.exp(-np.abs(z))), axis=-1)
    return costs


def _of_softmax(z: Array, y: Array) -> Array:
    """-ln a_j = ln Σ_k e^{z_k} - z_j, the largest z taken out of the sum."""
    top = np.max(z, axis=-1, keepdims=True)
    log_sum = top + np.log(np.sum(np.exp(z - top), axis=-1, keepdims=True))
    costs: Array = np.sum(y * (log_sum - z), axis=-1)
    return costs


@dataclass(frozen=True)
class Absolute(Cost):
    """C = 1/m Σ Σ |a - y|: an outlier pulls no harder than any other example. The slope at a = y is taken as 0."""

    name: ClassVar[str] = "absolute"
    outputs: ClassVar[tuple[str, ...]] = tuple(HIDDEN)

    def of_examples(self, output: Activation, z: Array, a: Array, y: Array) -> Array:
        """Return Σ |a - y| of each example."""
        costs: Array = np.sum(np.abs(a - y), axis=-1)
        return costs

    def delta(self, output: Activation, z: Array, a: Array, y: Array, weight: Array | float) -> Array:
        """Return weight · sign(a - y) ⊙ f'(z) (BP1)."""
        return output.pull_back(z, a, weight * np.sign(a - y))

    def sides(self, z: Array, a: Array, y: Array) -> Array:
        """Return whether a is above or below y."""
        return np.sign(a - y)


@dataclass(frozen=True)
class Huber(Cost):
    """C = 1/m Σ Σ h(a - y), h(e) = ½ e² up to |e| = width, and from there the straight line that touches it.

    Source: Huber 1964. h(e) is c (|e| - c/2) with c = min(|e|, width).
    """

    name: ClassVar[str] = "huber"
    outputs: ClassVar[tuple[str, ...]] = tuple(HIDDEN)
    width: Annotated[float, Ge(1e-6)] = 1.0

    def of_examples(self, output: Activation, z: Array, a: Array, y: Array) -> Array:
        """Return Σ h(a - y) of each example."""
        size = np.abs(a - y)
        c = np.minimum(size, self.width)
        costs: Array = np.sum(c * (size - 0.5 * c), axis=-1)
        return costs

    def delta(self, output: Activation, z: Array, a: Array, y: Array, weight: Array | float) -> Array:
        """Return weight · (a - y, cut off at ± width) ⊙ f'(z) (BP1)."""
        cut = np.maximum(np.minimum(a - y, self.width), -self.width)
        return output.pull_back(z, a, weight * cut)

    def sides(self, z: Array, a: Array, y: Array) -> Array:
        """Return whether the parabola or a line holds; h'' jumps between them."""
        return np.sign(np.maximum(np.abs(a - y) - self.width, 0))


@dataclass(frozen=True)
class Perceptron(Cost):
    """C = 1/m Σ Σ (a - y) z, how far the wrong units are on the wrong side; 0 once there is no mistake.

    Its gradient makes plain SGD with batches of one example the perceptron rule: W <- W + eta (y - a) x where the
    answer is wrong, nothing where it is right (Rosenblatt 1958; with `winner`, Duda and Hart 1973, Kesler's rule).
    """

    name: ClassVar[str] = "perceptron"
    outputs: ClassVar[tuple[str, ...]] = ("threshold", "winner")
    for_values: ClassVar[bool] = False
    smooth: ClassVar[bool] = False
    counts_mistakes: ClassVar[bool] = True

    def of_examples(self, output: Activation, z: Array, a: Array, y: Array) -> Array:
        """Return Σ (a - y) z of each example."""
        costs: Array = np.sum((a - y) * z, axis=-1)
        return costs

    def delta(self, output: Activation, z: Array, a: Array, y: Array, weight: Array | float) -> Array:
        """Return weight · (a - y), the slope where a does not jump."""
        delta: Array = weight * (a - y)
        return delta

    def sides(self, z: Array, a: Array, y: Array) -> Array:
        """Return a, which jumps where the slope does."""
        return a


COSTS: dict[str, type[Cost]] = {cost.name: cost for cost in (Quadratic, CrossEntropy, Absolute, Huber, Perceptron)}
"""Every cost, by name."""

OUTPUT_PAIRS: tuple[tuple[str, str], ...] = tuple(
    (cost.name, output) for cost in COSTS.values() for output in cost.outputs
)
"""Every (cost, output activation) that there is; any other is a config error."""
