"""The settings of runs: experiments by dotted key, and the keys in which several of them differ."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from os.path import commonprefix
from typing import Any, TypeVar

Config = Mapping[str, Any]
"""An experiment by dotted key, see `flatten`."""

T = TypeVar("T")

REPLICATES = ("seed", "fold.i")
"""The keys whose values make a run a repetition of another one."""

FIRST, LAST = "dataset", "seed"
"""The keys that are named before and after all others. Metrics of different data sets cannot be compared."""


def flatten(experiment: Mapping[str, Any]) -> dict[str, Any]:
    """Return an experiment by dotted key: `{optimizer: {name: momentum, mu: 0.9}}` has `optimizer` and `optimizer.mu`.

    Plain layers become one word, 784-30-10.
    """
    flat: dict[str, Any] = {}
    for key, value in experiment.items():
        if isinstance(value, dict):
            flat |= {key if option == "name" else f"{key}.{option}": inner for option, inner in value.items()}
        elif key == "layers" and isinstance(value, list) and all(isinstance(units, int | str) for units in value):
            flat[key] = "-".join(map(str, value))
        else:
            flat[key] = value
    return flat


def setting(config: Config, key: str) -> Any:
    """Return the value of a key, None if there is none; of options without a name, such as early_stopping, a dict."""
    if key in config:
        return config[key]
    start = f"{key}."
    return {other.removeprefix(start): value for other, value in config.items() if other.startswith(start)} or None


def value_text(value: Any) -> str:
    """Return a value as a config file contains it; nothing for None."""
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, bool | list | dict) else str(value)


def natural_key(value: Any) -> tuple[Any, ...]:
    """Return a key that sorts numbers by value and texts by the numbers in them: 64-30-10 before 64-100-10."""
    if isinstance(value, int | float):
        return (0, value)
    parts = re.split(r"([0-9]+)", str(value))
    return (1, *((0, len(n := part.lstrip("0")), n) if part[:1].isdecimal() else (1, 0, part) for part in parts))


def config_keys(configs: Iterable[Config]) -> list[str]:
    """Return every key of the configs in order, options next to the key they belong to."""
    keys: dict[str, Any] = {}
    for config in configs:
        keys.update(config)
    parents = {key.partition(".")[0]: None for key in keys}
    places = {parent: place for place, parent in enumerate(parents)}
    return sorted(keys, key=lambda key: places[key.partition(".")[0]])


def differing_keys(configs: Sequence[Config]) -> list[str]:
    """Return the keys whose values are not the same in all configs; a missing key counts as None."""
    columns = {key: [config.get(key) for config in configs] for key in config_keys(configs)}
    return [key for key, values in columns.items() if values.count(values[0]) < len(values)]


def telling_keys(configs: Sequence[Config]) -> list[str]:
    """Return the keys that tell configs apart, first those that divide them most evenly; the seed is the last.

    Options are compared only among the configs that make the same choice: `optimizer.eps` of Adam is not that of
    Adagrad. Where some configs have options without a name (early_stopping), and all the same ones, their common key
    is returned.
    """
    texts = {key: [value_text(config.get(key)) for config in configs] for key in differing_keys(configs)}
    options = [key for key in texts if _parent(key) and _differs_within_a_choice(configs, key)]
    unnamed = [parent for key in texts if (parent := _parent(key)) and not any(parent in config for config in configs)]
    common = [parent for parent in dict.fromkeys(unnamed) if parent not in map(_parent, options)]
    texts |= {key: [value_text(setting(config, key)) for config in configs] for key in common}

    def rank(key: str) -> tuple[bool, bool, int]:
        return key != FIRST, key == LAST, -sum(n for _, n in Counter(texts[key]).most_common()[1:])

    return sorted((key for key in texts if not _parent(key) or key in options), key=rank)


def config_differences(configs: Sequence[Config]) -> list[dict[str, str]]:
    """Return for each config its values of the `telling_keys`, as text; a missing key has an empty text."""
    keys = telling_keys(configs)
    return [{key: value_text(setting(config, key)) for key in keys} for config in configs]


def group_by_seed(items: Iterable[T], config_of: Callable[[T], Config]) -> list[list[T]]:
    """Return the items in groups whose configs differ by nothing but the seed, in the order of their first items.

    The folds of a cross-validation are a group too; their sizes may differ by one.
    """
    groups: dict[str, list[T]] = {}
    for item in items:
        config = config_of(item)
        replicated = (*REPLICATES, *(("train_size", "validation") if "fold.k" in config else ()))
        config = {key: value for key, value in config.items() if key not in replicated}
        groups.setdefault(json.dumps(config, sort_keys=True, default=str), []).append(item)
    return list(groups.values())


def split_duplicates(
    group: Iterable[T], config_of: Callable[[T], Config], epochs_of: Callable[[T], float]
) -> tuple[list[T], list[T]]:
    """Return one item for each seed and fold of a group, and the duplicates: same config, hence no replicates.

    Among items of the same seed and fold the one with most epochs is kept, the first of these if there are several.
    """
    group = list(group)
    kept: dict[str, T] = {}
    for item in group:
        seed = json.dumps([config_of(item).get(key) for key in REPLICATES], default=str)
        if seed not in kept or epochs_of(item) > epochs_of(kept[seed]):
            kept[seed] = item
    chosen = list(kept.values())
    return chosen, [item for item in group if not any(item is one for one in chosen)]


def group_name(names: Sequence[str]) -> str:
    """Return a name for a group of runs: `a`, or `a … c`, without what both names begin with: `eta1-s0 … s4`."""
    if len(names) == 1:
        return names[0]
    shared = re.match(r".*[-_./]|", commonprefix([names[0], names[-1]]))
    return f"{names[0]} … {names[-1][shared.end() if shared else 0 :]}"


def _parent(key: str) -> str:
    """Return the key that an option belongs to; nothing for a key that is no option."""
    return key.rpartition(".")[0]


def _differs_within_a_choice(configs: Sequence[Config], option: str) -> bool:
    values: dict[str, set[str]] = {}
    for config in configs:
        if option in config:
            values.setdefault(value_text(config.get(_parent(option))), set()).add(value_text(config[option]))
    return any(len(texts) > 1 for texts in values.values())
