"""Rules between the keys of an experiment, each with what is wrong and what would be right."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from backprop_cli.config.reader import Path
from backprop_cli.config.schema import Experiment
from backprop_cli.nn.activations import HIDDEN
from backprop_cli.nn.costs import COSTS, CrossEntropy, Perceptron
from backprop_cli.optim.minimizers import Minimizer
from backprop_cli.optim.optimizers import SGD, Rprop
from backprop_cli.optim.schedules import Constant, Plateau

Problem = tuple[Path, str]
"""Where it is, and the sentence."""

COPIES = 5
"""What training holds of theta, and of each vector that the optimizer keeps: itself, the way back, and a checkpoint in
the making (three)."""


def problems_of(experiment: Experiment) -> list[Problem]:
    """Return everything that keeps this experiment from running, whatever the machine's data."""
    rules = (
        _ends,
        _hidden,
        _cost,
        _targets,
        _rates,
        _sizes,
        _validation,
        _without_effect,
        _images,
        _minimizers,
        _memory,
    )
    return [problem for rule in rules for problem in rule(experiment)]


def _ends(e: Experiment) -> Iterator[Problem]:
    source, last = e.dataset, len(e.layers) - 1
    if e.sizes[0] != source.inputs:
        yield (
            ("layers", 0),
            f"layers: the first layer has {e.sizes[0]:,} units, but {source.name} has {source.inputs} inputs; "
            f"write {source.inputs}",
        )
    if e.sizes[-1] != e.task.outputs:
        has = f"{source.classes} classes" if source.classes else f"{e.task.outputs} value to predict"
        if source.classes and e.encoding != "one_hot":
            has += f", which take {e.task.outputs} with targets: {e.encoding}"
        yield (
            ("layers", last),
            f"layers: the last layer has {e.sizes[-1]:,} units, but {source.name} has {has}; write {e.task.outputs}",
        )
    if e.layers[0].activation or e.layers[0].dropout is not None:
        yield ("layers", 0), "layers: the inputs have no activation; their dropout is the key 'input_dropout'"
    if e.layers[-1].dropout is not None:
        yield ("layers", last), "layers: there is no dropout in the output layer"


def _hidden(e: Experiment) -> Iterator[Problem]:
    if len(e.layers) > 2 and e.activation not in HIDDEN:
        yield (
            ("activation",),
            f"activation: {e.activation} works in the output layer only; write 'output: {e.activation}', "
            f"and here one of {', '.join(HIDDEN)}",
        )
    for number, layer in enumerate(e.layers[1:-1], start=1):
        if layer.activation and layer.activation not in HIDDEN:
            yield (
                ("layers", number, "activation"),
                f"layers[{number}].activation: {layer.activation} works in the output layer only; "
                f"write one of {', '.join(HIDDEN)}",
            )


def _cost(e: Experiment) -> Iterator[Problem]:
    cost, output = e.cost, e.activations[-1]
    if output not in cost.outputs:
        goes_with = " or ".join(f"'output: {name}'" for name in cost.outputs)
        others = ", ".join(f"'cost: {name}'" for name, other in COSTS.items() if output in other.outputs)
        yield (
            ("output",) if e.output else ("cost",),
            f"cost: {cost.name} does not go with {output} outputs; write {goes_with}"
            + (f", or {others}" if others else ""),
        )
    if not e.dataset.classes and not cost.for_values:
        yield (
            ("cost",),
            f"cost: {cost.name} judges classes, but {e.dataset.name} has values to predict; "
            f"write one of {', '.join(name for name, other in COSTS.items() if other.for_values)}",
        )
    elif not e.dataset.classes and output == "softmax":
        yield ("output",), f"output: softmax is for classes, but {e.dataset.name} has values; write 'output: identity'"
    weights = cost.class_weights if isinstance(cost, CrossEntropy) else None
    if weights is not None and e.dataset.classes and len(weights) != e.dataset.classes:
        yield (
            ("cost", "class_weights"),
            f"cost.class_weights has {len(weights)} numbers, but {e.dataset.name} has {e.dataset.classes} classes",
        )


def _targets(e: Experiment) -> Iterator[Problem]:
    if e.targets and not e.dataset.classes:
        yield ("targets",), f"targets: {e.dataset.name} has values to predict, not classes; leave this key out"
        return
    if e.sizes[-1] != e.task.outputs:  # one thing at a time
        return
    needs = {
        "softmax outputs, which sum to one,": e.activations[-1] in ("softmax", "winner"),
        "class_weights": isinstance(e.cost, CrossEntropy) and e.cost.class_weights is not None,
        "smoothing": isinstance(e.cost, CrossEntropy) and e.cost.smoothing > 0,
    }
    if e.encoding == "scalar" and e.dataset.classes > 2 and isinstance(e.cost, Perceptron):
        yield ("targets",), "targets: a perceptron answers 0 or 1, and cannot say ninths; write one_hot or binary"
    for what, needed in needs.items():
        if needed and e.dataset.classes and e.encoding != "one_hot":
            what = what.replace("softmax", e.activations[-1])
            yield (
                ("targets",) if e.targets else ("layers", len(e.layers) - 1),
                f"targets: {what} need one output for each class; write {e.dataset.classes} outputs and "
                "'targets: one_hot'",
            )
            return


def _rates(e: Experiment) -> Iterator[Problem]:
    """What is a number in the file may be nothing, or infinite, in the precision of training."""
    smallest, largest = float(np.finfo(e.dtype).smallest_normal), float(np.finfo(e.dtype).max)
    for path, value in ((("eta",), e.eta), *((("lambda", name), value) for name, value in e.strengths.items())):
        if value and not smallest <= value <= largest:
            yield (
                path,
                f"{path[0]}: {value:g} underflows or overflows {e.dtype}; must be between {smallest:.0e} and "
                f"{largest:.0e}",
            )
    if e.warmup >= e.epochs:
        yield ("warmup",), f"warmup: {e.warmup:g} epochs are all of the {e.epochs} there are; write fewer"


def _sizes(e: Experiment) -> Iterator[Problem]:
    name, pool = e.dataset.name, e.dataset.pool
    n_validation, n_train = split_sizes(e)
    if n_validation >= pool:
        yield (
            ("validation",),
            f"validation: {n_validation:,} examples leave none of the {pool:,} that {name} has to train on",
        )
        return
    if n_train < 1:
        yield ("train_size",), f"train_size: {e.train_size} leaves no examples to train on"
    elif n_train > pool - n_validation:
        yield (
            ("train_size",),
            f"train_size: {n_train:,} examples, but {name} has {pool:,}, of which {n_validation:,} are kept "
            f"for validation; write at most {pool - n_validation}",
        )
    elif isinstance(e.batch_size, int) and "batch_size" in e.model_fields_set and e.batch_size > n_train:
        yield (
            ("batch_size",),
            f"batch_size: {e.batch_size:,} is more than the {n_train:,} training examples; write at most {n_train}, "
            "or full",
        )


def _validation(e: Experiment) -> Iterator[Problem]:
    """Stopping and plateaus are about what happens on the validation split."""
    n_validation, _ = split_sizes(e)
    wants = {"early_stopping": e.early_stopping is not None, "schedule": isinstance(e.schedule, Plateau)}
    for key, wanted in wants.items():
        if wanted and not n_validation:
            yield (key,), f"{key}: there are no validation examples to go by; set 'validation' to some of the examples"
    if e.early_stopping and e.early_stopping.monitor == "accuracy" and not e.dataset.classes:
        yield (
            ("early_stopping", "monitor"),
            f"early_stopping.monitor: {e.dataset.name} has no accuracy; write 'monitor: cost'",
        )


def _without_effect(e: Experiment) -> Iterator[Problem]:
    """What is asked for should happen."""
    if len(e.layers) == 2:
        for key, wanted in (("dropout", e.dropout), ("max_norm", e.max_norm)):
            if wanted:
                yield (key,), f"{key}: is for hidden layers, and there is none"
    if e.penalty != "l2" and e.strengths and e.penalty not in e.strengths:
        names = " and ".join(e.strengths)
        yield ("penalty",), f"penalty: {e.penalty} has no strength in 'lambda', which sets {names}; remove this key"
    if e.augment and not (e.augment.shift or e.augment.rotation or e.augment.elastic):
        yield ("augment",), "augment: nothing is asked for; set shift, rotation or elastic"
    if isinstance(e.optimizer, Rprop) and e.optimizer.smallest > e.optimizer.largest:
        yield ("optimizer", "smallest"), "optimizer.smallest is more than optimizer.largest"
    if isinstance(e.cost, CrossEntropy) and e.cost.class_weights is not None and not any(e.cost.class_weights):
        yield ("cost", "class_weights"), "cost.class_weights: all are 0, so that nothing would be learned"
    if e.optimizer.full_batch:
        for key, wanted in (("schedule", e.schedule != Constant()), ("warmup", e.warmup)):
            if wanted:
                yield (key,), f"{key}: {e.optimizer.name} finds the lengths of its steps by itself; leave this key out"


def _images(e: Experiment) -> Iterator[Problem]:
    if e.augment and e.dataset.image is None:
        yield ("augment",), f"augment: the examples of {e.dataset.name} are no images"


def _minimizers(e: Experiment) -> Iterator[Problem]:
    """A line search compares costs, which must not change from one look to the next."""
    if isinstance(e.optimizer, Minimizer):
        uses = {"dropout": any(e.dropouts), "augment": e.augment, "max_norm": e.max_norm}
        for key, used in {**uses, "cost": isinstance(e.cost, Perceptron)}.items():
            if used:
                what = "cost: perceptron" if key == "cost" else f"{key}:"
                yield (key,), f"{what} does not go with {e.optimizer.name}, which needs one smooth cost at every look"


def _memory(e: Experiment) -> Iterator[Problem]:
    parameters = sum((n_in + 1) * n_out for n_in, n_out in pairwise(e.sizes))
    item = 8 if e.dtype == "float64" else 4
    kept = sum(array.size for array in e.optimizer.init(np.zeros(1)).values())
    copies = COPIES * (1 + kept) + 3 * (not isinstance(e.optimizer, SGD))  # a gradient and temporaries
    batch = e.batch_size if isinstance(e.batch_size, int) else 2000
    needed = item * (copies * parameters + 10 * (batch * sum(e.sizes) + 1_000_000))
    available = _physical_memory()
    if available and needed > available:
        widest = max(range(1, len(e.sizes)), key=lambda i: e.sizes[i])
        yield (
            ("layers", widest),
            f"layers: {parameters:,} parameters need about {needed / 2**30:,.1f} GiB to train, and this machine "
            f"has {available / 2**30:,.1f}; make the layer of {e.sizes[widest]:,} units smaller",
        )


def split_sizes(e: Experiment) -> tuple[int, int]:
    """Return how many examples the experiment validates and trains on, fractions and defaults worked out."""
    source = e.dataset
    n_validation = source.validation if e.validation is None else _count(e.validation, source.pool)
    rest = max(0, source.pool - n_validation)
    return n_validation, rest if e.train_size is None else _count(e.train_size, rest)


def with_defaults(e: Experiment) -> Experiment:
    """Return an experiment without problems with every default worked out."""
    n_validation, n_train = split_sizes(e)
    batch_size = e.batch_size
    if e.optimizer.full_batch or (isinstance(batch_size, int) and batch_size > n_train):
        batch_size = "full"
    changes = {
        "output": e.activations[-1],
        "targets": e.encoding if e.dataset.classes else None,
        "batch_size": batch_size,
        "penalty": next(iter(e.strengths)) if len(e.strengths) == 1 else e.penalty,
        "validation": n_validation,
        "train_size": n_train,
    }
    return e.model_copy(update=changes)


def _count(amount: int | float, whole: int) -> int:
    return round(amount * whole) if isinstance(amount, float) else amount


def _physical_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # no such question on this platform
        return None
