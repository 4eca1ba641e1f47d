"""The random streams of a run: one seed, a generator of its own for every purpose."""

from __future__ import annotations

import numpy as np

STREAMS = ("initialization", "order")
"""The purposes. A name's place in this tuple is part of what a seed means, so new ones go last."""


def stream(seed: int, name: str, *key: int) -> np.random.Generator:
    """Return the generator for (seed, name, key), independent of every other and of what was drawn before."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(STREAMS.index(name), *key)))
