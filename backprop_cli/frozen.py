"""The decorator of immutable objects: a frozen dataclass that is made in a quarter of the time.

`dataclass` writes and compiles seven functions for each class, and the package has two hundred classes. Here only
`__init__` is compiled. The other methods, the same for all, look at the fields.
"""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, field, fields, is_dataclass
from reprlib import recursive_repr
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """Make a class as `dataclass(frozen=True)` does; `fields`, `replace` and subclasses work in the same way."""
    inherits = any(is_dataclass(base) for base in cls.__mro__[1:])  # then `dataclass` insists on methods of its own
    made: Any = dataclass(frozen=inherits, repr=False, eq=False)(cls)
    for method in (__eq__, __hash__, __repr__) if inherits else METHODS:
        if method.__name__ not in vars(cls):
            setattr(made, method.__name__, method)
    made.__dataclass_params__.frozen = True
    return cls


def __setattr__(self: Any, name: str, value: Any) -> None:
    if name in vars(self) or name not in self.__dataclass_fields__:  # __init__ sets each field once
        raise FrozenInstanceError(f"cannot assign to field {name!r}")
    object.__setattr__(self, name, value)


def __delattr__(self: Any, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def __eq__(self: Any, other: Any) -> bool:
    return _compared(self) == _compared(other) if other.__class__ is self.__class__ else NotImplemented


def __hash__(self: Any) -> int:
    return hash(_compared(self))


@recursive_repr()
def __repr__(self: Any) -> str:
    shown = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if f.repr)
    return f"{type(self).__qualname__}({shown})"


METHODS = (__setattr__, __delattr__, __eq__, __hash__, __repr__)


def _compared(value: Any) -> tuple[Any, ...]:
    return tuple([getattr(value, f.name) for f in fields(value) if f.compare])
