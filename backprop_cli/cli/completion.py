"""What a word of the command line may go on with: runs, keys and their values, data sets, templates.

A shell asks at every press of the tab key, so the keys come from the JSON Schema that ships with the program, and
neither NumPy nor the config is imported.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

SCHEMA = "backprop.schema.json"
"""The schema that the first line of a config points to, in the config's folder."""

Items = list[CompletionItem]


def shipped_files(pattern: str) -> list[Path]:
    """Return the files shipped with the program: beside the package in a checkout, inside it where it is installed."""
    package = Path(__file__).parents[1]
    folders = (package / "configs", package.parent / "configs")
    return [path for folder in folders if folder.is_dir() for path in sorted(folder.glob(pattern))]


def templates() -> dict[str, Path]:
    """Return the shipped configs that stand by themselves, by name."""
    shipped = (*shipped_files("*.yaml"), *shipped_files("classics/*.yaml"))
    return {path.stem: path for path in shipped if b"\nextends:" not in path.read_bytes()}


def complete_run(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Return the runs under --runs-dir, and @last; files where none of these fits: a run may be named by its path."""
    runs = Path(ctx.params.get("runs_dir") or "runs")
    try:
        with os.scandir(runs) as entries:
            names = sorted(entry.name for entry in entries if entry.name.startswith(incomplete))
    except OSError:
        names = []
    words = [name for name in names if (runs / name / "run.json").is_file()]
    if names or incomplete:
        words += _starting(["@last"], incomplete)
    return _items(words) or [CompletionItem(incomplete, type="file")]


def complete_override(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Return the keys of a config with `=`, and after that the words that the key may be."""
    return _key_and_value(keys_and_words(), incomplete)


def complete_condition(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Return what `complete_override` does, and the statuses of a run."""
    from backprop_cli.runs.summary import STATUSES

    return _key_and_value({**keys_and_words(), "status": list(STATUSES)}, incomplete)


def complete_column(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Return the columns by which runs can be sorted."""
    from backprop_cli.runs.summary import METRICS

    columns = ["run", "status", "started", *METRICS, "best_epoch", "epochs", "seconds", *keys_and_words()]
    return _items(_starting(dict.fromkeys(columns), incomplete))


def complete_dataset(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Return the names of the data sets."""
    return _items(_starting(keys_and_words().get("dataset", ()), incomplete))


def complete_template(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Return the names of the shipped configs that stand by themselves."""
    return _items(_starting(templates(), incomplete))


@cache
def keys_and_words() -> dict[str, list[str]]:
    """Return every key that the command line can set, and each option by dotted key, with the words it may be."""
    files = shipped_files(SCHEMA)
    schema = json.loads(files[0].read_text(encoding="utf-8")) if files else {"properties": {}}
    found: dict[str, list[str]] = {}
    for key, described in schema["properties"].items():
        if key == "extends" or not key.isascii():
            continue
        choices = [_resolved(choice, schema) for choice in _choices(described)]
        found[key] = _words(choices)
        if key == "layers":  # its mappings are those of a layer, which only a file can have
            continue
        for choice in choices:
            for option, value in choice.get("properties", {}).items():
                words = found.setdefault(f"{key}.{option}", [])
                words += [word for word in _words(_choices(value)) if word not in words]
    return found


def _choices(described: dict[str, Any]) -> list[dict[str, Any]]:
    return described.get("anyOf") or described.get("oneOf") or [described]


def _resolved(choice: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    return schema["$defs"][choice["$ref"].rpartition("/")[2]] if "$ref" in choice else choice


def _words(choices: list[dict[str, Any]]) -> list[str]:
    """Return the words among the values that JSON Schema describes."""
    words: list[str] = []
    for choice in choices:
        words += choice.get("enum", [])
        words += [choice["const"]] if "const" in choice else []
        words += ["true", "false"] if choice.get("type") == "boolean" else []
    return words


def _key_and_value(known: dict[str, list[str]], incomplete: str) -> Items:
    key, equals, value = incomplete.partition("=")
    if equals:
        return _items(f"{key}={word}" for word in _starting(known.get(key, ()), value))
    # dotted keys are many: they wait for a first letter
    return _items(f"{name}=" for name in _starting(known, key) if key or "." not in name)


def _starting(words: Iterable[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]


def _items(words: Iterable[str]) -> Items:
    return [CompletionItem(word) for word in words]
