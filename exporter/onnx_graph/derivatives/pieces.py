"""What many derivative rules are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from exporter.onnx_graph.symbolic import Dim, is_ge
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

__all__ = ["added_along", "inverse", "masked", "number", "summed_to", "zeros"]


def number(g: Builder, value: float, like: Tensor) -> Tensor:
    """A number in the dtype of a tensor."""
    return g.constant(value, like.dtype)


def zeros(g: Builder, like: Tensor) -> Tensor:
    """Zeros of a tensor's shape and dtype."""
    return g.Expand(number(g, 0, like), g.shape(like))  # type: ignore[no-any-return]


def masked(g: Builder, condition: Tensor, grad: Tensor) -> Tensor:
    """The gradient where a condition holds, zero elsewhere."""
    return g.Where(condition, grad, number(g, 0, grad))  # type: ignore[no-any-return]


def summed_to(g: Builder, grad: Tensor, tensor: Tensor, *, matrices: bool = False) -> Tensor:
    """The gradient of what was broadcast: the sum over the elements that each one became.

    Of `matrices` the last two dims agree anyway.
    """
    shape, target = grad.require_shape(), tensor.require_shape()
    if shape == target:
        return grad
    lead = len(shape) - len(target)
    axes, unsure = list(range(lead)), []
    for axis, (size, wanted) in enumerate(zip(shape[lead:], target, strict=True), lead):
        if size == wanted or (matrices and axis >= len(shape) - 2):
            continue
        if wanted == 1:
            axes.append(axis)
        elif not (isinstance(wanted, int) or is_ge(wanted, 2)):
            unsure.append((axis, wanted))
    if axes:
        grad = g.ReduceSum(grad, axes=axes, keepdims=1)
    for axis, wanted in unsure:
        # Only at run time it is known whether the dim was 1: of both, one is cut out.
        both = g.Concat(g.ReduceSum(grad, axes=[axis], keepdims=1), grad, axis=axis)
        length = g.constant([wanted], ir.DataType.INT64)
        start = g.cast(g.Not(g.Equal(length, 1)), ir.DataType.INT64)
        grad = g.Slice(both, start, g.Add(start, length), [axis])
    return g.reshape(grad, list(target))


def added_along(
    g: Builder, grad: Tensor, axis: int, index: Tensor, size: Dim, *, distinct: bool = False
) -> Tensor:
    """Zeros of `size` along a dim, to which the slices of `grad` are added at the 1-D `index`.

    Neighbours are padded, and `distinct` ones put in their places.
    """
    shape = list(grad.require_shape())
    known = index.array
    if known is not None and known.size and known.min() >= 0:
        first, last = int(known[0]), int(known[-1])
        behind = size - last - 1
        if (
            isinstance(behind, int)
            and behind >= 0
            and np.array_equal(known, range(first, last + 1))
        ):
            return g.Pad(grad, [first, behind], axes=[axis])  # type: ignore[no-any-return]
        distinct |= len(np.unique(known)) == len(known)
    if distinct:
        order = [axis, *(i for i in range(len(shape)) if i != axis)]
        rows = g.Transpose(grad, perm=order) if axis else grad
        base = g.Expand(number(g, 0, grad), g.constant([size, *rows.require_shape()[1:]]))
        put = g.ScatterND(base, g.Unsqueeze(index, axes=[1]), rows)
        return g.Transpose(put, perm=inverse(order)) if axis else put  # type: ignore[no-any-return]
    base = g.Expand(number(g, 0, grad), g.constant([*shape[:axis], size, *shape[axis + 1 :]]))
    others = [i for i in range(len(shape)) if i != axis]
    places = g.Expand(g.Unsqueeze(index, axes=others) if others else index, g.shape(grad))
    return g.ScatterElements(base, places, grad, axis=axis, reduction="add")  # type: ignore[no-any-return]


def inverse(order: Sequence[int]) -> list[int]:
    """The permutation that undoes another."""
    return sorted(range(len(order)), key=order.__getitem__)
