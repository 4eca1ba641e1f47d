"""Rules for restricted Boltzmann machines."""

from __future__ import annotations

from collections.abc import Iterator

from backprop_cli.config.reader import Path
from backprop_cli.experiment.schema import Experiment


def boltzmann(e: Experiment) -> Iterator[tuple[Path, str]]:
    """A Boltzmann machine has two layers, and inputs that stand for probabilities."""
    if not e.cost.unsupervised:
        return
    if len(e.layers) > 2:
        ends = f"{e.inputs}-{e.layers[1].word if e.layers[1].units else 'units'}"
        use = f"write {ends}, or train more layers one after another with 'pretrain: rbm'"
        yield ("layers", 2), f"layers: cost {e.cost.name} has a visible and a hidden layer; {use}"
    uses = {"input_dropout": e.input_dropout, "diagnostics": e.diagnostics}
    for key, used in uses.items():
        if used:
            yield (key,), f"{key}: has no effect on cost {e.cost.name}; remove this key"
    if e.corrupt:
        use = "remove this key; to learn to remove noise, train an autoencoder with 'targets: inputs'"
        yield (
            ("corrupt",),
            f"corrupt: cannot be combined with cost {e.cost.name}, which learns the inputs as they are; {use}",
        )
    if e.data.outside:
        needs = f"{e.cost.name} needs inputs from 0 to 1, and those of {e.dataset.name} are not"
        yield ("cost",), f"cost: {needs}; use an autoencoder, with 'targets: inputs'"
    for column in e.data.preprocessing.columns if e.data.preprocessing else ():
        low, high = column.extremes
        if low < 0 or high > 1:
            needs = f"{e.cost.name} needs inputs from 0 to 1, but column '{column.name}' has {low:.4g} to {high:.4g}"
            yield ("cost",), f"cost: {needs}; use 'scale: minmax' in 'dataset'"
            return
