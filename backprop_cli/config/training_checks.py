"""Rules for how layers are trained: at which rates, which not at all, and by line searches."""

from __future__ import annotations

from collections.abc import Iterator

from backprop_cli.config.reader import Problem
from backprop_cli.experiment.schema import Experiment
from backprop_cli.nn.activations import ACTIVATIONS


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


def line_search(e: Experiment) -> Iterator[Problem]:
    """A line search compares costs, so the cost must be the same function at every evaluation."""
    if e.optimizer.line_search:
        random = any(ACTIVATIONS[name].random for name in e.activations)
        uses = {"dropout": any(e.dropouts), "augment": e.augment, "max_norm": e.max_norm, "cost": not e.cost.smooth}
        uses |= {"corrupt": e.corrupt is not None and not e.corrupt.fixed, "activation": random}
        for key in (key for key, used in uses.items() if used):
            what = f"cost: {e.cost.name}" if key == "cost" else f"{key}:"
            yield (key,), f"{what} cannot be combined with {e.optimizer.name}, which needs a deterministic cost"
