"""Which lists, dicts and objects may be one another after paths of the program met.

    kept = first if c else second       # one of the two; here it is a list of its own, joined
    kept.append(x)                      # which changes one of the others, too

A container that is joined is a new one, but in the program it is one of those that it was joined
from. Such containers are *kin*, and so are two that were joined from one. While none of them
changes all is well; asking one after another was changed is an error instead of a guess. (Tensors
have the like in `aliasing`.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from exporter.conversion.values.aliasing import Position
from exporter.conversion.values.journal import Container
from exporter.conversion.values.objects import (
    ChoiceValue,
    DictValue,
    ListValue,
    NamedTuple,
    ObjectValue,
    OptionalValue,
    Value,
)

__all__ = ["Kinship", "LoopKin", "kinship_of", "relate"]

Kinship: TypeAlias = list[tuple[Container, ...]]
"""For each container in a value, in order, it and its kin; nothing for None, where one may be."""


def kinship_of(value: Value) -> Kinship:
    """The containers in a value with their kin. To be taken before the path is undone."""
    return [() if held is None else (held, *held.kin) for held in _containers(value)]


def _containers(value: Value) -> Iterator[Container | None]:
    if value is None:
        yield None
    if isinstance(value, ObjectValue) and value.type.kind == "module":
        return
    if isinstance(value, Container):
        yield value
        if value.lost is not None:
            return
    for item in _items(value):
        yield from _containers(item)


def _items(value: Value) -> Sequence[Value]:
    if isinstance(value, OptionalValue):
        return (value.value,)
    if isinstance(value, NamedTuple):
        return value.values
    if isinstance(value, tuple):
        return value
    if isinstance(value, ListValue):
        if value.growing is not None:
            return ()
        return value.items if value.stored is None else list(value.stored.members())
    if isinstance(value, DictValue):
        if value.stored is not None:
            return list(value.stored.members())
        return list(value.items.values())
    if isinstance(value, ChoiceValue):
        return value.options
    return list(value.attributes.values()) if isinstance(value, ObjectValue) else ()


def relate(joined: Sequence[Value], paths: Sequence[Sequence[Kinship]], start: int) -> None:
    """Make kin of joined values and the containers that the paths had there, part by part.

    `start` is when the paths parted: what is younger is out of sight now.
    """
    for path in paths:
        members: list[tuple[Container, tuple[Container, ...]]] = []
        for value, kinship in zip(joined, path, strict=True):
            made = list(_containers(value))
            alike = len(made) == len(kinship)
            for i, family in enumerate(kinship):
                found = made[i : i + 1] if alike else made
                members += [(c, family) for c in found if c is not None and c.born >= start]
        for container, family in members:
            for older in family:
                if older.born < start:
                    container.relate(older)
        for one, other in _meeting(members):
            one.relate(other)


def _meeting(members: Sequence[tuple[Any, tuple[Container, ...]]]) -> Iterator[tuple[Any, Any]]:
    """Who may be the same on a path: one's container is another's, or kin of it."""
    owners: dict[Container, list[Any]] = {}
    for key, family in members:
        for container in family[:1]:
            owners.setdefault(container, []).append(key)
    for key, family in members:
        for container in family:
            yield from ((key, other) for other in owners.get(container, ()) if other != key)


# A position, a container's number in the value there, and how many that value holds.
_Leaf: TypeAlias = tuple[Position, int, int]


class LoopKin:
    """What the containers that a loop carries may be: each other, or outer ones.

    At the start of a trip they are the initial ones or what the trip before left. As with the ties
    of tensors that is found in rounds: `note` says what one path gives, and is true while there is
    something new; `apply` relates the values that stand for the carried ones.
    """

    def __init__(self, start: int) -> None:
        # Containers that are older than this are outer ones.
        self.start = start
        self._kin: set[tuple[_Leaf, _Leaf | Container]] = set()

    def note(self, values: Mapping[Any, Value]) -> bool:
        """Add what a path gives for each position; whether any of it is new."""
        members: list[tuple[_Leaf, tuple[Container, ...]]] = []
        for position, value in values.items():
            kinship = kinship_of(value)
            members += [((position, i, len(kinship)), f) for i, f in enumerate(kinship)]
        count = len(self._kin)
        self._kin.update(_meeting(members))
        for leaf, family in members:
            self._kin.update((leaf, older) for older in family if older.born < self.start)
        return len(self._kin) > count

    def apply(self, values: Mapping[Any, Value]) -> None:
        """Relate the values that stand for the carried ones."""
        found: dict[Position, list[Container | None]] = {
            position: list(_containers(value)) for position, value in values.items()
        }

        def at(leaf: _Leaf | Container) -> list[Container]:
            if isinstance(leaf, Container):
                return [leaf]
            position, index, count = leaf
            held = found.get(position, [])
            chosen = [held[index]] if len(held) == count else held
            return [c for c in chosen if c is not None and c.born >= self.start]

        for one, other in self._kin:
            for a in at(one):
                for b in at(other):
                    if a is not b:
                        a.relate(b)
