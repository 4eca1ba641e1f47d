"""The layers of a config: a word or a mapping each, `conv20x5` or `{conv: 20, size: 5}`, that stands for a layer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from backprop_cli.experiment.options import BriefOptionsOf, CountOr, OneOf
from backprop_cli.frozen import frozen
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.arrays import Shape
from backprop_cli.nn.initializers import INITIALIZERS, Initializer
from backprop_cli.nn.layers.convolution import Conv2D
from backprop_cli.nn.layers.dense import Dense
from backprop_cli.nn.layers.layer import Layer as NetworkLayer
from backprop_cli.nn.layers.pooling import MaxPool, MeanPool
from backprop_cli.nn.layers.upsampling import Upsample

MAX_LAYERS = 99

AUTO = "auto"
"""Units of the input or the output layer, as many as the data needs."""

WORDS = "conv20x5, max2, mean2 or up2"
"""Examples of the words for layers of images."""

_DIGITS = "[0-9]{1,9}"


class _Units(CountOr):
    def _read(self, value: Any) -> int | str:
        if isinstance(value, str) and value != self.word:
            raise PydanticCustomError("form", f"must be a number of units, '{AUTO}', or a word such as {WORDS}")
        return super()._read(value)


Probability = Annotated[float, Field(ge=0, le=0.99)]
_Count = Annotated[int, Field(ge=1, le=100_000)]
_Length = Annotated[int, Field(ge=1, le=1_000)]


class Layer(BaseModel):
    """A layer, with exactly one of the keys that say its kind."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    units: Annotated[int | str | None, _Units(AUTO, 1, 100_000_000)] = None
    image: Annotated[tuple[_Count, ...] | None, Field(min_length=2, max_length=3)] = None
    conv: _Count | None = None
    max: _Length | None = None
    mean: _Length | None = None
    up: _Length | None = None
    size: _Length | None = None
    stride: _Length | None = None
    padding: Annotated[str | None, OneOf(("valid", "same"))] = None
    activation: Annotated[str | None, OneOf(ACTIVATIONS)] = None
    dropout: Probability | None = None
    rate: Annotated[float, Field(ge=0)] | None = None
    initializer: Annotated[Initializer | None, BriefOptionsOf(INITIALIZERS)] = None

    @model_validator(mode="after")
    def _check(self) -> Layer:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        kinds = [name for name in given if name in KINDS]
        if len(kinds) != 1:
            raise ValueError("must have exactly one of units, conv, max, mean and up")
        kind = KINDS[kinds[0]]
        if wrong := [name for name in given if name not in (*kinds, *kind.required, *kind.options)]:
            raise ValueError(f"has {wrong[0]}, which {kinds[0]} does not have")
        if missing := [name for name in kind.required if name not in given]:
            raise ValueError(f"needs {missing[0]}, such as {{conv: 20, size: 5}}")
        return self

    @model_serializer(mode="wrap")
    def _write(self, write: SerializerFunctionWrapHandler) -> int | str | dict[str, Any]:
        kind, given = KINDS[self.kind], write(self)
        if all(given.get(name) is None for name in ("activation", "dropout", "rate", "initializer")):
            return self.units if self.units is not None else self.word
        names = (self.kind, *kind.required, *kind.options)
        return {name: given[name] for name in names if given.get(name) is not None}

    @property
    def kind(self) -> str:
        """The key that says its kind."""
        return next(name for name in KINDS if getattr(self, name) is not None)

    @property
    def word(self) -> str:
        """The layer as one word, without activation and dropout."""
        word = KINDS[self.kind].head(self)
        word += "" if self.stride is None else f"s{self.stride}"
        return word + "same" * (self.padding == "same")

    @property
    def weighted(self) -> bool:
        """Whether it has weights, and so an activation of its own."""
        return "activation" in KINDS[self.kind].options

    @property
    def of_images(self) -> bool:
        """Whether its inputs are images."""
        return self.units is None

    @property
    def layer(self) -> NetworkLayer:
        """The layer of the mathematics."""
        return KINDS[self.kind].layer(self)

    @property
    def shape(self) -> Shape:
        """The shape of an image, (channels, height, width), that is given as the first layer."""
        assert self.image is not None
        return (1,) * (3 - len(self.image)) + self.image


@frozen
class Kind:
    """A kind of layer: the pattern of its word, its beginning, what it must and may have, and the layer it makes."""

    pattern: str
    head: Callable[[Any], str]
    layer: Callable[[Any], NetworkLayer]
    options: tuple[str, ...] = ()
    required: tuple[str, ...] = ()


def _no_layer(entry: Layer) -> NetworkLayer:
    raise AssertionError("the input layer computes nothing")


_STRIDE = f"(s(?P<stride>{_DIGITS}))?"

KINDS: dict[str, Kind] = {
    "units": Kind(
        f"(?P<units>{_DIGITS}|{AUTO})",
        lambda e: f"{e.units}",
        lambda e: Dense(e.units),
        ("activation", "dropout", "rate", "initializer"),
    ),
    "image": Kind(f"(?P<image>{_DIGITS}(x{_DIGITS}){{1,2}})", lambda e: "x".join(map(str, e.image)), _no_layer),
    "conv": Kind(
        f"conv(?P<conv>{_DIGITS})x(?P<size>{_DIGITS}){_STRIDE}(?P<padding>same)?",
        lambda e: f"conv{e.conv}x{e.size}",
        lambda e: Conv2D(e.conv, e.size, e.stride or 1, e.padding == "same"),
        ("stride", "padding", "activation", "dropout", "rate", "initializer"),
        ("size",),
    ),
    "max": Kind(
        f"max(?P<max>{_DIGITS}){_STRIDE}(?P<padding>same)?",
        lambda e: f"max{e.max}",
        lambda e: MaxPool(e.max, e.stride or 0, e.padding == "same"),
        ("stride", "padding", "dropout"),
    ),
    "mean": Kind(
        f"mean(?P<mean>{_DIGITS}){_STRIDE}",
        lambda e: f"mean{e.mean}",
        lambda e: MeanPool(e.mean, e.stride or 0),
        ("stride", "dropout"),
    ),
    "up": Kind(f"up(?P<up>{_DIGITS})", lambda e: f"up{e.up}", lambda e: Upsample(e.up), ("dropout",)),
}
"""Every kind of layer, by the key that says it."""

_WORD = "|".join(re.sub(r"\?P<\w+>", "", f"({kind.pattern})") for kind in KINDS.values())


def read_layer(entry: Any) -> Any:
    """Return a layer as a mapping, given its number of units, its word or its mapping; a wrong word as wrong units."""
    if isinstance(entry, dict) and isinstance(entry.get("image"), list):
        return {**entry, "image": tuple(entry["image"])}
    if isinstance(entry, dict | Layer):
        return entry
    if isinstance(entry, str) and entry != AUTO:
        for name, kind in KINDS.items():
            if match := re.fullmatch(kind.pattern, entry):
                options = {key: text for key, text in match.groupdict().items() if text}
                numbers = {key: int(text) for key, text in options.items() if text.isdecimal()}
                image = {name: tuple(map(int, entry.split("x")))} if name == "image" else {}
                return options | numbers | image
    return {"units": entry}


def split_layers(value: Any) -> Any:
    """Return 784-30-10 or 28x28-conv8x5-10 as a list of its words; a wrong separator raises ValueError."""
    if not isinstance(value, str):
        return value
    words = value.split("-")
    if len(words) > 1 and re.fullmatch(_WORD, words[0]) and all(re.fullmatch("[a-z0-9]+", word) for word in words):
        return [int(word) if re.fullmatch(_DIGITS, word) else word for word in words]
    size = f"({_DIGITS}|{AUTO})"
    if re.fullmatch(rf"{size}([^0-9]{{1,3}}{size}){{1,99}}", value) and not re.fullmatch(_WORD, value):
        sizes = re.findall(size, value)
        raise ValueError(f"must be written {'-'.join(sizes)} or [{', '.join(sizes)}], not '{value}'")
    return value


def _read_layers(value: Any) -> Any:
    entries = split_layers(value)
    if not isinstance(entries, list | tuple):
        return value
    if len(entries) > MAX_LAYERS + 1:
        raise ValueError(f"must have at most {MAX_LAYERS + 1} entries, not {len(entries)}")
    return tuple(map(read_layer, entries))


class _LayersSchema:
    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        mapping = Layer.model_json_schema(mode="validation")
        mapping["oneOf"] = [{"required": [name]} for name in KINDS]
        words = {"type": "string", "pattern": f"^({_WORD})$"}
        entry = {"anyOf": [{"type": "integer", "minimum": 1}, words, mapping]}
        entries = {"type": "array", "items": entry, "minItems": 2, "maxItems": MAX_LAYERS + 1}
        return {"anyOf": [entries, {"type": "string", "pattern": f"^({_WORD})(-({_WORD}))+$"}]}


Layers = Annotated[tuple[Layer, ...], BeforeValidator(_read_layers), Field(min_length=2), _LayersSchema()]


def inputs_of(first: Layer) -> int | None:
    """Return the number of inputs that the first layer says, None if it leaves them to the data."""
    if first.image:
        return prod(first.image)
    return first.units if isinstance(first.units, int) else None


def shapes_of(in_shape: Shape, hidden: Sequence[Layer]) -> Iterator[Shape]:
    """Yield the shapes of the signals: of an example, and of what leaves each hidden layer. Raises UsageError."""
    yield in_shape
    for entry in hidden:
        in_shape, _ = entry.layer.build(entry.layer.takes(in_shape))
        yield in_shape
