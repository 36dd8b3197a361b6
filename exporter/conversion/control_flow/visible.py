"""What of a value can still be named outside of the body that it was made in.

A size that is read from a tensor in the body of an `If` or `Loop` means nothing around it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from exporter.onnx_graph.scope import Scope
from exporter.onnx_graph.symbolic import Dim, SymInt
from exporter.onnx_graph.values import SymScalar, Tensor

__all__ = ["OpenShape", "PossibleShapes", "are_visible", "visible_dim", "visible_shape"]

OpenShape: TypeAlias = tuple[Dim | None, ...] | None
PossibleShapes: TypeAlias = tuple[tuple[Dim | None, ...], ...] | None


def visible_dim(dim: Dim | None, outer: Scope) -> Dim | None:
    """A size, or None if it is only known inside of a body."""
    return dim if dim is not None and outer.reads(dim) else None


def visible_shape(shape: OpenShape, outer: Scope) -> OpenShape:
    """A shape without the dims that are only known inside of a body."""
    return None if shape is None else tuple(visible_dim(d, outer) for d in shape)


def are_visible(value: Any, outer: Scope) -> bool:
    """Whether an argument of an operator means the same outside: all numbers and tensors in it."""
    if isinstance(value, SymInt):
        return visible_dim(value, outer) is not None
    if isinstance(value, SymScalar):
        return outer.sees(value.tensor)
    if isinstance(value, Tensor):
        return outer.sees(value)
    if isinstance(value, (list, tuple)):
        return all(are_visible(item, outer) for item in value)
    if isinstance(value, Mapping):
        return all(are_visible(item, outer) for item in value.values())
    return True
