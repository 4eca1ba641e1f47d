"""Rules between the keys of autoencoders: each yields what is wrong, and what would be correct."""

from __future__ import annotations

from collections.abc import Iterator

from backprop_cli.config.reader import Problem
from backprop_cli.experiment.schema import Experiment
from backprop_cli.nn.activations import ACTIVATIONS


def tied_layers(e: Experiment) -> Iterator[Problem]:
    """Tied layers mirror each other."""
    last = len(e.layers) - 1
    if not e.tied:
        return
    images = [k for k, layer in enumerate(e.layers) if layer.of_images and not layer.image]
    if images or last % 2:
        count = f"is {last} layer" if last == 1 else f"are {last} layers"
        what = f"{e.layers[images[0]].word} is no dense layer" if images else f"there {count} of weights"
        use = "needs dense layers, an even number that mirror each other, such as 784-100-784"
        yield ("layers", images[0] if images else last), f"layers: {what}, but 'tied' {use}"
        return
    units = [e.inputs, *(layer.units for layer in e.layers[1:-1]), e.outputs]
    for k in range(last // 2 + 1, last + 1):
        if units[k] != units[last - k]:
            mirrored = f"but with 'tied' it mirrors layers[{last - k}], which has {units[last - k]}"
            yield ("layers", k), f"layers[{k}]: has {units[k]} units, {mirrored}; write {units[last - k]}"


def sparse_layer(e: Experiment) -> Iterator[Problem]:
    """Sparsity is of one kind, and of a hidden layer of units."""
    options, hidden, k = e.sparsity, e.hidden_layers, e.sparse_layer
    if options is None:
        return
    if (options.target is None) == (options.l1 is None):
        yield ("sparsity",), "sparsity: needs target or l1, one of the two, such as {target: 0.1, beta: 3}"
    if k not in hidden or not hidden[k].units:
        units = ", ".join(str(number) for number, layer in hidden.items() if layer.units)
        there = f"write {units}" if units else "there is none; add one, or remove this key"
        yield ("sparsity", "layer"), f"sparsity.layer: {k} is no hidden layer of units; {there}"
    elif options.target is not None and not ACTIVATIONS[e.activations[k - 1]].squashes:
        f = e.activations[k - 1]
        use = f"layer {k} is {f}; write activation: sigmoid for it, or use l1"
        yield ("sparsity", "target"), f"sparsity.target: needs activities between 0 and 1, but {use}"
    if options.target is not None and getattr(e.dataset, "weight", None) is not None:
        yield ("sparsity", "target"), "sparsity.target: cannot be combined with dataset.weight; use l1"
