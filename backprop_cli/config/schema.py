"""The experiment: every key of a config, its type, its default and what it means."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from backprop_cli.config.options import OneOf, OptionsOf
from backprop_cli.data.catalogue import DATASETS
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.costs import COSTS
from backprop_cli.nn.initializers import INITIALIZERS
from backprop_cli.nn.penalties import PENALTIES
from backprop_cli.optim.optimizers import OPTIMIZERS, SGD, Optimizer

MAX_LAYERS = 99

SPELLINGS = {"η": "eta", "λ": "lambda"}
"""Other spellings of keys."""


def _sizes(value: Any) -> Any:
    """Read 784-30-10 as [784, 30, 10]."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}(-[0-9]{1,9})+", value):
        return tuple(int(size) for size in value.split("-"))
    if isinstance(value, list) and len(value) > MAX_LAYERS + 1:
        raise ValueError(f"must have at most {MAX_LAYERS + 1} entries, not {len(value)}")
    return tuple(value) if isinstance(value, list) else value


def _amount(value: Any) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if not whole and not (isinstance(value, float) and 0 < value < 1):
        raise ValueError(f"must be a number of examples, or a fraction between 0 and 1, not {value!r}")
    return value


def _threads(value: Any) -> Any:
    if value != "auto" and not (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1024):
        raise ValueError(f"must be 'auto' or a number of threads from 1 to 1024, not {value!r}")
    return value


Units = Annotated[int, Field(ge=1, le=100_000_000)]
Amount = Annotated[
    int | float,
    BeforeValidator(_amount),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            ]
        }
    ),
]
Threads = Annotated[
    int | str,
    BeforeValidator(_threads),
    WithJsonSchema({"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": 1024}]}),
]
Layers = Annotated[
    tuple[Units, ...],
    BeforeValidator(_sizes),
    Field(min_length=2),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "array",
                    "items": {"type": "integer", "minimum": 1},
                    "minItems": 2,
                    "maxItems": MAX_LAYERS + 1,
                },
                {"type": "string", "pattern": "^[0-9]+(-[0-9]+)+$"},
            ]
        }
    ),
]


class Experiment(BaseModel):
    """One experiment, as a config describes it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    dataset: Annotated[str, OneOf(DATASETS)] = Field(description="The data set.")
    layers: Layers = Field(
        description="Units per layer, from the inputs to the outputs: `[784, 30, 10]` or `784-30-10`."
    )
    activation: Annotated[str, OneOf(ACTIVATIONS)] = Field(
        "sigmoid", description="f of every layer, but for the output layer where `output` is given."
    )
    output: Annotated[str, OneOf(ACTIVATIONS)] | None = Field(
        None, description="f of the output layer; the same as `activation` if not given."
    )
    cost: Annotated[str, OneOf(COSTS)] = Field("quadratic", description="What the output is judged by.")
    eta: Annotated[float, Field(gt=0)] = Field(3.0, description="Learning rate; `η` is the same key.")
    batch_size: Annotated[int, Field(ge=1)] = Field(10, description="Examples per step (mini-batch).")
    epochs: Annotated[int, Field(ge=1)] = Field(30, description="Passes over the training examples.")
    lmbda: Annotated[float, Field(ge=0)] = Field(
        0.0, alias="lambda", description="Strength of the penalty on the weights; `λ` is the same key."
    )
    penalty: Annotated[str, OneOf(PENALTIES)] = Field("l2", description="λ/2n Σw² (`l2`) or λ/n Σ abs(w) (`l1`).")
    optimizer: Annotated[Optimizer, OptionsOf(OPTIMIZERS)] = Field(
        SGD(), description="The update rule: a name, or `{name: momentum, mu: 0.9}`."
    )
    initializer: Annotated[str, OneOf(INITIALIZERS)] = Field(
        "scaled", description="How weights and biases start; `scaled` is N(0, 1/n_in), biases N(0, 1)."
    )
    validation: Amount | None = Field(
        None, description="Examples kept from training to choose by: the last so many, or a fraction."
    )
    train_size: Amount | None = Field(
        None, description="Train on the first so many examples, or on a fraction; all if not given."
    )
    dtype: Annotated[str, OneOf(("float32", "float64"))] = Field("float32", description="Precision of training.")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(0, description="Where all randomness comes from.")
    threads: Threads = Field(
        "auto", description="BLAS threads; `auto` takes one for small layers and all cores for large ones."
    )

    def to_dict(self) -> dict[str, Any]:
        """Return the experiment as a config would write it, in the order of the keys."""
        return self.model_dump(mode="json", by_alias=True)


KEYS = tuple(f.alias or name for name, f in Experiment.model_fields.items())
"""Every key of a config, in order; `extends` is taken out before."""


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a config file; `extends` belongs to files, not to the experiment."""
    schema = Experiment.model_json_schema(by_alias=True)
    extends = {"type": "string", "description": "A config that this one starts from."}
    spellings = {symbol: schema["properties"][key] for symbol, key in SPELLINGS.items()}
    properties = {"extends": extends, **schema["properties"], **spellings}
    required = {"anyOf": [{"required": ["extends"]}, {"required": schema.pop("required")}]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "backprop experiment",
        "properties": properties,
        **required,
    }


def schema_text() -> str:
    """Return the JSON Schema as a file holds it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
