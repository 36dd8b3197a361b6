"""Which function stands in for an operator at which opsets."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

__all__ = ["ALWAYS", "WITHOUT_KERNELS", "find_lowering", "lowering"]

F = TypeVar("F", bound=Callable[..., Any])
_ROWS: list[tuple[str, int, Callable[..., Any]]] = []

# `before=ALWAYS`: the form that symbolics call is lowered at every opset.
ALWAYS = 1000
# Opset 22 gave many operators a new version for bfloat16; onnxruntime 1.31 has no kernel for some.
WITHOUT_KERNELS = 22


def lowering(*op_types: str, before: int) -> Callable[[F], F]:
    """Register a function that stands in for operators at opsets below `before`."""

    def register(function: F) -> F:
        _ROWS.extend((op_type, before, function) for op_type in op_types)
        _at.cache_clear()
        return function

    return register


def find_lowering(op_type: str, opset: int) -> Callable[..., Any] | None:
    """The lowering for an operator at an opset: of those that apply, the one for the oldest."""
    return _at(opset).get(op_type)


@cache
def _at(opset: int) -> dict[str, Callable[..., Any]]:
    """All lowerings of an opset."""
    rows = sorted((r for r in _ROWS if opset < r[1]), key=lambda row: -row[1])
    return {op_type: function for op_type, _, function in rows}
