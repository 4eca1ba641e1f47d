"""What training minimizes, and what estimates its gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array, Noise, Shape
from backprop_cli.nn.network import Network
from backprop_cli.nn.parameters import Gradient, Layout
from backprop_cli.objectives.costs import Cost
from backprop_cli.objectives.penalties import Penalty
from backprop_cli.objectives.sparsity import Sparsity


class Evaluated(NamedTuple):
    """What a batch came to: the outputs a^L (..., m, n_L), and the cost of each example (..., m)."""

    outputs: Array
    costs: Array


class GradientEstimator(Protocol):
    """Something with parameters, a cost, and an estimate of the gradient of the cost."""

    @property
    def layout(self) -> Layout:
        """Where the parameters lie in theta."""

    @property
    def in_shape(self) -> Shape:
        """The shape of an example."""

    @property
    def width(self) -> int:
        """The numbers in all signals of one example, for estimates of memory."""

    @property
    def measured(self) -> GradientEstimator:
        """What is evaluated: the same without what only training looks at."""
        return self

    def floor(self, y: Array) -> Array | None:
        """Return the lowest cost that each example can have, (..., m), None where that is 0."""
        return None

    @property
    def of_batch(self) -> bool:
        """Whether the cost of an example depends on the others of its batch, by the mean of their `activities`."""
        return False

    def activities(self, theta: Array, x: Array, noise: Noise | None = None) -> Array:
        """Return the activities (..., m, n) whose mean the costs of the examples depend on: by default none, n = 0."""
        return x[..., :0]

    def given(self, mean: Array) -> GradientEstimator:
        """Return the estimator for a part of a batch with this mean activity (1, n)."""
        return self

    def init(self, theta: Array) -> Mapping[str, Array]:
        """Return the arrays that the estimator keeps from step to step, at first; by default none."""
        return {}

    def bound(self, arrays: Mapping[str, Array]) -> GradientEstimator:
        """Return the estimator that goes on from these arrays, those of `init`, and changes them in place."""
        return self

    def evaluate(self, theta: Array, x: Array, y: Array, noise: Noise | None = None) -> Evaluated:
        """Return outputs and costs of the examples x (..., m, n_0), y (..., m, n_L)."""

    def sides(self, theta: Array, x: Array, y: Array, noise: Noise | None = None) -> list[Array]:
        """Return, for each kink that the cost has as a function of theta, on which side of it each number is."""

    def estimate(
        self,
        theta: Array,
        x: Array,
        y: Array,
        grads: Sequence[Gradient],
        weight: Array | float,
        noise: Noise | None = None,
    ) -> Evaluated:
        """Add the gradient of weight · Σ_x C_x to grads, which has an entry for each layer; return what was met."""


@frozen
class OfNetwork(GradientEstimator):
    """What estimators for the parameters of `network` share."""

    network: Network

    @property
    def layout(self) -> Layout:
        """That of the network."""
        return self.network.layout

    @property
    def in_shape(self) -> Shape:
        """That of the network."""
        return self.network.in_shape

    @property
    def width(self) -> int:
        """That of the network."""
        return self.network.width


@frozen
class Backpropagation(OfNetwork):
    """The exact gradient of the cost of a network, by the four equations of back-propagation.

    `sparsity`, if there is one, adds its term for the activities of layer `sparse_layer`, from 1, to the cost.
    """

    cost: Cost
    sparsity: Sparsity | None = None
    sparse_layer: int = 1

    def evaluate(self, theta: Array, x: Array, y: Array, noise: Noise | None = None) -> Evaluated:
        """Send x through the network."""
        signals, _ = self.network.forward(theta, x, noise)
        return self._evaluated(signals, y)

    @property
    def measured(self) -> Backpropagation:
        """The same without sparsity."""
        return replace(self, sparsity=None)

    def floor(self, y: Array) -> Array | None:
        """Return that of the cost."""
        return self.cost.floor(y)

    @property
    def of_batch(self) -> bool:
        """Whether sparsity is about means over the batch."""
        return self.sparsity is not None and self.sparsity.of_batch

    def activities(self, theta: Array, x: Array, noise: Noise | None = None) -> Array:
        """Return the activities (..., m, n) that sparsity looks at."""
        return self.network.forward(theta, x, noise)[0][self._sparse]

    def given(self, mean: Array) -> Backpropagation:
        """Return the same for a part of a batch."""
        assert self.sparsity is not None
        return replace(self, sparsity=self.sparsity.given(mean))

    @property
    def _sparse(self) -> int:
        """The number of the signal that sparsity looks at: that behind the activation of the layer."""
        return self.network.units[self.sparse_layer - 1].index + 2

    def sides(self, theta: Array, x: Array, y: Array, noise: Noise | None = None) -> list[Array]:
        """Return the sides of the kinks of the activations and of the cost."""
        signals, caches = self.network.forward(theta, x, noise)
        z, output = signals[-1], self.network.output
        a = output.value(z)
        layers, caches = (*self.network.layers, output), [*caches, (z, a)]
        sides = [side for layer, cache in zip(layers, caches, strict=True) for side in layer.sides(cache)]
        sides += self.sparsity.sides(signals[self._sparse]) if self.sparsity else []
        of_cost = self.cost.sides(z, a, y)
        return sides if of_cost is None else [*sides, of_cost]

    def estimate(
        self,
        theta: Array,
        x: Array,
        y: Array,
        grads: Sequence[Gradient],
        weight: Array | float,
        noise: Noise | None = None,
    ) -> Evaluated:
        """Send x forward and delta back (Nielsen, chapter 2)."""
        signals, caches = self.network.forward(theta, x, noise)
        z, output = signals[-1], self.network.output
        evaluated = self._evaluated(signals, y)
        delta = self.cost.delta(output, z, evaluated.outputs, y, weight)  # BP1
        k = self._sparse
        more = {k: weight * self.sparsity.gradient(signals[k])} if self.sparsity else {}
        self.network.backward(theta, caches, delta, grads, more)  # BP2, BP3, BP4
        return evaluated

    def _evaluated(self, signals: list[Array], y: Array) -> Evaluated:
        z = signals[-1]
        a = self.network.output.value(z)
        costs = self.cost.of_examples(self.network.output, z, a, y)
        return Evaluated(a, costs + self.sparsity.of_examples(signals[self._sparse]) if self.sparsity else costs)


@frozen
class Weighted(GradientEstimator):
    """An estimator for one batch, whose examples count `weights` (..., m) times: w C_x takes the place of C_x."""

    estimator: GradientEstimator
    weights: Array

    @property
    def layout(self) -> Layout:
        """That of the estimator."""
        return self.estimator.layout

    @property
    def in_shape(self) -> Shape:
        """That of the estimator."""
        return self.estimator.in_shape

    @property
    def width(self) -> int:
        """That of the estimator."""
        return self.estimator.width

    def evaluate(self, theta: Array, x: Array, y: Array, noise: Noise | None = None) -> Evaluated:
        """Return outputs and weighted costs."""
        return self._weighted(self.estimator.evaluate(theta, x, y, noise))

    def sides(self, theta: Array, x: Array, y: Array, noise: Noise | None = None) -> list[Array]:
        """Return those of the estimator."""
        return self.estimator.sides(theta, x, y, noise)

    def estimate(
        self,
        theta: Array,
        x: Array,
        y: Array,
        grads: Sequence[Gradient],
        weight: Array | float,
        noise: Noise | None = None,
    ) -> Evaluated:
        """Add the gradient of weight · Σ_x w C_x."""
        return self._weighted(self.estimator.estimate(theta, x, y, grads, weight * self.weights[..., None], noise))

    def _weighted(self, found: Evaluated) -> Evaluated:
        return Evaluated(found.outputs, self.weights * found.costs)


@frozen
class Objective:
    """C + Σ c Ω: the mean cost over a batch, plus each penalty Ω with its strength c = λ/n."""

    estimator: GradientEstimator
    penalties: tuple[tuple[Penalty, float], ...] = ()

    @property
    def layout(self) -> Layout:
        """Where the parameters lie in theta."""
        return self.estimator.layout

    def weighing(self, weights: Array | None) -> Objective:
        """Return the objective of a batch whose examples count `weights` (..., m) times, once each without any."""
        return self if weights is None else replace(self, estimator=Weighted(self.estimator, weights))

    def value(self, theta: Array, x: Array, y: Array, noise: Noise | None = None) -> Array:
        """Return C + Σ c Ω of the batch x (..., m, n_0), y (..., m, n_L): a number, or one for each of K networks."""
        return np.mean(self.estimator.evaluate(theta, x, y, noise).costs, axis=-1) + self.penalty(theta)

    def sides(self, theta: Array, x: Array, y: Array, noise: Noise | None = None) -> list[Array]:
        """Return, for each kink of the cost and the penalties, on which side of it each number is."""
        weights = theta[..., : self.layout.n_penalized]
        of_penalties = [np.sign(weights - k) for penalty, _ in self.penalties for k in penalty.kinks]
        return self.estimator.sides(theta, x, y, noise) + of_penalties

    def penalty(self, theta: Array) -> Array:
        """Return Σ c Ω of the weights in theta (..., n)."""
        w = theta[..., : self.layout.n_penalized]
        return sum((c * penalty.value(w) for penalty, c in self.penalties), start=np.zeros(theta.shape[:-1]))

    def gradient(self, theta: Array, x: Array, y: Array, noise: Noise | None = None) -> Array:
        """Return d(C + Σ c Ω)/d theta over the batch, of the shape of theta."""
        grad = np.zeros_like(theta)
        self.estimator.estimate(theta, x, y, self.layout.sums(grad), weight=1 / y.shape[-2], noise=noise)
        self.add_penalties(theta, grad)
        return grad

    def add_penalties(self, theta: Array, grad: Array) -> None:
        """Add the gradient of Σ c Ω to grad (..., n)."""
        weights = np.s_[..., : self.layout.n_penalized]
        for penalty, c in self.penalties:
            grad[weights] += c * penalty.gradient(theta[weights])
