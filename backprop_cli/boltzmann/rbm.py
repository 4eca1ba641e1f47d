"""The restricted Boltzmann machine: a layer that can be run in both directions."""

from __future__ import annotations

from math import prod

import numpy as np

from backprop_cli.boltzmann.units import Bernoulli, HiddenUnits, softplus
from backprop_cli.frozen import frozen
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.arrays import Array, Shape
from backprop_cli.nn.layers.dense import Dense
from backprop_cli.nn.parameters import Parameter, Params


@frozen
class RBM(Dense):
    """p(v, h) = e^{-E(v, h)} / Z, E(v, h) = -aᵀv - bᵀh - hᵀWv + Σ_j e(h_j); v is 0 or 1.

    The notation is that of Hinton, "A practical guide to training restricted Boltzmann machines" (2010), eq. 1: a
    (visible,) are the visible biases, b (hidden,) the hidden ones; W (hidden, visible) is his transposed, so that
    z = W v + b as in every other dense layer. e(h) is 0 for hidden units of 0 and 1.
    """

    hidden: HiddenUnits = Bernoulli()

    @property
    def operation(self) -> str:
        """Upwards, it is a dense layer."""
        return "dense"

    def build(self, in_shape: Shape) -> tuple[Shape, tuple[Parameter, ...]]:
        """Return (hidden,), and W, b and a."""
        shape, (W, b) = super().build(in_shape)
        a = Parameter("a", (prod(in_shape),), penalized=False, fan_in=b.fan_in, fan_out=b.fan_out)
        return shape, (W, b, a)

    def z(self, p: Params, v: Array) -> Array:
        """Return what the hidden units receive, v Wᵀ + b (..., m, hidden), from v (..., m, visible)."""
        return self.forward(p, v)[0]

    def x(self, p: Params, h: Array) -> Array:
        """Return what the visible units receive, h W + a (..., m, visible), from h (..., m, hidden)."""
        return h @ p.W + p.a[..., None, :]

    def visible_mean(self, p: Params, h: Array) -> Array:
        """Return p(v = 1 | h) = σ(h W + a), (..., m, visible) (eq. 8)."""
        return ACTIVATIONS["sigmoid"].value(self.x(p, h))

    def hidden_mean(self, p: Params, v: Array) -> Array:
        """Return E[h | v], (..., m, hidden); σ(v Wᵀ + b) for hidden units of 0 and 1 (eq. 7)."""
        return self.hidden.mean(self.z(p, v))

    def energy(self, p: Params, v: Array, h: Array) -> Array:
        """Return E(v, h) of each row, (..., m) (eq. 1)."""
        own = np.sum(self.hidden.own_energy(h), axis=-1)
        return own - np.sum(h * self.z(p, v), axis=-1) - np.sum(v * p.a[..., None, :], axis=-1)

    def free_energy(self, p: Params, v: Array, z: Array | None = None) -> Array:
        """Return F(v) = -ln Σ_h e^{-E(v, h)} of each row, (..., m) (eq. 25), given z if it is known."""
        log_sums = self.hidden.log_sum(self.z(p, v) if z is None else z)
        return -np.sum(v * p.a[..., None, :], axis=-1) - np.sum(log_sums, axis=-1)

    def hidden_free_energy(self, p: Params, h: Array) -> Array:
        """Return -ln Σ_v e^{-E(v, h)} of each row of h, (..., m)."""
        own = np.sum(self.hidden.own_energy(h) - h * p.b[..., None, :], axis=-1)
        return own - np.sum(softplus(self.x(p, h)), axis=-1)
