"""Configs side by side: dotted keys, the keys that differ, runs that differ only by seed. Imports nothing heavy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

Config = Mapping[str, Any]
"""An experiment by dotted key, see `flatten`."""

T = TypeVar("T")


def flatten(experiment: Mapping[str, Any]) -> dict[str, Any]:
    """Return an experiment by dotted key: `{optimizer: {name: momentum, mu: 0.9}}` has `optimizer` and `optimizer.mu`.

    Plain layers become one word, 784-30-10.
    """
    flat: dict[str, Any] = {}
    for key, value in experiment.items():
        if isinstance(value, dict):
            flat |= {key if option == "name" else f"{key}.{option}": inner for option, inner in value.items()}
        elif key == "layers" and isinstance(value, list) and all(isinstance(units, int) for units in value):
            flat[key] = "-".join(map(str, value))
        else:
            flat[key] = value
    return flat


def value_text(value: Any) -> str:
    """Return a value as a config file contains it; nothing for None."""
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, bool | list | dict) else str(value)


def config_keys(configs: Iterable[Config]) -> list[str]:
    """Return every key of the configs in order, options next to the key they belong to."""
    keys: dict[str, Any] = {}
    for config in configs:
        keys.update(config)
    parents = list(dict.fromkeys(key.partition(".")[0] for key in keys))
    return sorted(keys, key=lambda key: parents.index(key.partition(".")[0]))


def differing_keys(configs: Sequence[Config]) -> list[str]:
    """Return the keys whose values are not the same in all configs; a missing key counts as None."""
    columns = {key: [config.get(key) for config in configs] for key in config_keys(configs)}
    return [key for key, values in columns.items() if values.count(values[0]) < len(values)]


def config_differences(configs: Sequence[Config]) -> list[dict[str, str]]:
    """Return for each config its values of the keys that differ, as text; a missing key has an empty text.

    Options that belong to only some of the choices (mu of momentum, where others use sgd) and do not differ among
    these are left out.
    """
    keys = []
    for key in differing_keys(configs):
        present = [config[key] for config in configs if key in config]
        if "." not in key or present.count(present[0]) < len(present):
            keys.append(key)
    return [{key: value_text(config.get(key)) for key in keys} for config in configs]


def group_by_seed(items: Iterable[T], config_of: Callable[[T], Config]) -> list[list[T]]:
    """Return the items in groups whose configs differ by nothing but the seed, in the order of their first items."""
    groups: dict[str, list[T]] = {}
    for item in items:
        config = {key: value for key, value in config_of(item).items() if key != "seed"}
        groups.setdefault(json.dumps(config, sort_keys=True, default=str), []).append(item)
    return list(groups.values())


def split_duplicates(
    group: Iterable[T], config_of: Callable[[T], Config], epochs_of: Callable[[T], float]
) -> tuple[list[T], list[T]]:
    """Return one item for each seed of a group, and the duplicates: same config, same seed, hence no replicates.

    Among items of the same seed the one with most epochs is kept, the first of these if there are several.
    """
    group = list(group)
    kept: dict[str, T] = {}
    for item in group:
        seed = json.dumps(config_of(item).get("seed"), default=str)
        if seed not in kept or epochs_of(item) > epochs_of(kept[seed]):
            kept[seed] = item
    chosen = list(kept.values())
    return chosen, [item for item in group if not any(item is one for one in chosen)]


def group_name(names: Sequence[str]) -> str:
    """Return a name for a group of runs: `a`, or `a … c`."""
    return names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}"
