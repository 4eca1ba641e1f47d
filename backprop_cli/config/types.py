"""The types of an experiment's keys that are more than a number, a name or an object with options."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, model_serializer
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from backprop_cli.config.options import CountOr, Examples, OneOf, OptionsOf
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.penalties import PENALTIES

MAX_LAYERS = 99

AUTO = "auto"
"""Units of the input or the output layer, as many as the data needs."""

Amount = Annotated[int | float, Examples()]
Threads = Annotated[int | str, CountOr("auto", 1, 1024)]
BatchSize = Annotated[int | str, CountOr("full", 1)]
Units = Annotated[int | str, CountOr(AUTO, 1, 100_000_000)]
Probability = Annotated[float, Field(ge=0, le=0.99)]


class Layer(BaseModel):
    """A layer with options of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    units: Units
    activation: Annotated[str | None, OneOf(ACTIVATIONS)] = None
    dropout: Probability | None = None

    @model_serializer
    def _write(self) -> int | str | dict[str, Any]:
        options = {"activation": self.activation, "dropout": self.dropout}
        given = {name: option for name, option in options.items() if option is not None}
        return {"units": self.units, **given} if given else self.units


@dataclass(frozen=True)
class Strengths:
    """λ of each penalty."""

    l1: Annotated[float, Field(ge=0)] = 0.0
    l2: Annotated[float, Field(ge=0)] = 0.0


@dataclass(frozen=True)
class KeepEpochs:
    """Epochs of which checkpoints are kept: those listed, and every so many, from 0, which is before training."""

    at: tuple[Annotated[int, Field(ge=0, lt=10**9)], ...] = ()
    every: Annotated[int, Field(ge=1, lt=10**9)] | None = None

    def __contains__(self, epoch: int) -> bool:
        return epoch in self.at or bool(self.every and epoch % self.every == 0)


def expand_lambda(value: Any, penalty: Any) -> Any:
    """Return `{penalty: value}` for a number under `lambda`, and anything else as it is."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return {penalty if isinstance(penalty, str) and penalty in PENALTIES else "l2": value} if is_number else value


_SIZE = f"([0-9]{{1,9}}|{AUTO})"


def layer_entries(value: Any) -> list[Any] | None:
    """Return layers as a new list, given as one or as 784-30-10; None for anything else."""
    if isinstance(value, str) and re.fullmatch(rf"{_SIZE}(-{_SIZE})+", value):
        return [size if size == AUTO else int(size) for size in value.split("-")]
    return list(value) if isinstance(value, list | tuple) else None


def _read_layers(value: Any) -> Any:
    """Read 784-30-10 as [784, 30, 10], and each number as {units: number}."""
    size = _SIZE
    value = layer_entries(value) or value
    if isinstance(value, str) and re.fullmatch(rf"{size}([^0-9]{{1,3}}{size}){{1,99}}", value):
        sizes = re.findall(size, value)
        raise ValueError(f"must be written {'-'.join(sizes)} or [{', '.join(sizes)}], not '{value}'")
    if not isinstance(value, list | tuple):
        return value
    if len(value) > MAX_LAYERS + 1:
        raise ValueError(f"must have at most {MAX_LAYERS + 1} entries, not {len(value)}")
    return tuple(layer if isinstance(layer, dict | Layer) else {"units": layer} for layer in value)


class _LayersSchema:
    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        entry = {
            "anyOf": [{"type": "integer", "minimum": 1}, {"const": AUTO}, Layer.model_json_schema(mode="validation")]
        }
        entries = {"type": "array", "items": entry, "minItems": 2, "maxItems": MAX_LAYERS + 1}
        return {"anyOf": [entries, {"type": "string", "pattern": "^([0-9]+|auto)(-([0-9]+|auto))+$"}]}


Layers = Annotated[tuple[Layer, ...], BeforeValidator(_read_layers), Field(min_length=2), _LayersSchema()]
KeptEpochs = Annotated[
    KeepEpochs | None,
    OptionsOf(KeepEpochs, also=("a list of epochs", {"type": "array", "items": {"type": "integer", "minimum": 0}})),
    BeforeValidator(lambda value: {"at": value} if isinstance(value, list | tuple) else value),
]
Lambda = Annotated[Strengths, OptionsOf(Strengths, also=("a number", {"type": "number", "minimum": 0}))]
