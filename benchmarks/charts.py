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


PLAIN = FuncFormatter(lambda value, _: f"{value:g}")


def draw_ratios(workloads: dict[str, dict[str, Any]], path: Path) -> None:
    """Draw, for each workload, how many times as long as ours a peer takes."""
    figure, axis = plt.subplots(
        figsize=(7.5, 0.9 + 0.32 * sum(len(w) for w in workloads.values())), layout="constrained"
    )
    y, ticks, labels = 0.0, [], []
    for name, peers in workloads.items():
        for peer, m in peers.items():
            if peer == "ours":
                continue
            times = median(b / a for a, b in zip(peers["ours"]["seconds"], m["seconds"], strict=True))
            axis.barh(y, times, color=COLOURS[list(NAMES).index(peer)], height=0.8)
            axis.annotate(f" {times:.1f} ×", (times, y), va="center", fontsize=8)
            ticks.append(y)
            labels.append(f"{name}   {NAMES[peer]}")
            y -= 1
        y -= 0.6
    axis.axvline(1, color="black", linewidth=0.8)
    axis.set_yticks(ticks, labels, fontsize=8)
    axis.set_xscale("log")
    axis.set_xlim(0.5, axis.get_xlim()[1] * 1.6)
    axis.xaxis.set_major_formatter(PLAIN)
    axis.set_xlabel("training time of an epoch, in times ours")
    axis.spines[["top", "right"]].set_visible(False)
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
