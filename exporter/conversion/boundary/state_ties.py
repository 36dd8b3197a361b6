"""Which attributes may hold the same tensor or list when a call is over.

    self.kept = self.buffer         # one tensor; as state they are two values
    ...
    self.buffer += x                # in the next call: changes both

As with what a loop carries, such values are tied where the next call starts: all is well while
none of them is changed, and asking one after another was changed is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from exporter.conversion.values.aliasing import LoopTies, cells_of, families_of
from exporter.conversion.values.journal import Container, Journal, Mutable
from exporter.conversion.values.objects import Value
from exporter.conversion.values.sharing import LoopKin, kinship_of

__all__ = ["StateTies"]


class StateTies:
    """The ties found so far, by the names of attributes.

    Nothing is older than a call: who shares what is told by the attributes alone.
    """

    def __init__(self) -> None:
        self._tensors = LoopTies(0)
        self._containers = LoopKin(0)

    def note(self, values: Mapping[str, Value], others: Mapping[str, Value]) -> bool:
        """Add the ties of what attributes hold together; whether any is new.

        `values` are the state. Of the others, which no call replaces, those count that hold
        something of it: what is written as the state in the next call is written there, too.
        """
        families = {name: families_of(value) for name, value in values.items()}
        held: set[Mutable] = {
            cell for found in families.values() for family in found for cell in family.all.related
        }
        held.update(container for value in values.values() for container in _containers(value))
        sharing = {
            name: value
            for name, value in others.items()
            if not held.isdisjoint(cells_of(value)) or not held.isdisjoint(_containers(value))
        }
        families.update((name, families_of(value)) for name, value in sharing.items())
        news = self._tensors.note(families)
        return self._containers.note({**values, **sharing}) or news

    def apply(self, journal: Journal, values: Mapping[str, Value]) -> None:
        """Tie what these attributes hold at the start of a call."""
        self._tensors.apply(journal, values)
        self._containers.apply(values)


def _containers(value: Value) -> Iterator[Container]:
    for kin in kinship_of(value):
        yield from kin
