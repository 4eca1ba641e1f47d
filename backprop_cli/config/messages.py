"""What is wrong with a value, in a sentence: pydantic's findings in the words of a config."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from backprop_cli.config.reader import Path

_SENTENCES = {
    "int_type": "must be a whole number, not {input}",
    "int_from_float": "must be a whole number, not {input}",
    "float_type": "must be a number, not {input}",
    "string_type": "must be a word, not {input}",
    "bool_type": "must be true or false, not {input}",
    "tuple_type": "must be a list such as [784, 30, 10], or 784-30-10, not {input}",
    "model_type": "must be a name or a mapping, not {input}",
    "model_attributes_type": "must be a name or a mapping, not {input}",
    "union_tag_not_found": "lacks its 'name'",
    "greater_than": "must be greater than {gt:g}, not {input}",
    "greater_than_equal": "must be at least {ge:g}, not {input}",
    "less_than": "must be less than {lt:g}, not {input}",
    "less_than_equal": "must be at most {le:g}, not {input}",
    "too_short": "must have at least {min_length} entries, not {actual_length}",
    "too_long": "must have at most {max_length} entries, not {actual_length}",
}


def key_of(path: Path) -> str:
    """Return a path as a config's reader would write it: `optimizer.mu`, `layers[1]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def sentence(path: Path, error: Any, known_keys: Sequence[str]) -> str:
    """Return what is wrong at path, given one of pydantic's errors and the keys that may stand there."""
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "missing":
        return f"key '{path[-1]}' is missing"
    if kind == "extra_forbidden":
        guess = _guess(str(path[-1]), known_keys) or (f"; known here: {', '.join(known_keys)}" if path[1:] else "")
        return f"unknown key '{path[-1]}'{guess}"
    if kind in ("literal_error", "union_tag_invalid"):
        expected = str(context.get("expected", context.get("expected_tags"))).replace(" or ", ", ")
        choices = [choice.strip().strip("'") for choice in expected.split(",")]
        word = value.get("name", value) if isinstance(value, dict) else value
        return f"{key_of(path)}: unknown name {_show(word)}{_guess(str(word), choices)} (known: {', '.join(choices)})"
    if kind == "value_error":
        return f"{key_of(path)} {context['error']}"
    template = _SENTENCES.get(kind)
    if template is None:
        return f"{key_of(path)}: {error['msg']}"
    return f"{key_of(path)} {template.format(input=_show(value), **context)}"


def _guess(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word.lower(), list(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def _show(value: Any) -> str:
    """Return a value as YAML would write it, or as much of it as a reader needs."""
    words = {None: "nothing", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return words[value]
    if isinstance(value, dict | list | tuple):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
