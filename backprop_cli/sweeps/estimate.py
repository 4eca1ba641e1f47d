"""About how long a sweep takes, from a few timed epochs on a part of the data."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import islice
from math import ceil
from statistics import fmean

from backprop_cli.data.cache import Cache
from backprop_cli.data.dataset import Dataset
from backprop_cli.errors import BackpropError
from backprop_cli.experiment.schema import Experiment
from backprop_cli.frozen import frozen
from backprop_cli.runs.build import batch_size, build_plan, initial_theta, load_data, n_train
from backprop_cli.search.samplers import SAMPLERS
from backprop_cli.sweeps.definition import Definition
from backprop_cli.threads import limit_threads
from backprop_cli.training.loop import EpochResult, train

TIMED = 3
"""Settings that are timed."""

LEAST = 0.05
"""Seconds that an epoch must take, to be timed."""

OVERHEAD = 0.015
"""Seconds that a run takes beside its training: its folder, its files and the journal."""


@frozen
class Estimate:
    """Seconds that a sweep takes with so many workers if no run ends early, from so many settings; or why unknown."""

    seconds: float | None
    workers: int
    timed: int = 0
    reason: str = ""


def estimate(d: Definition, cache: Cache, workers: int, threads: int) -> Estimate:
    """Time the first settings of a sweep, evenly spaced, on data that need not be downloaded."""
    count = d.options.ask if d.in_batches else min(d.settings, 1_000)
    settings = list(islice(SAMPLERS[d.sampler].settings(d.spaces, d.seeds[0], range(count), []), count))
    chosen = settings[:: ceil(len(settings) / TIMED)]
    try:
        seconds = [_seconds(d.experiment(setting), cache, threads) for setting in chosen]
    except BackpropError as error:
        return Estimate(None, workers, reason=str(error).splitlines()[0])
    runs = d.settings * len(d.seeds)
    return Estimate((fmean(seconds) + OVERHEAD) * ceil(runs / workers), workers, len(chosen))


def _seconds(e: Experiment, cache: Cache, threads: int) -> float:
    """Return about how long a run takes. An epoch takes time in proportion to the examples."""
    data, n = load_data(e, replace(cache, offline=True)), n_train(e)
    some = min(n, 10 * batch_size(e))
    with limit_threads(e.threads if isinstance(e.threads, int) else threads):
        while (seconds := _epoch(e, data, some)) < LEAST and some < n:
            some = min(n, 4 * some)
    return seconds * n / some * e.epochs


def _epoch(e: Experiment, data: Dataset, some: int) -> float:
    """Return the seconds of the second epoch on so many examples; the first also records its steps."""
    held_out = data.validation[: ceil(len(data.validation) * some / len(data.train))]
    part = replace(data, train=data.train[:some], validation=held_out)
    plan = replace(build_plan(e, data), data=part, epochs=2, eta=1e-9, early_stopping=None, monitor="cost")
    ends = [
        time.perf_counter()
        for event in train(plan, plan.initial_state(initial_theta(e)))
        if isinstance(event, EpochResult) and event.epoch
    ]
    return ends[-1] - ends[-2] if len(ends) > 1 else 0.0
