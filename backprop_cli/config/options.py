"""Config types made from registries: a name that must be known, and a name with options of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter, create_model
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
            serialization=core_schema.plain_serializer_function_ser_schema(self._write),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return "a known word, or a mapping"."""
        mappings = [TypeAdapter(model).json_schema() for model in self._models.values()]
        return {"anyOf": [{"enum": list(self._models), "type": "string"}, *mappings]}

    def _build(self, options: BaseModel) -> Any:
        values = options.model_dump()
        return self.registry[values.pop("name")](**values)

    @staticmethod
    def _write(value: Any) -> str | dict[str, Any]:
        options = dataclasses.asdict(value)
        return {"name": value.name, **options} if options else str(value.name)


def _options_model(name: str, kind: Any) -> type[BaseModel]:
    hints = get_type_hints(kind, include_extras=True)
    fields: dict[str, Any] = {"name": (Literal[name], ...)}
    fields |= {f.name: (hints[f.name], f.default) for f in dataclasses.fields(kind)}
    description = (kind.__doc__ or "").splitlines()[0]
    return create_model(
        name,
        __config__=ConfigDict(extra="forbid", strict=True, frozen=True),
        __doc__=description,
        **fields,
    )
