"""The types of an experiment's keys that are more than a number, a name or an object with options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from backprop_cli.experiment.options import CountOr, Examples, OptionsOf
from backprop_cli.nn.corruption import CORRUPTIONS, Corruption
from backprop_cli.nn.penalties import PENALTIES

Amount = Annotated[int | float, Examples()]
Threads = Annotated[int | str, CountOr("auto", 1, 1024)]
BatchSize = Annotated[int | str, CountOr("full", 1)]


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


@dataclass(frozen=True)
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
