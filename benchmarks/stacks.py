"""What a network costs that is trained together with K - 1 others: ours beside a single run, and JAX's `vmap`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median

from benchmarks.measure import ratio, ratio_table, run_peer
from benchmarks.workloads import WORKLOADS, Bar

NETWORK = replace(WORKLOADS["A"], epochs=2)
NETWORKS = (1, 2, 4, 8, 16)
BATCHES = ("same", "different")
"""Whether the networks of a stack are trained on the same batches, or each has a seed of its own."""

USUAL = 8
"""Networks in a stack of a sweep, for which the bars are."""

SINGLE, VMAP = Bar(0.60), Bar(0.65)
"""What part of the time of a single run, and of a network of JAX at its best K, a network of ours is meant to take."""

Times = dict[tuple[str, int], list[float]]
"""The seconds per network and epoch in each round, by peer and K."""


def measure_stacks(batches: str, peers: Sequence[str], rounds: int, tell: Callable[[str], None]) -> Times:
    """Train K networks in a process each, all in turn."""
    found: Times = {(peer, k): [] for k in NETWORKS for peer in peers}
    for number in range(rounds):
        for (peer, k), seconds in found.items():
            words = [NETWORK.to_json(), str(k), batches]
            seconds.append(run_peer(peer, words, NETWORK.threads)["seconds"])
            tell(f"{batches} batches, round {number + 1}/{rounds}  {peer:<10} K = {k:<2}  {seconds[-1]:.4f} s")
    return found


def table(found: Times) -> str:
    """Return the times as Markdown: a table of ours, one of JAX if it was measured, and the bar of ours beside it."""
    parts = []
    for peer in dict.fromkeys(peer for peer, _ in found):
        of_peer = {f"K = {k}": found[peer, k] for k in NETWORKS}
        single = of_peer["K = 1"]
        shares = {name: ratio(seconds, single) for name, seconds in of_peer.items() if seconds is not single}
        bars = {f"K = {USUAL}": SINGLE} if peer == "ours_stack" else {}
        parts.append(f"{peer}:\n\n{ratio_table(('s per network and epoch', 'of K = 1'), of_peer, shares, bars)}")
    if best := min(
        (k for peer, k in found if peer == "jax_stack"), key=lambda k: median(found["jax_stack", k]), default=0
    ):
        share = ratio(found["ours_stack", USUAL], found["jax_stack", best])
        parts.append(f"Ours at K = {USUAL} is {share:.2f} × JAX at its best, K = {best}: {VMAP.verdict(share)}.")
    return "\n\n".join(parts)
