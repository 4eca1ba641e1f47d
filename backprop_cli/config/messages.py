"""Messages about invalid values: pydantic's errors in the terms of a config."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from backprop_cli.config.reader import Path

_MESSAGES = {
    "int_type": "must be an integer, not {input}",
    "int_from_float": "must be an integer, not {input}",
    "float_type": "must be a number, not {input}",
    "bool_type": "must be true or false, not {input}",
    "tuple_type": "must be a list such as [784, 30, 10], or 784-30-10, not {input}",
    "greater_than": "must be greater than {gt:g}, not {input}",
    "greater_than_equal": "must be at least {ge:g}, not {input}",
    "less_than": "must be less than {lt:g}, not {input}",
    "less_than_equal": "must be at most {le:g}, not {input}",
    "too_short": "must have at least {min_length} entries, not {actual_length}",
    "too_long": "must have at most {max_length} entries, not {actual_length}",
}

_KEYS_ELSEWHERE = {
    "lr": "eta",
    "learning_rate": "eta",
    "alpha": "eta",
    "loss": "cost",
    "criterion": "cost",
    "hidden": "layers",
    "hidden_layers": "layers",
    "hidden_layer_sizes": "layers",
    "sizes": "layers",
    "data": "dataset",
    "batch": "batch_size",
    "mini_batch_size": "batch_size",
    "max_iter": "epochs",
    "momentum": "optimizer: {name: momentum, mu: 0.9}",
    "weight_decay": "lambda",
    "regularization": "lambda",
    "l1": "lambda: {l1: …}",
    "l2": "lambda: {l2: …}",
    "patience": "early_stopping: {patience: 10}",
    "scheduler": "schedule",
    "init": "initializer",
    "random_state": "seed",
    "precision": "dtype",
}
_NAMES_ELSEWHERE = {
    "mse": "quadratic",
    "l2": "quadratic",
    "mae": "absolute",
    "ce": "cross_entropy",
    "bce": "cross_entropy",
    "log_loss": "cross_entropy",
    "logistic": "sigmoid",
    "linear": "identity",
    "swish": "silu",
    "heaviside": "threshold",
    "argmax": "winner",
    "gd": "sgd",
    "kaiming": "he",
    "glorot": "xavier",
    "lecun_normal": "scaled",
}
"""Words of other tools; a name is only suggested where it is valid."""


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
            known_here = f"; known here: {', '.join(known_keys)}"
            guess = f"; it is an option of {', '.join(owners)}" if owners else known_here
        return f"unknown key '{path[-1]}'{guess}"
    if kind in ("unknown_name", "literal_error"):
        known = context["known"] if "known" in context else _words_of(context["expected"])
        name = context.get("name", value)
        elsewhere = {word: ours for word, ours in _NAMES_ELSEWHERE.items() if ours in known}
        guess = _guess(str(name), known, elsewhere)
        return f"{key}: unknown name {show(name)}{guess} (known: {', '.join(known)})"
    if kind == "nameless":
        return f"{key}: {error['msg']}"
    if kind == "form":
        return f"{key} {error['msg']}, not {show(value)}"
    if kind == "value_error":
        return f"{key} {context['error']}"
    template = _MESSAGES.get(kind)
    if template is None:
        return f"{key}: {error['msg']}"
    return f"{key} {template.format(input=show(value), **context)}"


def _words_of(expected: str) -> list[str]:
    """Return the words in pydantic's "'accuracy' or 'cost'"."""
    return [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]


def _guess(word: str, known: Iterable[str], elsewhere: Mapping[str, str]) -> str:
    if word.lower() in elsewhere:
        return f"; use '{elsewhere[word.lower()]}'"
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
