"""Annealed importance sampling: an estimate of ln Z for restricted Boltzmann machines of any size."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from backprop_cli.boltzmann.rbm import RBM
from backprop_cli.boltzmann.units import bernoulli, softplus
from backprop_cli.frozen import frozen
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.arrays import Array, Noise
from backprop_cli.nn.parameters import Params


class Estimate(NamedTuple):
    """An estimate of ln Z, and its standard error."""

    value: float
    error: float


@frozen
class Annealing:
    """Salakhutdinov & Murray 2008: from a model with W = b = 0 and visible biases `base`, (visible,), to the RBM.

    At the temperature β the model is p_β(v) ∝ exp(((1 - β) base + β a)ᵀv) Π_j Σ_h exp(β h z_j - e(h)) (eq. 17); β
    takes `temperatures` equal steps from 0 to 1.
    """

    rbm: RBM
    p: Params
    base: Array
    temperatures: int

    def forward(self, chains: int, noise: Noise) -> Estimate:
        """Return ln Z from chains that start at the base: too small on average, so that likelihoods are too large."""
        betas = np.linspace(0, 1, self.temperatures + 1)
        start = bernoulli(np.tile(ACTIVATIONS["sigmoid"].value(self.base), (chains, 1)), noise)
        return self._estimate(self._weights(start, betas, noise), 1)

    def reverse(self, start: Array, noise: Noise) -> Estimate:
        """Return ln Z from chains that start at samples of the RBM (chains, visible): too large on average.

        (Burda et al. 2015, section 3).
        """
        return self._estimate(self._weights(start, np.linspace(1, 0, self.temperatures + 1), noise), -1)

    def _weights(self, v: Array, betas: Array, noise: Noise) -> Array:
        """Return the logarithms of the importance weights of chains from v (chains, visible) through all β."""
        log_weights, products = np.zeros(len(v)), v @ self.p.W.mT + self.p.b
        for before, beta in zip(betas, betas[1:], strict=False):
            log_weights += self._log_p(v, products, beta) - self._log_p(v, products, before)
            h = self.rbm.hidden.sample(self.rbm.hidden.mean(beta * products), noise)
            v = bernoulli(ACTIVATIONS["sigmoid"].value(beta * (h @ self.p.W) + self._biases(beta)), noise)
            products = v @ self.p.W.mT + self.p.b
        return log_weights

    def _biases(self, beta: float) -> Array:
        return (1 - beta) * self.base + beta * self.p.a

    def _log_p(self, v: Array, products: Array, beta: float) -> Array:
        """Return ln p_β(v) + ln Z_β, given W v + b."""
        return v @ self._biases(beta) + np.sum(self.rbm.hidden.log_sum(beta * products), axis=-1)

    def _estimate(self, log_weights: Array, sign: int) -> Estimate:
        """Return ln Z = ln Z_0 ± ln mean(w), and the standard error of the mean of w in units of it."""
        top = log_weights.max()
        w = np.exp(log_weights - top)
        log_base = np.sum(softplus(self.base)) + np.sum(self.rbm.hidden.log_sum(np.zeros(len(self.p.b))))
        error = np.std(w, ddof=1) / (np.mean(w) * np.sqrt(len(w)))
        return Estimate(float(log_base + sign * (top + np.log(np.mean(w)))), float(error))
