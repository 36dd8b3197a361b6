"""Gather, sort, and what builds indices and masks."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from exporter.errors import UnsupportedError as Unsupported
from exporter.onnx_graph.call import Call
from exporter.onnx_graph.lowerings.arithmetic import BITS, FLOATS
from exporter.onnx_graph.lowerings.registry import ALWAYS, lowering
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

D = ir.DataType


def wrapped(g: Builder, indices: Tensor, size: Dim) -> Tensor:
    """Indices as int64, negative ones counted from the end."""
    indices = g.cast(indices, D.INT64)
    return g.Where(g.Less(indices, 0), g.Add(indices, size), indices)  # type: ignore[no-any-return]


def linear_indices(g: Builder, indices: Tensor, sizes: Sequence[Dim]) -> Tensor:
    """Tuples along the last dim of `indices` as positions in the flattened dims `sizes`.

    The sum of each index times the product of the sizes after it.
    """
    total: Tensor | None = None
    stride: Dim = 1
    for i in reversed(range(len(sizes))):
        part = wrapped(g, g.Gather(indices, i, axis=-1), sizes[i])
        part = part if isinstance(stride, int) and stride == 1 else g.Mul(part, stride)
        total = part if total is None else g.Add(total, part)
        stride = stride * sizes[i]
    if total is None:
        raise Unsupported("indices without elements")
    return total


def coordinates(g: Builder, shape: Sequence[Dim], axis: int) -> Tensor:
    """0, 1, ... along one dim of `shape`, as a tensor that broadcasts over the others."""
    dims: list[Dim] = [1] * len(shape)
    dims[axis] = shape[axis]
    return g.reshape(consecutive(g, shape[axis]), dims)


@lowering("GatherElements", before=ALWAYS)
def gather_along(g: Builder, data: Tensor, indices: Tensor, *, axis: int = 0) -> Tensor:
    """A Gather of whole slices where the indices are the same in all of them: much faster."""
    indices = g.constant(indices)
    slices = whole_slices(g, data, indices, axis)
    if slices is not None:
        return g.Gather(data, slices, axis=axis)  # type: ignore[no-any-return]
    return g.native("GatherElements", data, indices, axis=axis)  # type: ignore[no-any-return]


def whole_slices(g: Builder, data: Tensor, indices: Tensor, axis: int) -> Tensor | None:
    """The 1-D tensor of which the indices are copies, one for each place in the other dims."""
    if indices.shape is None or data.shape is None:
        return None
    made = None if indices.value is None else g.steps.get(indices.value)
    call = made[0] if made is not None else None
    source = call.inputs[0] if isinstance(call, Call) and call.op_type == "Expand" else None
    known = indices.array
    if known is not None and known.size:
        first = tuple(
            slice(None) if i == axis % known.ndim else slice(1) for i in range(known.ndim)
        )
        if (known == known[first]).all():
            source = g.constant(known[first])
    if source is None or source.shape is None:
        return None
    shape, wanted, given = data.require_shape(), indices.require_shape(), source.require_shape()
    at = axis % len(shape)
    own = [*(1 for _ in range(len(wanted) - len(given))), *given]
    for i, size in enumerate(own):
        if size != (wanted[i] if i == at else 1) or (i != at and wanted[i] != shape[i]):
            return None
    return g.reshape(source, [-1])


@lowering("GatherElements", before=11)
def gather_elements(g: Builder, data: Tensor, indices: Tensor, *, axis: int = 0) -> Tensor:
    """A Gather from the flattened data: along other dims each element stays in its place."""
    indices = g.constant(indices)
    position = element_positions(g, data, indices, axis)
    return g.Gather(g.reshape(data, [-1]), position, axis=0)  # type: ignore[no-any-return]


def element_positions(g: Builder, data: Tensor, indices: Tensor, axis: int) -> Tensor:
    """Where in the flattened data the elements that `indices` name along `axis` are."""
    shape, picked = data.require_shape(), indices.require_shape()
    axis %= len(shape)
    total: Tensor | None = None
    for i in range(len(shape)):
        at = wrapped(g, indices, shape[i]) if i == axis else coordinates(g, picked, i)
        at = g.Mul(at, prod(shape[i + 1 :]))
        total = at if total is None else g.Add(total, at)
    assert total is not None
    return total


@lowering("GatherND", before=12)
def gather_nd(g: Builder, data: Tensor, indices: Tensor, *, batch_dims: int = 0) -> Tensor:
    """A Gather from data whose indexed dims are flattened into one.

    `batch_dims` came with opset 12: the batch's own position is added to the indices.
    """
    if g.opset >= 11 and not batch_dims:
        return g.native("GatherND", data, indices)  # type: ignore[no-any-return]
    indices = g.constant(indices)
    shape, index_shape = data.require_shape(), indices.require_shape()
    width = index_shape[-1]
    if not isinstance(width, int):
        raise Unsupported("GatherND with tuples of a length known at run time needs opset 12")
    batch, picked = shape[:batch_dims], shape[batch_dims : batch_dims + width]
    rest = shape[batch_dims + width :]
    position = linear_indices(g, indices, picked)
    if batch_dims:
        count = prod(batch)
        first = g.Mul(consecutive(g, count), prod(picked))
        ones = [1] * (len(index_shape) - 1 - batch_dims)
        position = g.Add(position, g.reshape(first, [*batch, *ones]))
    flat = g.reshape(data, [prod(batch) * prod(picked), *rest])
    return g.Gather(flat, position, axis=0)  # type: ignore[no-any-return]


@lowering("Trilu", before=14)
def trilu(g: Builder, input: Tensor, k: Any = None, *, upper: int = 1) -> Tensor:
    """X where column - row is at least (upper) or at most (lower) k, else zero."""
    shape = input.require_shape()
    offset = 0 if k is None else k
    rows, columns = coordinates(g, shape[-2:], 0), coordinates(g, shape[-2:], 1)
    distance = g.Sub(g.Sub(columns, rows), g.constant(offset, D.INT64))
    outside = g.Less(distance, 0) if upper else g.Greater(distance, 0)
    return g.Where(outside, g.constant(0, input.dtype), input)  # type: ignore[no-any-return]


@lowering("OneHot", before=ALWAYS)
def one_hot(g: Builder, indices: Tensor, depth: Any, values: Any, *, axis: int = -1) -> Tensor:
    """Onnxruntime has few kernels: int64 indices and depth, with int64 or float values.

    Other values are selected by the ones and zeros of these.
    """
    indices = g.cast(g.constant(indices), D.INT64)
    depth = g.cast(g.constant(depth), D.INT64)
    values = g.constant(values)
    if values.dtype in (D.INT64, D.FLOAT):
        return g.native("OneHot", indices, depth, values, axis=axis)  # type: ignore[no-any-return]
    hot = g.native("OneHot", indices, depth, np.array([0, 1], np.int64), axis=axis)
    off, on = (g.Gather(values, i, axis=0) for i in (0, 1))
    return g.Where(g.cast(hot, D.BOOL), on, off)  # type: ignore[no-any-return]


@lowering("TopK", before=11)
def top_k(
    g: Builder,
    x: Tensor,
    k: Any,
    *,
    axis: int = -1,
    largest: int = 1,
    sorted: int = 1,
    outputs: int = 2,
) -> tuple[Tensor, ...] | Tensor:
    """The smallest are the largest of the negated before opset 11, and the results are sorted."""
    dtype = x.dtype
    if largest:
        found = g.native("TopK", x, k, axis=axis, outputs=2)
        return found if outputs == 2 else found[0]  # type: ignore[no-any-return]
    # -x of integers must not wrap around.
    wide = x if dtype in FLOATS else g.cast(x, D.DOUBLE)
    values, indices = g.native("TopK", g.Neg(wide), k, axis=axis, outputs=2)
    values = g.cast(g.Neg(values), dtype)
    return (values, indices) if outputs == 2 else values


@lowering("ArgMax", before=12)
def arg_max(
    g: Builder, data: Tensor, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0
) -> Tensor:
    """The last of equals is the first of the reversed dim before opset 12."""
    return _arg_extreme(g, "ArgMax", data, axis, keepdims, select_last_index)


@lowering("ArgMin", before=12)
def arg_min(
    g: Builder, data: Tensor, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0
) -> Tensor:
    """As ArgMax."""
    return _arg_extreme(g, "ArgMin", data, axis, keepdims, select_last_index)


def _arg_extreme(
    g: Builder, op_type: str, data: Tensor, axis: int, keepdims: int, last: int
) -> Tensor:
    if not last:
        return g.native(op_type, data, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]
    size = data.require_shape()[axis]
    reverse = g.Sub(g.constant(size - 1, D.INT64), consecutive(g, size))
    found = g.native(op_type, g.Gather(data, reverse, axis=axis), axis=axis, keepdims=keepdims)
    return g.Sub(g.constant(size - 1, D.INT64), found)  # type: ignore[no-any-return]


@lowering("EyeLike", before=ALWAYS)
def eye_like(g: Builder, input: Tensor, *, dtype: int | None = None, k: int = 0) -> Tensor:
    """Onnxruntime's kernel takes few dtypes: the diagonal is computed as int64 for the others."""
    wanted = D(dtype or int(input.dtype))
    same = {D.FLOAT, D.DOUBLE, D.INT32, D.INT64, D.UINT64}
    source = input if input.dtype in same else g.cast(input, D.FLOAT)
    inner = wanted if wanted in {D.FLOAT, D.DOUBLE, D.INT64} else D.INT64
    if wanted not in BITS and wanted not in FLOATS and wanted != D.BOOL:
        raise Unsupported(f"an identity matrix of {wanted.name.lower()}")
    return g.cast(g.native("EyeLike", source, dtype=int(inner), k=k), wanted)
