"""A strict YAML reader that keeps the location of every key and value.

Scalars follow YAML 1.2: 1e-3 is a number and `yes` is a string. Aliases, tags, duplicate keys and non-finite numbers
are errors, and so are files that are too large or too deeply nested for a config.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml

from backprop_cli.config.shipped import hint_for_missing
from backprop_cli.errors import ConfigError

MAX_BYTES = 64 * 1024
MAX_DEPTH = 20
MAX_DIGITS = 300

ALIASES = {"η": "eta", "λ": "lambda"}
"""Aliases of keys, for everything that reads a key."""

Path = tuple[str | int, ...]
"""The keys and indices that lead to a value: ("optimizer", "mu") or ("layers", 1)."""

Problem = tuple[Path, str]
"""The place in the config, and the message."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where PyYAML was built with it
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.inf|\.nan", re.IGNORECASE)
_WORDS = {"null": None, "~": None, "": None, "true": True, "false": False}
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\ud800-\udfff]")


@dataclass
class Document:
    """Plain values, the location of each key and of each value, and the errors found."""

    values: Any = None
    key_places: dict[Path, str] = field(default_factory=dict)
    value_places: dict[Path, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_file(path: FilePath) -> Document:
    """Read a YAML file whose top level is a mapping. Raises ConfigError if it cannot be read or has errors."""
    name = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError([f"{name}: cannot be read: {error.strerror or error}{hint_for_missing(path)}"]) from error
    except ValueError as error:  # a NUL in the name
        raise ConfigError([f"{name!r}: cannot be read: {error}"]) from error
    if len(data) > MAX_BYTES:
        raise ConfigError([f"{name}:1:1: the file is larger than 64 KB"])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _end_of(data[: error.start].decode("latin-1"))
        raise ConfigError([f"{name}:{line}:{column}: the file is not UTF-8 text; save it as UTF-8"]) from error
    document = read_text(text, name)
    if document.values is None and not document.problems:
        document.values = {}
    if not isinstance(document.values, dict) and not document.problems:
        document.problems.append(f"{name}:1:1: expected lines of the form 'key: value'")
    if document.problems:
        raise ConfigError(document.problems)
    return document


def read_text(text: str, name: str, place: str | None = None) -> Document:
    """Read YAML text; locations are `name:line:column`, or all `place` if it is given."""
    return _Builder(name, place).build(text)


def _end_of(text: str) -> tuple[int, int]:
    """Return the line and the column of what follows the text."""
    return text.count("\n") + 1, len(text) - text.rfind("\n")


class _Builder:
    """Builds a Document from the parser's events, without recursion."""

    def __init__(self, name: str, place: str | None) -> None:
        self._name, self._place = name, place
        self._document = Document()
        self._stack: list[_Open] = []

    def build(self, text: str) -> Document:
        if control := _CONTROL.search(text):
            self._problem(*_end_of(text[: control.start()]), f"invalid control character U+{ord(control.group()):04X}")
            return self._document
        try:
            for event in yaml.parse(text, Loader=_Loader):
                if not self._take(event):
                    break
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            is_tab = mark and text[mark.index : mark.index + 1] == "\t"
            problem = "a tab cannot be used here; use spaces" if is_tab else error.problem or error.context
            self._problem(line, column, f"invalid YAML: {problem}")
        except yaml.YAMLError as error:
            self._problem(1, 1, f"invalid YAML: {error}")
        return self._document

    def _take(self, event: Any) -> bool:
        """Process one event; return whether to continue."""
        if isinstance(event, yaml.DocumentStartEvent) and self._document.value_places:
            self._at(event, "a second document starts here; a config is a single document")
            return False
        if isinstance(event, yaml.AliasEvent):
            self._at(event, f"aliases (*{event.anchor}) are not supported; repeat the value")
            self._add(event, None)
        elif isinstance(event, yaml.ScalarEvent):
            self._refuse_tag(event)
            self._add(event, self._scalar(event))
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._refuse_tag(event)
            container: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
            path = self._add(event, container)
            self._stack.append(_Open(container, path))
            if len(self._stack) > MAX_DEPTH:
                self._at(event, f"nested more than {MAX_DEPTH} levels deep")
                return False
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._stack.pop()
        return True

    def _add(self, event: Any, value: Any) -> Path:
        """Add a value, or a key, to the innermost container; return the path of the value."""
        if not self._stack:
            self._document.values = value
            self._document.value_places[()] = self._where(event)
            return ()
        top = self._stack[-1]
        if isinstance(top.container, list):
            path: Path = (*top.path, len(top.container))
            top.container.append(value)
        elif top.key is None:
            return self._add_key(event, value, top)
        else:
            path = (*top.path, top.key)
            top.container[top.key] = value
            top.key = None
        self._document.value_places[path] = self._where(event)
        return path

    def _add_key(self, event: Any, value: Any, top: _Open) -> Path:
        key = event.value if isinstance(event, yaml.ScalarEvent) else f"<{type(event).__name__}>"
        if not isinstance(event, yaml.ScalarEvent):
            self._at(event, "a key must be a string")
        path = (*top.path, key)
        if path in self._document.key_places:
            self._at(event, f"duplicate key '{key}' (first defined at {self._document.key_places[path]})")
        else:
            self._document.key_places[path] = self._where(event)
        top.key = key
        return path

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        if event.style:  # quoted
            return text
        if text.lower() in _WORDS:
            return _WORDS[text.lower()]
        if len(text) > MAX_DIGITS and _FLOAT.fullmatch(text):
            self._at(event, f"a number of {len(text)} digits is too long")
            return None
        if _INT.fullmatch(text):
            return int(text)
        number = float(text) if _FLOAT.fullmatch(text) else math.nan if _NOT_FINITE.fullmatch(text) else None
        if number is None:
            return text
        if not math.isfinite(number):
            self._at(event, f"{text} is not a finite number")
        return number

    def _refuse_tag(self, event: Any) -> None:
        if event.tag not in (None, "!"):
            self._at(event, f"tags ({event.tag}) are not supported; remove the tag")

    def _where(self, event: Any) -> str:
        mark = event.start_mark
        return self._place or f"{self._name}:{mark.line + 1}:{mark.column + 1}"

    def _at(self, event: Any, message: str) -> None:
        self._document.problems.append(f"{self._where(event)}: {message}")

    def _problem(self, line: int, column: int, message: str) -> None:
        self._document.problems.append(f"{self._place or f'{self._name}:{line}:{column}'}: {message}")


@dataclass
class _Open:
    """A mapping or sequence that is not complete yet; `key` is the key of the next value."""

    container: Any
    path: Path
    key: str | None = None
