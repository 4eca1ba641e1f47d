"""The configs and the JSON Schema that are shipped with the program. Imports nothing heavy, for completion."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

SCHEMA = "backprop.schema.json"
"""The schema that the first line of a config refers to, in the folder of the config."""


def shipped_files(pattern: str) -> list[Path]:
    """Return the shipped files that match: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).parents[1]
    folders = (package / "configs", package.parent / "configs")
    return [path for folder in folders if folder.is_dir() for path in sorted(folder.glob(pattern))]


def templates() -> dict[str, Path]:
    """Return the shipped configs that extend no other, by name."""
    shipped = (*shipped_files("*.yaml"), *shipped_files("classics/*.yaml"))
    return {path.stem: path for path in shipped if b"\nextends:" not in path.read_bytes()}


@cache
def keys_and_words() -> dict[str, list[str]]:
    """Return the keys that the command line can set, and their options as dotted keys, with the words they may hold."""
    files = shipped_files(SCHEMA)
    schema = json.loads(files[0].read_text(encoding="utf-8")) if files else {"properties": {}}
    found: dict[str, list[str]] = {}
    for key, described in schema["properties"].items():
        if key == "extends" or not key.isascii():
            continue
        found[key] = _words(described)
        for form in _forms(described):
            for option, value in form.get("properties", {}).items():
                words = found.setdefault(f"{key}.{option}", [])
                words += [word for word in _words(value) if word not in words]
    return found


def _forms(described: dict[str, Any]) -> list[dict[str, Any]]:
    return described.get("anyOf") or [described]


def _words(described: dict[str, Any]) -> list[str]:
    """Return the words that a value may be, such as the names of the activations."""
    words: list[str] = []
    for form in _forms(described):
        words += form.get("enum", [])
        words += [form["const"]] if "const" in form else []
        words += ["true", "false"] if form.get("type") == "boolean" else []
    return words
