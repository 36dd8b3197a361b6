"""Products and sums of many small parts, in the forms that onnxruntime is fast at.

Its kernels (1.20 to 1.32) hand each part to a library for large ones, which takes as long as some
hundred elements. Tensor products over edges of a graph are made of such parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from exporter.onnx_graph.lowerings.registry import ALWAYS, lowering
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

_FLOATS = (ir.DataType.FLOAT, ir.DataType.DOUBLE)
# Fewer parts, known when the model is made, are not worth more nodes.
MANY = 64
# Larger matrices are better multiplied as such.
SMALL = 16


@lowering("MatMul", before=ALWAYS)
def mat_mul(g: Builder, A: Tensor, B: Tensor) -> Tensor:
    """A product element by element where nothing is summed, or nothing else is done.

    A vector at the right is a column: onnxruntime 1.32 fuses the product with a Transpose
    before it, and then takes the rows of what was transposed.
    """
    if A.dtype in _FLOATS and A.shape is not None and B.shape is not None:
        *left, rows, summed = (1, 1, *A.shape)
        *right, _, columns = (1, 1, *B.shape)
        many = min(len(A.shape), len(B.shape)) > 2 and (_are_many(left) or _are_many(right))
        if many and summed == 1 and _is_small(rows, columns):
            return g.Mul(A, B)  # type: ignore[no-any-return]
        if many and rows == columns == 1 and _is_small(summed):
            products = g.Mul(g.Squeeze(A, axes=[-2]), g.Squeeze(B, axes=[-1]))
            return g.Unsqueeze(g.ReduceSum(products, axes=[-1], keepdims=True), axes=[-1])  # type: ignore[no-any-return]
    if A.dtype.is_floating_point() and A.rank is not None and A.rank > 1 and B.rank == 1:
        column = g.native("MatMul", A, g.Unsqueeze(B, axes=[1]))
        return g.Squeeze(column, axes=[A.rank - 1])  # type: ignore[no-any-return]
    return g.native("MatMul", A, B)  # type: ignore[no-any-return]


def _reduce(
    op_type: str, g: Builder, data: Tensor, axes: Any = None, *, keepdims: int = 1, **rest: Any
) -> Any:
    """The last dim is reduced, not one before others: those are 1, and put back afterwards."""
    shape = data.shape
    last = -1 if shape is None else _last(len(shape), axes)
    behind = () if shape is None or last < 0 else shape[last + 1 :]
    if shape is None or not behind or set(behind) != {1} or not _are_many(shape[:last]):
        return g.native(op_type, data, axes=axes, keepdims=keepdims, **rest)
    front = g.Squeeze(data, axes=list(range(last + 1, len(shape))))
    dims = [axis % len(shape) for axis in axes]
    result = g.native(op_type, front, axes=dims, keepdims=keepdims, **rest)
    return g.Unsqueeze(result, axes=list(range(result.rank, result.rank + len(behind))))


for _op_type in ("ReduceSum", "ReduceMean"):
    lowering(_op_type, before=ALWAYS)(partial(_reduce, _op_type))


def _last(rank: int, axes: object) -> int:
    """The last dim that is reduced; -1 for none, or where axes are not known."""
    if not isinstance(axes, (list, tuple)) or not all(isinstance(axis, int) for axis in axes):
        return -1
    return max((axis % rank for axis in axes), default=-1)


def _are_many(sizes: Sequence[Dim]) -> bool:
    return not all(isinstance(size, int) for size in sizes) or prod(sizes) >= MANY


def _is_small(*sizes: Dim) -> bool:
    return all(isinstance(size, int) for size in sizes) and 1 <= prod(sizes) <= SMALL
