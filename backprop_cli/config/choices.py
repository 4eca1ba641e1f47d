"""The words that a key of a config may hold, read from the JSON Schema. Imports nothing heavy, for completion."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def alternatives_of(key: str, schema: Schema) -> list[Schema]:
    """Return the JSON Schema of each alternative that a key may hold, references resolved; [] for an unknown key."""
    described = schema["properties"].get(key)
    return [] if described is None else [_resolved(choice, schema) for choice in _members(described)]


def words_of_options(key: str, schema: Schema) -> dict[str, list[str]]:
    """Return the options of a key, such as `mu` of `optimizer`, with the words that each may hold."""
    options: dict[str, list[str]] = {}
    for choice in alternatives_of(key, schema):
        for option, value in choice.get("properties", {}).items():
            options[option] = list(dict.fromkeys([*options.get(option, ()), *words_of(_members(value))]))
    return options


def words_of(choices: list[Schema]) -> list[str]:
    """Return the words among the alternatives, such as the names of the activations."""
    words: list[str] = []
    for choice in choices:
        words += choice.get("enum", [])
        words += [choice["const"]] if "const" in choice else []
        words += ["true", "false"] if choice.get("type") == "boolean" else []
    return words


def _members(described: Schema) -> list[Schema]:
    return described.get("anyOf") or described.get("oneOf") or [described]


def _resolved(choice: Schema, schema: Schema) -> Schema:
    return schema["$defs"][choice["$ref"].rpartition("/")[2]] if "$ref" in choice else choice
