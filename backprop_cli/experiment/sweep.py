"""The key `sweep` of a config: which values the runs of a sweep take, and how they are chosen."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from backprop_cli.experiment.options import OneOf

SAMPLERS = ("grid", "random", "sobol", "tpe")
PRUNERS = ("none", "median", "asha", "hyperband")
_KEEP = {"anyOf": [{"const": "all"}, {"type": "string", "pattern": "^best [1-9][0-9]*$"}]}


_STACK = {"anyOf": [{"enum": ["auto", "none"]}, {"type": "integer", "minimum": 1, "maximum": 1000}]}


def _check_stack(value: Any) -> Any:
    if value not in ("auto", "none") and not (type(value) is int and 1 <= value <= 1000):
        raise ValueError(f"must be auto, none or a number of runs from 1 to 1000, not {value!r}")
    return value


def _check_keep(text: str) -> str:
    if not re.fullmatch("all|best [1-9][0-9]{0,8}", text):
        raise ValueError(f"must be 'all', or a number of runs such as 'best 20', not '{text}'")
    return text


class SweepOptions(BaseModel):
    """The options of a sweep."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    over: dict[str, Any] = Field(
        {},
        description="Keys and the values they take, `{eta: '0.01..3:log', dropout: [0, 0.5], layers.1: 10..30}`.",
    )
    sampler: Annotated[str | None, OneOf(SAMPLERS)] = Field(
        None,
        description="How settings are chosen: every combination (`grid`), at random, evenly (`sobol`), or near the "
        "best so far (`tpe`). Default: `grid` if all values are listed and `trials` is not given, else `sobol`.",
    )
    trials: Annotated[int, Field(ge=1, le=10_000_000)] | None = Field(
        None, description="Number of settings, over all sessions. Default: all of a grid."
    )
    seeds: Annotated[int, Field(ge=1, le=10_000)] = Field(
        1, description="Runs of each setting, with consecutive seeds; settings are compared by their mean."
    )
    prune: Annotated[str, OneOf(PRUNERS)] = Field(
        "none", description="Rule by which runs that are worse than others are stopped early."
    )
    keep: Annotated[str, AfterValidator(_check_keep), WithJsonSchema(_KEEP)] = Field(
        "all",
        description="Settings whose folders are kept: `all`, or `best 20`; all results stay in trials.jsonl. Above "
        "10,000 runs it must be given.",
    )
    stack: Annotated[int | str, BeforeValidator(_check_stack), WithJsonSchema(_STACK)] = Field(
        "auto",
        description="Runs that are trained as one computation, which changes no bit of them: `none`, a number, or "
        "`auto`, up to 8 where layers and batches are small.",
    )
    ask: Annotated[int, Field(ge=1, le=10_000)] = Field(
        8, description="Settings that `tpe` or `prune` choose at a time, before results are known."
    )
