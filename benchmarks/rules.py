"""What a step of each update rule takes: workload B with plain SGD, and with one key of its config changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Any

from benchmarks.measure import ratio, ratio_table, train
from benchmarks.workloads import WORKLOADS, Bar

NETWORK = replace(WORKLOADS["B"], epochs=5, accuracy=0.9)  # moments decay after three epochs

RULES: dict[str, dict[str, Any]] = {
    "plain SGD": {},
    "momentum": {"optimizer": "momentum", "eta": 0.05},
    "RMSprop": {"optimizer": "rmsprop", "eta": 0.001},
    "Adam": {"optimizer": "adam", "eta": 0.001},
    "dropout 0.5": {"dropout": 0.5},
    "ema": {"average": "ema"},
    "max-norm": {"max_norm": 2.0},
}
"""The keys of the config that are changed."""

PLAIN, *_ = RULES

BARS = {name: Bar(1.8 if name == "Adam" else 1.3) for name in RULES if name != PLAIN}
"""How many times as long as plain SGD each is meant to take at most."""


def measure_rules(rounds: int, tell: Callable[[str], None]) -> dict[str, list[float]]:
    """Return the median seconds of an epoch in each round by rule; the rules take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in RULES}
    for number in range(rounds):
        for name, keys in RULES.items():
            seconds[name].append(median(train("ours", NETWORK, **keys)["seconds"]))
            tell(f"round {number + 1}/{rounds}  {name:<12} {seconds[name][-1]:.4f} s")
    return seconds


def table(seconds: dict[str, list[float]]) -> str:
    """Return the rules as a Markdown table."""
    shares = {name: ratio(rounds, seconds[PLAIN]) for name, rounds in seconds.items() if name != PLAIN}
    return ratio_table(("s per epoch", f"times {PLAIN}"), seconds, shares, BARS)
