"""Operators that older opsets lack, or lack in the form in which symbolics call them.

A lowering is a function over the builder with the operator's newest parameters; it is used at
opsets below `before`. This is the only place that knows when an operator came.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["find_lowering", "lowering"]

F = TypeVar("F", bound=Callable[..., Any])
_LOWERINGS: dict[str, list[tuple[int, Callable[..., Any]]]] = {}


def lowering(op_type: str, *, before: int) -> Callable[[F], F]:
    """Register a function that stands in for an operator at opsets below `before`."""

    def register(function: F) -> F:
        rows = _LOWERINGS.setdefault(op_type, [])
        rows.append((before, function))
        rows.sort(key=lambda row: row[0])
        return function

    return register


def find_lowering(op_type: str, opset: int) -> Callable[..., Any] | None:
    """The lowering for an operator at an opset: of those that apply, the one for the oldest."""
    for before, function in _LOWERINGS.get(op_type, ()):
        if opset < before:
            return function
    return None
