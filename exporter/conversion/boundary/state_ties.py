"""Which attributes may hold the same tensor or list when a call is over.

    self.kept = self.buffer         # one tensor; as state they are two values
    ...
    self.buffer += x                # in the next call: changes both

As with what a loop carries, such values are tied where the next call starts: all is well while
none of them is changed, and asking one after another was changed is an error.
"""

from __future__ import annotations

from collections.abc import Mapping

from exporter.conversion.values.aliasing import LoopTies, families_of
from exporter.conversion.values.journal import Journal
from exporter.conversion.values.objects import Value
from exporter.conversion.values.sharing import LoopKin

__all__ = ["StateTies"]


class StateTies:
    """The ties found so far, by the names of attributes.

    Nothing is older than a call: who shares what is told by the attributes alone.
    """

    def __init__(self) -> None:
        self._tensors = LoopTies(0)
        self._containers = LoopKin(0)

    def note(self, values: Mapping[str, Value]) -> bool:
        """Add the ties of what attributes hold together; whether any is new."""
        news = self._tensors.note({name: families_of(value) for name, value in values.items()})
        return self._containers.note(values) or news

    def apply(self, journal: Journal, values: Mapping[str, Value]) -> None:
        """Tie what these attributes hold at the start of a call."""
        self._tensors.apply(journal, values)
        self._containers.apply(values)
