"""Where the program itself fails: a branch that is sure to is not one to convert."""

from __future__ import annotations

from exporter.errors import ConversionError

__all__ = ["RaisedError"]


class RaisedError(ConversionError):
    """The program raises on a path that is certainly taken: by `raise`, or an index out of range.

    Where the path is one branch of an `If`, that branch is dropped and the other one taken.
    """
