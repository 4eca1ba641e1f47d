"""How the time per example grows with the batch, the width and the depth of a network."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import numpy as np

from backprop_cli.data.dataset import Dataset, Split
from backprop_cli.data.tasks import Classification
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.initializers import Scaled
from backprop_cli.nn.network import dense_network
from backprop_cli.objectives.costs import COSTS
from backprop_cli.objectives.objective import Backpropagation, Objective
from backprop_cli.optim.optimizers import SGD
from backprop_cli.threads import limit_threads
from backprop_cli.training.plan import Plan
from backprop_cli.training.step import make_step
from backprop_cli.training.streams import Streams

BATCHES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
WIDTHS = (30, 100, 300, 1000, 3000)
DEPTHS = (1, 2, 5, 10, 20)


@dataclass(frozen=True)
class Point:
    """A measurement: the value varied, and the seconds and the arithmetic per example."""

    value: int
    seconds: float
    flops: float


def measure_growth(tell: Callable[[str], None]) -> dict[str, list[Point]]:
    """Return the points by batch (784-30-10), by width (784-n-10, batch 10) and by depth (784-30-…-10, batch 10)."""
    points: dict[str, list[Point]] = {
        "batch": [_measure((784, 30, 10), m, m) for m in BATCHES],
        "width": [_measure((784, n, 10), 10, n) for n in WIDTHS],
        "depth": [_measure((784, *[30] * n, 10), 10, n) for n in DEPTHS],
    }
    tell("measured with one BLAS thread, sigmoid, quadratic cost")
    return points


def _measure(sizes: tuple[int, ...], m: int, value: int) -> Point:
    rng = np.random.default_rng(0)
    split = Split(rng.integers(0, 256, (5_000, 784)).astype(np.uint8), rng.integers(0, 10, 5_000).astype(np.uint8))
    network = dense_network(sizes, [ACTIVATIONS["sigmoid"]] * (len(sizes) - 1))
    data = Dataset("noise", Classification(10), 1 / 255, split, split[:0], split[:0])
    plan = Plan(Objective(Backpropagation(network, COSTS["quadratic"]())), SGD(), data, 1.0, m, 1, 0, "float32")
    theta = network.initialize(Scaled(), rng, "float32")
    batches = [rng.integers(0, 5_000, m) for _ in range(max(5, 2_000 // m))]
    with limit_threads(1), np.errstate(all="ignore"):
        step = make_step(plan, plan.initial_state(theta), np.asarray(1.0, np.float32), m, Streams(0))
        rounds = []
        for _ in range(7):
            start = time.perf_counter()
            for rows in batches:
                step(rows)
            rounds.append((time.perf_counter() - start) / (len(batches) * m))
    weights = [n_in * n_out for n_in, n_out in pairwise(sizes)]
    # forward and the gradient for every layer, the delta for all but the first; 2 operations each
    return Point(value, median(rounds), 2.0 * (2 * sum(weights) + sum(weights[1:])))
