"""The experiment: the keys of a config, and what follows from them."""

from __future__ import annotations

from math import prod
from typing import Any

import yaml
from pydantic import PrivateAttr

from backprop_cli.data.dataset import DataSpec
from backprop_cli.data.tasks import ENCODINGS, Classification, Task
from backprop_cli.density import Density
from backprop_cli.experiment.keys import INPUTS, Keys
from backprop_cli.experiment.layers import Layer, inputs_of, shapes_of
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.arrays import Shape
from backprop_cli.nn.initializers import Initializer
from backprop_cli.nn.network import Network, Stage, network_of, tied


class Experiment(Keys):
    """An experiment, as described by a config."""

    _known: DataSpec | None = PrivateAttr(None)

    @property
    def data(self) -> DataSpec:
        """What is known about the data set before it is loaded."""
        known = self._known or self.dataset.describe(self.validation, self.train_size, self.fold)
        return known.reconstructing() if self.reconstructs or self.cost.unsupervised else known

    def knowing(self, data: DataSpec | None) -> Experiment:
        """Return the experiment with what is known about its data, which then need not be looked at."""
        experiment = self.model_copy()
        experiment._known = data
        return experiment

    @property
    def reconstructs(self) -> bool:
        """Whether the targets are the inputs."""
        return self.targets == INPUTS

    @property
    def inputs(self) -> int:
        """The number of inputs, n_0."""
        return inputs_of(self.layers[0]) or self.data.inputs

    @property
    def outputs(self) -> int:
        """The number of outputs, n_L. Raises UsageError as `network`."""
        last = self.layers[-1]
        if last.conv:
            return prod(self.shapes[-1])
        return last.units if isinstance(last.units, int) else self.task.outputs

    @property
    def in_shape(self) -> Shape:
        """The shape of an example, as the first layer takes it: of images (c, h, w), of others (n_0,)."""
        if self.layers[0].image:
            return self.layers[0].shape
        image = self.data.image if self.layers[1].of_images and self.inputs == self.data.inputs else None
        return (1, *image) if image else (self.inputs,)

    @property
    def image(self) -> Shape | None:
        """The (height, width) of the images that the inputs are, None if they are none."""
        shape = self.in_shape
        return shape[1:] if len(shape) == 3 else self.data.image

    @property
    def network(self) -> Network:
        """The network. Raises UsageError if a layer cannot have the inputs that come to it."""
        f, hidden = iter([ACTIVATIONS[name] for name in self.activations]), self.layers[1:-1]
        given, *dropouts = self.dropouts
        stages = [Stage(e.layer, next(f) if e.weighted else None, p) for e, p in zip(hidden, dropouts, strict=True)]
        last, output = self.layers[-1], next(f)
        stages.append(Stage(last.layer if last.conv else self.cost.layer(self.outputs, output), output))
        return network_of(self.in_shape, tied(stages, self.sizes) if self.tied else stages, given)

    @property
    def architecture(self) -> str:
        """The layers in one word, 784-30-10."""
        return "-".join(layer.word for layer in self.layers)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The numbers that leave each layer, n_0 … n_L. Raises UsageError as `network`."""
        return tuple(map(prod, self.shapes))

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The shapes of an example and of what leaves each layer. Raises UsageError as `network`."""
        if self.layers[-1].conv:
            return tuple(shapes_of(self.in_shape, self.layers[1:]))
        return (*shapes_of(self.in_shape, self.layers[1:-1]), (self.outputs,))

    @property
    def sparse_layer(self) -> int:
        """The number of the layer whose activities are to be sparse: by default the narrowest hidden one of units."""
        given = self.sparsity.layer if self.sparsity else None
        units = {k: e.units for k, e in self.hidden_layers.items() if isinstance(e.units, int)}
        return given or min(units, key=lambda k: units[k], default=1)

    @property
    def hidden_layers(self) -> dict[int, Layer]:
        """The hidden layers with weights, by their numbers."""
        return dict(enumerate((layer for layer in self.layers[1:-1] if layer.weighted), start=1))

    @property
    def activations(self) -> tuple[str, ...]:
        """The name of f of layer 1 … L, those with weights."""
        *hidden, last = self.layers[1:]
        return (
            *(layer.activation or self.activation for layer in hidden if layer.weighted),
            last.activation or self.output or self.suited_output,
        )

    @property
    def suited_output(self) -> str:
        """The name of the activation of the output layer where the config gives none."""
        if not self.data.classes:
            fractions = self.cost.unsupervised or (self.reconstructs and self.data.fractions)
            return "sigmoid" if fractions else "identity"
        return ACTIVATIONS[self.activation].as_output

    @property
    def initializers(self) -> dict[int, Initializer]:
        """The initializers of layers that have one of their own, by their place among the layers with weights."""
        weighted = enumerate(layer for layer in self.layers[1:] if layer.weighted)
        return {k: layer.initializer for k, layer in weighted if layer.initializer}

    @property
    def dropouts(self) -> tuple[float, ...]:
        """The probability to drop a number that leaves each layer but the last: by default, a unit but not a map."""
        defaults = (self.dropout if layer.units else 0.0 for layer in self.layers[1:-1])
        hidden = (p if e.dropout is None else e.dropout for e, p in zip(self.layers[1:-1], defaults, strict=True))
        return (self.input_dropout, *hidden)

    @property
    def rates(self) -> tuple[float, ...]:
        """The η of layer 1 … L, those with weights, in units of `eta`."""
        return tuple(1.0 if layer.rate is None else layer.rate for layer in self.layers[1:] if layer.weighted)

    @property
    def encoding(self) -> str:
        """The name of the encoding of classes."""
        two_to_one = self.data.classes == 2 and self.layers[-1].units == 1
        return self.targets or ("scalar" if two_to_one else "one_hot")

    @property
    def predicts_values(self) -> bool:
        """Whether the targets are values, and are used."""
        return not (self.data.classes or self.cost.unsupervised)

    @property
    def task(self) -> Task:
        """What the outputs mean."""
        if self.cost.unsupervised:
            return Density(self.inputs)
        if self.reconstructs:
            return self.data.reconstruction
        if not self.data.classes:
            return self.data.regression
        output = ACTIVATIONS[self.activations[-1]]
        return Classification(self.data.classes, ENCODINGS[self.encoding], output.squashes, output.sums_to_one)

    def to_yaml(self) -> str:
        """Return the experiment as the text of a config file."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False, default_flow_style=None, allow_unicode=True)

    def to_dict(self) -> dict[str, Any]:
        """Return the experiment as the mapping of a config, in the order of the keys."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
