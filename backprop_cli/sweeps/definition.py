"""What a sweep is: an experiment, the spaces of some of its keys, and how settings are chosen from them."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from backprop_cli.config.load import SWEEP, document_of, read_config, validate
from backprop_cli.config.messages import message
from backprop_cli.config.overrides import apply_overrides, repeated, set_key
from backprop_cli.config.reader import Document, read_text
from backprop_cli.config.shipped import find_config
from backprop_cli.data.dataset import DataSpec
from backprop_cli.errors import ConfigError
from backprop_cli.experiment.schema import Experiment
from backprop_cli.experiment.sweep import SweepOptions
from backprop_cli.frozen import frozen
from backprop_cli.search.pruning import PRUNERS
from backprop_cli.search.samplers import SAMPLERS
from backprop_cli.search.spaces import (
    Constant,
    Setting,
    Space,
    SpaceError,
    combinations,
    is_active,
    is_space,
    parse_space,
    setting_text,
)

CHECKED = 10_000
"""Combinations that are validated before anything runs; of more, so many at random."""

MAX_GRID = 10_000_000
"""Settings of a grid."""

DATA_KEYS = ("dataset", "validation", "train_size")
"""The keys that decide what is known about the data."""


_NOTHING: Mapping[str, Any] = {}


@frozen
class Definition:
    """A sweep: the `document` that all runs share, and the spaces of the keys that they differ in, parents first.

    Each setting is trained with all `seeds`. `stem` is the name of its config, `home` where missing keys belong.
    """

    document: Document
    spaces: tuple[Space, ...]
    options: SweepOptions
    seeds: tuple[int, ...]
    stem: str
    home: str
    known: DataSpec | None = None

    @property
    def finite(self) -> bool:
        """Whether a grid can take every value."""
        return all(space.finite for space in self.spaces)

    @property
    def sampler(self) -> str:
        """The name of the sampler."""
        return self.options.sampler or ("grid" if self.finite and self.options.trials is None else "sobol")

    @property
    def in_batches(self) -> bool:
        """Whether settings, or how long they are trained, depend on the results of others."""
        return SAMPLERS[self.sampler].adaptive or PRUNERS[self.options.prune] is not None

    @cached_property
    def settings(self) -> int:
        """The number of settings."""
        return self.options.trials or sum(1 for _ in islice(combinations(self.spaces), MAX_GRID + 1))

    def experiment(self, setting: Setting, seed: int | None = None) -> Experiment:
        """Return the experiment of a setting. Raises ConfigError."""
        document = replace(
            self.document,
            values=dict(self.document.values),
            key_places=dict(self.document.key_places),
            value_places=dict(self.document.value_places),
            problems=[],
        )
        for space in self.spaces:
            if space.key in setting:
                set_key(document, space.key.split("."), setting[space.key], space.place)
        set_key(document, ["seed"], self.seeds[0] if seed is None else seed, self.home)
        return validate(document, self.home, self.known)

    def to_dict(self) -> dict[str, Any]:
        """Return what decides the settings and their runs, as plain data; not how many there are."""
        return {
            "experiment": self.document.values,
            "over": {space.key: [_plain(part) for part in space.parts] for space in self.spaces},
            "seeds": list(self.seeds),
            "sampler": self.sampler,
            "prune": self.options.prune,
            "ask": self.options.ask,
        }

    @property
    def digest(self) -> str:
        """A short text that differs between sweeps, for the name of a folder."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:8]


def load_sweep(
    path: Path, words: Sequence[str] = (), source: str = "command line", options: Mapping[str, Any] = _NOTHING
) -> Definition:
    """Return the sweep that a config and words from `source` describe.

    The words are `KEY=VALUE`, `KEY=SPACE` or `sweep.OPTION=VALUE`; `options` replace those of the key `sweep`. Raises
    ConfigError with all errors, each with its location.
    """
    path = find_config(path)
    return _define(read_config(path), words, source, options, path.stem, f"{path}:1:1")


def is_sweep(path: Path, words: Sequence[str]) -> bool:
    """Whether a config, or words of the command line, describe a sweep. Raises ConfigError."""
    values = [word.partition("=")[2] for word in words]
    several = any(map(is_space, values)) or any(word.startswith(f"{SWEEP}.") for word in words)
    return several or SWEEP in read_config(find_config(path)).values


def define_sweep(
    values: Mapping[str, Any], words: Sequence[str], source: str, options: Mapping[str, Any] = _NOTHING
) -> Definition:
    """Return the sweep that a mapping and words describe, see `load_sweep`."""
    return _define(document_of(values, "config"), words, source, options, "run", "config")


def _define(
    document: Document, words: Sequence[str], source: str, replaced: Mapping[str, Any], stem: str, home: str
) -> Definition:
    given = document.values.pop(SWEEP, None) or {}
    problems = [] if isinstance(given, dict) else [f"{home}: sweep must be a mapping such as {{over: {{eta: [1, 2]}}}}"]
    given = {**given, **replaced} if isinstance(given, dict) else {}
    over = given.get("over")
    written = {
        key: (value, document.value_places.get((SWEEP, "over", key), home))
        for key, value in (over.items() if isinstance(over, dict) else ())
    }
    problems += repeated(words, source)
    plain = []
    for word in words:
        key, equals, text = word.partition("=")
        place = f"{source}: {word}"
        if key.startswith(f"{SWEEP}."):
            value = read_text(text, key, place)
            problems += value.problems
            given[key.removeprefix(f"{SWEEP}.")] = value.values
            document.value_places[(SWEEP, key.removeprefix(f"{SWEEP}."))] = place
        elif equals and is_space(text):
            written[key] = (text, place)
        else:
            written.pop(key, None)
            plain.append(word)
    apply_overrides(document, plain, source)
    options = _options(given, document, home, problems)
    spaces = []
    for key, (value, place) in written.items():
        try:
            spaces.append(parse_space(key, value, place))
        except SpaceError as error:
            problems.append(f"{place}: {error}")
    problems += document.problems
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    seeds = next((space for space in spaces if space.key == "seed"), None)
    spaces = _parents_first([space for space in spaces if space is not seeds])
    first = document.values.pop("seed", 0)
    numbers = [first + i for i in range(options.seeds)] if isinstance(first, int) else [first]
    if seeds and seeds.finite:
        numbers = seeds.values()
    definition = Definition(document, tuple(spaces), options, tuple(numbers), stem, home)
    problems = [*_problems(definition, seeds)] or [*_problems_of_combinations(definition)]
    if problems:
        raise ConfigError(problems)
    fixed = not any(space.key.partition(".")[0] in DATA_KEYS for space in spaces)
    return replace(definition, known=definition.experiment(next(_samples(definition))).data if fixed else None)


def _options(given: dict[str, Any], document: Document, home: str, problems: list[str]) -> SweepOptions:
    try:
        return SweepOptions.model_validate(given)
    except ValidationError as error:
        for finding in error.errors(include_url=False):
            path = (SWEEP, *finding["loc"])
            place = document.value_places.get(path) or document.value_places.get((SWEEP,), home)
            problems.append(f"{place}: {message(path, finding, list(SweepOptions.model_fields))}")
        return SweepOptions.model_validate({})


def _parents_first(spaces: list[Space]) -> list[Space]:
    keys = {space.key for space in spaces}
    return sorted(spaces, key=lambda space: space.parent in keys)


def _problems(d: Definition, seeds: Space | None) -> Iterator[str]:
    """Yield what is wrong with the spaces and the options taken together."""
    open_ranges = [space for space in d.spaces if not space.finite]
    if not d.spaces and len(d.seeds) < 2:
        yield f"{d.home}: nothing is varied; write KEY=V1,V2 or KEY=A..B, such as eta=0.1,1 or seed=0..9"
    if seeds and (d.options.seeds > 1 or not seeds.finite):
        yield f"{seeds.place}: seed: list the seeds, or write sweep.seeds={max(d.options.seeds, 2)}, but not both"
    if not all(type(seed) is int and seed >= 0 for seed in d.seeds):
        yield f"{seeds.place if seeds else d.home}: seed: must be whole numbers of at least 0"
    if d.options.trials is None and d.options.sampler not in (None, "grid"):
        yield f"{d.home}: the sampler {d.sampler} needs a number of trials: sweep.trials=50"
    elif open_ranges and (d.options.trials is None or d.sampler == "grid"):
        space = open_ranges[0]
        what = f"{space.key}: a continuous range needs a number of trials"
        yield f"{space.place}: {what}: sweep.trials=50, or a number of values for a grid: {space.key}=A..B:7"
    elif d.sampler == "grid" and d.options.trials:
        yield f"{d.home}: a grid takes every combination; remove sweep.trials, or choose sweep.sampler=random"
    elif d.sampler == "grid" and prod(len(space.values()) for space in d.spaces) > MAX_GRID:
        yield f"{d.home}: the grid has more than {MAX_GRID:,} settings; take fewer values, or set sweep.trials"
    for space in d.spaces:
        parent = next((other for other in d.spaces if other.key == space.parent), None)
        if parent and not any(space.applies(value) for value in parent.ends()):
            choices = ", ".join(map(str, parent.ends()))
            yield f"{space.place}: {space.key} is an option of none of {parent.key}={choices}"
    if d.options.prune != "none" and any(space.key == "epochs" for space in d.spaces):
        yield f"{d.home}: sweep.prune compares runs at the same epochs, so epochs cannot be varied"


def _problems_of_combinations(d: Definition) -> Iterator[str]:
    """Yield each reason why a combination cannot run, with the first such combination."""
    found: dict[str, tuple[Setting, int]] = {}
    samples = list(_samples(d))
    for setting in samples:
        try:
            d.experiment(setting)
        except ConfigError as error:
            for problem in error.problems:
                first, count = found.get(problem, (setting, 0))
                found[problem] = (first, count + 1)
    for problem, (setting, count) in found.items():
        which = f"{count} combinations, such as" if count > 1 else "in the combination"
        yield problem if count == len(samples) else f"{problem} ({which} {setting_text(setting)})"


def _samples(d: Definition) -> Iterator[Setting]:
    """Yield the combinations to validate: of the values, and of the ends of ranges that are not a grid."""
    values = Space.values if d.sampler == "grid" else Space.ends
    if prod(len(values(space)) for space in d.spaces) <= CHECKED:
        yield from combinations(d.spaces, values)
        return
    draw = random.Random(0)
    for _ in range(CHECKED):
        setting: Setting = {}
        for space in d.spaces:
            if is_active(space, setting):
                setting[space.key] = draw.choice(values(space))
        yield setting


def _plain(part: Any) -> Any:
    return part.value if isinstance(part, Constant) else [part.low, part.high, part.log, part.whole]
