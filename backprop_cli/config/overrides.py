"""Changing the keys of a config: words of the command line, and paths that become absolute."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any

from backprop_cli.config.reader import ALIASES, Document, Path, read_text
from backprop_cli.data.dataset import input_paths
from backprop_cli.experiment.keys import FIELDS, KEYS, choices_of, has_options, options_of
from backprop_cli.experiment.layers import read_layer, split_layers
from backprop_cli.experiment.types import expand_lambda
from backprop_cli.sources.registry import DATASETS


def merge(base: Document, document: Document) -> None:
    """Replace the keys of the base that the document has too, and add the others."""
    base.values.update(document.values)
    for places, more in ((base.key_places, document.key_places), (base.value_places, document.value_places)):
        for path in [path for path in places if path[:1] and path[0] in document.values]:
            del places[path]
        places.update(more)


def resolve_paths(values: dict[str, Any], folder: FilePath) -> None:
    """Make the paths in a config absolute: those of its data, and of a run to start from, are relative to a folder."""
    start = values.get("start")
    run = start.get("run") if isinstance(start, dict) else start
    if isinstance(run, str) and run and os.path.exists(path := os.path.abspath(folder / os.path.expanduser(run))):
        values["start"] = {**(start if isinstance(start, dict) else {}), "run": path}
    options = values.get("dataset")
    if isinstance(options, dict) and options.get("name") in DATASETS:
        paths = input_paths(DATASETS[options["name"]])
        given = {key: value for key, value in options.items() if key in paths and isinstance(value, str) and value}
        absolute = {key: os.path.abspath(folder / os.path.expanduser(path)) for key, path in given.items()}
        values["dataset"] = options | absolute


def apply_overrides(document: Document, overrides: Sequence[str], source: str) -> None:
    """Change a document by `KEY=VALUE` words from `source`; adds problems to it."""
    torn = overrides[1:] and any("=" not in word or word.startswith("=") for word in overrides)
    if torn and any(word.startswith("=") or word.endswith("=") for word in overrides):  # eta = 0.5 is three words
        document.problems.append(f"{source}: {' '.join(overrides)}: write KEY=VALUE without spaces around '='")
        return
    document.problems += repeated(overrides, source)
    for override in overrides:
        _override(document, override, f"{source}: {override}")
    resolve_paths(document.values, FilePath())


def repeated(overrides: Sequence[str], source: str) -> list[str]:
    """Return a problem for each word that sets a key, or the same option of it, that a word before it sets."""
    first: dict[str, str] = {}
    problems = []
    for override in overrides:
        name, equals, value = override.partition("=")
        key = ".".join(ALIASES.get(part, part) for part in name.split("."))
        if equals and key in first:
            both = f"{name}={first[key]},{value}"
            problems.append(
                f"{source}: {override}: duplicate key '{name}'; remove one, or try both: backprop sweep CONFIG {both}"
            )
        first.setdefault(key, value)
    return problems


def _override(document: Document, override: str, place: str) -> None:
    """Apply one `KEY=VALUE` or `KEY.OPTION=VALUE`."""
    name, equals, text = override.partition("=")
    keys = ["dataset", name] if name == "target" else [ALIASES.get(key, key) for key in name.split(".")]
    if not equals or not all(keys) or not name.isprintable():
        document.problems.append(f"{place}: expected KEY=VALUE, such as eta=0.5")
        return
    of_layer = keys[0] == "layers" and len(keys) > 2 and keys[1].isdecimal()  # layers.1.initializer.limit
    deepest = 2 if not of_layer else 4 if choices_of(keys[2]) else 3
    if len(keys) > deepest or keys[0] == "extends":
        document.problems.append(f"{place}: '{name}' cannot be set on the command line")
        return
    value = read_text(text, name, place)
    document.problems += value.problems
    set_key(document, keys, value.values, place)


def set_key(document: Document, keys: Sequence[str], value: Any, place: str) -> None:
    """Set a key, or an option of a key, to a value that was given at `place`."""
    key = keys[0]
    if len(keys) == 1:
        merge(document, Document({key: value}, {(key,): place}, {(key,): place}))
    elif key == "layers" and keys[1].isdecimal():
        _set_layer(document, int(keys[1]), keys[2:], value, place)
    else:
        _set_option(document, key, keys[1], value, place)


def _set_layer(document: Document, k: int, option: Sequence[str], value: Any, place: str) -> None:
    """Set layer k, counted from the inputs, 0, or one option of it; another number of units keeps its options.

    An option of an option is added to that of the layer, or else of all layers.
    """
    try:
        entries = split_layers(document.values.get("layers"))
    except ValueError:  # reported when the layers are validated
        return
    if not isinstance(entries, list) or k >= len(entries):
        last = f"; the last one is {len(entries) - 1}" if isinstance(entries, list) else ""
        document.problems.append(f"{place}: there is no layer {k}{last}")
        return
    old = read_layer(entries[k])
    if option[1:]:
        value = _changed(old.get(option[0], document.values.get(option[0])), option[1], value)
    new = {option[0]: value} if option else read_layer(value)
    changed = {**old, **new} if option or "units" in old and "units" in new else new
    document.values["layers"] = [*entries[:k], changed, *entries[k + 1 :]]
    path: Path = ("layers", k, *option)
    document.key_places[path] = document.value_places[path] = place


def _set_option(document: Document, key: str, option: str, value: Any, place: str) -> None:
    """Set one option of a key whose value may be a name, a number, or not given; another name drops all options."""
    choices = choices_of(key)
    if key in KEYS and not has_options(key):
        document.problems.append(f"{place}: {key} has no options")
        return
    only = next(iter(choices)) if len(choices) == 1 else None  # `average.decay=0.9` is an option of ema
    options = document.values.get(key, getattr(FIELDS[key].default, "name", only) if key in FIELDS else None)
    if key == "lambda":
        options = expand_lambda(options, document.values.get("penalty"))
    elif options and not isinstance(options, dict) and "" in choices:
        options = {options_of(key)[0]: options}  # the short form
    document.values[key] = _changed(options, option, value)
    document.key_places[(key, option)] = document.value_places[(key, option)] = place
    document.value_places.setdefault((key,), place)
    document.key_places.setdefault((key,), place)


def _changed(options: Any, option: str, value: Any) -> dict[str, Any]:
    """Return options, given as a mapping or a name, with another value of one; another name drops all others."""
    options = {"name": options} if isinstance(options, str) and options else options
    if not isinstance(options, dict) or (option == "name" and options.get("name") != value):
        options = {}
    return {**options, option: value}
