"""Examples that are written in the config, such as the worked example of a lecture."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from backprop_cli.data.cache import Cache
from backprop_cli.data.dataset import DataSpec, Source, Split
from backprop_cli.frozen import frozen


def read_numbers(value: Any) -> Any:
    """Return a number, or a list of numbers or of such lists, as a float or nested tuples of floats.

    Raises PydanticCustomError if the lists are not of equal length, or for anything that is not a finite number.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        raise PydanticCustomError("numbers", "all rows must have the same number of entries") from None
    if array.dtype.kind not in "iuf" or not array.size or not np.isfinite(array).all():
        form = "must be a number, or a list of numbers such as [1, 2] or [[1, 2], [3, 4]]"
        raise PydanticCustomError("numbers", "{form}", {"form": form})
    return _nested(array.astype(np.float64).tolist())


def _nested(value: Any) -> Any:
    return tuple(map(_nested, value)) if isinstance(value, list) else value


_SCHEMA = {"anyOf": [{"type": "number"}, {"type": "array", "minItems": 1}]}

Numbers = Annotated[Any, PlainValidator(read_numbers), WithJsonSchema(_SCHEMA)]
"""A number, or nested lists of numbers; see `read_numbers`."""


@frozen
class Given(Source):
    """Examples that are given as numbers: `x` (n, n_0) and the desired outputs `y` (n, n_L).

    A list of numbers is one example. The examples are used for training and for testing.
    """

    name: ClassVar[str] = "given"
    origin: ClassVar[str] = "config"
    x: Numbers
    y: Numbers

    def __post_init__(self) -> None:
        """Raise ValueError unless x and y are tables with a row for each example."""
        for name in ("x", "y"):
            if np.ndim(getattr(self, name)) > 2:
                raise ValueError(f"has lists in lists of lists in {name}; write one list for each example")
            object.__setattr__(self, name, _nested(np.atleast_2d(getattr(self, name)).tolist()))
        if len(self.x) != len(self.y):
            form = "write a list for each example, such as [[0, 1], [1, 1]]"
            raise ValueError(f"has {_examples(self.x)} in x, but {_examples(self.y)} in y; {form}")

    @property
    def spec(self) -> DataSpec:
        """Values to predict; none for validation."""
        n, fractions = len(self.x), bool(np.all((np.array(self.y) >= 0) & (np.array(self.y) <= 1)))
        inputs, values = len(self.x[0]), len(self.y[0])
        return DataSpec(inputs=inputs, values=values, pool=n, validation=0, test=n, fractions=fractions)

    def load(self, cache: Cache) -> tuple[Split, Split]:
        """Return the examples twice, in float64."""
        examples = Split(np.array(self.x), np.array(self.y))
        return examples, examples


def _examples(rows: Any) -> str:
    return f"{len(rows)} example{'s' * (len(rows) != 1)}"
