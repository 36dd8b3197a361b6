"""Which tensors may share memory after paths of the program met.

A value that is joined from two paths (the branches of an `If`, the trips of a `Loop`) is a new
tensor in the graph, but in the program it is one of those that it was joined from, and two joined
values may be one and the same tensor on some path. Such cells are made twins: as long as none of
them is written all is well, and reading one after another was written is an error instead of a
guess.

Where handles are joined by their places (`either`), what they share is exact; there only what was
made on a path can be a twin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from exporter.conversion.control_flow.either import Outside, own_cells
from exporter.conversion.values.journal import Journal, Mutable
from exporter.conversion.values.objects import (
    ChoiceValue,
    DictValue,
    ListValue,
    ObjectValue,
    OptionalValue,
    Value,
)
from exporter.conversion.values.objects import NamedTuple as NamedTupleValue
from exporter.conversion.values.runtime_contents import RuntimeList
from exporter.conversion.values.tensors import Cell, TensorRef

__all__ = [
    "Families",
    "Family",
    "LoopTies",
    "Position",
    "cells_of",
    "families_of",
    "remember",
    "tie",
]


class Shared(NamedTuple):
    """The storages that a tensor may be a part of, and those with all that they may be.

    `overlaps` says that two of its elements may be one.
    """

    cells: list[Cell]
    related: list[Cell]
    overlaps: bool


class Family(NamedTuple):
    """The storages that a tensor may share: all, and those that its places don't tell of."""

    all: Shared
    own: Shared


Families: TypeAlias = list[Family]
"""One for each tensor in a value, in order."""

# None stands where a tensor may be on another path.
_Holder: TypeAlias = TensorRef | RuntimeList | None


def cells_of(value: Value) -> Iterator[Cell]:
    """The cells of the tensors in a value, in order."""
    for holder in _holders(value):
        yield from _cells(holder)


def _cells(holder: _Holder) -> Iterator[Cell]:
    if holder is not None:
        yield from holder.cells()


def _holders(value: Value) -> Iterator[_Holder]:
    """The tensors in a value, in order; a list of run-time length counts as one, so does None."""
    if value is None:
        yield None
    elif isinstance(value, TensorRef):
        yield value
    elif isinstance(value, ListValue) and value.growing is not None:
        return
    elif isinstance(value, (ListValue, DictValue)) and value.stored is not None:
        yield from value.stored.columns_of_tensors()
    elif isinstance(value, OptionalValue):
        yield from _holders(value.value)
    elif isinstance(value, ChoiceValue):
        for option in value.options:
            yield from _holders(option)
    else:
        for item in _items(value):
            yield from _holders(item)


def _items(value: Value) -> Sequence[Value]:
    if isinstance(value, NamedTupleValue):
        return value.values
    if isinstance(value, tuple):
        return value
    if isinstance(value, ListValue):
        return value.items
    if isinstance(value, DictValue):
        return list(value.items.values())
    if isinstance(value, ObjectValue) and value.type.kind != "module":
        return list(value.attributes.values())
    return ()


def families_of(value: Value, outside: Outside | None = None) -> Families:
    """The cells of a value with their twins. To be taken before the path is undone."""
    families = []
    for holder in _holders(value):
        cells = list(_cells(holder))
        if len(cells) == 1 and cells[0].family is not None:
            families.append(cells[0].family)
            continue
        own = cells
        if outside is not None and isinstance(holder, TensorRef):
            own = own_cells(holder, outside)
        overlaps = holder is not None and holder.overlaps
        families.append(Family(_with_twins(cells, overlaps), _with_twins(own, overlaps)))
    return families


def remember(copy: Value, families: Families) -> None:
    """Let a frozen copy tell the families of what it is a copy of, when that path is undone."""
    for holder, family in zip(_holders(copy), families, strict=True):
        for cell in _cells(holder):
            cell.family = family


def _with_twins(cells: list[Cell], overlaps: bool) -> Shared:
    related = dict.fromkeys(member for cell in cells for member in (cell, *cell.twins))
    return Shared(cells, list(related), overlaps)


def _meeting(members: Sequence[tuple[Any, Shared]]) -> Iterator[tuple[Any, Any]]:
    """Who may share memory on a path; two that may be a third's each need not."""
    owners: dict[Cell, list[Any]] = {}
    for key, shared in members:
        for cell in shared.cells:
            owners.setdefault(cell, []).append(key)
    for key, shared in members:
        for cell in shared.related:
            yield from ((key, other) for other in owners.get(cell, ()) if other != key)


def _made(holder: _Holder, start: int) -> list[Cell]:
    """The cells of a joined tensor that the places of its handle don't tell of."""
    cells = list(_cells(holder))
    return [cell for cell in cells if cell.born >= start] if _is_placed(holder, start) else cells


def _is_placed(holder: _Holder, start: int) -> bool:
    """Whether a joined tensor was joined by its places; one that was not has a new cell."""
    if not isinstance(holder, TensorRef):
        return False
    return holder.born < start or holder.choice is not None or holder.base is not None


def tie(
    journal: Journal, joined: Sequence[Value], paths: Sequence[Sequence[Families]], start: int
) -> None:
    """Make twins of the joined values and what they may share memory with.

    `paths` holds, for each path, the families of the values that were joined, and `start` is when
    the paths parted: what is younger is out of sight now.
    """
    for path in paths:
        made: list[list[Cell]] = []
        members: list[tuple[int, Shared]] = []
        for value, families in zip(joined, path, strict=True):
            for cells, shared in _matched(list(_holders(value)), families, start):
                members.append((len(made), shared))
                made.append(cells)
                for cell in cells if shared.overlaps else ():
                    cell.overlap(journal)
                for older in shared.related:
                    for cell in cells if older.born < start else ():
                        cell.pair(older, journal)
        for one, other in _meeting(members):
            for a in made[one]:
                for b in made[other]:
                    a.pair(b, journal)


def _matched(
    holders: list[_Holder], families: Families, start: int
) -> Iterator[tuple[list[Cell], Shared]]:
    """The cells of each joined tensor with the family that it was joined from.

    With all families, if the structure has changed.
    """
    if len(holders) == len(families):
        for holder, family in zip(holders, families, strict=True):
            placed = _is_placed(holder, start)
            yield _made(holder, start), family.own if placed else family.all
    else:
        for holder in holders:
            for family in families:
                yield _made(holder, start), family.all


Position: TypeAlias = int | Mutable | str
"""What a loop carries: a carried value by its number, or something that the body writes.

Calls are a loop, too, which carries attributes by their names.
"""

# A position, a tensor's number in the value there, and how many that value holds.
_Leaf: TypeAlias = tuple[Position, int, int]


class LoopTies:
    """Which of the tensors that a loop carries may share memory, also with outer ones.

    At the start of a trip a carried tensor is the initial one or what the trip before left. The
    ties that follow are found in rounds, like the forms: `note` says what one path gives, and is
    true while there is something new; `apply` ties the values that stand for the carried ones.
    """

    def __init__(self, start: int) -> None:
        # Cells that are older than this are outer ones.
        self.start = start
        self._ties: set[tuple[_Leaf, _Leaf | Cell]] = set()

    def note(
        self, families: Mapping[Any, Families], carried: Mapping[Position, Value] | None = None
    ) -> bool:
        """Add the ties of a path by the families of its values; whether any is new.

        `carried` are the values that stood for these in the trip: what they tell by their places
        is no news. Where none held tensors yet, a later trip has one that does, and tells.
        """
        members: list[tuple[_Leaf, Shared]] = []
        for position, found in families.items():
            stands = [] if carried is None else list(_holders(carried.get(position)))
            if carried is not None and all(stand is None for stand in stands):
                continue
            alike = len(stands) == len(found)
            for i, family in enumerate(found):
                if alike and stands[i] is None:
                    continue
                placed = alike and _is_placed(stands[i], self.start)
                shared = family.own if placed else family.all
                members.append(((position, i, len(found)), shared))
        count = len(self._ties)
        self._ties.update(_meeting(members))
        for leaf, shared in members:
            self._ties.update((leaf, cell) for cell in shared.related if cell.born < self.start)
            if shared.overlaps:
                self._ties.add((leaf, leaf))
        return len(self._ties) > count

    def involve(self, position: Position) -> bool:
        """Whether anything at a position may be something else, too."""
        leaves = (leaf for tie in self._ties for leaf in tie if not isinstance(leaf, Cell))
        return any(leaf[0] is position for leaf in leaves)

    def apply(self, journal: Journal, values: Mapping[Any, Value]) -> None:
        """Tie values at these positions, among each other and to outer cells."""
        found: dict[Position, list[_Holder]] = {
            position: list(_holders(value)) for position, value in values.items()
        }

        def at(leaf: _Leaf | Cell) -> list[Cell]:
            if isinstance(leaf, Cell):
                return [leaf]
            position, index, count = leaf
            holders = found.get(position, [])
            chosen = [holders[index]] if len(holders) == count else holders
            return [cell for holder in chosen for cell in _made(holder, self.start)]

        for one, other in self._ties:
            for a in at(one):
                if one is other:
                    a.overlap(journal)
                for b in at(other):
                    a.pair(b, journal)
