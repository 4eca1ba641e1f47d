"""Load an experiment: a file, what it extends, the words of the command line, and every problem at once."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from backprop_cli.config.checks import problems_of, resolved
from backprop_cli.config.messages import sentence
from backprop_cli.config.reader import Document, Path, read_file, read_text
from backprop_cli.config.schema import KEYS, Experiment
from backprop_cli.config.spellings import SPELLINGS
from backprop_cli.errors import MAX_PROBLEMS, ConfigError

MAX_EXTENDS = 10


def load_experiment(path: FilePath, overrides: Sequence[str] = ()) -> Experiment:
    """Return the experiment in a file, changed by `KEY=VALUE` words, with every default worked out.

    Raises ConfigError with all the problems there are, each with its place.
    """
    document = _with_base(path, ())
    for word in overrides:
        _override(document, word)
    return _validate(document, home=f"{path}:1:1")


def override_experiment(values: Mapping[str, Any], overrides: Sequence[str], origin: str) -> Experiment:
    """Return the experiment in `values`, as `Experiment.to_dict` wrote them, changed by `KEY=VALUE` words.

    Problems of the values themselves are located at `origin`.
    """
    document = Document(values=dict(values))
    for word in overrides:
        _override(document, word)
    return _validate(document, home=origin)


def _with_base(path: FilePath, seen: tuple[FilePath, ...]) -> Document:
    """Read a file and, below it, what it extends."""
    document = read_file(path)
    _unify_spellings(document)
    base = document.values.pop("extends", None)
    if base is None:
        return document
    place = document.value_places[("extends",)]
    if not isinstance(base, str):
        raise ConfigError([f"{place}: extends must be the path of a file, not {base!r}"])
    under_path = path.parent / base
    if under_path.is_fifo() or under_path.is_char_device():  # to read a pipe or a terminal is to wait for it
        raise ConfigError([f"{place}: extends {base!r}, which is not a file"])
    here = path.resolve()
    if here in seen or len(seen) >= MAX_EXTENDS:
        raise ConfigError([f"{place}: extends goes round in a circle, or through more than {MAX_EXTENDS} files"])
    try:
        under = _with_base(under_path, (*seen, here))
    except ConfigError as error:
        raise ConfigError([f"{place}: extends a file with problems", *error.problems]) from None
    _put_over(under, document)
    under.problems += document.problems
    return under


def _put_over(under: Document, document: Document) -> None:
    """Put the keys of a document in place of those of another, with all that is below them, places included."""
    keys = document.values.keys()
    under.values.update(document.values)
    under.key_places = {path: place for path, place in under.key_places.items() if path[0] not in keys}
    under.value_places = {path: place for path, place in under.value_places.items() if path and path[0] not in keys}
    under.key_places.update(document.key_places)
    under.value_places.update(document.value_places)


def _unify_spellings(document: Document) -> None:
    """Rename η and λ to eta and lambda."""
    for symbol, key in SPELLINGS.items():
        if symbol not in document.values:
            continue
        place = document.key_places.pop((symbol,))
        if key in document.values:
            document.problems.append(f"{place}: '{symbol}' and '{key}' are the same key; keep one of them")
        document.values[key] = document.values.pop(symbol)
        document.key_places[(key,)] = place
        document.value_places[(key,)] = document.value_places.pop((symbol,), place)


def _override(document: Document, word: str) -> None:
    """Apply one `KEY=VALUE` or `KEY.OPTION=VALUE` word."""
    place = f"command line: {word}"
    name, equals, text = word.partition("=")
    keys = [SPELLINGS.get(key, key) for key in name.split(".")]
    if not equals or not all(keys):
        document.problems.append(f"{place}: expected KEY=VALUE, such as eta=0.5")
        return
    if len(keys) > 2 or keys[0] == "extends":
        document.problems.append(f"{place}: '{name}' cannot be set here")
        return
    value = read_text(text, name, place)
    document.problems += value.problems
    if len(keys) == 1:
        below = {(keys[0], *path): place for path in value.value_places}
        _put_over(document, Document({keys[0]: value.values}, {(keys[0],): place}, {(keys[0],): place, **below}))
    else:
        _set_option(document, keys[0], keys[1], value.values, place)


def _set_option(document: Document, key: str, option: str, value: Any, place: str) -> None:
    """Set one option of a key that may be a bare word, or nothing yet; another name drops the options of the old."""
    if key in KEYS and not _has_options(key):
        document.problems.append(f"{place}: {key} has no options")
        return
    default = getattr(Experiment.model_fields[key].default, "name", None) if key in Experiment.model_fields else None
    options = document.values.get(key, default)
    if isinstance(options, str):
        options = {"name": options}
    elif key == "lambda" and isinstance(options, int | float):  # of the one penalty
        options = {str(document.values.get("penalty", "l2")): options}
    elif options is None and len(names := [c["title"] for c in _choices(key) if "name" in c["properties"]]) == 1:
        options = {"name": names[0]}  # there is no other
    if not isinstance(options, dict) or (option == "name" and options.get("name") != value):
        options = {}
    document.values[key] = {**options, option: value}
    document.key_places[(key, option)] = document.value_places[(key, option)] = place
    document.value_places.setdefault((key,), place)


def _validate(document: Document, home: str) -> Experiment:
    problems = list(document.problems)
    values, bad = dict(document.values), set()
    try:
        experiment = Experiment.model_validate(values)
    except ValidationError as error:
        findings = error.errors(include_url=False)
        known = (*KEYS, "extends") if len(findings) <= MAX_PROBLEMS else ()  # to guess what was meant takes its time
        for finding in findings:
            problems.append(_locate(document, home, finding, known))
            bad.add(finding["loc"][0] if finding["loc"] else "?")
        try:  # the rules between the other keys are worth a look in the same go
            experiment = Experiment.model_validate({key: values[key] for key in values if key not in bad})
        except ValidationError:
            raise ConfigError(sorted(problems, key=_line_and_column)) from None
    for path, message in problems_of(experiment):
        if path[0] not in bad:
            problems.append(f"{_place(document.value_places, path) or home}: {message}")
    if problems:
        raise ConfigError(sorted(problems, key=_line_and_column))
    return resolved(experiment)


def _locate(document: Document, home: str, finding: Any, known_keys: Sequence[str]) -> str:
    """Return one of pydantic's findings as a located line; a key that is unknown may have been meant as a known one."""
    path: Path = finding["loc"] or ("?",)  # none where a key is no text at all
    chosen = ""
    if len(path) > 1 and path[1] in ("number", "mapping") and path[0] == "lambda":  # pydantic says what it took it for
        path = (path[0], *path[2:])
    elif len(path) > 2 and isinstance(path[1], str):  # pydantic puts the name of the chosen options in between
        chosen, path = path[1], (path[0], *path[2:])
    if path[-1] == "units" and path not in document.value_places and finding["type"] != "missing":
        path = path[:-1]  # the layer is a bare number
    unknown = finding["type"] == "extra_forbidden"
    places = document.key_places if unknown else document.value_places
    known = known_keys if len(path) == 1 else _options_of(str(path[0]), chosen)
    return f"{_place(places, path) or home}: {sentence(path, finding, known)}"


@cache
def _choices(key: str) -> list[dict[str, Any]]:
    """Return the mappings that a key may hold, as JSON Schema describes them."""
    schema = Experiment.model_json_schema()
    described = schema["properties"].get(key, {})
    choices = described.get("anyOf") or described.get("oneOf") or [described]
    choices = [inner for choice in choices for inner in choice.get("items", choice).get("anyOf", [choice])]
    found = [schema["$defs"][choice["$ref"].split("/")[-1]] if "$ref" in choice else choice for choice in choices]
    return [choice for choice in found if "properties" in choice]


def _has_options(key: str) -> bool:
    return key != "layers" and bool(_choices(key))


def _options_of(key: str, name: str) -> list[str]:
    """Return the options of a key, or of the thing called `name` that may be chosen for it."""
    choices = _choices(key)
    return [o for choice in choices if not name or choice.get("title") == name for o in choice["properties"]]


def _line_and_column(problem: str) -> tuple[int, int]:
    """Return where a problem is in its file; those of the command line come last."""
    match = re.match(r".*?:(\d+):(\d+): ", problem)
    return (int(match[1]), int(match[2])) if match else (sys.maxsize, 0)


def _place(places: Mapping[Path, str], path: Path) -> str | None:
    """Return the place of path, or of the nearest thing around it."""
    while path and path not in places:
        path = path[:-1]
    return places.get(path) if path else None
