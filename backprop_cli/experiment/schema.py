"""The experiment: every key of a config, its type, its default and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from math import prod
from typing import Annotated, Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_serializer, model_validator

from backprop_cli.data.augment import Augment
from backprop_cli.data.dataset import DataSpec, Source
from backprop_cli.data.splits import Fold
from backprop_cli.data.tasks import ENCODINGS, MONITORS, Classification, Task
from backprop_cli.experiment.layers import Layer, Layers, Probability, inputs_of, shapes_of
from backprop_cli.experiment.options import OneOf, OptionsOf
from backprop_cli.experiment.types import Amount, BatchSize, KeptEpochs, Lambda, Strengths, Threads, expand_lambda
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.arrays import Shape
from backprop_cli.nn.costs import COSTS, Cost, Quadratic
from backprop_cli.nn.initializers import INITIALIZERS
from backprop_cli.nn.layers.dense import Dense
from backprop_cli.nn.network import Network, Stage, network_of
from backprop_cli.nn.penalties import PENALTIES
from backprop_cli.optim.averages import AVERAGES, Ema
from backprop_cli.optim.minimizers import MINIMIZERS, Minimizer
from backprop_cli.optim.optimizers import OPTIMIZERS, SGD, Optimizer
from backprop_cli.optim.schedules import SCHEDULES, Constant, Schedule
from backprop_cli.optim.stopping import EarlyStopping
from backprop_cli.sources.given import Numbers
from backprop_cli.sources.registry import DATASETS

DEPENDS: Any = None
"""The default of a key whose default depends on other keys: see `with_defaults`, which replaces it."""


def _without_default(schema: dict[str, Any]) -> None:
    """Remove the default, which is not a value that the key can have."""
    del schema["default"]


class Experiment(BaseModel):
    """An experiment, as described by a config."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    dataset: Annotated[Source, OptionsOf(DATASETS)] = Field(
        description="Data set: a name, or a name with options, `{name: moons, noise: 0.2}`."
    )
    layers: Layers = Field(
        description="Units per layer, from input to output: `[784, 30, 10]` or `784-30-10`; `auto` as the first or the "
        "last takes them from the data. A layer can have options: `{units: 100, activation: relu, dropout: 0.5}`. For "
        "images: `28x28-conv20x5-max2-100-10` has 20 maps, windows of 5x5 pixels, and max-pooling."
    )
    activation: Annotated[str, OneOf(ACTIVATIONS)] = Field(
        "sigmoid", description="Activation function of all layers (the output layer can be set with `output`)."
    )
    output: Annotated[str | None, OneOf(ACTIVATIONS)] = Field(
        None,
        description="Activation function of the output layer. Default: `identity` for regression; for classification "
        "`activation`, or `sigmoid` if that is `relu`, whose outputs can die.",
    )
    targets: Annotated[str | None, OneOf(ENCODINGS)] = Field(
        None, description="Encoding of classes. Default: `one_hot`, or `scalar` for two classes and one output."
    )
    cost: Annotated[Cost, OptionsOf(COSTS)] = Field(
        Quadratic(),
        description="Cost (loss) function: a name, or a name with options, `{name: cross_entropy, smoothing: 0.1}`.",
    )
    eta: Annotated[float, Field(gt=0)] = Field(
        DEPENDS,
        json_schema_extra=_without_default,
        description="Learning rate; `η` is an alias. Default: depends on the optimizer, the cost and the layers, and "
        "is shown by `backprop check`: for `sgd` with sigmoid layers 3, or 0.5 with `cross_entropy`.",
    )
    schedule: Annotated[Schedule, OptionsOf(SCHEDULES)] = Field(
        Constant(), description="Learning-rate schedule, `{name: step, every: 10, gamma: 0.5}`."
    )
    warmup: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Epochs in which η rises linearly from 0, before the schedule starts."
    )
    batch_size: BatchSize = Field(10, description="Training examples per step (mini-batch size).")
    epochs: Annotated[int, Field(ge=1)] = Field(30, description="Number of passes over the training examples.")
    optimizer: Annotated[Optimizer | Minimizer, OptionsOf({**OPTIMIZERS, **MINIMIZERS})] = Field(
        SGD(),
        description="Optimizer: a name, or a name with options, `{name: momentum, mu: 0.9}`. Default: `sgd` for "
        "classification, or if `eta` is given; `adam` for regression.",
    )
    lmbda: Lambda = Field(
        Strengths(),
        alias="lambda",
        json_schema_extra={"default": 0.0},
        description="Regularization strength, of `penalty` or of each penalty, `{l1: 0.1, l2: 5}`; `λ` is an alias.",
    )
    penalty: Annotated[str, OneOf(PENALTIES)] = Field(
        "l2", description="Penalty on the weights: λ/2n Σw² (`l2`) or λ/n Σ abs(w) (`l1`)."
    )
    dropout: Probability = Field(0.0, description="Probability of dropping a hidden unit in training.")
    input_dropout: Probability = Field(0.0, description="Probability of dropping an input in training.")
    max_norm: Annotated[float, Field(ge=1e-6)] | None = Field(
        None,
        description="Maximum norm of the weight vector of a hidden unit; longer ones are rescaled after each step.",
    )
    augment: Annotated[Augment | None, OptionsOf(Augment)] = Field(
        None,
        description="Random shifts, rotations and elastic distortions of the training images: "
        "`{shift: 1, rotation: 10, elastic: 30}`.",
    )
    average: Annotated[Ema | None, OptionsOf(AVERAGES)] = Field(
        None,
        description="`ema`: evaluate an exponential moving average of the parameters, `{name: ema, decay: 0.999}`.",
    )
    monitor: Annotated[str | None, OneOf(MONITORS)] = Field(
        None,
        description="Validation metric that selects the best epoch. Default: `accuracy` for classification, `cost` for "
        "regression.",
    )
    early_stopping: Annotated[EarlyStopping | None, OptionsOf(EarlyStopping)] = Field(
        None, description="Stop when the validation metric stops improving: `{patience: 10, min_delta: 0.001}`."
    )
    evaluate_every: Annotated[int, Field(ge=1)] = Field(
        1, description="Epochs between evaluations of the training and validation splits; the last is always evaluated."
    )
    initializer: Annotated[str, OneOf(INITIALIZERS)] = Field(
        DEPENDS,
        json_schema_extra=_without_default,
        description="Initialization: `scaled` draws weights from N(0, 1/n_in) and biases from N(0, 1). Default: "
        "`scaled`, or `he` if the first layer is `relu` or `leaky_relu`.",
    )
    initial: dict[str, Numbers] | None = Field(
        None,
        description="Initial values of some or all parameters, `{W1: [[1, 2], [3, 4]], b1: [0, 0]}`; the others are "
        "drawn by `initializer`.",
    )
    validation: Amount | None = Field(
        None,
        description="Size of the validation split: a number of examples (taken from the end) or a fraction. Default: "
        "depends on the data set.",
    )
    train_size: Amount | None = Field(
        None, description="Size of the training split: a number of examples or a fraction. Default: all of the rest."
    )
    fold: Annotated[Fold | None, OptionsOf(Fold)] = Field(
        None,
        description="Fold i of k of a cross-validation, `{k: 5, i: 2}`, which takes the place of the test split: its "
        "examples are tested on, the others are trained on, and the test split is not used. See `train --folds`.",
    )
    diagnostics: bool = Field(
        False,
        description="Add diagnostics of each layer to metrics.csv: norms of gradients, weights and updates, saturated "
        "and dead units.",
    )
    keep_epochs: KeptEpochs = Field(
        None,
        description="Epochs whose checkpoints are kept, besides the best and the last: `[0, 1, 2, 5, 10]`, or "
        "`{every: 10}`. Epoch 0 is the network before training.",
    )
    dtype: Annotated[str, OneOf(("float32", "float64"))] = Field("float32", description="Floating-point precision.")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(0, description="Random seed.")
    threads: Threads = Field(
        "auto", description="Number of BLAS threads; `auto` uses one for small layers and all cores for large ones."
    )

    @model_validator(mode="before")
    @classmethod
    def _read_lambda(cls, values: Any) -> Any:
        """Read a number under `lambda` as the strength of the one penalty."""
        if isinstance(values, dict) and "lambda" in values:
            return {**values, "lambda": expand_lambda(values["lambda"], values.get("penalty"))}
        return values

    @field_serializer("lmbda")
    def _write_lambda(self, lmbda: Strengths) -> float | dict[str, float]:
        """Write the strength of the one penalty as a number."""
        named = asdict(lmbda)
        return named[self.penalty] if self.strengths.keys() <= {self.penalty} else named

    _known: DataSpec | None = PrivateAttr(None)

    @property
    def data(self) -> DataSpec:
        """What is known about the data set before it is loaded."""
        return self._known or self.dataset.describe(self.validation, self.train_size, self.fold)

    def knowing(self, data: DataSpec | None) -> Experiment:
        """Return the experiment with what is known about its data, which then need not be looked at."""
        experiment = self.model_copy()
        experiment._known = data
        return experiment

    @property
    def inputs(self) -> int:
        """The number of inputs, n_0."""
        return inputs_of(self.layers[0]) or self.data.inputs

    @property
    def outputs(self) -> int:
        """The number of outputs, n_L."""
        units = self.layers[-1].units
        return units if isinstance(units, int) else self.task.outputs

    @property
    def in_shape(self) -> Shape:
        """The shape of an example, as the first layer takes it: of images (c, h, w), of others (n_0,)."""
        if self.layers[0].image:
            return self.layers[0].shape
        image = self.data.image if self.layers[1].of_images and self.inputs == self.data.inputs else None
        return (1, *image) if image else (self.inputs,)

    @property
    def network(self) -> Network:
        """The network. Raises UsageError if a layer cannot have the inputs that come to it."""
        f, hidden = iter([ACTIVATIONS[name] for name in self.activations]), self.layers[1:-1]
        given, *dropouts = self.dropouts
        stages = [Stage(e.layer, next(f) if e.weighted else None, p) for e, p in zip(hidden, dropouts, strict=True)]
        return network_of(self.in_shape, [*stages, Stage(Dense(self.outputs), next(f))], given)

    @property
    def architecture(self) -> str:
        """The layers in one word, 784-30-10."""
        return "-".join(layer.word for layer in self.layers)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The numbers that leave each layer, n_0 … n_L. Raises UsageError as `network`."""
        return (*map(prod, shapes_of(self.in_shape, self.layers[1:-1])), self.outputs)

    @property
    def activations(self) -> tuple[str, ...]:
        """The name of f of layer 1 … L, those with weights."""
        *hidden, last = self.layers[1:]
        output = "sigmoid" if ACTIVATIONS[self.activation].can_die else self.activation
        return (
            *(layer.activation or self.activation for layer in hidden if layer.weighted),
            last.activation or self.output or (output if self.data.classes else "identity"),
        )

    @property
    def dropouts(self) -> tuple[float, ...]:
        """The probability to drop a number that leaves each layer but the last: by default, a unit but not a map."""
        defaults = (self.dropout if layer.units else 0.0 for layer in self.layers[1:-1])
        hidden = (p if e.dropout is None else e.dropout for e, p in zip(self.layers[1:-1], defaults, strict=True))
        return (self.input_dropout, *hidden)

    @property
    def strengths(self) -> dict[str, float]:
        """λ of each penalty that has one."""
        return {name: strength for name, strength in asdict(self.lmbda).items() if strength}

    @property
    def encoding(self) -> str:
        """The name of the encoding of classes."""
        two_to_one = self.data.classes == 2 and self.layers[-1].units == 1
        return self.targets or ("scalar" if two_to_one else "one_hot")

    @property
    def task(self) -> Task:
        """What the outputs mean."""
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


def choices_of(key: str) -> Mapping[str, Any]:
    """Return the dataclasses that a key may hold, by name; by "" if there is only one, and empty if there is none."""
    field = FIELDS.get(key)
    found = [m.kinds for m in field.metadata if isinstance(m, OptionsOf)] if field else []
    return found[0] if found else {}


def options_of(key: str, name: str = "") -> list[str]:
    """Return the options of a key, or of the object called `name` that it holds."""
    if key == "layers":
        return list(Layer.model_fields)
    kind = choices_of(key).get(name)
    return (["name"] if name else []) + [field.name for field in fields(kind)] if kind else []


def has_options(key: str) -> bool:
    """Whether a key may hold a mapping, whose entries can be set one by one."""
    return bool(choices_of(key)) or any(get_origin(kind) is dict for kind in get_args(FIELDS[key].annotation))


FIELDS = {field.alias or name: field for name, field in Experiment.model_fields.items()}
"""Every key of a config with its type, default and description."""

KEYS = tuple(FIELDS)
"""Every key of a config, in order; `extends` is taken out before."""
