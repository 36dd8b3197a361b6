"""Operators that compute with Python values: numbers, containers, strings, properties of tensors.

They run now and leave nothing in the graph, unless a value is only known at run time. A builtin
that returns `NotImplemented` leaves the call to the symbolics (`aten::add` of two tensors, say).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["BUILTINS", "builtin"]

F = TypeVar("F", bound=Callable[..., Any])
BUILTINS: dict[str, Callable[..., Any]] = {}


def builtin(*names: str) -> Callable[[F], F]:
    """Register `fn(interpreter, *args, **kwargs)` for operators such as "aten::len"."""

    def register(function: F) -> F:
        for name in names:
            if name in BUILTINS:
                raise ValueError(f"{name} already has a builtin")
            BUILTINS[name] = function
        return function

    return register
