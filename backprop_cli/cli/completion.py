"""Shell completion of runs, keys and their values, data sets and templates.

A shell calls these functions each time the tab key is pressed, so they read the shipped JSON Schema and import neither
NumPy nor pydantic.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from backprop_cli.config.data_files import columns_for_keys
from backprop_cli.config.shipped import config_names, keys_and_words, keys_and_words_after, sweep_words

Items = list[CompletionItem]


def complete_run(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Return the runs in --runs-dir and @last, or files if none matches: a run may be given by its path."""
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


def complete_config(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Return the shipped configs; files if some have such a name."""
    return _items(config_names(incomplete)) or [CompletionItem(incomplete, type="file")]


def complete_override(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Return the keys of a config, each with `=`; after the `=`, the words that the key may hold, such as columns."""
    config = ctx.params.get("config") or ctx.params.get("data")
    columns = columns_for_keys(Path(config)) if config else {}
    return _key_and_value(columns | keys_and_words_after(ctx.params.get("overrides") or ()) | columns, incomplete)


def complete_space(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Return what `complete_override` does, and the options of a sweep."""
    return _key_and_value({**keys_and_words_after(ctx.params.get("overrides") or ()), **sweep_words()}, incomplete)


def complete_condition(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Return what `complete_override` does, and the statuses of a run."""
    from backprop_cli.listing.summary import STATUSES

    return _key_and_value({**keys_and_words(), "status": list(STATUSES)}, incomplete)


def complete_words(words: Callable[[], Iterable[str]]) -> Callable[[click.Context, click.Parameter, str], Items]:
    """Return what completes one of some words, which are looked up when a shell asks."""
    return lambda ctx, param, incomplete: _items(_starting(words(), incomplete))


def columns() -> Iterable[str]:
    """Return the columns of a table of runs."""
    from backprop_cli.listing.columns import FIXED

    return dict.fromkeys([*FIXED, *keys_and_words()])


def _key_and_value(known: dict[str, list[str]], incomplete: str) -> Items:
    key, equals, value = incomplete.partition("=")
    if equals:
        return _items(f"{key}={word}" for word in _starting(known.get(key, ()), value))
    # dotted keys are many, so they are offered only after a first letter
    return _items(f"{name}=" for name in _starting(known, key) if key or "." not in name)


def _starting(words: Iterable[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]


def _items(words: Iterable[str]) -> Items:
    return [CompletionItem(word) for word in words]
