"""A summary of an experiment, for `check` and `train --dry-run`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from backprop_cli.advice.range_test import RangeTest
from backprop_cli.data.report import lines
from backprop_cli.experiment.schema import Experiment
from backprop_cli.runs.build import batch_size, build_network, n_train, threads_of
from backprop_cli.text import table

STRIDE, WIDTH = 3, 40
"""Evaluations of a range test from one line of its chart to the next, and characters of the bar of the first cost."""


def describe_experiment(e: Experiment) -> tuple[str, dict[str, Any]]:
    """Return the experiment with all defaults and the numbers of parameters and steps, as text and as data."""
    network = build_network(e)
    per_layer = [sum(parameter.size for parameter in layer) for layer in network.layout.layers if layer]
    batch = batch_size(e)
    steps = -(-n_train(e) // batch)
    threads = threads_of(e)
    facts = {
        "experiment": e.to_dict(),
        "layers": list(layers_of(e)),
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
    if len(network.in_shape) > 1:
        rows = [[f"{v:,}" if isinstance(v, int) else v for v in layer.values()] for layer in layers_of(e)]
        lines = table(("", "layer", "output", "parameters", "multiplications"), rows, left=3)
        comments[:0] = [f"# {line}" for line in lines.splitlines()]
    return e.to_yaml() + "\n".join(comments), facts


def announcement(e: Experiment, chosen: bool) -> list[str]:
    """Return lines about the data of a user, and about a network and training that were `chosen` by the program."""
    notes = list(e.dataset.notes(e.data.validation, e.data.train, e.fold)) if e.dataset.origin == "files" else []
    if chosen:
        functions = " and ".join(dict.fromkeys(e.activations))
        notes.append(("network", f"{e.architecture}, {functions}; {e.cost.name}, lambda {e.lmbda.l2:g}"))
        batch = "full batches" if e.batch_size == "full" else f"batches of {e.batch_size}"
        patience = e.early_stopping.patience if e.early_stopping else None
        stop = f" or {patience} without a better validation {e.monitor}" if patience else ""
        notes.append(("training", f"{e.optimizer.name}, eta {e.eta:g}, {batch}, {e.epochs} epochs{stop}"))
    return lines(notes)


def layers_of(e: Experiment) -> Iterator[dict[str, Any]]:
    """Yield number, word, shape of the output, parameters and multiplications for an example of each layer."""
    shapes = e.shapes
    own = iter([sum(parameter.size for parameter in layer) for layer in e.network.layout.layers if layer])
    for number, (entry, shape) in enumerate(zip(e.layers, shapes, strict=True)):
        layer = entry.layer if number else None
        given = layer.takes(shapes[number - 1]) if layer else ()
        yield {
            "number": number,
            "layer": entry.word,
            "output": "x".join(map(str, shape)),
            "parameters": next(own) if layer and entry.weighted else 0,
            "multiplications": layer.multiplications(given) if layer else 0,
        }


def describe_range_test(e: Experiment, found: RangeTest) -> tuple[str, dict[str, Any]]:
    """Return a learning-rate range test as a chart with a line for about half a factor of ten, and as data."""
    costs = [cost if np.isfinite(cost) else None for cost in found.costs.tolist()]
    facts = {"eta": e.eta, "suggestion": found.suggestion, "etas": found.etas.tolist(), "costs": costs}
    lines = [f"{'eta':>8}  {'cost':>8}"]
    for eta, cost in list(zip(found.etas, costs, strict=True))[::STRIDE]:
        bar = "" if cost is None else "#" * round(WIDTH * min(cost / found.start, 1.2))
        lines.append(f"{eta:8.2g}  {'overflow' if cost is None else f'{cost:8.4g}'}  {bar}".rstrip())
    result = (
        "the cost does not fall with any eta" if found.suggestion is None else f"suggested: eta={found.suggestion:g}"
    )
    return "\n".join([*lines, "", f"{result} (eta of the config: {e.eta:g})"]), facts
