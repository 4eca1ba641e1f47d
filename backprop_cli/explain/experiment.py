"""A summary of an experiment, for `check` and `train --dry-run`."""

from __future__ import annotations

from typing import Any

from backprop_cli.config.schema import Experiment
from backprop_cli.runs.build import batch_size, build_network, n_train, threads_of


def describe_experiment(e: Experiment) -> tuple[str, dict[str, Any]]:
    """Return the experiment with all defaults and the numbers of parameters and steps, as text and as data."""
    per_layer = [sum(parameter.size for parameter in layer) for layer in build_network(e).layout.layers if layer]
    batch = batch_size(e)
    steps = -(-n_train(e) // batch)
    threads = threads_of(e)
    facts = {
        "experiment": e.to_dict(),
        "parameters": sum(per_layer),
        "steps_per_epoch": steps,
        "threads": threads,
    }
    layers = " + ".join(f"{count:,}" for count in per_layer)
    comments = [
        f"# parameters: {sum(per_layer):,}" + (f" = {layers}" if len(per_layer) > 1 else ""),
        f"# examples:   {n_train(e):,} training, {e.validation:,} validation, {e.data.test:,} test",
        f"# steps:      {steps:,} per epoch (batch size {batch:,}), {steps * e.epochs:,} in total",
        f"# threads:    {threads}",
    ]
    return e.to_yaml() + "\n".join(comments), facts
