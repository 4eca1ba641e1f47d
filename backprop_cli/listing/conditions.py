"""Conditions on runs, such as `eta=0.5` or `val_accuracy>0.9`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import Any

from backprop_cli.errors import UsageError
from backprop_cli.frozen import frozen
from backprop_cli.listing.columns import ALIASES, FIXED, require_known
from backprop_cli.listing.settings import config_keys, flatten
from backprop_cli.listing.summary import RunSummary

_CONDITION = re.compile(r"([^=!<>]+)(!=|<=|>=|==?|<|>)(?![=<>])(.*)", re.DOTALL)
_PERCENT = re.compile(r"([0-9.]+)%")


def _equal(actual: Any, wanted: Any) -> bool:
    """Whether two values are the same; 1 is 1.0, but not true."""
    return bool(actual == wanted) and isinstance(actual, bool) == isinstance(wanted, bool)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Return the comparison of two numbers, or two texts such as dates; anything else is not ordered."""

    def holds(actual: Any, wanted: Any) -> bool:
        numbers = isinstance(actual, int | float) and isinstance(wanted, int | float)
        return (numbers or (isinstance(actual, str) and isinstance(wanted, str))) and compare(actual, wanted)

    return holds


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": _equal,
    "==": _equal,
    "!=": lambda actual, wanted: not _equal(actual, wanted),
    "<": _ordered(operator.lt),
    "<=": _ordered(operator.le),
    ">": _ordered(operator.gt),
    ">=": _ordered(operator.ge),
}


@frozen
class Condition:
    """A comparison with the value of a config key or, if no config has it, of a column such as val_accuracy."""

    key: str
    compare: Callable[[Any, Any], bool]
    value: Any

    def holds(self, run: RunSummary) -> bool:
        """Whether a run meets the condition; None is equal to a missing key."""
        parts = flatten({self.key: self.value})
        return all(self.compare(run.config.get(key, run.value(key)), wanted) for key, wanted in parts.items())


def where(runs: Sequence[RunSummary], conditions: Sequence[str]) -> list[RunSummary]:
    """Return the runs that meet all conditions: a config key or a column, one of the OPERATORS, and a value.

    Raises UsageError for a condition that cannot be read, or whose key no run has.
    """
    parsed = [_condition(text, runs) for text in conditions]
    return [run for run in runs if all(condition.holds(run) for condition in parsed)]


def _condition(text: str, runs: Sequence[RunSummary]) -> Condition:
    from backprop_cli.config.reader import ALIASES as KEY_ALIASES
    from backprop_cli.config.reader import read_text

    if not (parts := _CONDITION.fullmatch(text)):
        raise UsageError(f"--where {text}: expected KEY=VALUE, such as eta=0.5, or in quotes 'val_accuracy>0.9'")
    name, sign, value = (part.strip() for part in parts.groups())
    key = ".".join(KEY_ALIASES.get(part, part) for part in name.split(".")).removesuffix(".name")
    key = ALIASES.get(key, key)
    known = (*FIXED, *config_keys(run.config for run in runs))
    if runs and not any(other.startswith(f"{key}.") for other in known):
        require_known(key, known, f"--where {text}: no run has a key")
    if percent := _PERCENT.fullmatch(value):
        value = str(float(percent[1]) / 100)
    document = read_text(value, name, f"--where {text}")
    if document.problems:
        raise UsageError("\n".join(document.problems))
    return Condition(key, OPERATORS[sign], document.values)
