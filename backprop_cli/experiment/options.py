"""Annotations for fields of an experiment: a known name, an object with options, a count or a word.

Objects are read by a pydantic model of their dataclass, made when it is first needed: models of everything that can
be chosen would take longer to build than a small config takes to load.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from functools import cache
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    create_model,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

JsonSchema = dict[str, Any]

WORD, LIST = TAGS = ("a word", "a list")
"""Where a value may be either, the part of an error's path that says which it was taken for."""


class Format:
    """Annotates a field that is read, written and described by the methods of a subclass."""

    def _read(self, value: Any) -> Any:
        """Return what a config's value stands for. Raises PydanticCustomError or ValidationError."""
        raise NotImplementedError

    def _write(self, value: Any) -> Any:
        """Return the value as a config has it."""
        return value

    def _alternatives(self) -> list[JsonSchema]:
        """Return the JSON Schema of each form that a value may have."""
        raise NotImplementedError

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return a schema that reads and writes; None is valid where the annotated type says so."""
        write = core_schema.plain_serializer_function_ser_schema(self._write)
        schema = core_schema.no_info_plain_validator_function(self._read, serialization=write)
        return core_schema.nullable_schema(schema) if NoneType in get_args(source) else schema

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the alternatives, and null where None is valid."""
        null = [{"type": "null"}] if schema["type"] == "nullable" else []
        choices = [*self._alternatives(), *null]
        return choices[0] if len(choices) == 1 else {"anyOf": choices}


class OneOf(Format):
    """Annotates a `str` field: one of these names."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = list(names)

    def _read(self, value: Any) -> str:
        return _known(value, self.names)

    def _alternatives(self) -> list[JsonSchema]:
        return [{"enum": self.names, "type": "string"}]


class CountOr(Format):
    """Annotates an `int | str` field: a number in a range, or one word."""

    def __init__(self, word: str, ge: int, le: int | None = None) -> None:
        self.word, self.ge, self.le = word, ge, le

    def _read(self, value: Any) -> int | str:
        if value == self.word and isinstance(value, str):
            return value
        if type(value) is int and self.ge <= value and (self.le is None or value <= self.le):
            return value
        bounds = f"an integer of at least {self.ge}" if self.le is None else f"an integer from {self.ge} to {self.le:,}"
        raise PydanticCustomError("form", "must be '{word}' or {bounds}", {"word": self.word, "bounds": bounds})

    def _alternatives(self) -> list[JsonSchema]:
        maximum = {} if self.le is None else {"maximum": self.le}
        return [{"const": self.word}, {"type": "integer", "minimum": self.ge, **maximum}]


class Examples(Format):
    """Annotates an `int | float` field: a number of examples, or a fraction of those there are."""

    def _read(self, value: Any) -> int | float:
        if (type(value) is int and value >= 0) or (type(value) is float and 0 < value < 1):
            return value
        raise PydanticCustomError("form", "must be a number of examples, or a fraction between 0 and 1")

    def _alternatives(self) -> list[JsonSchema]:
        fraction = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
        return [{"type": "integer", "minimum": 0}, fraction]


class OptionsOf(Format):
    """Annotates a field that holds an object of one of the dataclasses in a registry, or of a single dataclass.

    In a config that is a mapping `{name: word, option: value, …}`, or the bare word where the defaults will do; of a
    single dataclass it is `{option: value, …}`. The options are the dataclass's fields, with their defaults and ranges.
    `also` are further forms, in words and as JSON Schema, which are turned into a mapping before they come here.
    """

    def __init__(self, kinds: Mapping[str, Any] | type, also: tuple[str, JsonSchema] | None = None) -> None:
        self.named = isinstance(kinds, Mapping)
        self.kinds: Mapping[str, Any] = kinds if isinstance(kinds, Mapping) else {"": kinds}
        words = {"enum": list(self.kinds), "type": "string"}
        self._short: list[tuple[str, JsonSchema]] = [("a name", words)] * self.named + ([also] if also else [])

    def _read(self, value: Any) -> Any:
        if isinstance(value, tuple(self.kinds.values())):
            return value
        if self.named and isinstance(value, str):
            value = {"name": value}
        if not isinstance(value, Mapping):
            option = "name" if self.named else dataclasses.fields(next(iter(self.kinds.values())))[0].name
            short = "".join(f"{form} or " for form, _ in self._short)
            form = f"{short}a mapping such as {{{option}: …}}"
            context = {"form": form, "option": "" if self._short else option}
            raise PydanticCustomError("form", "must be {form}", context)
        if self.named and "name" not in value:
            having = [n for n, kind in self.kinds.items() if value.keys() <= {f.name for f in dataclasses.fields(kind)}]
            names = ", ".join(having or self.kinds)
            raise PydanticCustomError("nameless", "'name' is missing (known: {names})", {"names": names})
        kind = self.kinds[_known(value["name"], self.kinds) if self.named else ""]
        aliases = getattr(kind, "aliases", {})
        given = {aliases.get(key, key): option for key, option in value.items() if key != "name" or not self.named}
        if not given and all(f.default is not dataclasses.MISSING for f in dataclasses.fields(kind)):
            return kind()  # to make a model takes a millisecond or two
        options = options_model(kind).model_validate(given)
        return kind(**{name: getattr(options, name) for name in type(options).model_fields})

    def _write(self, value: Any) -> Any:
        """Return the mapping without options that are None, or the bare word."""
        given = {name: option for name, option in dataclasses.asdict(value).items() if option is not None}
        options = {name: list(option) if isinstance(option, tuple) else option for name, option in given.items()}
        if not self.named:
            return options
        return {"name": value.name, **options} if options else value.name

    def _alternatives(self) -> list[JsonSchema]:
        return [schema for _, schema in self._short] + [self._mapping(name, kind) for name, kind in self.kinds.items()]

    def _mapping(self, name: str, kind: Any) -> JsonSchema:
        schema = options_model(kind).model_json_schema()
        if not self.named:
            return schema
        properties = {"name": {"const": name, "title": "Name", "type": "string"}, **schema["properties"]}
        return {**schema, "properties": properties, "required": ["name", *schema.get("required", [])], "title": name}


class BriefOptionsOf(OptionsOf):
    """As OptionsOf, but only the options that differ from their defaults are written."""

    def _write(self, value: Any) -> Any:
        usual = self._read(value.name)
        options = {name: option for name, option in vars(value).items() if option != getattr(usual, name)}
        return {"name": value.name, **options} if options else value.name


@cache
def options_model(kind: Any) -> type[BaseModel]:
    """Return a model of the fields of a dataclass; it reads a list where the dataclass has a tuple."""
    hints = {name: _list_or_word(hint) for name, hint in get_type_hints(kind, include_extras=True).items()}
    fields: dict[str, Any] = {}
    for f in dataclasses.fields(kind):
        hint = hints[f.name]
        default = ... if f.default is dataclasses.MISSING else f.default
        fields[f.name] = (Annotated[hint, BeforeValidator(_as_tuple)] if _holds_a_tuple(hint) else hint, default)
    summary = (kind.__doc__ or "").partition("\n")[0]  # no docstrings under python -OO
    config = ConfigDict(extra="forbid", strict=True, frozen=True)
    return create_model(kind.__name__, __config__=config, __doc__=summary, **fields)


def _list_or_word(hint: Any) -> Any:
    """Return the hint of a list or one of some words so that an error is about the one that was meant."""
    annotated: Any = Annotated  # of types that are known only now
    words = [annotated[part, Tag(WORD)] for part in get_args(hint) if get_origin(part) is Literal]
    lists = [annotated[part, Tag(LIST)] for part in get_args(hint) if _holds_a_tuple(part)]
    if not (words and lists):
        return hint
    return annotated[words[0] | lists[0], Discriminator(lambda value: WORD if isinstance(value, str) else LIST)] | None


def _as_tuple(value: Any) -> Any:
    """Return a list, and the lists in it, as tuples."""
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value


def _holds_a_tuple(hint: Any) -> bool:
    return get_origin(hint) is tuple or any(_holds_a_tuple(part) for part in get_args(hint))


def _known(name: Any, names: Iterable[str]) -> str:
    if isinstance(name, str) and name in names:
        return name
    raise PydanticCustomError("unknown_name", "unknown name", {"name": name, "known": list(names)})
