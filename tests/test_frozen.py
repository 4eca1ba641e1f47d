"""`frozen` makes what `dataclass(frozen=True)` makes: each property is compared with that of a class of the latter."""

import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from typing import ClassVar

import pytest

from backprop_cli.frozen import frozen


def classes_made_by(decorator):
    """A class, one that inherits from it, and one without fields."""

    @decorator
    class Point:
        """A point."""

        name: ClassVar[str] = "point"
        x: float
        y: float = 0.0
        note: str = field(default="", compare=False)
        hidden: list[int] = field(default_factory=list, repr=False, compare=False)

    @decorator
    class Circle(Point):
        radius: float = 1.0

        def __post_init__(self):
            object.__setattr__(self, "area", 3 * self.radius**2)

    @decorator
    class Nothing:
        pass

    return Point, Circle, Nothing


OURS, THEIRS = classes_made_by(frozen), classes_made_by(dataclass(frozen=True))


@pytest.mark.parametrize(("ours", "theirs"), [*zip(OURS, THEIRS, strict=True)], ids=["base", "child", "empty"])
def test_objects_look_compare_and_hash_as_those_of_dataclass(ours, theirs):
    options = [{}] if not fields(ours) else [{"x": 1}, {"x": 2}, {"x": 1, "note": "n"}, {"x": 1, "y": 2.5}]
    mine, others = [ours(**given) for given in options], [theirs(**given) for given in options]
    assert list(map(repr, mine)) == list(map(repr, others))
    assert [[a == b for a in mine] for b in mine] == [[a == b for a in others] for b in others]
    assert [len({hash(a), hash(b)}) for a in mine for b in mine] == [
        len({hash(a), hash(b)}) for a in others for b in others
    ]
    assert [f.name for f in fields(ours)] == [f.name for f in fields(theirs)]
    assert mine[0] != others[0]


@pytest.mark.parametrize("kind", OURS, ids=["base", "child", "empty"])
def test_no_attribute_can_be_set_or_deleted(kind):
    made = kind(1) if fields(kind) else kind()
    for name in ("x", "new", "area"):
        with pytest.raises(FrozenInstanceError, match=f"cannot assign to field '{name}'"):
            setattr(made, name, 2)
        with pytest.raises(FrozenInstanceError, match=f"cannot delete field '{name}'"):
            delattr(made, name)


def test_replace_and_pickle_work():
    point = replace(OURS[0](1, note="n"), y=3)
    assert (point.x, point.y, point.note) == (1, 3, "n")
    assert pickle.loads(pickle.dumps(Module(1, [2]))) == Module(1, [2])


@frozen
class Module:
    a: int
    b: list[int]


def test_a_frozen_dataclass_can_inherit_but_no_other():
    @dataclass(frozen=True)
    class Child(OURS[0]):
        z: float = 0.0

    assert Child(1, z=2) == Child(1, z=2) != Child(1, z=3)
    with pytest.raises(FrozenInstanceError):
        Child(1).x = 2
    with pytest.raises(TypeError, match="cannot inherit non-frozen dataclass from a frozen one"):
        dataclass(type("Wrong", (OURS[0],), {"__annotations__": {"z": "float"}}))


def test_methods_of_the_class_are_kept():
    @frozen
    class Named:
        name: str

        def __repr__(self):
            return self.name

    assert repr(Named("a")) == "a"


def test_an_object_that_contains_itself_can_be_shown():
    made = Module(1, [])
    made.b.append(made)
    assert repr(made) == "Module(a=1, b=[...])"
