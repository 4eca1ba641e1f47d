"""The measurements as pictures."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks.growth import Point

NAMES = {
    "numpy_floor": "NumPy by hand",
    "jax_scan": "JAX, compiled epoch",
    "torch_eager": "PyTorch, eager",
    "sklearn_mlp": "scikit-learn",
    "per_example": "textbook loop",
}
COLOURS = ("#0072b2", "#009e73", "#d55e00", "#cc79a7", "#56b4e9")  # told apart by the colour-blind, too

SPACE = 0.6
"""Rows left free between two workloads."""

PLAIN = FuncFormatter(lambda value, _: f"{value:g}")


def draw_ratios(workloads: dict[str, dict[str, Any]], path: Path) -> None:
    """Draw, for each workload, how many times as long as ours a peer takes, in two columns."""
    bars = {name: [peer for peer in peers if peer != "ours"] for name, peers in workloads.items()}
    rows = [len(peers) + SPACE for peers in bars.values()]
    first = sum(2 * sum(rows[: i + 1]) <= sum(rows) + rows[i] for i in range(len(rows)))
    columns = [list(bars)[:first], list(bars)[first:]]
    height = max(sum(rows[:first]), sum(rows[first:]))
    figure, axes = plt.subplots(1, 2, figsize=(10, 0.7 + 0.2 * height), layout="constrained", sharex=True)
    for axis, names in zip(axes, columns, strict=True):
        y, ticks, labels = 0.0, [], []
        for name in names:
            ours = workloads[name]["ours"]["seconds"]
            for peer in bars[name]:
                times = median(b / a for a, b in zip(ours, workloads[name][peer]["seconds"], strict=True))
                axis.barh(y, times - 1, left=1, color=COLOURS[list(NAMES).index(peer)], height=0.8)
                axis.annotate(f" {times:.2g} × ", (max(times, 1), y), va="center", fontsize=8)
                ticks.append(y)
                labels.append(f"{name}   {NAMES[peer]}")
                y -= 1
            y -= SPACE
        axis.axvline(1, color="black", linewidth=0.8)
        axis.set_yticks(ticks, labels, fontsize=8)
        axis.set_ylim(-height + 0.5, 0.7)
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter(PLAIN)
        axis.set_xlabel("training time of an epoch, in times ours")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_xlim(axes[0].get_xlim()[0], 1.6 * axes[0].get_xlim()[1])  # room for the last number
    figure.savefig(path, dpi=150)


def draw_growth(points: dict[str, list[Point]], path: Path) -> None:
    """Draw the time per example over batch, width and depth, beside what the arithmetic alone would do."""
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
    for axis, (name, series) in zip(axes, points.items(), strict=True):
        x = [p.value for p in series]
        axis.loglog(x, [1e6 * p.seconds for p in series], "o-", color=COLOURS[0], label="measured")
        scale = 1e6 * series[-1].seconds / series[-1].flops
        axis.loglog(x, [scale * p.flops for p in series], "--", color="0.4", label="the arithmetic, scaled to the last")
        axis.set_xlabel({"batch": "batch size", "width": "hidden units", "depth": "hidden layers"}[name])
        axis.spines[["top", "right"]].set_visible(False)
        for side in (axis.xaxis, axis.yaxis):
            side.set_major_formatter(PLAIN)
            side.set_minor_formatter(PLAIN if side is axis.yaxis else NullFormatter())
    axes[0].set_ylabel("µs per example")
    axes[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=150)
