"""The types of an experiment's keys that are more than a number, a name or an object with options."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from backprop_cli.experiment.options import CountOr, Examples, OptionsOf
from backprop_cli.frozen import frozen
from backprop_cli.nn.corruption import CORRUPTIONS, Corruption
from backprop_cli.objectives.penalties import PENALTIES
from backprop_cli.optim.rates import Freeze

Amount = Annotated[int | float, Examples()]
Threads = Annotated[int | str, CountOr("auto", 1, 1024)]
BatchSize = Annotated[int | str, CountOr("full", 1)]


@frozen
class Strengths:
    """λ of each penalty."""

    l1: Annotated[float, Field(ge=0)] = 0.0
    l2: Annotated[float, Field(ge=0)] = 0.0


@frozen
class KeepEpochs:
    """Epochs of which checkpoints are kept: those listed, and every so many, from 0, which is before training."""

    at: tuple[Annotated[int, Field(ge=0, lt=10**9)], ...] = ()
    every: Annotated[int, Field(ge=1, lt=10**9)] | None = None

    def __contains__(self, epoch: int) -> bool:
        return epoch in self.at or bool(self.every and epoch % self.every == 0)


@frozen
class SparsityOptions:
    """A target for the mean activity of each unit, with its weight β, or λ of Σ |a|; and the layer, from 1."""

    target: Annotated[float, Field(gt=0, lt=1)] | None = None
    beta: Annotated[float, Field(gt=0)] = 3.0
    l1: Annotated[float, Field(gt=0)] | None = None
    layer: Annotated[int, Field(ge=1)] | None = None


def expand_lambda(value: Any, penalty: Any) -> Any:
    """Return `{penalty: value}` for a number under `lambda`, and anything else as it is."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return {penalty if isinstance(penalty, str) and penalty in PENALTIES else "l2": value} if is_number else value


@frozen
class Start:
    """Another run, or a checkpoint file, whose parameters are those of the first `layers` layers before training."""

    run: Annotated[str, Field(min_length=1)]
    layers: Annotated[int, Field(ge=1)] | None = None


def _frozen(value: Any) -> Any:
    """Return a number of layers, or a list, as the mapping that it stands for; a number under `layers` likewise."""
    if isinstance(value, dict):
        return {**value, **({"layers": _first(value["layers"])} if "layers" in value else {})}
    layers = _first(value)
    return {"layers": layers} if isinstance(layers, list | tuple) else value


def _first(layers: Any) -> Any:
    """Return the numbers of the first layers, given how many; anything else as it is."""
    is_count = isinstance(layers, int) and not isinstance(layers, bool) and 1 <= layers <= 1000
    return list(range(1, layers + 1)) if is_count else layers


_LAYERS = {"type": "array", "items": {"type": "integer", "minimum": 1}}

Frozen = Annotated[
    Freeze | None,
    OptionsOf(Freeze, also=("a number or a list of layers", {"anyOf": [{"type": "integer", "minimum": 1}, _LAYERS]})),
    BeforeValidator(_frozen),
]
StartFrom = Annotated[
    Start | None,
    OptionsOf(Start, also=("a run", {"type": "string"})),
    BeforeValidator(lambda value: {"run": value} if isinstance(value, str) else value),
]
_METHODS = {"enum": ["autoencoder", "rbm"], "type": "string"}
_PHASES = {"type": "object", "properties": {"name": _METHODS}, "required": ["name"]}

Pretrain = Annotated[
    dict[str, Any] | None,
    BeforeValidator(lambda value: {"name": value} if isinstance(value, str) else value),
    WithJsonSchema({"anyOf": [_METHODS, _PHASES, {"type": "null"}]}),
]
KeptEpochs = Annotated[
    KeepEpochs | None,
    OptionsOf(KeepEpochs, also=("a list of epochs", {"type": "array", "items": {"type": "integer", "minimum": 0}})),
    BeforeValidator(lambda value: {"at": value} if isinstance(value, list | tuple) else value),
]
Corrupt = Annotated[
    Corruption | None,
    OptionsOf(CORRUPTIONS, also=("a share", {"type": "number", "minimum": 0, "exclusiveMaximum": 1})),
    BeforeValidator(lambda value: {"name": "masking", "share": value} if type(value) in (int, float) else value),
]
Lambda = Annotated[Strengths, OptionsOf(Strengths, also=("a number", {"type": "number", "minimum": 0}))]
