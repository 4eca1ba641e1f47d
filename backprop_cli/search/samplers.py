"""Search: which settings a sweep tries, as pure functions of its spaces, a seed and the results so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt

from backprop_cli.frozen import frozen
from backprop_cli.search.spaces import Setting, Space, combinations, is_active

Known = Sequence[tuple[Setting, float | None]]
"""Settings that have been tried, each with its loss, lower being better; None if it could not be trained."""


@frozen
class Sampler:
    """A way to choose settings.

    `settings(spaces, seed, numbers, known)` yields the settings of these numbers (from 0); if it is `adaptive`, known
    are the results of the settings before them, in order.
    """

    settings: Callable[[Sequence[Space], int, range, Known], Iterator[Setting]]
    adaptive: bool = False


def _grid(spaces: Sequence[Space], seed: int, numbers: range, known: Known) -> Iterator[Setting]:
    """Yield every combination, as `itertools.product`."""
    return islice(combinations(spaces), numbers.start, numbers.stop)


def _random(spaces: Sequence[Space], seed: int, numbers: range, known: Known) -> Iterator[Setting]:
    """Yield settings that are independent of each other."""
    for number in numbers:
        yield _setting_at(spaces, np.random.default_rng([seed, number]).random(len(spaces)))


def _sobol(spaces: Sequence[Space], seed: int, numbers: range, known: Known) -> Iterator[Setting]:
    """Yield the points of a scrambled Sobol sequence, which cover the spaces more evenly than random ones."""
    from scipy.stats.qmc import Sobol

    points = Sobol(max(1, len(spaces)), seed=np.random.default_rng(seed))
    if numbers.start:
        points.fast_forward(numbers.start)
    for _ in numbers:
        yield _setting_at(spaces, points.random(1)[0])


def _tpe(spaces: Sequence[Space], seed: int, numbers: range, known: Known) -> Iterator[Setting]:
    """Yield settings near the best ones so far."""
    from backprop_cli.search.tpe import suggestions

    return suggestions(spaces, seed, numbers, known)


SAMPLERS = {"grid": Sampler(_grid), "random": Sampler(_random), "sobol": Sampler(_sobol), "tpe": Sampler(_tpe, True)}
"""Every sampler by name."""


def _setting_at(spaces: Sequence[Space], place: npt.NDArray[np.float64]) -> Setting:
    setting: Setting = {}
    for space, u in zip(spaces, place, strict=False):
        if is_active(space, setting):
            setting[space.key] = space.at(float(u))
    return setting
