"""A summary of an experiment, for `check` and `train --dry-run`."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import yaml

from backprop_cli.config.schema import Experiment
from backprop_cli.experiment import batch_size, n_train
from backprop_cli.training.threads import choose_threads


def describe_experiment(e: Experiment) -> tuple[str, dict[str, Any]]:
    """Return the experiment with all defaults and the numbers of parameters and steps, as text and as data."""
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
        f"# examples:   {n_train(e):,} training, {e.validation:,} validation, {e.dataset.test:,} test",
        f"# steps:      {steps:,} per epoch (batch size {batch:,}), {steps * e.epochs:,} in total",
        f"# threads:    {threads}",
    ]
    text = yaml.safe_dump(facts["experiment"], sort_keys=False, default_flow_style=None, allow_unicode=True)
    return text + "\n".join(comments), facts
