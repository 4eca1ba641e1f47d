"""The random streams of a run: one seed, and a generator for every purpose."""

from __future__ import annotations

import numpy as np

STREAMS = ("initialization", "order", "dropout", "augmentation", "corruption")
"""The purposes. The place of a name in this tuple is part of what a seed means, so new ones are added at the end."""


def stream(seed: int, name: str, *key: int) -> np.random.Generator:
    """Return the generator for (seed, name, key), independent of every other and of what was drawn before."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(STREAMS.index(name), *key)))


class Streams:
    """The random numbers of the steps of an epoch: drawn step after step, from new generators in each epoch.

    So their state need not be saved: to continue inside an epoch, draw again what its first steps drew.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._key = stream(seed, "corruption").integers(2**64, size=2, dtype=np.uint64)
        self.restart(1)

    def restart(self, epoch: int) -> None:
        """Begin an epoch (from 1)."""
        self.dropout = stream(self._seed, "dropout", epoch)
        self.augmentation = stream(self._seed, "augmentation", epoch)
        self.corruption = stream(self._seed, "corruption", epoch)

    def of_example(self, row: int) -> np.random.Generator:
        """Return the generator of a training example, the same in every epoch."""
        return np.random.Generator(np.random.Philox(key=self._key, counter=row << 64))
