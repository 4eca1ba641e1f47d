"""Rules between the keys of autoencoders: each yields what is wrong, and what would be correct."""

from __future__ import annotations

from collections.abc import Iterator

from backprop_cli.config.reader import Problem
from backprop_cli.experiment.schema import Experiment


def tied_layers(e: Experiment) -> Iterator[Problem]:
    """Tied layers mirror each other."""
    last = len(e.layers) - 1
    if not e.tied:
        return
    images = [k for k, layer in enumerate(e.layers) if layer.of_images and not layer.image]
    if images or last % 2:
        what = f"{e.layers[images[0]].word} is no dense layer" if images else f"there are {last} layers of weights"
        use = "needs dense layers, an even number that mirror each other, such as 784-100-784"
        yield ("layers", images[0] if images else last), f"layers: {what}, but 'tied' {use}"
        return
    units = [e.inputs, *(layer.units for layer in e.layers[1:-1]), e.outputs]
    for k in range(last // 2 + 1, last + 1):
        if units[k] != units[last - k]:
            mirrored = f"but with 'tied' it mirrors layers[{last - k}], which has {units[last - k]}"
            yield ("layers", k), f"layers[{k}]: has {units[k]} units, {mirrored}; write {units[last - k]}"
