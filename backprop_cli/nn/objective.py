"""What training makes small: the cost of a batch plus the penalty on the weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backprop_cli.nn.arrays import Array
from backprop_cli.nn.costs import Cost
from backprop_cli.nn.network import Network, backward, forward
from backprop_cli.nn.penalties import Penalty


@dataclass(frozen=True)
class Objective:
    """C + c Ω: the mean cost over a batch, plus the penalty with strength c = λ/n."""

    network: Network
    cost: Cost
    penalty: Penalty
    strength: float = 0.0

    def value(self, theta: Array, x: Array, y: Array) -> float:
        """Return C + c Ω of the batch x (m, n_0), y (m, n_L)."""
        layers = self.network.layers(theta)
        z, a = forward(layers, x)
        cost = float(np.mean(self.cost.of_examples(layers[-1].activation, z[-1], a[-1], y)))
        return cost + self.penalty_of(theta)

    def penalty_of(self, theta: Array) -> float:
        """Return c Ω of the weights in theta."""
        return self.strength * self.penalty.value(theta[: self.network.n_weights]) if self.strength else 0.0

    def gradient(self, theta: Array, x: Array, y: Array, out: Array | None = None) -> Array:
        """Return d(C + c Ω)/d theta over the batch, of the shape of theta, by back-propagation."""
        grad = np.empty_like(theta) if out is None else out
        self.backpropagate(theta, grad, x, y, weight=1 / len(x))
        if self.strength:
            weights = slice(self.network.n_weights)
            grad[weights] += self.strength * self.penalty.gradient(theta[weights])
        return grad

    def backpropagate(self, theta: Array, grad: Array, x: Array, y: Array, weight: Array | float) -> None:
        """Write the gradient of weight · Σ_x C_x into grad; the weight 1/m makes it that of the mean cost."""
        layers, grads = self.network.layers(theta), self.network.layers(grad)
        z, a = forward(layers, x)
        delta = self.cost.delta(layers[-1].activation, z[-1], a[-1], y, weight)  # BP1
        backward(layers, grads, z, a, delta)
