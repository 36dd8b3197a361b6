"""Dataclasses that are quick to define: the standard library's, with methods that all share.

The standard library compiles half a dozen functions for each class when its module is imported; for
a hundred classes that was a seventh of a small model's conversion. Here only `__init__` is.
`frozen` makes instances hashable, and mypy holds our code to it; at run time nothing stops an
assignment. Classes whose instances users make are the standard library's own.
"""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls=None, *, frozen=False, eq=True):
        """As `dataclasses.dataclass`; `__repr__` and `__eq__` of the class's own are kept."""
        if cls is None:
            return lambda cls: dataclass(cls, frozen=frozen, eq=eq)
        own = vars(cls)
        if "__repr__" not in own:
            cls.__repr__ = _repr
        if eq and "__eq__" not in own:
            cls.__eq__ = _equal
            cls.__hash__ = _hash if frozen else None
        made = dataclasses.dataclass(cls, eq=False, repr=False)
        compared = [field.name for field in dataclasses.fields(made) if field.compare]
        made._class_and_compared_fields = attrgetter("__class__", *compared)
        return made

    @recursive_repr()
    def _repr(self):
        fields = (field.name for field in dataclasses.fields(self) if field.repr)
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in fields)
        return f"{type(self).__qualname__}({shown})"

    def _equal(self, other):
        if other.__class__ is not self.__class__:
            return NotImplemented
        key = self._class_and_compared_fields
        return key(self) == key(other)

    def _hash(self):
        return hash(self._class_and_compared_fields(self))
