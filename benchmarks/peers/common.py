"""What every peer needs: the data, and a loop that times its epochs."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from platformdirs import user_cache_path

from benchmarks.workloads import Workload

if TYPE_CHECKING:
    from backprop_cli.data.dataset import Dataset


def data_folder() -> Path:
    """Return where MNIST is kept."""
    return Path(os.environ.get("BACKPROP_DATA_DIR") or user_cache_path("backprop"))


def mnist() -> Dataset:
    """Return MNIST, split as the program splits it."""
    from backprop_cli.data.cache import Cache  # not above: commits that are compared need not have all of this
    from backprop_cli.data.tasks import Classification
    from backprop_cli.sources.mnist import Mnist
    from backprop_cli.sources.registry import load_dataset

    return load_dataset(Mnist(), Classification(10), 10_000, 50_000, Cache(data_folder()))


def floats(data: Dataset) -> tuple[Any, Any, Any, Any]:
    """Return x and labels of the training and of the test split, pixels as float32 from 0 to 1."""
    scale = np.float32(data.scale)
    train, test = data.train, data.test
    return train.inputs * scale, train.targets.astype(np.int64), test.inputs * scale, test.targets.astype(np.int64)


def run(peer: Callable[[Workload], tuple[Callable[[], None], Callable[[], float]]]) -> None:
    """Make the peer for the workload of the command line, time its epochs, print the JSON object.

    `peer` returns two functions: train an epoch, and the accuracy on the test images.
    """
    workload = Workload.from_json(sys.argv[1])
    epoch, accuracy = peer(workload)
    seconds = []
    for _ in range(1 + workload.epochs):  # the first one warms up: compilation, caches, page faults
        start = time.perf_counter()
        epoch()
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds[1:], "accuracy": accuracy()}))


def initial_layers(w: Workload) -> list[tuple[Any, Any]]:
    """Return the W (n_out, n_in) and b (n_out,) that every peer starts from, float32."""
    rng = np.random.default_rng(0)
    layers = []
    for n_in, n_out in zip(w.layers, w.layers[1:], strict=False):
        std = (2 / n_in) ** 0.5 if w.initializer == "he" else n_in**-0.5
        b = np.zeros(n_out) if w.initializer == "he" else rng.standard_normal(n_out)
        layers.append(((std * rng.standard_normal((n_out, n_in))).astype(np.float32), b.astype(np.float32)))
    return layers
