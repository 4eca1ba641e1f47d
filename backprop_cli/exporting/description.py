"""A trained network as plain data, which every format is written from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, field
from math import prod
from typing import Any

import numpy as np

from backprop_cli.data.dataset import DataSpec
from backprop_cli.data.tasks import Classification
from backprop_cli.errors import UsageError
from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array, Shape
from backprop_cli.nn.network import Network
from backprop_cli.runs.model import Model
from backprop_cli.tables.preprocessing import Preprocessing

RESHAPES = ("flatten", "unflatten")
"""The operations between layers that take different shapes; a format has them if it has layers of images."""

FORWARD = ("W", "b")
"""The arrays that lead forward; a Boltzmann machine has others."""


@frozen
class Step:
    """A layer or an activation: its operation, the shapes of its input and output for one example, and its arrays.

    Images have the shape (c, h, w); `flatten` makes numbers of them, in this order, and `unflatten` images of numbers.
    `options` are those of `Layer.options`. The arrays of `dense` are W (n_out, n_in) and b (n_out,). Those of
    `standardize` are fill, center and scale, each (n,): its output is (x - center) / scale, where a missing number,
    NaN, counts as fill. That of `cut` is limit (1,): its output is 1 where x is above it, else 0. Those of `rescale`
    are center and scale: its output is x · scale + center.
    """

    operation: str
    in_shape: Shape
    out_shape: Shape
    arrays: Mapping[str, Array] = field(default_factory=dict, repr=False)
    options: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@frozen
class Description:
    """What a network computes for an example x (inputs,) in the units of its data set, such as pixels of 0 to 255.

    The input of the first step is x · scale, or the output of `prepare`; the output of the last one, or that of
    `rescale`, in the units of the values, is the output of the network. `classes` are the names of the classes, empty
    for a regression. The predicted class is the index of the largest score; the scores are the output of `decoder`, or
    of the network itself if there is none. `image` is the (height, width) of the images that the inputs are, if they
    are; `dtype` is the one that the network was trained in. If it `reconstructs`, the outputs are its inputs again.

    For a table, `columns` are its columns as plain data, whose inputs have the names `input_names`, and `targets` are
    the columns to predict. A column of words has an input for each of its categories: 1 for the word of the row, and 0.
    """

    dataset: str
    inputs: int
    scale: float
    steps: tuple[Step, ...]
    dtype: str
    classes: tuple[str, ...] = ()
    decoder: Step | None = None
    image: tuple[int, int] | None = None
    prepare: Step | None = None
    rescale: Step | None = None
    columns: tuple[Mapping[str, Any], ...] = ()
    input_names: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    reconstructs: bool = False

    @property
    def outputs(self) -> int:
        """The number of outputs of the network."""
        return self.steps[-1].out_shape[0]

    @property
    def sizes(self) -> str:
        """The sizes of the input and of the layers with parameters, such as 784-30-10."""
        return "-".join(map(str, [self.inputs, *(step.out_shape[0] for step in self.steps if step.arrays)]))

    @property
    def all_steps(self) -> tuple[Step, ...]:
        """The steps, and what is before and after them."""
        return tuple(step for step in (self.prepare, *self.steps, self.rescale, self.decoder) if step)

    def facts(self) -> dict[str, Any]:
        """Return what a file says about the data, as far as there is anything to say."""
        facts = {
            "dataset": self.dataset,
            "image": self.image,
            "classes": self.classes,
            "targets": self.targets,
            "inputs": self.input_names,
            "columns": self.columns,
        }
        return {name: fact for name, fact in facts.items() if fact}


def describe(model: Model) -> Description:
    """Return the description of a trained network; that of a Boltzmann machine gives the means of the hidden units."""
    network, data, task = model.network, model.experiment.data, model.experiment.task
    names = data.class_names or tuple(map(str, range(data.classes)))
    decoder = _decoder(task, model.experiment.dtype) if isinstance(task, Classification) else None
    return Description(
        model.experiment.dataset.name,
        data.inputs,
        data.scale,
        tuple(steps_of(network, model.theta)),
        model.experiment.dtype,
        names,
        decoder,
        data.image,
        _prepare(data),
        _rescale(data, data.scale if model.experiment.reconstructs else 1.0),
        _columns(data.preprocessing),
        data.preprocessing.inputs if data.preprocessing else (),
        data.targets,
        model.experiment.reconstructs,
    )


def steps_of(network: Network, theta: Array) -> Iterator[Step]:
    """Yield a step for each layer and the output activation, and where a layer takes another shape than it is given."""
    given: Shape = (prod(network.in_shape),)
    end = network.shapes[-1]
    layers, views = (*network.layers, network.output), (*network.layout.split(theta), {})
    for layer, own, taken, made in zip(layers, views, (*network.taken, end), (*network.shapes[1:], end), strict=True):
        if taken != given:
            yield Step(RESHAPES[len(taken) > 1], given, taken)
        arrays = {name: own[name] for name in FORWARD if name in own}
        yield Step(layer.operation, taken, made, arrays, layer.options(taken))
        given = made
    if len(given) > 1:
        yield Step("flatten", given, (prod(given),))


def _columns(preprocessing: Preprocessing | None) -> tuple[Mapping[str, Any], ...]:
    columns = preprocessing.columns if preprocessing else ()
    return tuple({"name": column.name, "kind": column.kind, **asdict(column)} for column in columns)


def _prepare(data: DataSpec) -> Step | None:
    """Return what is done to the inputs; None if they are multiplied by a number."""
    shape = (data.inputs,)
    if data.limit is not None:
        return Step("cut", shape, shape, {"limit": np.array([data.limit])})
    if data.preprocessing is None:
        return None
    constants = np.array([of_input for column in data.preprocessing.columns for of_input in column.constants])
    names = ("fill", "center", "scale")
    return Step("standardize", shape, shape, dict(zip(names, constants.reshape(-1, 3).T, strict=True)))


def _rescale(data: DataSpec, factor: float) -> Step | None:
    """Return value = output / factor · scale + center, None if the outputs are the values."""
    if not data.value_scale and factor == 1:
        return None
    shape = (data.values,)
    center, scale = np.zeros(shape) + (data.value_center or 0), np.ones(shape) * (data.value_scale or 1) / factor
    return Step("rescale", shape, shape, {"center": center, "scale": scale})


def _decoder(task: Classification, dtype: str) -> Step | None:
    """Return the scores of the classes as a dense layer, None if the outputs are the scores.

    The nearest code c minimizes ‖a - c‖² = ‖a‖² - 2 (a·c - ‖c‖²/2), so it maximizes a·c - ‖c‖²/2.
    """
    if task.encoding.output_per_class:
        return None
    codes = task.codes(dtype)
    return Step("dense", (task.outputs,), (task.classes,), {"W": codes, "b": -np.sum(codes * codes, axis=1) / 2})


def float32(array: Array) -> Array:
    """Return an array as little-endian float32. Raises UsageError if one of its numbers is too large for that."""
    with np.errstate(over="ignore"):
        single = np.ascontiguousarray(array, "<f4")
    if np.isinf(single).any():  # NaN stands for no value
        raise UsageError("its parameters are too large for float32, which this format has; export it as .safetensors")
    return single
