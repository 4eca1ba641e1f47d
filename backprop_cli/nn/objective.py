"""What training makes small: the cost of a batch plus the penalties on the weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backprop_cli.nn.arrays import Array
from backprop_cli.nn.costs import Cost
from backprop_cli.nn.network import Network, backward, forward
from backprop_cli.nn.penalties import Penalty


@dataclass(frozen=True)
class Objective:
    """C + Σ c Ω: the mean cost over a batch, plus each penalty Ω with its strength c = λ/n."""

    network: Network
    cost: Cost
    penalties: tuple[tuple[Penalty, float], ...] = ()

    def value(self, theta: Array, x: Array, y: Array) -> float:
        """Return C + Σ c Ω of the batch x (m, n_0), y (m, n_L)."""
        z, a = forward(self.network.layers(theta), x)
        return self.cost_of(z[-1], a[-1], y) + self.penalty_of(theta)

    def cost_of(self, z: Array, a: Array, y: Array) -> float:
        """Return C of a batch, given z and a of the output layer and the targets, all (m, n_L)."""
        return float(np.mean(self.cost.of_examples(self.network.activations[-1], z, a, y)))

    def penalty_of(self, theta: Array) -> float:
        """Return Σ c Ω of the weights in theta."""
        w = theta[: self.network.n_weights]
        return sum(c * penalty.value(w) for penalty, c in self.penalties)

    def gradient(self, theta: Array, x: Array, y: Array, out: Array | None = None) -> Array:
        """Return d(C + Σ c Ω)/d theta over the batch, of the shape of theta, by back-propagation."""
        grad = np.empty_like(theta) if out is None else out
        self.backpropagate(theta, grad, x, y, weight=1 / len(x))
        self.add_penalties(theta, grad)
        return grad

    def backpropagate(
        self, theta: Array, grad: Array, x: Array, y: Array, weight: Array | float
    ) -> tuple[Array, Array]:
        """Write the gradient of weight · Σ_x C_x into grad; the weight 1/m makes it that of the mean cost.

        Returns z and a of the output layer (m, n_L), which were needed on the way.
        """
        layers, grads = self.network.layers(theta), self.network.layers(grad)
        z, a = forward(layers, x)
        delta = self.cost.delta(layers[-1].activation, z[-1], a[-1], y, weight)  # BP1
        backward(layers, grads, z, a, delta)
        return z[-1], a[-1]

    def add_penalties(self, theta: Array, grad: Array) -> None:
        """Add the gradient of Σ c Ω to grad."""
        weights = slice(self.network.n_weights)
        for penalty, c in self.penalties:
            grad[weights] += c * penalty.gradient(theta[weights])
