"""Loading an experiment: a file, the files that it extends, command-line overrides; all errors are reported at once."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from backprop_cli.config.checks import problems_of
from backprop_cli.config.data_files import KINDS_OF_DATA, dataset_of
from backprop_cli.config.defaults import with_defaults
from backprop_cli.config.messages import message, show
from backprop_cli.config.overrides import apply_overrides, merge, resolve_paths
from backprop_cli.config.phases import problems_of_phases
from backprop_cli.config.reader import ALIASES, Document, Path, read_file
from backprop_cli.config.shipped import find_config
from backprop_cli.config.short import OF_DATA, keys_for, look_at
from backprop_cli.data.dataset import DataSpec, Source
from backprop_cli.errors import MAX_PROBLEMS, CheckpointError, ConfigError, UsageError
from backprop_cli.experiment.keys import KEYS, choices_of, options_of
from backprop_cli.experiment.options import TAGS
from backprop_cli.experiment.schema import Experiment
from backprop_cli.sources.registry import DATASETS, get_dataset

MAX_EXTENDS = 10

FindStart = Callable[[Experiment], Experiment]
"""Returns an experiment with the path of the checkpoint that it starts from. Raises UsageError or DataError."""

SWEEP = "sweep"
"""The key of configs that describe many experiments, see `backprop_cli.experiment.sweep`."""


def load_experiment(
    path: FilePath,
    overrides: Sequence[str] = (),
    source: str = "command line",
    find_start: FindStart | None = None,
) -> Experiment:
    """Return the experiment in a config (see `find_config`), changed by overrides, with all defaults filled in.

    The config may also be a file or folder with data, for which an experiment is chosen. The overrides, `KEY=VALUE`,
    are from `source`. `find_start` finds the run that the experiment starts from; without it, that is not looked for.
    Raises ConfigError with all errors, each with its location, or DataError if a file of the data cannot be read.
    """
    path = find_config(path)
    if dataset_of(path):
        return load_short(path, overrides, source, find_start)[1]
    document = read_config(path)
    if SWEEP in document.values:
        place = document.key_places[(SWEEP,)]
        raise ConfigError(
            [f"{place}: this config describes a sweep; write: backprop sweep {path} (--dry-run to check it)"]
        )
    apply_overrides(document, overrides, source)
    return validate(document, home=f"{path}:1:1", find_start=find_start)


def load_short(
    path: FilePath,
    overrides: Sequence[str] = (),
    source: str = "command line",
    find_start: FindStart | None = None,
) -> tuple[dict[str, Any], Experiment]:
    """Return the keys that are chosen for a file or folder with data, changed by overrides; and the experiment.

    Raises as `load_experiment`.
    """
    options = dataset_of(path)
    if options is None:
        raise UsageError(f"{path}: not a file or folder with data; {KINDS_OF_DATA}")
    draft = Document({"dataset": options})
    apply_overrides(draft, [word for word in overrides if _key_of(word) in OF_DATA], source)
    changed = [_key_of(word) for word in overrides]
    document = Document(keys_for(options, look_at(path, draft.values), changed))
    document.value_places[("dataset",)] = str(path)
    apply_overrides(document, overrides, source)
    return document.values, validate(document, home=str(path), find_start=find_start)


def load_source(name: str, overrides: Sequence[str] = ()) -> Source:
    """Return a data set by its name, or that of a config or of a file or folder with data. Raises UsageError."""
    path = find_config(FilePath(name))
    if name not in DATASETS and (dataset_of(path) or path.suffix in (".yaml", ".yml")):
        return load_experiment(path, overrides).dataset
    if overrides:
        raise UsageError(f"{overrides[0]}: KEY=VALUE goes with a config or with data of your own, not with '{name}'")
    return get_dataset(name)


def override_experiment(
    values: Mapping[str, Any],
    overrides: Sequence[str],
    origin: str,
    source: str = "command line",
    known: DataSpec | None = None,
    find_start: FindStart | None = None,
) -> Experiment:
    """Return the experiment in `values` (see `Experiment.to_dict`), changed by `KEY=VALUE` overrides from `source`.

    Errors in the values themselves are located at `origin`. Files of data that are `known` need not be there. Raises
    ConfigError, or DataError if a file of the data cannot be read.
    """
    document = document_of(values, origin)
    apply_overrides(document, overrides, source)
    return validate(document, origin, known, find_start)


def document_of(values: Mapping[str, Any], origin: str) -> Document:
    """Return the keys in `values`, which are not from a file, as if they were read from one."""
    document = Document(values=dict(values))
    _resolve_aliases(document, origin)
    return document


def read_config(path: FilePath) -> Document:
    """Return the keys of a config file and of those that it extends, not yet validated. Raises ConfigError."""
    return _with_base(path, ())


def _key_of(override: str) -> str:
    return override.partition("=")[0].partition(".")[0]


def _with_base(path: FilePath, seen: tuple[FilePath, ...]) -> Document:
    """Read a file and the files that it extends."""
    document = read_file(path)
    _resolve_aliases(document, str(path))
    resolve_paths(document.values, path.parent)
    base = document.values.pop("extends", None)
    if base is None:
        return document
    place = document.value_places[("extends",)]
    if not isinstance(base, str):
        raise ConfigError([f"{place}: extends must be the path of a file, not {show(base)}"])
    base_path = find_config(FilePath(base), path.parent)
    try:
        blocks = base_path.is_fifo() or base_path.is_char_device()  # as reading a pipe or a terminal does
    except OSError as error:
        raise ConfigError([f"{place}: extends {show(base)}: {error.strerror}"]) from error
    if blocks:
        raise ConfigError([f"{place}: extends {show(base)}, which is not a regular file"])
    here = path.resolve()
    if here in seen:
        raise ConfigError([f"{place}: circular 'extends'"])
    if len(seen) >= MAX_EXTENDS:
        raise ConfigError([f"{place}: more than {MAX_EXTENDS} levels of 'extends'"])
    try:
        merged = _with_base(base_path, (*seen, here))
    except ConfigError as error:
        raise ConfigError([f"{place}: the extended file has errors", *error.problems]) from None
    merge(merged, document)
    merged.problems += document.problems
    return merged


def _resolve_aliases(document: Document, home: str) -> None:
    """Rename η and λ to eta and lambda."""
    for symbol, key in ALIASES.items():
        if symbol not in document.values:
            continue
        place = document.key_places.pop((symbol,), home)
        if key in document.values:
            document.problems.append(f"{place}: '{symbol}' and '{key}' are the same key; remove one of them")
        document.values[key] = document.values.pop(symbol)
        document.key_places[(key,)] = place
        document.value_places[(key,)] = document.value_places.pop((symbol,), place)


def validate(
    document: Document, home: str, known: DataSpec | None = None, find_start: FindStart | None = None
) -> Experiment:
    """Return the experiment of a document, with all defaults; `home` is where keys that are missing belong.

    Raises ConfigError, or DataError if a file of the data cannot be read.
    """
    problems = list(document.problems)
    values, bad = dict(document.values), set()
    try:
        experiment = Experiment.model_validate(values)
    except ValidationError as error:
        findings = error.errors(include_url=False)
        keys = (*KEYS, "extends") if len(findings) <= MAX_PROBLEMS else ()  # guessing what was meant is slow
        for finding in findings:
            problems.append(_locate(document, home, finding, keys))
            bad.add(finding["loc"][0] if finding["loc"] else "?")
        try:  # check the rules between the other keys as well
            experiment = Experiment.model_validate({key: values[key] for key in values if key not in bad})
        except ValidationError:
            raise ConfigError(sorted(problems, key=_line_and_column)) from None
    if "dataset" not in bad:
        experiment = _look_at_data(experiment, known, _place(document.value_places, ("dataset",)) or home)
    for path, problem in problems_of(experiment):
        if path[0] not in bad:
            problems.append(f"{_place(document.value_places, path) or home}: {problem}")
    if not problems:
        of_phases = problems_of_phases(experiment)
        problems = [f"{_place(document.value_places, path) or home}: {problem}" for path, problem in of_phases]
    if problems:
        raise ConfigError(sorted(problems, key=_line_and_column))
    experiment = with_defaults(experiment)
    if not find_start:
        return experiment
    place = _place(document.value_places, ("start",)) or home
    try:
        return find_start(experiment)
    except UsageError as error:
        raise ConfigError([f"{place}: start: {error}"]) from error
    except CheckpointError as error:
        raise CheckpointError(f"{place}: start: {error}") from error


def _look_at_data(experiment: Experiment, known: DataSpec | None, place: str) -> Experiment:
    """Return the experiment with what is known about its data. Raises an error that is located at `place`."""
    try:
        found = known or experiment.data
        question = "" if found.classes or found.values else experiment.dataset.question
    except UsageError as error:
        raise ConfigError([f"{place}: dataset: {line}" for line in str(error).splitlines()]) from error
    if question:
        raise ConfigError([f"{place}: {question}; or targets=inputs, to learn the inputs"])
    return experiment.knowing(found)


def _locate(document: Document, home: str, finding: Any, known_keys: Sequence[str]) -> str:
    """Return one of pydantic's errors as a located line."""
    path: Path = tuple(part for part in finding["loc"] if part not in TAGS) or (
        "?",
    )  # empty where a key is not a string
    kind = finding["type"]
    in_mapping = isinstance(_value_at(document.values, path[:-1]), dict)
    if kind != "missing" and isinstance(path[-1], str) and not in_mapping:
        path = path[:-1]  # the mapping was given in a short form: a number of units, the strength of one penalty
    places = document.key_places if kind == "extra_forbidden" else document.value_places
    owner = path[:-1] if len(path) > 1 and choices_of(str(path[-2])) else path[:1]  # layers[1].initializer.gain
    value = _value_at(document.values, owner)
    name = str(value.get("name", "")) if isinstance(value, dict) else ""
    key, option = str(owner[-1]), path[-1]
    known = known_keys if len(path) == 1 else options_of(key, name)
    owners = [other for other in choices_of(key) if option in options_of(key, other)]
    place = places.get((*path, "name")) if kind == "unknown_name" else None
    place = place or _place(places, path) or home
    several = re.search(r": (\S+=\S+(,|\.\.)\S+)$", place)  # a word of the command line
    several = several if several and several[1].endswith(f"={finding['input']}") else None
    hint = f"; for several values: backprop sweep CONFIG {several[1]}" if several else ""
    return f"{place}: {message(path, finding, known, owners)}{hint}"


def _value_at(values: Any, path: Path) -> Any:
    for part in path:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return None
    return values


def _line_and_column(problem: str) -> tuple[int, int]:
    """Return the location of an error in its file; those of the command line come last."""
    match = re.match(r".*?:(\d+):(\d+): ", problem)
    return (int(match[1]), int(match[2])) if match else (sys.maxsize, 0)


def _place(places: Mapping[Path, str], path: Path) -> str | None:
    """Return the location of path, or of the nearest value that contains it."""
    while path and path not in places:
        path = path[:-1]
    return places.get(path) if path else None
