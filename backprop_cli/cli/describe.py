"""An experiment in words: what `check` and `train --dry-run` print."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import yaml

from backprop_cli.config.schema import Experiment
from backprop_cli.data.catalogue import DATASETS
from backprop_cli.training.threads import choose_threads


def describe_experiment(e: Experiment) -> tuple[str, dict[str, Any]]:
    """Return the resolved experiment, its parameters and its steps, as text and as data."""
    per_layer = [(n_in + 1) * n_out for n_in, n_out in pairwise(e.layers)]
    assert isinstance(e.train_size, int)
    steps = -(-e.train_size // e.batch_size)
    test = DATASETS[e.dataset].test
    threads = choose_threads(e.threads, e.layers, e.batch_size)
    facts = {
        "experiment": e.to_dict(),
        "parameters": sum(per_layer),
        "steps_per_epoch": steps,
        "threads": threads,
    }
    layers = " + ".join(f"{count:,}" for count in per_layer)
    comments = [
        f"# parameters: {sum(per_layer):,}" + (f" = {layers}" if len(per_layer) > 1 else ""),
        f"# examples:   {e.train_size:,} to train, {e.validation:,} to validate, {test:,} to test",
        f"# steps:      {steps:,} of {e.batch_size} an epoch, {steps * e.epochs:,} in all; BLAS threads: {threads}",
    ]
    text = yaml.safe_dump(facts["experiment"], sort_keys=False, default_flow_style=None, allow_unicode=True)
    return text + "\n".join(comments), facts
