"""The content of run.json, checked once when it is read, so that whoever uses it can rely on its types."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

MAX_DEPTH = 20
"""Levels of nesting, as in a config."""


def parse_record(data: bytes) -> dict[str, Any]:
    """Return the JSON object of a run.json.

    Numbers are finite and fit into a float, text can be encoded (as a file name at least), and the known keys have the
    types that `Session.record` gives them; None counts as missing. Raises ValueError.
    """
    try:
        record = json.loads(data.decode(), parse_constant=_reject)
    except RecursionError:
        raise ValueError(f"nested more than {MAX_DEPTH} levels") from None
    if not isinstance(record, dict):
        raise ValueError("not the record of a run")
    _check_values(record, 0)
    for kind, (is_valid, keys) in _KINDS.items():
        for key in keys.split():
            if record.get(key) is not None and not is_valid(record[key]):
                raise ValueError(f"not the record of a run: '{key}' is not {kind}")
    return record


def _reject(word: str) -> None:
    raise ValueError(f"{word} is not a finite number")


def _check_values(value: Any, depth: int) -> None:
    """Raise ValueError for what JSON can express and a record cannot have."""
    if depth > MAX_DEPTH:
        raise ValueError(f"nested more than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        for key, inner in value.items():
            _check_values(key, depth)
            _check_values(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check_values(inner, depth + 1)
    elif isinstance(value, str):
        value.encode(errors="surrogateescape")  # UnicodeEncodeError is a ValueError
    elif not _is_finite(value or 0):
        raise ValueError("a number is too large")


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer that no float can hold
        return False


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_number(value) and isinstance(value, int) and value >= 0


def _is_metrics(value: Any) -> bool:
    if not isinstance(value, dict) or ("epoch" in value and not _is_count(value["epoch"])):
        return False
    return all(number is None or _is_number(number) for number in value.values())


_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "text": (lambda value: isinstance(value, str), "status phase started resumed ended reason platform"),
    "a list of words": (
        lambda value: isinstance(value, list) and all(isinstance(word, str) for word in value),
        "argv resume_argv warnings",
    ),
    "a whole number": (_is_count, "epochs pretraining seed parameters"),
    "a duration": (lambda value: _is_number(value) and value >= 0, "seconds"),
    "a set of numbers by name": (_is_metrics, "best final test diverged"),
    "an object": (lambda value: isinstance(value, dict), "experiment versions blas data cost start"),
}
"""The kinds of values, each with its check and the keys of that kind."""
