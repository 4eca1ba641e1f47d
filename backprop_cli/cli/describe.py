"""An experiment in words: what `check` and `train --dry-run` print."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import yaml

from backprop_cli.config.schema import Experiment
from backprop_cli.experiment import batch_size, n_train
from backprop_cli.training.threads import choose_threads


def describe_experiment(e: Experiment) -> tuple[str, dict[str, Any]]:
    """Return the resolved experiment, its parameters and its steps, as text and as data."""
    per_layer = [(n_in + 1) * n_out for n_in, n_out in pairwise(e.sizes)]
    batch = batch_size(e)
    steps = -(-n_train(e) // batch)
    threads = choose_threads(e.threads, e.sizes, batch)
    facts = {
        "experiment": e.to_dict(),
        "parameters": sum(per_layer),
        "steps_per_epoch": steps,
        "threads": threads,
    }
    layers = " + ".join(f"{count:,}" for count in per_layer)
    comments = [
        f"# parameters: {sum(per_layer):,}" + (f" = {layers}" if len(per_layer) > 1 else ""),
        f"# examples:   {n_train(e):,} to train, {e.validation:,} to validate, {e.dataset.test:,} to test",
        f"# steps:      {steps:,} of {batch:,} an epoch, {steps * e.epochs:,} in all; BLAS threads: {threads}",
    ]
    text = yaml.safe_dump(facts["experiment"], sort_keys=False, default_flow_style=None, allow_unicode=True)
    return text + "\n".join(comments), facts
