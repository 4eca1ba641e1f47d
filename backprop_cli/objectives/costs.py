"""Costs: how far the output a = f(z) is from the target y, each beside dC/dz (BP1).

z, a and y have shape (..., m, n_out). The cost of a batch is the mean over its m examples of the cost of
each, and that 1/m enters here, as the `weight` of an example, and nowhere else. A field is an option of the config.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Lt, MinLen

from backprop_cli.frozen import frozen
from backprop_cli.nn.activations import OUTPUTS, Activation
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.layers.dense import Dense
from backprop_cli.nn.layers.layer import Layer

if TYPE_CHECKING:
    from backprop_cli.nn.network import Network
    from backprop_cli.objectives.objective import GradientEstimator


class Cost:
    """A cost, for the output activations in `outputs`.

    `for_values` says whether it takes any target values, and not only classes, `for_fractions` whether it takes values
    between 0 and 1; `smooth` whether it has a gradient that
    line searches can use; `counts_mistakes` whether training ends with the first epoch without a mistake;
    `slope_cancels` whether `delta` is known without dC/da and f'(z). An `unsupervised` cost uses no targets;
    `initializer` names the one that suits it, where it decides.
    """

    name: ClassVar[str]
    outputs: ClassVar[tuple[str, ...]]
    for_values: ClassVar[bool] = True
    for_fractions: ClassVar[bool] = True
    smooth: ClassVar[bool] = True
    counts_mistakes: ClassVar[bool] = False
    slope_cancels: ClassVar[bool] = False
    unsupervised: ClassVar[bool] = False
    initializer: ClassVar[str | None] = None

    @property
    def needs_one_hot(self) -> str | None:
        """The option that needs one output for each class, if there is one."""
        return None

    def problems(self, classes: int) -> Iterator[tuple[str, str]]:
        """Yield (option, sentence) for everything that does not fit so many classes."""
        yield from ()

    def fitted_to(self, counts: Sequence[int]) -> Cost:
        """Return the cost for training examples of which there are counts[k] of class k, (classes,)."""
        return self

    def usual_eta(self, output: Activation, fan_in: int) -> float:
        """Return a learning rate for plain SGD, given the output activation and the inputs of an output unit.

        These are for hidden layers of sigmoids. For costs in a: 3 is Nielsen's for outputs between 0 and 1 (chapter 1).
        Δz = -eta · dC/dz · ‖a_prev‖² grows with the inputs of a unit, so many of them need smaller steps.
        """
        return min(3.0, 200 / fan_in) if output.squashes else min(0.1, 3 / fan_in)

    def initial(self, mean: Callable[[], Array]) -> Mapping[str, Array]:
        """Return initial parameters by name that the cost decides, given what returns the mean input, (n_0,)."""
        return {}

    def layer(self, units: int, output: Activation) -> Layer:
        """Return the output layer that goes with the cost."""
        return Dense(units)

    def estimator(self, network: Network) -> GradientEstimator | None:
        """Return what estimates the gradient of the cost of a network; None for back-propagation."""
        return None

    def of_examples(self, output: Activation, z: Array, a: Array, y: Array) -> Array:
        """Return the cost of each example, of shape (..., m)."""
        raise NotImplementedError

    def floor(self, y: Array) -> Array | None:
        """Return the cost of each example where every output is its target, (..., m), or None where that is 0."""
        return None

    def dC_da(self, a: Array, y: Array, weight: Array | float) -> Array:
        """Return d(weight · Σ_x C_x)/da, of the shape of a; weight = 1/m makes it that of the mean."""
        raise NotImplementedError

    def delta(self, output: Activation, z: Array, a: Array, y: Array, weight: Array | float) -> Array:
        """Return delta = dC/da ⊙ f'(z), of the shape of z (BP1; Nielsen, chapter 2)."""
        return output.pull_back(z, a, self.dC_da(a, y, weight))

    def sides(self, z: Array, a: Array, y: Array) -> Array | None:
        """Return on which side of the cost's kinks each number is, or None for a cost without kinks."""
        return None


@frozen
class Quadratic(Cost):
    """C = 1/(2m) Σ ‖a - y‖² (Nielsen, eq. 6)."""

    name: ClassVar[str] = "quadratic"
    outputs: ClassVar[tuple[str, ...]] = (*OUTPUTS, "softmax")

    def of_examples(self, output: Activation, z: Array, a: Array, y: Array) -> Array:
        """Return ½ ‖a - y‖² of each example."""
        difference = a - y
        return 0.5 * np.sum(difference * difference, axis=-1)

    def dC_da(self, a: Array, y: Array, weight: Array | float) -> Array:
        """Return weight · (a - y)."""
        return weight * (a - y)


@frozen
class CrossEntropy(Cost):
    """The cross-entropy of a sigmoid output or of a softmax output, the two that have one.

    Sigmoid: C = -1/m Σ Σ [y ln a + (1 - y) ln(1 - a)] (Nielsen, eq. 63).
    Softmax: C = -1/m Σ Σ y ln a (Nielsen, eq. 80, for targets that sum to one).
    Both are computed from z, where ln a never sees an a that was rounded to 0 or 1.

    `smoothing` mixes the target with the uniform one, y <- (1 - s) y + s/n_out (Szegedy et al. 2016, section 7).
    `class_weights`, one for each class, multiply the cost of the examples of that class; the mean stays one over m.
    `balanced` stands for n / (classes · count of the class) in the training split, so that all classes weigh the same
    (King and Zeng 2001).
    """

    name: ClassVar[str] = "cross_entropy"
    outputs: ClassVar[tuple[str, ...]] = ("sigmoid", "softmax")
    for_values: ClassVar[bool] = False
    slope_cancels: ClassVar[bool] = True
    smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0
    class_weights: Annotated[tuple[Annotated[float, Ge(0)], ...], MinLen(1)] | Literal["balanced"] | None = None

    @property
    def needs_one_hot(self) -> str | None:
        """class_weights, or smoothing, or neither."""
        if self.class_weights is not None:
            return "class_weights"
        return "smoothing" if self.smoothing else None

    def problems(self, classes: int) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with class_weights."""
        weights = self.class_weights
        if isinstance(weights, tuple) and len(weights) != classes:
            yield "class_weights", f"has {len(weights)} numbers, but there are {classes} classes"
        elif isinstance(weights, tuple) and not any(weights):
            yield "class_weights", "all are 0, so that nothing would be learned"

    def fitted_to(self, counts: Sequence[int]) -> CrossEntropy:
        """Return the cost with numbers in place of `balanced`; the weight of a class without examples is 1."""
        if self.class_weights != "balanced":
            return self
        n, classes = sum(counts), len(counts)
        return replace(self, class_weights=tuple(n / (classes * count) if count else 1.0 for count in counts))

    def usual_eta(self, output: Activation, fan_in: int) -> float:
        """Return 0.5, Nielsen's (chapter 3)."""
        return 0.5

    def of_examples(self, output: Activation, z: Array, a: Array, y: Array) -> Array:
        """Return the cross-entropy of each example."""
        costs = (_of_softmax if output.sums_to_one else _of_sigmoid)(z, self._smooth(y))
        return costs if self.class_weights is None else costs * self._weights(y)

    def floor(self, y: Array) -> Array:
        """Return the entropy of the targets, -Σ [y ln y + (1 - y) ln(1 - y)], with 0 ln 0 = 0; for sigmoid outputs."""
        return -np.sum(y * np.log(np.where(y > 0, y, 1)) + (1 - y) * np.log(np.where(y < 1, 1 - y, 1)), axis=-1)

    def delta(self, output: Activation, z: Array, a: Array, y: Array, weight: Array | float) -> Array:
        """Return weight · (a - y) (BP1): the slope of the output cancels (Nielsen, eq. 68 and problem 3.1)."""
        delta = weight * (a - self._smooth(y))
        return delta if self.class_weights is None else delta * self._weights(y)[..., None]

    def _smooth(self, y: Array) -> Array:
        return (1 - self.smoothing) * y + self.smoothing / y.shape[-1] if self.smoothing else y

    def _weights(self, y: Array) -> Array:
        """Return the weight of each example's class, (..., m)."""
        return np.sum(y * np.asarray(self.class_weights, y.dtype), axis=-1)


def _of_sigmoid(z: Array, y: Array) -> Array:
    """-ln σ(z) = ln(1 + e^-z) and -ln(1 - σ(z)) = ln(1 + e^z), together max(z, 0) - y z + ln(1 + e^-|z|)."""
    return np.sum(np.maximum(z, 0) - y * z + np.log1p(np.exp(-np.abs(z))), axis=-1)


def _of_softmax(z: Array, y: Array) -> Array:
    """-ln a_j = ln Σ_k e^{z_k} - z_j, the largest z taken out of the sum."""
    top = np.max(z, axis=-1, keepdims=True)
    log_sum = top + np.log(np.sum(np.exp(z - top), axis=-1, keepdims=True))
    return np.sum(y * (log_sum - z), axis=-1)


@frozen
class Absolute(Cost):
    """C = 1/m Σ Σ |a - y|: an outlier pulls no harder than any other example. The slope at a = y is taken as 0."""

    name: ClassVar[str] = "absolute"
    outputs: ClassVar[tuple[str, ...]] = OUTPUTS

    def of_examples(self, output: Activation, z: Array, a: Array, y: Array) -> Array:
        """Return Σ |a - y| of each example."""
        return np.sum(np.abs(a - y), axis=-1)

    def dC_da(self, a: Array, y: Array, weight: Array | float) -> Array:
        """Return weight · sign(a - y)."""
        return weight * np.sign(a - y)

    def sides(self, z: Array, a: Array, y: Array) -> Array:
        """Return whether a is above or below y."""
        return np.sign(a - y)


@frozen
class Huber(Cost):
    """C = 1/m Σ Σ h(a - y), h(e) = ½ e² up to |e| = width, and from there the straight line that touches it.

    Source: Huber 1964.
    """

    name: ClassVar[str] = "huber"
    outputs: ClassVar[tuple[str, ...]] = OUTPUTS
    width: Annotated[float, Ge(1e-6)] = 1.0

    def of_examples(self, output: Activation, z: Array, a: Array, y: Array) -> Array:
        """Return Σ h(a - y) of each example."""
        e = a - y
        size = np.abs(e)
        return np.sum(np.where(size <= self.width, 0.5 * e * e, self.width * (size - 0.5 * self.width)), axis=-1)

    def dC_da(self, a: Array, y: Array, weight: Array | float) -> Array:
        """Return weight · h'(a - y), h'(e) being e clipped to ± width."""
        return weight * np.clip(a - y, -self.width, self.width)

    def sides(self, z: Array, a: Array, y: Array) -> Array:
        """Return whether the parabola or a line holds; h'' jumps between them."""
        return np.sign(np.maximum(np.abs(a - y) - self.width, 0))


@frozen
class Perceptron(Cost):
    """C = 1/m Σ Σ (a - y) z, how far the wrong units are on the wrong side; 0 once there is no mistake.

    Its gradient makes plain SGD with batches of one example the perceptron rule: W <- W + eta (y - a) x where the
    answer is wrong, nothing where it is right (Rosenblatt 1958; with `winner`, Duda and Hart 1973, Kesler's rule).
    """

    name: ClassVar[str] = "perceptron"
    outputs: ClassVar[tuple[str, ...]] = ("threshold", "winner")
    for_values: ClassVar[bool] = False
    for_fractions: ClassVar[bool] = False
    smooth: ClassVar[bool] = False
    counts_mistakes: ClassVar[bool] = True
    slope_cancels: ClassVar[bool] = True

    def usual_eta(self, output: Activation, fan_in: int) -> float:
        """Return 1: eta is the scale of the weights, and the outputs do not depend on it."""
        return 1.0

    def of_examples(self, output: Activation, z: Array, a: Array, y: Array) -> Array:
        """Return Σ (a - y) z of each example."""
        return np.sum((a - y) * z, axis=-1)

    def delta(self, output: Activation, z: Array, a: Array, y: Array, weight: Array | float) -> Array:
        """Return weight · (a - y), the slope where a does not jump."""
        return weight * (a - y)

    def sides(self, z: Array, a: Array, y: Array) -> Array:
        """Return a, which jumps where the slope does."""
        return a


COSTS: dict[str, type[Cost]] = {cost.name: cost for cost in (Quadratic, CrossEntropy, Absolute, Huber, Perceptron)}
"""Every cost, by name."""

OUTPUT_PAIRS: tuple[tuple[str, str], ...] = tuple(
    (cost.name, output) for cost in COSTS.values() for output in cost.outputs
)
"""Every (cost, output activation) that there is; any other is a config error."""
