"""Our dataclasses are the standard library's in all but how they are made."""

from __future__ import annotations

import dataclasses
from dataclasses import field, fields, replace

import pytest

from exporter.dataclass import dataclass

BOTH = pytest.mark.parametrize("decorator", [dataclass, dataclasses.dataclass])


def made(decorator, **options):
    class Base:
        """Something to inherit from."""

    @decorator(**options)
    class Point(Base):
        """A class of all kinds of fields."""

        x: int
        y: float = 2.0
        tags: list[str] = field(default_factory=list, compare=False)
        hidden: object = field(default=None, repr=False)

    return Point


@BOTH
def test_fields_and_defaults(decorator) -> None:
    Point = made(decorator, frozen=True)
    a, b = Point(1), Point(x=1, y=2.0)
    assert (a.x, a.y, a.tags, a.hidden) == (1, 2.0, [], None)
    assert a.tags is not b.tags
    assert [f.name for f in fields(Point)] == ["x", "y", "tags", "hidden"]
    assert Point.__match_args__ == ("x", "y", "tags", "hidden")
    assert dataclasses.is_dataclass(Point)
    with pytest.raises(TypeError, match="x"):
        Point()


@BOTH
def test_equality_and_hash(decorator) -> None:
    Point = made(decorator, frozen=True)
    other = made(decorator, frozen=True)
    nan = float("nan")
    assert Point(1, tags=["a"]) == Point(1)
    assert hash(Point(1, tags=["a"])) == hash(Point(1))
    assert Point(1) != Point(2)
    assert Point(1) != other(1)
    assert Point(1, nan) == Point(1, nan)
    assert Point(1) != (1, 2.0)
    assert replace(Point(1), y=3.0) == Point(1, 3.0)


@BOTH
def test_mutable_ones_compare_and_have_no_hash(decorator) -> None:
    Point = made(decorator)
    point = Point(1)
    point.x = 5
    assert point == Point(5)
    with pytest.raises(TypeError, match="unhashable"):
        hash(point)


@BOTH
def test_identity_where_asked_for(decorator) -> None:
    Point = made(decorator, eq=False)
    point = Point(1)
    assert point != Point(1)
    assert {point: 1}[point] == 1


@BOTH
def test_representation(decorator) -> None:
    Point = made(decorator, frozen=True)
    name = Point.__qualname__
    assert repr(Point(1)) == f"{name}(x=1, y=2.0, tags=[])"
    point = Point(1, tags=[])
    point.tags.append(point)
    assert repr(point) == f"{name}(x=1, y=2.0, tags=[...])"


@BOTH
def test_own_methods_stay(decorator) -> None:
    @decorator(frozen=True)
    class Own:
        """One with methods of its own, and one without fields that are compared."""

        x: int = field(compare=False)

        def __post_init__(self) -> None:
            assert self.x > 0

        def __repr__(self) -> str:
            return "own"

    assert repr(Own(1)) == "own"
    assert Own(1) == Own(2)
    assert hash(Own(1)) == hash(Own(2))
    with pytest.raises(AssertionError):
        Own(0)
