"""Which tensors may share memory after paths of the program met.

A value that is joined from two paths (the branches of an `If`, the trips of a `Loop`) is a new
tensor in the graph, but in the program it is one of those that it was joined from, and two joined
values may be one and the same tensor on some path. Such cells are made twins: as long as none of
them is written all is well, and reading one after another was written is an error instead of a
guess.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TypeAlias

from exporter.conversion.journal import Journal, Mutable
from exporter.conversion.objects import (
    ChoiceValue,
    DictValue,
    ListValue,
    NamedTuple,
    ObjectValue,
    OptionalValue,
    Value,
)
from exporter.conversion.tensors import Cell, TensorRef

__all__ = ["Families", "LoopTies", "Position", "cells_of", "families_of", "tie"]

Families: TypeAlias = list[list[Cell]]
"""For each tensor in a value, in order: its cell, and those that may share its memory."""


def cells_of(value: Value) -> Iterator[Cell]:
    """The cells of the tensors in a value, in order; a list of run-time length has one."""
    if isinstance(value, TensorRef):
        yield value.cell
    elif isinstance(value, ListValue) and value.growing is not None:
        return
    elif isinstance(value, ListValue) and value.runtime is not None:
        if value.runtime.kind == "tensor":
            yield value.runtime.cell
    elif isinstance(value, OptionalValue):
        yield from cells_of(value.value)
    elif isinstance(value, ChoiceValue):
        for option in value.options:
            yield from cells_of(option)
    else:
        for item in _items(value):
            yield from cells_of(item)


def _items(value: Value) -> Sequence[Value]:
    if isinstance(value, NamedTuple):
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


def families_of(value: Value) -> Families:
    """The cells of a value with their twins. To be taken before the path is undone."""
    return [[cell, *cell.twins] for cell in cells_of(value)]


def tie(
    journal: Journal, joined: Sequence[Value], paths: Sequence[Sequence[Families]], start: int
) -> None:
    """Make twins of the joined values and what they may share memory with.

    `paths` holds, for each path, the families of the values that were joined, and `start` is when
    the paths parted: what is younger is out of sight now.
    """
    for path in paths:
        holders: dict[Cell, list[Cell]] = {}
        for value, families in zip(joined, path, strict=True):
            for made, family in _matched(list(cells_of(value)), families):
                for cell in family:
                    holders.setdefault(cell, []).append(made)
        for cell, made_from in holders.items():
            same = dict.fromkeys([*made_from, cell] if cell.born < start else made_from)
            for one, other in combinations(same, 2):
                one.pair(other, journal)


def _matched(cells: list[Cell], families: Families) -> Iterator[tuple[Cell, list[Cell]]]:
    """Each joined cell with the family it was joined from, or with all if the structure changed."""
    if len(cells) == len(families):
        yield from zip(cells, families, strict=True)
    else:
        for cell in cells:
            for family in families:
                yield cell, family


Position: TypeAlias = int | Mutable
"""What a loop carries: a carried value by its number, or something that the body writes."""

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

    def note(self, families: dict[Position, Families]) -> bool:
        """Add the ties of a path by the families of its values; whether any is new."""
        holders: dict[Cell, list[_Leaf]] = {}
        for position, found in families.items():
            for i, family in enumerate(found):
                for cell in family:
                    holders.setdefault(cell, []).append((position, i, len(found)))
        count = len(self._ties)
        for cell, leaves in holders.items():
            self._ties.update(combinations(dict.fromkeys(leaves), 2))
            if cell.born < self.start:
                self._ties.update((leaf, cell) for leaf in leaves)
        return len(self._ties) > count

    def involve(self, position: Position) -> bool:
        """Whether anything at a position may be something else, too."""
        leaves = (leaf for tie in self._ties for leaf in tie if not isinstance(leaf, Cell))
        return any(leaf[0] is position for leaf in leaves)

    def apply(self, journal: Journal, values: dict[Position, Value]) -> None:
        """Tie values at these positions, among each other and to outer cells."""
        cells = {position: list(cells_of(value)) for position, value in values.items()}

        def at(leaf: _Leaf | Cell) -> list[Cell]:
            if isinstance(leaf, Cell):
                return [leaf]
            position, index, count = leaf
            found = cells.get(position, [])
            return [found[index]] if len(found) == count else found

        for one, other in self._ties:
            for a in at(one):
                for b in at(other):
                    a.pair(b, journal)
