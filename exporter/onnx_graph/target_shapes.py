"""What a Reshape is told: shapes with a dim kept, or with one left for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from exporter.onnx_graph.symbolic import Dim, Shape, SymInt

__all__ = ["is_flat", "rest", "unit_dims", "without_rest", "written_shape"]


def unit_dims(fewer: Shape | None, more: Shape | None) -> list[int] | None:
    """The dims of size 1 that `more` has and `fewer` has not; None unless that is the difference.

    Nor for static shapes, which a Reshape names in full.
    """
    if fewer is None or more is None or all(isinstance(d, int) for d in more):
        return None
    axes: list[int] = []
    rest = list(fewer)
    for axis, dim in enumerate(more):
        if rest and rest[0] == dim:
            del rest[0]
        elif isinstance(dim, int) and dim == 1:
            axes.append(axis)
        else:
            return None
    return axes if axes and not rest else None


def written_shape(source: tuple[Dim, ...] | None, target: tuple[Dim, ...]) -> tuple[Dim, ...]:
    """`target` for a Reshape: 0 for dims that stay, -1 for the one that is left."""
    if all(isinstance(d, int) for d in target):
        return target
    written: list[Dim] = list(target)
    has_zero = any(isinstance(d, int) and d == 0 for d in target)
    if source is not None and not has_zero:
        for i, d in enumerate(target):
            if i < len(source) and isinstance(d, SymInt) and source[i] == d:
                written[i] = 0
    left = [i for i, d in enumerate(written) if isinstance(d, SymInt)]
    if len(left) == 1 and not has_zero:
        written[left[0]] = -1
    return tuple(written)


def without_rest(source: Shape | None, target: Shape) -> Shape | None:
    """A shape with its -1 replaced by what the other dims leave; None where that isn't known."""
    if not any(isinstance(d, int) and d == -1 for d in target):
        return target
    others: list[Dim | None] = [None if d == -1 else d for d in target]
    left = None if source is None else rest(source, others)
    if left is None or others.count(None) != 1:
        return None
    return tuple(left if d is None else d for d in others)


def rest(source: Shape, dims: Sequence[Dim | None]) -> Dim | None:
    """The dim written -1: what the others leave of the element count."""
    kept = [d for d in dims if d is not None]
    total: Dim = 1
    for dim in source:
        if dim in kept:
            kept.remove(dim)
        else:
            total = total * dim
    divisor: Dim = prod(kept)
    if divisor == 0:
        return None
    if divisor == 1:
        return total
    return total // divisor


def is_flat(source: Shape | None, target: Shape) -> bool:
    """Whether a shape has two dims: the first of another, and all others of that as one."""
    if not source or len(target) != 2:
        return False
    return target == (source[0], prod(source[1:]))
