"""Spaces: the values that a key takes in a sweep, and the grammar in which they are written.

- `activation=relu,tanh`: alternatives; commas in brackets, braces and quotes do not separate
- `dropout=0..0.5`: a range; of whole numbers if the key takes them
- `eta=1e-3..10:log`: a range in logarithm
- `eta=1e-3..10:log:5`: five values, evenly spaced
- `lambda=0,0.1..10:log`: alternatives, one of them a range
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from backprop_cli.config.reader import ALIASES, read_text
from backprop_cli.config.shipped import types_of
from backprop_cli.experiment.keys import choices_of, options_of
from backprop_cli.frozen import frozen
from backprop_cli.listing.settings import value_text

_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|[0-9]*\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_RANGE = re.compile(rf"(?P<low>{_NUMBER}?)\.\.(?P<high>{_NUMBER})(?P<log>:log)?(:(?P<count>[0-9]{{1,6}}))?")
_LOOKS_LIKE_RANGE = re.compile(r"[-+]?\.?[0-9][^,]*\.\.")
_PAIRS = {"[": "]", "{": "}", '"': '"', "'": "'"}

DIGITS = 4
"""Significant digits of a number that is drawn from a range, or of its place in it."""


@frozen
class Constant:
    """One value."""

    value: Any
    finite = True

    def values(self) -> Iterator[Any]:
        """Yield the value."""
        yield self.value

    def at(self, u: float) -> Any:
        """Return the value."""
        return self.value

    def ends(self) -> tuple[Any, ...]:
        """Return the value."""
        return (self.value,)

    def __contains__(self, value: Any) -> bool:
        return bool(value == self.value)


@frozen
class Interval:
    """The numbers from `low` to `high`, both included; `whole` numbers, or even in their logarithm."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    @property
    def finite(self) -> bool:
        """Whether a grid can take every value."""
        return self.whole and not self.log

    def values(self) -> Iterator[Any]:
        """Yield every value of a finite interval."""
        yield from range(int(self.low), int(self.high) + 1)

    def at(self, u: float) -> Any:
        """Return the value at a place u from 0 to 1."""
        if self.finite:
            return min(int(self.low + u * (self.high - self.low + 1)), int(self.high))
        value = math.exp(_mix(math.log(self.low), math.log(self.high), u)) if self.log else _mix(self.low, self.high, u)
        return self.rounded(value)

    def rounded(self, value: float) -> Any:
        """Return a value of the interval that is short when it is written."""
        if self.whole:
            short: float = round(value)
        elif self.log:
            short = float(f"{value:.{DIGITS}g}")
        else:
            short = round(value, DIGITS - math.ceil(math.log10(self.high - self.low)))
        return min(max(short, self.low), self.high)

    def ends(self) -> tuple[Any, ...]:
        """Return the first and the last value."""
        return (self.low, self.high)

    def __contains__(self, value: Any) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high


Part = Constant | Interval


@frozen
class Space:
    """The values that a key takes: those of its parts. `place` is where it was written."""

    key: str
    place: str
    parts: tuple[Part, ...]

    @property
    def finite(self) -> bool:
        """Whether a grid can take every value."""
        return all(part.finite for part in self.parts)

    @property
    def parent(self) -> str | None:
        """The key whose choice this is an option of, if it is one."""
        key, dot, _ = self.key.partition(".")
        return key if dot and choices_of(key) else None

    def values(self) -> list[Any]:
        """Return every value of a finite space, in order."""
        return [value for part in self.parts for value in part.values()]

    def ends(self) -> list[Any]:
        """Return the values, but of intervals only the first and the last."""
        return [value for part in self.parts for value in part.ends()]

    def at(self, u: float) -> Any:
        """Return the value at a place u from 0 to 1: every part has the same share of it."""
        part = min(int(u * len(self.parts)), len(self.parts) - 1)
        return self.parts[part].at(u * len(self.parts) - part)

    def applies(self, choice: Any) -> bool:
        """Whether this is an option of a choice, the value of `parent`."""
        name = choice.get("name", "") if isinstance(choice, Mapping) else choice
        option = self.key.partition(".")[2]
        return not isinstance(name, str) or option == "name" or option in options_of(str(self.parent), name)


class SpaceError(ValueError):
    """Text is not a space; the message says why."""


def parse_space(key: str, written: Any, place: str) -> Space:
    """Return the space of a key, as a config or the command line has it: text, a value, or a list of these.

    Raises SpaceError.
    """
    names = [ALIASES.get(name, name) for name in key.split(".")]
    key = ".".join(names)
    if not all(names) or len(names) > 2 or names[0] in ("extends", "sweep", "threads"):
        raise SpaceError(f"'{key}' cannot be varied")
    pieces = written if isinstance(written, list) else split(written) if isinstance(written, str) else [written]
    parts = [part for piece in pieces for part in _parse_piece(key, piece, place)]
    if not parts:
        raise SpaceError(f"{key}: no values")
    values = [part for i, part in enumerate(parts) if part in parts[:i]]
    if values:
        raise SpaceError(f"{key}: a value is given twice: {_short(values[0])}")
    return Space(key, place, tuple(parts))


def is_space(text: str) -> bool:
    """Whether text has alternatives or a range, and not one value."""
    return len(split(text)) > 1 or bool(_LOOKS_LIKE_RANGE.match(text.strip()))


def split(text: str) -> list[str]:
    """Return the parts of text between commas that are not inside brackets, braces or quotes."""
    parts, closing = [""], ""
    for character in text:
        if character == "," and not closing:
            parts.append("")
            continue
        parts[-1] += character
        if closing.endswith(character) and closing:
            closing = closing[:-1]
        elif character in _PAIRS and (not closing or closing[-1] not in "\"'"):
            closing += _PAIRS[character]
    return [part.strip() for part in parts]


def _parse_piece(key: str, piece: Any, place: str) -> Sequence[Part]:
    if not isinstance(piece, str):
        return [Constant(piece)]
    if _LOOKS_LIKE_RANGE.match(piece):
        return _parse_range(key, piece)
    document = read_text(piece, key, place)
    if document.problems or not piece:
        raise SpaceError(f"{key}: " + (document.problems[0].removeprefix(f"{place}: ") if piece else "an empty value"))
    return [Constant(document.values)]


def _parse_range(key: str, text: str) -> Sequence[Part]:
    match = _RANGE.fullmatch(text)
    if not match or not match["low"]:
        raise SpaceError(f"{key}: '{text}' is not a range; write A..B, A..B:log, A..B:7 or A..B:log:7")
    low, high = (float(match[name]) for name in ("low", "high"))
    log, count = bool(match["log"]), match["count"]
    types = types_of(key)
    written_whole = all(re.fullmatch("[-+]?[0-9]+", match[name]) for name in ("low", "high"))
    whole = "integer" in types and (written_whole or "number" not in types)
    if whole and not written_whole:
        raise SpaceError(f"{key} takes whole numbers, not the range {text}")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise SpaceError(f"{key}: the range {text} must go from a smaller to a larger number")
    if log and low <= 0:
        positive = f"{high / 1000:g}..{high:g}:log"
        remedy = f"; to include 0, write {key}=0,{positive}" if low == 0 < high else "; write a lower end above 0"
        raise SpaceError(f"{key}: the logarithmic range {text} must begin above 0{remedy}")
    interval = Interval(int(low), int(high), log, True) if whole else Interval(low, high, log)
    if count is None:
        return [interval]
    if int(count) < 2:
        raise SpaceError(f"{key}: the range {text} needs at least 2 values")
    steps = int(count) - 1
    evenly = interval if log or not whole else Interval(low, high)
    values = [evenly.at(i / steps) for i in range(steps + 1)]
    return [Constant(value) for value in dict.fromkeys(round(v) if whole else v for v in values)]


def _mix(low: float, high: float, u: float) -> float:
    return low + u * (high - low)


def _short(part: Part) -> str:
    return str(part.value) if isinstance(part, Constant) else f"{part.low:g}..{part.high:g}"


Setting = dict[str, Any]
"""The values of the keys that are varied; options of a choice only where that choice is taken."""


def setting_text(setting: Setting) -> str:
    """Return a setting as words of the command line."""
    return " ".join(f"{key}={value_text(value)}" for key, value in setting.items())


def is_active(space: Space, setting: Setting) -> bool:
    """Whether a space belongs to a setting of the spaces before it: an option needs its choice."""
    return space.parent not in setting or space.applies(setting[str(space.parent)])


def combinations(spaces: Sequence[Space], values: Callable[[Space], list[Any]] = Space.values) -> Iterator[Setting]:
    """Yield every combination of values in order, the last space changing fastest."""

    def extended(setting: Setting, rest: Sequence[Space]) -> Iterator[Setting]:
        if not rest:
            yield setting
        elif is_active(rest[0], setting):
            for value in values(rest[0]):
                yield from extended({**setting, rest[0].key: value}, rest[1:])
        else:
            yield from extended(setting, rest[1:])

    return extended({}, spaces)
