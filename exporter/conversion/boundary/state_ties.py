"""Which attributes may hold the same tensor or list when a call is over.

    self.kept = self.buffer         # one tensor; as state they are two values
    ...
    self.buffer += x                # in the next call: changes both

As with what a loop carries, such values are tied where the next call starts: all is well while
none of them is changed, and asking one after another was changed is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import TypeAlias

from exporter.conversion.values.aliasing import LoopTies, families_of
from exporter.conversion.values.journal import Container, Journal
from exporter.conversion.values.objects import (
    ChoiceValue,
    DictValue,
    ListValue,
    NamedTuple,
    ObjectValue,
    OptionalValue,
    Value,
)

__all__ = ["StateTies"]

# An attribute, a container's number in what it holds, and how many that holds.
_Leaf: TypeAlias = tuple[str, int, int]


class StateTies:
    """The ties found so far, by the names of attributes."""

    def __init__(self) -> None:
        # No cell is older than a call, so all are told by the attributes that hold them.
        self._tensors = LoopTies(0)
        self._containers: set[tuple[_Leaf, _Leaf]] = set()

    def note(self, values: Mapping[str, Value]) -> bool:
        """Add the ties of what attributes hold together; whether any is new."""
        news = self._tensors.note({name: families_of(value) for name, value in values.items()})
        count = len(self._containers)
        holders: dict[Container, list[_Leaf]] = {}
        for name, value in values.items():
            found = list(_containers(value))
            for i, container in enumerate(found):
                for one in (container, *container.kin):
                    holders.setdefault(one, []).append((name, i, len(found)))
        for leaves in holders.values():
            self._containers.update(combinations(dict.fromkeys(leaves), 2))
        return news or len(self._containers) > count

    def apply(self, journal: Journal, values: Mapping[str, Value]) -> None:
        """Tie what these attributes hold at the start of a call."""
        self._tensors.apply(journal, values)
        found = {name: list(_containers(value)) for name, value in values.items()}
        for one, other in self._containers:
            for a in _at(found, one):
                for b in _at(found, other):
                    if a is not b:
                        a.relate(b)


def _at(found: Mapping[str, list[Container]], leaf: _Leaf) -> list[Container]:
    name, index, count = leaf
    containers = found.get(name, [])
    return [containers[index]] if len(containers) == count else containers


def _containers(value: Value) -> Iterator[Container]:
    """The lists, dicts and objects in a value, in order."""
    if isinstance(value, OptionalValue):
        yield from _containers(value.value)
        return
    if isinstance(value, Container) and not _is_module(value):
        yield value
    for item in _items(value):
        yield from _containers(item)


def _items(value: Value) -> Iterator[Value]:
    if isinstance(value, NamedTuple):
        yield from value.values
    elif isinstance(value, tuple):
        yield from value
    elif isinstance(value, ListValue):
        yield from () if value.runtime is not None else value.items
    elif isinstance(value, DictValue):
        yield from value.items.values()
    elif isinstance(value, ChoiceValue):
        yield from value.options
    elif isinstance(value, ObjectValue) and not _is_module(value):
        yield from value.attributes.values()


def _is_module(value: Container) -> bool:
    return isinstance(value, ObjectValue) and value.type.kind == "module"
