"""The exact likelihood of small restricted Boltzmann machines, and its gradient, by summing over all states."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from backprop_cli.boltzmann.divergence import OfRBM, add_statistics
from backprop_cli.boltzmann.rbm import RBM
from backprop_cli.errors import UsageError
from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array, Noise
from backprop_cli.nn.parameters import Gradient, Params
from backprop_cli.objectives.objective import Evaluated

MAX_UNITS = 20
"""The most units of the smaller side over whose states, 2²⁰, a sum is taken."""

PIECE = 1 << 12
"""States that are summed at a time."""


def log_partition(rbm: RBM, p: Params) -> float:
    """Return ln Z, the sum over the states of the smaller side; hidden units that are not 0 or 1 cannot be summed over.

    Raises UsageError if that side has more than MAX_UNITS units.
    """
    sides: list[tuple[int, Callable[[Params, Array], Array]]] = [(len(p.a), rbm.free_energy)]
    if rbm.hidden.binary:
        sides.append((len(p.b), rbm.hidden_free_energy))
    units, free_energy = min(sides, key=lambda side: side[0])
    if units > MAX_UNITS:
        raise UsageError(f"an exact likelihood needs a layer of at most {MAX_UNITS} binary units, not {units}; use ais")
    return float(np.logaddexp.reduce([np.logaddexp.reduce(-free_energy(p, s)) for s in _states(units, p.W.dtype)]))


def _states(units: int, dtype: np.dtype[np.floating]) -> Iterator[Array]:
    """Yield all states of so many units, (PIECE, units) at a time."""
    for start in range(0, 1 << units, PIECE):
        numbers = np.arange(start, min(start + PIECE, 1 << units))
        yield (numbers[:, None] >> np.arange(units) & 1).astype(dtype)


@frozen
class ExactLikelihood(OfRBM):
    """The cost -ln p(v) with its exact gradient, for RBMs with so few visible units that all of their states fit.

    -dL/dW = -⟨h vᵀ⟩ of the examples + ⟨h vᵀ⟩ of the model (Hinton 2010, eq. 4). The gradient check compares it with
    central differences: that is what the steps of contrastive divergence estimate.
    """

    def evaluate(self, theta: Array, x: Array, y: Array, noise: Noise | None = None) -> Evaluated:
        """Return -ln p(v) = F(v) + ln Z of each example."""
        (p,) = self.layout.split(theta)
        costs = self.rbm.free_energy(p, x) + log_partition(self.rbm, p)
        return Evaluated(costs[..., None], costs)

    def estimate(
        self,
        theta: Array,
        x: Array,
        y: Array,
        grads: Sequence[Gradient],
        weight: Array | float,
        noise: Noise | None = None,
    ) -> Evaluated:
        """Add the gradient of weight · Σ_x -ln p(x)."""
        rbm, (p,) = self.rbm, self.layout.split(theta)
        log_z, total = log_partition(rbm, p), np.sum(weight * np.ones((len(x), 1)))
        add_statistics(grads[0], -weight, x, rbm.hidden_mean(p, x))
        for v in _states(len(p.a), theta.dtype):
            share = np.exp(-rbm.free_energy(p, v) - log_z)
            add_statistics(grads[0], total * share[:, None], v, rbm.hidden_mean(p, v))
        return self.evaluate(theta, x, y)
