"""Where the program itself fails: a branch that is sure to is not one to convert."""

from __future__ import annotations

from exporter.errors import RaisedError

__all__ = ["RaisedError"]
