"""Messages about invalid values: pydantic's errors in the terms of a config."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


def key_of(path: Path) -> str:
    """Return a path in the notation of a config: `optimizer.mu`, `layers[1]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def message(path: Path, error: Any, known_keys: Sequence[str]) -> str:
    """Return what is wrong at path, given one of pydantic's errors and the keys that are valid there."""
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    key = key_of(path)
    if kind == "missing":
        return f"{key} is missing" if path[1:] else f"key '{key}' is missing"
    if kind == "extra_forbidden":
        guess = _guess(str(path[-1]), known_keys) or (f"; known here: {', '.join(known_keys)}" if path[1:] else "")
        return f"unknown key '{path[-1]}'{guess}"
    if kind in ("unknown_name", "literal_error"):
        known = context["known"] if "known" in context else _words_of(context["expected"])
        name = context.get("name", value)
        return f"{key}: unknown name {_show(name)}{_guess(str(name), known)} (known: {', '.join(known)})"
    if kind == "nameless":
        return f"{key}: {error['msg']}"
    if kind == "form":
        return f"{key} {error['msg']}, not {_show(value)}"
    if kind == "value_error":
        return f"{key} {context['error']}"
    template = _MESSAGES.get(kind)
    if template is None:
        return f"{key}: {error['msg']}"
    return f"{key} {template.format(input=_show(value), **context)}"


def _words_of(expected: str) -> list[str]:
    """Return the words in pydantic's "'accuracy' or 'cost'"."""
    return [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]


def _guess(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word.lower(), list(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def _show(value: Any) -> str:
    """Return a value as YAML would write it, shortened."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict | list | tuple):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
