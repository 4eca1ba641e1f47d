"""Every key of a config: its type, its default and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, field_serializer, model_validator

from backprop_cli.boltzmann.costs import LIKELIHOODS
from backprop_cli.data.augment import Augment
from backprop_cli.data.dataset import Source
from backprop_cli.data.splits import Fold
from backprop_cli.data.tasks import ENCODINGS, MONITORS
from backprop_cli.density import Density
from backprop_cli.experiment.layers import Layer, Layers, Probability
from backprop_cli.experiment.options import BriefOptionsOf, OneOf, OptionsOf
from backprop_cli.experiment.types import (
    Amount,
    BatchSize,
    Corrupt,
    Frozen,
    KeptEpochs,
    Lambda,
    Pretrain,
    SparsityOptions,
    StartFrom,
    Strengths,
    Threads,
    expand_lambda,
)
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.initializers import INITIALIZERS, Initializer
from backprop_cli.objectives.costs import COSTS, Cost, Quadratic
from backprop_cli.objectives.penalties import PENALTIES
from backprop_cli.optim.averages import AVERAGES, Ema
from backprop_cli.optim.minimizers import MINIMIZERS, Minimizer
from backprop_cli.optim.optimizer import Optimizer
from backprop_cli.optim.optimizers import OPTIMIZERS, SGD
from backprop_cli.optim.schedules import SCHEDULES, Constant, Schedule
from backprop_cli.optim.stopping import EarlyStopping
from backprop_cli.sources.given import Numbers
from backprop_cli.sources.registry import DATASETS

DEPENDS: Any = None
"""The default of a key whose default depends on other keys: see `with_defaults`, which replaces it."""


INPUTS = "inputs"
"""In place of an encoding: the inputs are the targets."""


def _without_default(schema: dict[str, Any]) -> None:
    """Remove the default, which is not a value that the key can have."""
    del schema["default"]


class Keys(BaseModel):
    """The keys of a config."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    dataset: Annotated[Source, OptionsOf(DATASETS)] = Field(
        description="Data set: a name, or a name with options, `{name: moons, noise: 0.2}`."
    )
    layers: Layers = Field(
        description="Units per layer, from input to output: `[784, 30, 10]` or `784-30-10`; `auto` as the first or the "
        "last takes them from the data. A layer can have options: `{units: 100, activation: relu, dropout: 0.5, rate: "
        "0.1}`, where `rate` multiplies eta for this layer. For "
        "images: `28x28-conv20x5-max2-100-10` has 20 maps, windows of 5x5 pixels, and max-pooling."
    )
    tied: bool = Field(
        False,
        description="The layers of the second half have the weights of the first half, transposed: `784-100-784` has "
        "W1 only.",
    )
    activation: Annotated[str, OneOf(ACTIVATIONS)] = Field(
        "sigmoid", description="Activation function of all layers (the output layer can be set with `output`)."
    )
    output: Annotated[str | None, OneOf(ACTIVATIONS)] = Field(
        None,
        description="Activation function of the output layer. Default: `identity` for regression; for classification "
        "`activation`, or `sigmoid` if that is `relu`, whose outputs can die; `sigmoid` to reconstruct pixels.",
    )
    targets: Annotated[str | None, OneOf((*ENCODINGS, INPUTS))] = Field(
        None,
        description="Encoding of classes. Default: `one_hot`, or `scalar` for two classes and one output. `inputs` "
        "trains an autoencoder, whose outputs are to be its inputs.",
    )
    cost: Annotated[Cost, OptionsOf({**COSTS, **LIKELIHOODS})] = Field(
        Quadratic(),
        description="Cost (loss) function: a name, or a name with options, `{name: cross_entropy, smoothing: 0.1}`. "
        "With `cd` and `pcd`, `layers: 784-500` is a restricted Boltzmann machine.",
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
    corrupt: Corrupt = Field(
        None,
        description="Noise on the inputs of training, not on the targets of an autoencoder: the share of inputs that "
        "become 0, drawn anew in each epoch; or `{name: gaussian, sigma: 0.5}`, `{name: salt, share: 0.1}`.",
    )
    sparsity: Annotated[SparsityOptions | None, OptionsOf(SparsityOptions)] = Field(
        None,
        description="Sparse activities of a layer, by default of the narrowest hidden one: `{target: 0.1, beta: 3}` is "
        "β Σ KL(target ‖ mean activity), the mean being over the batch; `{l1: 0.0001}` is λ Σ abs(a) of each example.",
    )
    average: Annotated[Ema | None, OptionsOf(AVERAGES)] = Field(
        None,
        description="`ema`: evaluate an exponential moving average of the parameters, `{name: ema, decay: 0.999}`.",
    )
    monitor: Annotated[str | None, OneOf((*MONITORS, *Density.metric_names))] = Field(
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
    initializer: Annotated[Initializer, BriefOptionsOf(INITIALIZERS)] = Field(
        DEPENDS,
        json_schema_extra=_without_default,
        description="Initialization: a name, or a name with options, `{name: normal, sigma: 0.01, bias: 0}`; `scaled` "
        "draws weights from N(0, 1/n_in) and biases from N(0, 1). Default: `scaled`, or `he` if the first layer is "
        "`relu` or `leaky_relu`.",
    )
    initial: dict[str, Numbers] | None = Field(
        None,
        description="Initial values of some or all parameters, `{W1: [[1, 2], [3, 4]], b1: [0, 0]}`; the others are "
        "drawn by `initializer`.",
    )
    start: StartFrom = Field(
        None,
        description="Start from the parameters of another run, `ae-001`, or of a checkpoint file: as many layers from "
        "the input on as have the same shapes, or so many, `{run: ae-001, layers: 2}`. `last` is the latest run.",
    )
    pretrain: Pretrain = Field(
        None,
        description="Train the hidden layers one after another before all layers together, each as an `autoencoder` or "
        "an `rbm`: a name, or a name with keys of a config for it, `{name: rbm, epochs: 10, eta: 0.1}`; a list has a "
        "value for each layer.",
    )
    freeze: Frozen = Field(
        None,
        description="Layers that keep their parameters, counted as W1, W2, …: the first ones, `2`, those listed, "
        "`[1, 3]`, or for some epochs, `{layers: 2, epochs: 5}`.",
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
        "auto", description="Number of threads; `auto` uses one for small layers and all cores for large ones."
    )

    @property
    def strengths(self) -> dict[str, float]:
        """λ of each penalty that has one."""
        return {name: strength for name, strength in asdict(self.lmbda).items() if strength}

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


FIELDS = {field.alias or name: field for name, field in Keys.model_fields.items()}
"""Every key of a config with its type, default and description."""

KEYS = tuple(FIELDS)
"""Every key of a config, in order; `extends` is taken out before."""
