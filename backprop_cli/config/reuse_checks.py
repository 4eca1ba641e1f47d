"""Rules for layers that are frozen, learn at rates of their own, or have been trained before."""

from __future__ import annotations

from collections.abc import Iterator

from backprop_cli.config.reader import Problem
from backprop_cli.experiment.schema import Experiment


def layers_that_train(e: Experiment) -> Iterator[Problem]:
    """Some layer learns, and a layer that is frozen or has a rate of its own is one with weights."""
    for k, layer in enumerate(e.layers):
        if layer.rate is not None and (k == 0 or e.optimizer.full_batch):
            what = f"has no effect on {e.optimizer.name}" if k else "the input layer does not learn"
            yield ("layers", k, "rate"), f"layers[{k}].rate: {what}; remove it"
    frozen, last = e.freeze.layers if e.freeze else (), len(e.rates)
    if too_large := [number for number in frozen if number > last]:
        has = f"the layers with weights are 1 to {last}" if last > 1 else "this network has only layer 1"
        yield ("freeze",), f"freeze: there is no layer {too_large[0]}; {has}"
    elif not any(rate for number, rate in enumerate(e.rates, start=1) if number not in frozen):
        key = "freeze" if frozen else "layers"
        yield (key,), f"{key}: every layer is frozen, so nothing is trained; leave at least one layer to train"
    still = {number for number, rate in enumerate(e.rates, start=1) if number in frozen or not rate}
    for number in sorted(still) if e.tied else ():
        if number > last / 2 and (owner := last + 1 - number) not in still:
            key, has = "freeze" if frozen else "layers", f"layer {number} has the weights of layer {owner} ('tied')"
            yield (key,), f"{key}: {has}, which are trained; freeze layer {owner} as well"
    if e.freeze and e.freeze.epochs and e.optimizer.line_search:
        use = "freeze the layers in all epochs, then start another run from this one ('start')"
        yield ("freeze", "epochs"), f"freeze.epochs: cannot be combined with {e.optimizer.name}; {use}"
