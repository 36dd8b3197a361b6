"""Pads, slices, splits, reshapes: where elements go, not what they are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from exporter.errors import UnsupportedError as Unsupported
from exporter.onnx_graph.control_flow import branch_output, emit_if
from exporter.onnx_graph.indexing_rules import slice_bounds
from exporter.onnx_graph.lowerings.registry import ALWAYS, lowering
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.shapes import OutputType
from exporter.onnx_graph.symbolic import Dim, is_ge, sym_min
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

D = ir.DataType


def known_integers(g: Builder, value: Any) -> list[Dim] | None:
    """The integers of a list or tensor, where known at least as expressions."""
    if value is None:
        return None
    tensor = g.constant(value, D.INT64)
    if tensor.elements is not None:
        return list(tensor.elements)
    if tensor.array is not None:
        return [int(v) for v in tensor.array.reshape(-1)]
    return None


@lowering("Expand", before=ALWAYS)
def expand(g: Builder, input: Tensor, shape: Any) -> Tensor:
    """A dim that becomes 0 is sliced to that before.

    onnxruntime 1.32 takes an Expand of 1 to 0 for one that does nothing.
    """
    target = known_integers(g, shape)
    if target is None or 0 not in target or input.shape is None:
        return g.native("Expand", input, shape)  # type: ignore[no-any-return]
    lead = len(target) - len(input.shape)
    if lead > 0:
        input = g.Unsqueeze(input, axes=list(range(lead)))
    first = max(-lead, 0)
    empty = [first + i for i, d in enumerate(target) if d == 0]
    zeros = [0] * len(empty)
    input = g.Slice(input, starts=zeros, ends=zeros, axes=empty)
    rest = [1 if d == 0 else d for d in target]
    return input if all(d == 1 for d in rest) else g.native("Expand", input, rest)


@lowering("Pad", before=ALWAYS)
def pad(
    g: Builder,
    data: Tensor,
    pads: Any,
    constant_value: Any = None,
    axes: Any = None,
    *,
    mode: str = "constant",
) -> Tensor:
    """Pad: axes came with opset 18, wrap with 19; before 11 pads are attributes.

    A bound that is only known at run time is filled by Concat before opset 11.
    """
    if axes is not None and g.opset < 18:
        pads = _all_pads(g, data, pads, axes)
        axes = None
    if mode == "wrap" and g.opset < 19:
        return _wrapped(g, data, pads)
    if g.opset < 11:
        amounts = known_integers(g, pads)
        if amounts is None or not all(isinstance(a, int) for a in amounts):
            return _padded_by_concat(g, data, amounts, constant_value, mode)
        if constant_value is not None:
            fill = g.constant(constant_value)
            if fill.array is None:
                return _padded_by_concat(g, data, amounts, constant_value, mode)
            constant_value = float(fill.array.item())
        pads = amounts
    elif constant_value is not None:
        constant_value = g.reshape(g.constant(constant_value, data.dtype), [])
    return g.native("Pad", data, pads, constant_value, axes, mode=mode)  # type: ignore[no-any-return]


def _all_pads(g: Builder, data: Tensor, pads: Any, axes: Any) -> list[Any]:
    """Begins and ends of all dims from those of some."""
    amounts, where = known_integers(g, pads), known_integers(g, axes)
    rank = data.require_rank()
    if amounts is None or where is None:
        raise Unsupported("Pad with axes and pads that are computed needs opset 18")
    full: list[Dim] = [0] * (2 * rank)
    for i, axis in enumerate(where):
        full[int(axis) % rank] = amounts[i]
        full[int(axis) % rank + rank] = amounts[i + len(where)]
    return full


def _wrapped(g: Builder, data: Tensor, pads: Any) -> Tensor:
    """Before and after each dim, its end and its beginning."""
    amounts = known_integers(g, pads)
    if amounts is None:
        raise Unsupported("wrapping Pad with pads that are computed needs opset 19")
    rank = data.require_rank()
    for axis in range(rank):
        before, after = amounts[axis], amounts[axis + rank]
        size = data.require_shape()[axis]
        pieces = [data]
        if is_ge(0, before) is None or is_ge(0, after) is None:
            raise Unsupported("wrapping Pad with pads of unknown sign needs opset 19")
        if is_ge(0, before):
            pieces = [data] if before == 0 else [g.Slice(data, [-before], [size], [axis])]
        else:
            pieces = [g.Slice(data, [size - before], [size], [axis]), data]
        if not is_ge(0, after):
            pieces.append(g.Slice(data, [0], [after], [axis]))
        elif after != 0:
            pieces = [g.Slice(p, [0], [size + after], [axis]) for p in pieces]
        data = pieces[0] if len(pieces) == 1 else g.Concat(*pieces, axis=axis)
    return data


def _padded_by_concat(
    g: Builder, data: Tensor, amounts: Sequence[Dim] | None, fill: Any, mode: str
) -> Tensor:
    if amounts is None or mode != "constant":
        raise Unsupported(f"Pad with mode {mode} and pads of run time needs opset 11")
    rank = data.require_rank()
    value = g.reshape(g.constant(0 if fill is None else fill, data.dtype), [1] * rank)
    for axis in range(rank):
        pieces = []
        for amount in (amounts[axis], None, amounts[axis + rank]):
            if amount is None:
                pieces.append(data)
            elif is_ge(amount, 0) is not True:
                raise Unsupported("Pad by an amount of unknown sign needs opset 11")
            elif not (isinstance(amount, int) and amount == 0):
                shape = list(data.require_shape())
                shape[axis] = amount
                pieces.append(g.Expand(value, shape))
        if len(pieces) > 1:
            data = g.Concat(*pieces, axis=axis)
    return data


@lowering("Slice", before=10)
def slice_by_gather(
    g: Builder, data: Tensor, starts: Any, ends: Any, axes: Any = None, steps: Any = None
) -> Tensor:
    """Before opset 10 the bounds are attributes and there are no steps: the rest is gathered."""
    low, high = known_integers(g, starts), known_integers(g, ends)
    if low is None or high is None:
        raise Unsupported("Slice with bounds that are computed needs opset 10")
    where = known_integers(g, axes)
    if where is None:
        where = list(range(len(low)))
    rank = data.require_rank()
    where = [int(a) % rank for a in where]
    stride = known_integers(g, steps) or [1] * len(low)
    plain = all(isinstance(v, int) for v in (*low, *high))
    if plain and all(s == 1 for s in stride):
        return g.native("Slice", data, low, high, where)  # type: ignore[no-any-return]
    for start, end, axis, step in zip(low, high, where, stride, strict=True):
        data = _slice_one(g, data, start, end, int(axis), int(step))
    return data


def _slice_one(g: Builder, data: Tensor, start: Dim, end: Dim, axis: int, step: int) -> Tensor:
    """The elements start, start + step, ... of a dim, as a Gather."""
    bounds = slice_bounds(start, end, step, data.require_shape()[axis])
    if bounds is None:
        raise Unsupported(f"Slice backwards to {end} needs opset 10")
    first, count = bounds
    indices = g.Add(g.Mul(consecutive(g, count), step), g.constant(first, D.INT64))
    return g.Gather(data, indices, axis=axis)  # type: ignore[no-any-return]


@lowering("Split", before=18)
def split(
    g: Builder,
    input: Tensor,
    split: Any = None,
    *,
    axis: int = 0,
    num_outputs: int | None = None,
    outputs: int = 1,
) -> Any:
    """num_outputs, with a smaller last part, came with opset 18; sizes as inputs with 13."""
    axis = axis % input.require_rank()
    if split is None:
        count = num_outputs or outputs
        size = input.require_shape()[axis]
        part = -(-size // count)
        if isinstance(size, int) and size == part * count:
            split = [part] * count
        else:
            # The last parts may be short, or empty.
            edges = [sym_min(size, part * i) for i in range(count + 1)]
            split = [b - a for a, b in pairwise(edges)]
    sizes = known_integers(g, split)
    if g.opset >= 13 or (sizes is not None and all(isinstance(s, int) for s in sizes)):
        return g.native("Split", input, split, axis=axis, outputs=outputs)
    if sizes is None:
        raise Unsupported("Split into parts of computed sizes needs opset 13")
    start: Dim = 0
    parts = []
    for part in sizes:
        parts.append(g.Slice(input, [start], [start + part], [axis]))
        start = start + part
    return parts[0] if outputs == 1 else tuple(parts)


@lowering("Shape", before=15)
def shape_part(g: Builder, data: Tensor, *, start: int = 0, end: int | None = None) -> Tensor:
    """A part of the shape is a slice of it before opset 15."""
    whole = g.native("Shape", data)
    if start == 0 and end is None:
        return whole  # type: ignore[no-any-return]
    last = np.iinfo(np.int64).max if end is None else end
    return g.Slice(whole, [start], [last], [0])  # type: ignore[no-any-return]


@lowering("Reshape", before=14)
def reshape_to_zero(g: Builder, data: Tensor, shape: Any, *, allowzero: int = 0) -> Tensor:
    """A dim of size 0 can't be named before opset 14; but then there is nothing to keep."""
    target = known_integers(g, shape)
    if not allowzero:
        return g.native("Reshape", data, shape)  # type: ignore[no-any-return]
    if target is not None and any(isinstance(d, int) and d == 0 for d in target):
        fill = np.zeros(1, data.dtype.numpy())
        return g.ConstantOfShape(g.constant(target, D.INT64), value=fill)  # type: ignore[no-any-return]
    if target is None or not all(isinstance(d, int) for d in target):
        return _reshaped_unless_empty(g, data, g.constant(shape, D.INT64), target)
    return g.native("Reshape", data, shape)  # type: ignore[no-any-return]


def _reshaped_unless_empty(
    g: Builder, data: Tensor, sizes: Tensor, target: Sequence[Dim] | None
) -> Tensor:
    """A Reshape, or an empty tensor of the shape where there is nothing to reshape."""
    # A number of run time may be the -1 that leaves the size open, too.
    found = None if target is None else tuple(d if is_ge(d, 0) is True else None for d in target)
    made = OutputType(data.dtype, found)
    with g.body("empty") as empty:
        # A dim of -1 can but be 0 then.
        fill = np.zeros(1, data.dtype.numpy())
        nothing = branch_output(g, g.ConstantOfShape(g.Max(sizes, 0), value=fill), made)
    with g.body("some") as some:
        reshaped = branch_output(g, g.native("Reshape", data, sizes), made)
    is_empty = g.Equal(g.Size(data), 0)
    return emit_if(g, is_empty, (empty, [nothing]), (some, [reshaped]), [made])[0]


@lowering("DepthToSpace", before=11)
def depth_to_space(g: Builder, input: Tensor, *, blocksize: int, mode: str = "DCR") -> Tensor:
    """The mode CRD (PyTorch's pixel_shuffle) came with opset 11: reshape, transpose, reshape."""
    if mode == "DCR":
        return g.native("DepthToSpace", input, blocksize=blocksize)  # type: ignore[no-any-return]
    n, channels, height, width = input.require_shape()
    depth = channels // (blocksize * blocksize)
    apart = g.reshape(input, [n, depth, blocksize, blocksize, height, width])
    moved = g.Transpose(apart, perm=[0, 1, 4, 2, 5, 3])
    return g.reshape(moved, [n, depth, height * blocksize, width * blocksize])
