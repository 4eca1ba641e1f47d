"""Older formats of checkpoints, converted to the current one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from backprop_cli.nn.arrays import Array
from backprop_cli.optim.minimizers import MINIMIZERS
from backprop_cli.optim.optimizers import OPTIMIZERS
from backprop_cli.training.state import TrainingStatus

Content = dict[str, Any]


def upgrade(content: Mapping[str, Any], arrays: Mapping[str, Array]) -> tuple[Content, dict[str, Array]]:
    """Return meta and arrays of a checkpoint of format 1 as format 2 has them. Raises KeyError, TypeError, ValueError.

    Format 1 had the numbers of the status side by side with the rest, and optimizers kept sums in place of means.
    """
    old = dict(content)
    names = {"best": "best_value"}
    status = {
        field.name: old.pop(names.get(field.name, field.name))
        for field in fields(TrainingStatus)
        if names.get(field.name, field.name) in old
    }
    options = old["experiment"].get("optimizer", "sgd")
    options = {"name": options} if isinstance(options, str) else dict(options)
    rule: Any = {**OPTIMIZERS, **MINIMIZERS}[options.pop("name")]
    optimizer = rule(**{getattr(rule, "aliases", {}).get(key, key): value for key, value in options.items()})
    new = dict(arrays)
    for name, array in arrays.items():
        if name in ("optimizer.m_sum", "optimizer.v_sum"):
            moment = name.removesuffix("_sum")
            decay = optimizer.beta1 if moment.endswith(".m") else getattr(optimizer, "beta2", None) or optimizer.rho
            new[moment] = np.asarray((1 - decay) * new.pop(name), array.dtype)
        elif name == "optimizer.mu_v":
            v = new.pop(name)
            new["optimizer.v"] = v / v.dtype.type(optimizer.mu) if optimizer.mu else v
        elif name == "optimizer.promise":
            new["optimizer.decrease"] = new.pop(name)
        elif name in ("optimizer.t", "average.t"):
            new[name] = np.asarray(array, np.float64)
    return {**old, "format": 2, "status": status}, new
