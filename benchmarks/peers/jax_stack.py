"""K networks of a workload trained by JAX as one: `vmap` over the scan of an epoch.

Arguments and output are those of `ours_stack`; with the `same` batches, the examples are gathered once for all.
"""

from __future__ import annotations

import json
import sys
from statistics import median

import jax
import jax.numpy as jnp

from benchmarks.peers.common import timed
from benchmarks.peers.jax_scan import training
from benchmarks.workloads import Workload


def seconds_per_network(w: Workload, networks: int, batches: str) -> float:
    t, same = training(w), batches == "same"
    epoch_of = jax.jit(jax.vmap(t.epoch, in_axes=(0, None if same else 0)), donate_argnums=0)
    states = jax.tree.map(lambda *parts: jnp.stack(parts), *map(t.initial, range(networks)))
    key = jax.random.key(0)

    def epoch() -> None:
        nonlocal states, key
        key, now = jax.random.split(key)
        states = jax.block_until_ready(epoch_of(states, now if same else jax.random.split(now, networks)))

    return median(timed(epoch, w.epochs)) / networks


if __name__ == "__main__":
    workload, count, how = sys.argv[1:]
    print(json.dumps({"seconds": seconds_per_network(Workload.from_json(workload), int(count), how)}))
