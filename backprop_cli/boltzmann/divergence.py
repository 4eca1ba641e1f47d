"""Contrastive divergence: estimates of the gradient of the likelihood of a restricted Boltzmann machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from backprop_cli.boltzmann.rbm import RBM
from backprop_cli.boltzmann.units import bernoulli, softplus
from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array, Noise
from backprop_cli.nn.parameters import Gradient, Params
from backprop_cli.objectives.objective import Evaluated, OfNetwork


@frozen
class OfRBM(OfNetwork):
    """What estimators for `network`, an RBM and the activation that is the mean of its hidden units, share.

    The parameters are W1 (hidden, visible), b1 (hidden,) and a1 (visible,).
    """

    @property
    def rbm(self) -> RBM:
        """The layer of the network."""
        (layer,) = self.network.layers
        assert isinstance(layer, RBM)
        return layer

    @property
    def width(self) -> int:
        """Visible and hidden units, of the examples, their reconstructions and with a unit flipped."""
        return 3 * self.network.width

    def sides(self, theta: Array, x: Array, y: Array, noise: Noise | None = None) -> list[Array]:
        """Return nothing: there are no kinks."""
        return []

    def evaluate(self, theta: Array, x: Array, y: Array, noise: Noise | None = None) -> Evaluated:
        """Return three numbers for each example as outputs (..., m, 3), and minus the first as its cost.

        The pseudo-likelihood Σ_i ln p(v_i | the others), estimated by n times one of its terms, that of the unit where
        y (..., m, visible) is 1; the reconstruction error ‖v - v'‖², where v' are the means of the visible units given
        the means of the hidden ones; and the free energy F(v).
        """
        rbm, (p,) = self.rbm, self.layout.split(theta)
        z = rbm.z(p, x)
        difference = x - rbm.visible_mean(p, rbm.hidden.mean(z))
        free_energy = rbm.free_energy(p, x, z)
        flipped = rbm.free_energy(p, x + y * (1 - 2 * x))
        cost = x.shape[-1] * softplus(free_energy - flipped)
        measures = np.empty_like(x, shape=(*x.shape[:-1], 3))
        measures[..., 0] = -cost
        measures[..., 1] = np.sum(difference * difference, axis=-1)
        measures[..., 2] = free_energy
        return Evaluated(measures, cost)


@frozen
class ContrastiveDivergence(OfRBM):
    """CD-k: -dL/dW ≈ -⟨h vᵀ⟩ of the examples + ⟨h vᵀ⟩ after k steps of Gibbs sampling (Hinton 2002; 2010, eq. 9).

    The chain starts at each example, with hidden units sampled from p(h | v). Both ⟨h vᵀ⟩ take the means of the hidden
    units (Hinton 2010, section 3), and v is the example itself, or what the chain came to: the means of the visible
    units if `means` is true, else samples. Without noise, all samples are means.
    """

    k: int = 1
    means: bool = True

    def estimate(
        self,
        theta: Array,
        x: Array,
        y: Array,
        grads: Sequence[Gradient],
        weight: Array | float,
        noise: Noise | None = None,
    ) -> Evaluated:
        """Add the estimate of weight · d(-Σ_x ln p(x)); everything is computed before theta may change."""
        (p,) = self.layout.split(theta)
        h = self.rbm.hidden_mean(p, x)
        v_chain, h_chain, share = self._negative_phase(p, h, weight, noise)
        evaluated = self.evaluate(theta, x, y)
        add_statistics(grads[0], -weight, x, h)
        add_statistics(grads[0], share, v_chain, h_chain)
        return evaluated

    def _negative_phase(
        self, p: Params, h: Array, weight: Array | float, noise: Noise | None
    ) -> tuple[Array, Array, Array | float]:
        """Return v and the means of h at the end of the chains, and what each chain counts, given the means of h."""
        v, h_chain = self._chain(p, self._sample(h, noise), noise)
        return v, h_chain, weight

    def _chain(self, p: Params, h: Array, noise: Noise | None) -> tuple[Array, Array]:
        """Return v and the means of the hidden units after k steps from h; samples nothing that is not used."""
        v, mean = self._step(p, h, noise)
        for _ in range(self.k - 1):
            v, mean = self._step(p, self._sample(mean, noise), noise)
        return v, mean

    def _step(self, p: Params, h: Array, noise: Noise | None) -> tuple[Array, Array]:
        v = self.rbm.visible_mean(p, h)
        v = v if self.means or noise is None else bernoulli(v, noise)
        return v, self.rbm.hidden_mean(p, v)

    def _sample(self, mean: Array, noise: Noise | None) -> Array:
        return mean if noise is None else self.rbm.hidden.sample(mean, noise)


@frozen
class PersistentContrastiveDivergence(ContrastiveDivergence):
    """PCD-k: as CD-k, but the chains go on from where the last step left them (Tieleman 2008).

    There are `chains` of them; `state` (chains, hidden) are their hidden units, 0 at first, as in the implementations
    of Theano and scikit-learn. Visible units are samples unless `means` is true.
    """

    means: bool = False
    chains: int = 100
    state: Array | None = None

    def init(self, theta: Array) -> Mapping[str, Array]:
        """Return h of the chains."""
        return {"h": np.zeros((self.chains, self.rbm.units), theta.dtype)}

    def bound(self, arrays: Mapping[str, Array]) -> PersistentContrastiveDivergence:
        """Return the estimator whose chains are at these h, which it changes in place."""
        return replace(self, state=arrays["h"])

    def _negative_phase(
        self, p: Params, h: Array, weight: Array | float, noise: Noise | None
    ) -> tuple[Array, Array, Array | float]:
        assert self.state is not None, "the chains are part of a state of training"
        v, mean = self._chain(p, self.state, noise)
        self.state[...] = self._sample(mean, noise)
        total = np.sum(weight * np.ones_like(h[..., :1]), axis=-2, keepdims=True)
        return v, mean, total * (1 / self.chains)


def add_statistics(grad: Gradient, weight: Array | float, v: Array, h: Array) -> None:
    """Add the sums of weight · h vᵀ, h and v over the rows v (..., m, visible) and h (..., m, hidden)."""
    delta = weight * h
    grad.add_product("W", delta.mT, v)
    grad.add_sum("b", delta)
    grad.add_sum("a", weight * v)
