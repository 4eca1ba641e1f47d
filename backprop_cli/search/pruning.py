"""Pruning: which runs are worth more epochs, decided at fixed epochs and in the order of the settings.

A decision depends on losses, not on time. A run that is pruned is paused: `backprop resume` trains it to its end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import median

from backprop_cli.frozen import frozen

REDUCTION = 3
"""Of so many runs, successive halving continues one; a rung has so many times the epochs of the rung before it."""

STARTUP = 5
"""Runs to which the median needs to be compared."""


@frozen
class Pruner:
    """A rule: `keeps(loss, earlier)` says whether to continue a run, given the losses of earlier runs at this epoch.

    With `brackets`, some runs skip the first rungs, in turn, and are compared with each other.
    """

    keeps: Callable[[float, Sequence[float]], bool]
    brackets: bool = False

    def rungs(self, epochs: int, evaluate_every: int, trial: int) -> tuple[int, ...]:
        """Return the epochs after which a run of so many epochs is compared with others."""
        parts = (epochs // REDUCTION**k for k in (3, 2, 1))
        found = sorted({math.ceil(part / evaluate_every) * evaluate_every for part in parts if part} - {epochs})
        found = [epoch for epoch in found if epoch < epochs]
        return tuple(found[trial % (len(found) + 1) if self.brackets else 0 :])


def _better_than_median(loss: float, earlier: Sequence[float]) -> bool:
    """Whether a run is at least as good as half of the earlier ones (Golovin et al. 2017, the median stopping rule)."""
    return len(earlier) < STARTUP or loss <= median(earlier)


def _among_the_best(loss: float, earlier: Sequence[float]) -> bool:
    """Whether a run is in the best third so far (Li et al. 2020, asynchronous successive halving)."""
    return sum(other < loss for other in earlier) < max(1, (len(earlier) + 1) // REDUCTION)


PRUNERS = {
    "none": None,
    "median": Pruner(_better_than_median),
    "asha": Pruner(_among_the_best),
    "hyperband": Pruner(_among_the_best, brackets=True),
}
"""Every pruner by name."""
