"""Gibbs sampling from a restricted Boltzmann machine."""

from __future__ import annotations

from collections.abc import Iterator

from backprop_cli.boltzmann.rbm import RBM
from backprop_cli.boltzmann.units import bernoulli
from backprop_cli.nn.arrays import Array, Noise
from backprop_cli.nn.parameters import Params


def gibbs(rbm: RBM, p: Params, v: Array, noise: Noise) -> Iterator[tuple[Array, Array]]:
    """Yield the visible units after each step of chains from v (m, visible): samples, and the means they come from.

    A step samples h from p(h | v) and then v from p(v | h). The arrays are new in each step; there is no end.
    """
    while True:
        means = rbm.visible_mean(p, rbm.hidden.sample(rbm.hidden_mean(p, v), noise))
        v = bernoulli(means, noise)
        yield v, means
