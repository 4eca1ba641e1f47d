"""Rules between the keys of an experiment: each yields what is wrong, and what would be correct."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

from backprop_cli.config.autoencoders import sparse_layer, tied_layers
from backprop_cli.config.boltzmann import boltzmann
from backprop_cli.config.reader import Path, Problem
from backprop_cli.config.training_checks import layers_that_train, line_search
from backprop_cli.data.tasks import ENCODINGS
from backprop_cli.errors import UsageError
from backprop_cli.experiment.layers import AUTO, shapes_of
from backprop_cli.experiment.schema import Experiment
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.network import PIECE
from backprop_cli.objectives.costs import COSTS
from backprop_cli.optim.schedules import Constant

COPIES = 5
"""Copies of theta, and of each array of the optimizer, while training: in use, to go back to, and in a checkpoint that
is being written (three)."""


def problems_of(experiment: Experiment) -> list[Problem]:
    """Return all reasons why this experiment cannot run, found without loading its data."""
    rules = (
        _kinds_of_layers,
        _input_output_sizes,
        tied_layers,
        sparse_layer,
        _activations,
        _output_and_cost,
        _encoding,
        _rates,
        _split_sizes,
        _validation,
        _monitor,
        _options,
        boltzmann,
        _without_effect,
        line_search,
        layers_that_train,
    )
    problems = [problem for rule in rules for problem in rule(experiment)]
    misfits = [] if any(path[0] == "layers" for path, _ in problems) else list(_shapes_of_layers(experiment))
    if not misfits and not any(path[0] == "layers" for path, _ in problems):
        problems += [problem for rule in (_memory, _initial) for problem in rule(experiment)]
    return problems + misfits


def _kinds_of_layers(e: Experiment) -> Iterator[Problem]:
    """The first layer is a size, the last one units, and no other one the size of an image."""
    last = len(e.layers) - 1
    for k, layer in enumerate(e.layers):
        if k == 0 and layer.weighted and not layer.units:
            yield (
                ("layers", 0),
                f"layers: the first layer is the input; write its size, such as 28x28, before {layer.word}",
            )
        elif k > 0 and layer.image:
            yield ("layers", k), f"layers[{k}]: {layer.word} is the size of an image, which only the first layer can be"
        elif k == last and not layer.units and not (layer.conv and e.reconstructs):
            use = "write its number of units, or 'auto', behind it"
            yield ("layers", k), f"layers[{k}]: {layer.word} cannot be the output layer; {use}"


def _shapes_of_layers(e: Experiment) -> Iterator[Problem]:
    """Every layer fits what the layers before it give, and maps as outputs fit the inputs."""
    k, shape = 1, e.in_shape
    try:
        hidden = e.layers[1:] if e.layers[-1].conv else e.layers[1:-1]
        for k, shape in enumerate(shapes_of(e.in_shape, hidden), start=1):  # noqa: B007 - for the except
            pass
        if e.layers[-1].conv and shape != e.in_shape:
            maps, image = ("x".join(map(str, s)) for s in (shape, e.in_shape))
            problem = f"gives maps of {maps}, but the inputs to reconstruct are {image}; write conv{e.in_shape[0]}x…"
            yield ("layers", k - 1), f"layers[{k - 1}]: {e.layers[-1].word} {problem} on maps of that size"
    except UsageError as error:
        flat = k == 1 and len(shape) == 1
        hint = "; write the first layer as the height and width of the images, such as 28x28" if flat else ""
        yield ("layers", k), f"layers[{k}]: {e.layers[k].word} {error}{hint}"


def _input_output_sizes(e: Experiment) -> Iterator[Problem]:
    name, data, last = e.dataset.name, e.data, len(e.layers) - 1
    image = "x".join(map(str, data.image)) if e.layers[0].image and data.image else None
    if e.inputs != data.inputs or (image and e.layers[0].shape != (1, *(data.image or ()))):
        has = f"images of {image}" if image else f"{data.inputs} input{'s' * (data.inputs != 1)}"
        units = f"is {e.layers[0].word}" if e.layers[0].image else f"has {e.inputs:,} units"
        yield ("layers", 0), f"layers: the first layer {units}, but {name} has {has}; write {image or data.inputs}"
    if e.cost.unsupervised:
        if e.layers[-1].units == AUTO:
            yield ("layers", last), "layers: the hidden layer needs a number of units; 'auto' is for the visible layer"
    elif e.layers[-1].units and e.outputs != e.task.outputs:
        has = f"{data.classes} classes" if data.classes else f"{data.values} value{'s' * (data.values > 1)} to predict"
        has = f"{e.inputs} inputs to reconstruct" if e.reconstructs else has
        if data.classes and not ENCODINGS[e.encoding].output_per_class:
            has += f", encoded by {e.task.outputs} outputs with 'targets: {e.encoding}'"
        has += f"; write {e.task.outputs}"
        yield ("layers", last), f"layers: the last layer has {e.outputs:,} units, but {name} has {has}"
    for k, layer in enumerate(e.layers[1:-1], start=1):
        if layer.units == AUTO:
            yield ("layers", k), f"layers[{k}]: a hidden layer needs a number of units; 'auto' is for input and output"
    if e.layers[0].units and (e.layers[0].activation or e.layers[0].dropout is not None):
        yield ("layers", 0), "layers: the input layer has no activation; for dropout of inputs use 'input_dropout'"
    if e.layers[0].initializer:
        yield ("layers", 0), "layers: the input layer has no weights to initialize; remove its initializer"
    if e.layers[-1].dropout is not None:
        yield ("layers", last), "layers: the output layer cannot have dropout"


def _activations(e: Experiment) -> Iterator[Problem]:
    hidden = ", ".join(name for name, f in ACTIVATIONS.items() if f.hidden)
    if len(e.layers) > 2 and not ACTIVATIONS[e.activation].hidden:
        use = f"use 'output: {e.activation}', and here one of {hidden}"
        yield ("activation",), f"activation: {e.activation} is for the output layer only; {use}"
    for k, layer in enumerate(e.layers[1:-1], start=1):
        if layer.activation and not ACTIVATIONS[layer.activation].hidden:
            problem = f"{layer.activation} is for the output layer only; use one of {hidden}"
            yield ("layers", k, "activation"), f"layers[{k}].activation: {problem}"


def _output_and_cost(e: Experiment) -> Iterator[Problem]:
    cost, output = e.cost, e.activations[-1]
    if output not in cost.outputs:
        use = " or ".join(f"'output: {name}'" for name in cost.outputs)
        if costs := [f"'cost: {name}'" for name, other in COSTS.items() if output in other.outputs]:
            use += f", or {', '.join(costs)}"
        place = "output" if e.output else "cost"
        yield (place,), f"cost: {cost.name} cannot be used with {output} outputs; use {use}"
    if e.predicts_values:
        kind = "regression data set" if not e.reconstructs else f"data set of values with 'targets: {e.targets}'"
        needs = f"needs classes, but {e.dataset.name} is a {kind}; use"
        fractions = e.data.fractions and cost.for_fractions and not cost.needs_one_hot
        if not (cost.for_values or fractions):
            costs = [name for name, other in COSTS.items() if other.for_values]
            yield ("cost",), f"cost: {cost.name} {needs} one of {', '.join(costs)}"
        elif ACTIVATIONS[output].sums_to_one and (e.reconstructs or not fractions):
            yield ("output",), f"output: {output} {needs} 'output: {e.suited_output}'"


def _encoding(e: Experiment) -> Iterator[Problem]:
    if e.cost.unsupervised:
        if e.targets:
            yield ("targets",), f"targets: not used by cost {e.cost.name}; remove this key"
        return
    if not e.data.classes:
        if e.targets and not e.reconstructs:
            yield ("targets",), f"targets: {e.dataset.name} is a regression data set without classes; remove this key"
        return
    if not e.layers[-1].units or e.outputs != e.task.outputs:  # reported by the rules about layers
        return
    encoding, output = ENCODINGS[e.encoding], e.activations[-1]
    place: Path = ("targets",) if e.targets else ("layers", len(e.layers) - 1)
    if e.cost.counts_mistakes and not np.isin(encoding.codes(e.data.classes), (0, 1)).all():
        needs = f"{encoding.name} targets need exactly two classes; use one_hot or binary"
        yield place, f"targets: {e.cost.name} outputs are 0 or 1, so {needs}"
    what = f"{output} outputs" if ACTIVATIONS[output].sums_to_one else e.cost.needs_one_hot
    if what and not encoding.output_per_class:
        use = f"use {e.data.classes} outputs and 'targets: one_hot'"
        yield place, f"targets: one output per class is needed for {what}; {use}"


def _rates(e: Experiment) -> Iterator[Problem]:
    """A number in the file can underflow or overflow in the precision of training."""
    smallest, largest = float(np.finfo(e.dtype).smallest_normal), float(np.finfo(e.dtype).max)
    rates: dict[Path, float] = {
        **({("eta",): e.eta} if "eta" in e.model_fields_set else {}),
        **{("lambda", name): strength for name, strength in e.strengths.items()},
    }
    for path, value in rates.items():
        if not smallest <= value <= largest:
            bounds = f"must be between {smallest:.0e} and {largest:.0e}"
            yield path, f"{path[0]}: {value:g} underflows or overflows {e.dtype}; {bounds}"
    if e.warmup >= e.epochs:
        yield ("warmup",), f"warmup: must be less than the {e.epochs} epochs of training, not {e.warmup:g}"


def _split_sizes(e: Experiment) -> Iterator[Problem]:
    name, pool = e.dataset.name, e.data.pool
    n_validation, n_train = e.data.validation, e.data.train
    if e.fold and not e.data.test:
        yield ("fold", "k"), f"fold.k: {e.fold.k} folds are more than the examples of {name}"
    if n_validation >= pool:
        has = f"{name} has {pool:,} in all"
        yield ("validation",), f"validation: {n_validation:,} examples leave none for training; {has}"
    elif n_train < 1:
        yield ("train_size",), f"train_size: {e.train_size} leaves no training examples"
    elif n_train > pool - n_validation:
        has = f"{name} has {pool:,}, of which {n_validation:,} are for validation; write at most {pool - n_validation}"
        yield ("train_size",), f"train_size: {n_train:,} examples, but {has}"
    elif isinstance(e.batch_size, int) and "batch_size" in e.model_fields_set and e.batch_size > e.data.trained:
        use = f"write at most {e.data.trained}, or full"
        yield (
            ("batch_size",),
            f"batch_size: {e.batch_size:,} is more than the {e.data.trained:,} training examples; {use}",
        )


def _validation(e: Experiment) -> Iterator[Problem]:
    n_validation = e.data.validation
    if e.validation and not n_validation:
        share = f"{e.validation:g} of {e.data.pool:,} examples is less than one"
        yield ("validation",), f"validation: {share}; write a number of examples, or 0 for none"
    uses = {"early_stopping": e.early_stopping is not None, "schedule": e.schedule.needs_validation}
    for key, used in uses.items():
        if used and not n_validation:
            yield (key,), f"{key}: needs a validation split; set 'validation' to a number or fraction of examples"


def _monitor(e: Experiment) -> Iterator[Problem]:
    key, alias = e.monitor, e.early_stopping.monitor if e.early_stopping else None
    path = ("early_stopping", "monitor")
    if key and alias and key != alias:
        yield path, f"early_stopping.monitor: {alias} contradicts 'monitor: {key}'; remove one of the two"
    for name, place in ((key, path[1:]), (alias, path)):
        if name not in (None, "cost", *(known := (*e.task.metric_names, *e.task.further))):
            use = f"use 'cost', or one of {', '.join(known)}"
            yield place, f"{'.'.join(place)}: {e.dataset.name} is a {e.task.kind} data set without {name}; {use}"


def _options(e: Experiment) -> Iterator[Problem]:
    for option, problem in e.dataset.problems(e.data):
        yield ("dataset", option), f"dataset.{option}: {problem}"
    if e.data.classes:
        for option, problem in e.cost.problems(e.data.classes):
            yield ("cost", option), f"cost.{option}: {problem}"
    for option, problem in e.optimizer.problems():
        yield ("optimizer", option), f"optimizer.{option}: {problem}"


def _without_effect(e: Experiment) -> Iterator[Problem]:
    """A key without effect is a mistake."""
    hidden = e.layers[1:-1]
    for key, used in (("dropout", e.dropout), ("max_norm", e.max_norm)):
        if used and not hidden:
            yield (key,), f"{key}: applies to hidden layers, but there are none; remove this key"
    if e.dropout and hidden and not any(entry.units for entry in hidden):
        yield ("dropout",), "dropout: applies to hidden layers of units; for one of the others set layers.1.dropout"
    if e.penalty != "l2" and e.strengths and e.penalty not in e.strengths:
        names = " and ".join(e.strengths)
        yield ("penalty",), f"penalty: {e.penalty} has no strength in 'lambda', which sets {names}; remove this key"
    if e.augment and not (e.augment.shift or e.augment.rotation or e.augment.elastic):
        yield ("augment",), "augment: changes nothing; set shift, rotation or elastic"
    if e.augment and e.data.image is None:
        yield ("augment",), f"augment: needs images, but the examples of {e.dataset.name} are not images"
    if e.optimizer.full_batch:
        for key, used in (("schedule", e.schedule != Constant()), ("warmup", e.warmup)):
            if used:
                yield (key,), f"{key}: has no effect on {e.optimizer.name}, which adapts its step size; remove this key"


def _memory(e: Experiment) -> Iterator[Problem]:
    available = _physical_memory()
    if not available:
        return
    parameters = e.network.layout.size
    kept = sum(array.size for array in e.optimizer.init(np.zeros(1)).values())
    copies = COPIES * (1 + kept) + 3 * bool(kept)  # a gradient and temporaries
    batch = min(e.batch_size, e.data.pool) if isinstance(e.batch_size, int) else 2000
    network = np.dtype(e.dtype).itemsize * (copies * parameters + 10 * (min(batch * sum(e.sizes), PIECE) + 1_000_000))
    n = e.data.pool + e.data.trained - e.data.train
    needed = network + (0 if e.data.mapped else 8 * e.data.inputs * (n + e.data.test))
    has = f"but this machine has {available / 2**30:,.1f}"
    if network > available:
        widest = max(range(1, len(e.sizes)), key=lambda i: e.sizes[i])
        what = f"training {parameters:,} parameters needs about {network / 2**30:,.1f} GiB"
        yield ("layers", widest), f"layers: {what}, {has}; make the layer of {e.sizes[widest]:,} units smaller"
    elif needed > available:
        what = f"training on {n:,} examples needs about {needed / 2**30:,.1f} GiB"
        yield ("dataset",), f"dataset: {what}, {has}; use fewer examples"


def _initial(e: Experiment) -> Iterator[Problem]:
    """Initial parameters that are given have the names and the shapes of the network's."""
    entries = e.network.layout.entries if e.initial else ()
    shapes = {entry.name: entry.parameter.shape for entry in entries}
    for name, numbers in (e.initial or {}).items():
        path, value = ("initial", name), np.array(numbers)
        if name not in shapes:
            yield path, f"initial: unknown parameter '{name}'; this network has {', '.join(shapes)}"
        elif (1,) * (len(shapes[name]) - value.ndim) + value.shape != shapes[name]:
            rows = " (a row for each unit of the layer)" if len(shapes[name]) == 2 else ""
            yield path, f"initial.{name} must have the shape {shapes[name]}{rows}, not {value.shape}"
        elif np.abs(value).max() > np.finfo(e.dtype).max:
            yield path, f"initial.{name} has a number that overflows {e.dtype}"


def _physical_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not known on this platform
        return None
