"""The types of an experiment's keys that are more than a number or a word."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_serializer,
)

from backprop_cli.config.options import OneOf
from backprop_cli.nn.activations import ACTIVATIONS

MAX_LAYERS = 99


def _layers(value: Any) -> Any:
    """Read 784-30-10 as [784, 30, 10], and each number as {units: number}."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}(-[0-9]{1,9})+", value):
        value = [int(size) for size in value.split("-")]
    if not isinstance(value, list | tuple):
        return value
    if len(value) > MAX_LAYERS + 1:
        raise ValueError(f"must have at most {MAX_LAYERS + 1} entries, not {len(value)}")
    return tuple(layer if isinstance(layer, dict | Layer) else {"units": layer} for layer in value)


def _amount(value: Any) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if not whole and not (isinstance(value, float) and 0 < value < 1):
        raise ValueError(f"must be a number of examples, or a fraction between 0 and 1, not {value!r}")
    return value


def _threads(value: Any) -> Any:
    if value != "auto" and not (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1024):
        raise ValueError(f"must be 'auto' or a number of threads from 1 to 1024, not {value!r}")
    return value


def _batch_size(value: Any) -> Any:
    if value != "full" and not (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        raise ValueError(f"must be 'full' or a whole number of at least 1, not {value!r}")
    return value


Units = Annotated[int, Field(ge=1, le=100_000_000)]
Probability = Annotated[float, Field(ge=0, le=0.99)]


class Layer(BaseModel):
    """A layer that says more than its number of units."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    units: Units
    activation: Annotated[str, OneOf(ACTIVATIONS)] | None = None
    dropout: Probability | None = None

    @model_serializer
    def _write(self) -> int | dict[str, Any]:
        options = {"activation": self.activation, "dropout": self.dropout}
        said = {name: option for name, option in options.items() if option is not None}
        return {"units": self.units, **said} if said else self.units


class Strengths(BaseModel):
    """λ of each penalty."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    l1: Annotated[float, Field(ge=0)] = 0.0
    l2: Annotated[float, Field(ge=0)] = 0.0


Lambda = Annotated[
    Annotated[float, Field(ge=0), Tag("number")] | Annotated[Strengths, Tag("mapping")],
    Discriminator(lambda value: "mapping" if isinstance(value, dict | Strengths) else "number"),
]
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
BatchSize = Annotated[
    int | str,
    BeforeValidator(_batch_size),
    WithJsonSchema({"anyOf": [{"const": "full"}, {"type": "integer", "minimum": 1}]}),
]
Layers = Annotated[
    tuple[Layer, ...],
    BeforeValidator(_layers),
    Field(min_length=2),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "array",
                    "items": {"anyOf": [{"type": "integer", "minimum": 1}, Layer.model_json_schema(mode="validation")]},
                    "minItems": 2,
                    "maxItems": MAX_LAYERS + 1,
                },
                {"type": "string", "pattern": "^[0-9]+(-[0-9]+)+$"},
            ]
        }
    ),
]
