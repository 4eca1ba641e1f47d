"""Messages about invalid values: pydantic's errors in the terms of a config."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from backprop_cli.config.reader import Path

_MESSAGES = {
    "int_type": "must be an integer, not {input}",
    "int_from_float": "must be an integer, not {input}",
    "float_type": "must be a number, not {input}",
    "bool_type": "must be true or false, not {input}",
    "dict_type": "must be a mapping, not {input}",
    "tuple_type": "must be a list such as [784, 30, 10], or 784-30-10, not {input}",
    "greater_than": "must be greater than {gt:g}, not {input}",
    "greater_than_equal": "must be at least {ge:g}, not {input}",
    "less_than": "must be less than {lt:g}, not {input}",
    "less_than_equal": "must be at most {le:g}, not {input}",
    "too_short": "must have at least {min_length} entries, not {actual_length}",
    "too_long": "must have at most {max_length} entries, not {actual_length}",
    "form": "{problem}, not {input}",
    "value_error": "{error}",
}
"""By pydantic's type of error, what follows the key."""

_KEYS_ELSEWHERE = {
    "eta": "lr learning_rate alpha",
    "cost": "loss criterion",
    "layers": "hidden hidden_layers hidden_layer_sizes sizes",
    "dataset": "data",
    "batch_size": "batch mini_batch_size",
    "epochs": "max_iter",
    "optimizer: {name: momentum, mu: 0.9}": "momentum",
    "lambda": "weight_decay regularization",
    "lambda: {l1: …}": "l1",
    "lambda: {l2: …}": "l2",
    "early_stopping: {patience: 10}": "patience",
    "schedule": "scheduler",
    "initializer": "init",
    "seed": "random_state",
    "dtype": "precision",
}
"""What to write here for the keys of other tools."""

_NAMES_ELSEWHERE = {
    "quadratic": "mse l2",
    "absolute": "mae",
    "cross_entropy": "ce bce log_loss",
    "sigmoid": "logistic",
    "identity": "linear",
    "silu": "swish",
    "threshold": "heaviside",
    "winner": "argmax",
    "sgd": "gd",
    "he": "kaiming",
    "xavier": "glorot",
    "scaled": "lecun_normal",
}
"""Our names for those of other tools; one is suggested only where it is valid."""


def key_of(path: Path) -> str:
    """Return a path in the notation of a config: `optimizer.mu`, `layers[1]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def message(path: Path, error: Any, known_keys: Sequence[str], owners: Sequence[str] = ()) -> str:
    """Return what is wrong at path, given one of pydantic's errors and the keys that are valid there.

    `owners` are the names that have an option which is unknown here.
    """
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    key = key_of(path)
    if kind == "missing":
        return f"{key} is missing" if path[1:] else f"key '{key}' is missing"
    if kind == "extra_forbidden":
        guess = _guess(str(path[-1]), known_keys, {} if path[1:] else _KEYS_ELSEWHERE)
        if not guess and path[1:]:
            guess = f"; it is an option of {', '.join(owners)}" if owners else f"; known here: {', '.join(known_keys)}"
        return f"unknown key '{path[-1]}'{guess}"
    if kind in ("unknown_name", "literal_error"):
        known = context["known"] if "known" in context else re.findall(r"'(\w+)'", context["expected"])
        name = context.get("name", value)
        elsewhere = {ours: theirs for ours, theirs in _NAMES_ELSEWHERE.items() if ours in known}
        guess = _guess(str(name), known, elsewhere)
        return f"{key}: unknown name {show(name)}{guess} (known: {', '.join(known)})"
    if kind in _MESSAGES:
        return f"{key} {_MESSAGES[kind].format(input=show(value), problem=error['msg'], **context)}"
    return f"{key}: {error['msg']}"


def _guess(word: str, known: Iterable[str], elsewhere: Mapping[str, str]) -> str:
    for ours, theirs in elsewhere.items():
        if word.lower() in theirs.split():
            return f"; use '{ours}'"
    close = get_close_matches(word.lower(), list(known), n=1, cutoff=0.65)
    return f"; did you mean '{close[0]}'?" if close else ""


def show(value: Any) -> str:
    """Return a value as YAML would write it, shortened."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict | list | tuple):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
