"""Config types made from registries: a name that must be known, and a name with options of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    TypeAdapter,
    create_model,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


class OneOf:
    """Annotates a `str` field: one of these names."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = list(names)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema of a choice among the names."""
        return core_schema.literal_schema(self.names)


class OptionsOf:
    """Annotates a field that holds an object of one of these dataclasses, by name.

    In a config that is a bare word, or a mapping `{name: word, option: value, …}`; the options are the
    dataclass's fields, with their defaults and ranges.
    """

    def __init__(self, registry: Mapping[str, Any]) -> None:
        self.registry = registry
        self._models = {name: _options_model(name, kind) for name, kind in registry.items()}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return a schema that reads the word or the mapping, builds the object, and writes it back."""
        choices = {name: handler.generate_schema(model) for name, model in self._models.items()}
        return core_schema.no_info_after_validator_function(
            self._build,
            core_schema.no_info_before_validator_function(
                lambda value: {"name": value} if isinstance(value, str) else value,
                core_schema.tagged_union_schema(choices, discriminator="name"),
            ),
            serialization=core_schema.plain_serializer_function_ser_schema(_write),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return "a known word, or a mapping"."""
        mappings = [TypeAdapter(model).json_schema() for model in self._models.values()]
        return {"anyOf": [{"enum": list(self._models), "type": "string"}, *mappings]}

    def _build(self, options: BaseModel) -> Any:
        values = options.model_dump()
        return self.registry[values.pop("name")](**values)


class Options:
    """Annotates a field that holds an object of one dataclass: a mapping `{option: value, …}`."""

    def __init__(self, kind: Any) -> None:
        self.kind, self._model = kind, _options_model("", kind)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return a schema that reads the mapping, builds the object, and writes it back."""
        return core_schema.no_info_after_validator_function(
            lambda options: self.kind(**options.model_dump()),
            handler.generate_schema(self._model),
            serialization=core_schema.plain_serializer_function_ser_schema(dataclasses.asdict),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the mapping."""
        return TypeAdapter(self._model).json_schema()


def _write(value: Any) -> str | dict[str, Any]:
    options = {
        name: list(option) if isinstance(option, tuple) else option
        for name, option in dataclasses.asdict(value).items()
        if option is not None
    }
    return {"name": value.name, **options} if options else str(value.name)


def _holds_a_tuple(hint: Any) -> bool:
    return get_origin(hint) is tuple or any(_holds_a_tuple(part) for part in get_args(hint))


def _options_model(name: str, kind: Any) -> type[BaseModel]:
    """Return the options of a dataclass as a model; a list is read where the dataclass has a tuple."""
    hints = get_type_hints(kind, include_extras=True)
    fields: dict[str, Any] = {"name": (Literal[name], ...)} if name else {}
    for f in dataclasses.fields(kind):
        hint = hints[f.name]
        fields[f.name] = (Annotated[hint, Strict(False)] if _holds_a_tuple(hint) else hint, f.default)
    description = (kind.__doc__ or "").splitlines()[0]
    return create_model(
        name or kind.__name__,
        __config__=ConfigDict(extra="forbid", strict=True, frozen=True),
        __doc__=description,
        **fields,
    )
