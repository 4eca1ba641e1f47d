"""What every peer needs: the data, the initial parameters, and a loop that times its epochs."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from platformdirs import user_cache_path

from benchmarks.workloads import KERNEL, WORKLOADS, Workload

if TYPE_CHECKING:
    from backprop_cli.data.dataset import Dataset


class Peer(NamedTuple):
    """A peer that is ready to train: `epoch()` trains an epoch, `accuracy()` is that on the test examples."""

    epoch: Callable[[], None]
    accuracy: Callable[[], float]


def data_folder() -> Path:
    """Return where MNIST is kept."""
    return Path(os.environ.get("BACKPROP_DATA_DIR") or user_cache_path("backprop"))


def data_of(w: Workload = WORKLOADS["A"]) -> Dataset:
    """Return the data of a workload, split as the program splits it."""
    from backprop_cli.data.cache import Cache  # not above: commits that are compared need not have all of this
    from backprop_cli.data.tasks import Classification
    from backprop_cli.sources.digits import Digits
    from backprop_cli.sources.mnist import Mnist
    from backprop_cli.sources.registry import load_dataset

    source, validation = {"mnist": (Mnist(), 10_000), "digits": (Digits(), 300)}[w.dataset]
    return load_dataset(source, Classification(10), validation, w.train_size, Cache(data_folder(), offline=True))


def floats(w: Workload) -> tuple[Any, Any, Any, Any]:
    """Return x and labels of the training and of the test split, pixels as float32 from 0 to 1."""
    data = data_of(w)
    scale, train, test = np.float32(data.scale), data.train, data.test
    return train.inputs * scale, train.targets.astype(np.int64), test.inputs * scale, test.targets.astype(np.int64)


def run(peer: Callable[[Workload], Peer]) -> None:
    """Make the peer for the workload of the command line, time its epochs, print the JSON object."""
    workload = Workload.from_json(sys.argv[1])
    epoch, accuracy = peer(workload)
    result = {"seconds": timed(epoch, workload.epochs), "accuracy": accuracy()}
    if workload.convolutions:
        result["evaluation"] = median(timed(accuracy))
    print(json.dumps(result))


def timed(call: Callable[[], Any], times: int = 3) -> list[float]:
    """Return the seconds of each of some calls, after one that warms up: compilation, caches, page faults."""
    seconds = []
    for _ in range(1 + times):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def initial_layers(w: Workload, seed: int = 0) -> list[tuple[Any, Any]]:
    """Return the W and b that every peer starts from, float32, layer by layer.

    W is (n_out, n_in), of a convolution (filters, channels, rows, columns); b is (n_out,).
    """
    rng = np.random.default_rng(seed)
    channels = zip(w.convolutions, (1, *w.convolutions), strict=False)
    shapes: list[tuple[int, ...]] = [(n, c, KERNEL, KERNEL) for n, c in channels]
    shapes += zip(w.layers[1:], w.layers, strict=False)
    layers = []
    for n_out, *inputs in shapes:
        n_in = np.prod(inputs)
        std = (2 / n_in) ** 0.5 if w.initializer == "he" else n_in**-0.5
        b = np.zeros(n_out) if w.initializer == "he" else rng.standard_normal(n_out)
        W = std * rng.standard_normal((n_out, *inputs))
        layers.append((W.astype(np.float32), b.astype(np.float32)))
    return layers
