"""Scatters: those that opset 9 and 10 lack, and reductions where no opset or kernel has them.

A scatter with a reduction must combine all updates that meet in one place. Without the operator it
is done in rounds: in each round, of the updates that meet one wins its place, is combined with
what is there, and retires. There are as many rounds as updates meet in one place at most.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from exporter.errors import UnsupportedError as Unsupported
from exporter.onnx_graph.loops import loop_while
from exporter.onnx_graph.lowerings.indexing import element_positions, linear_indices, whole_slices
from exporter.onnx_graph.lowerings.registry import ALWAYS, lowering
from exporter.onnx_graph.lowerings.small_parts import MANY
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

D = ir.DataType
COMBINE = {"add": "Add", "mul": "Mul", "max": "Max", "min": "Min"}
HALVES = (D.FLOAT16, D.BFLOAT16)
SINCE = {"none": 11, "add": 16, "mul": 16, "max": 18, "min": 18}


@lowering("ScatterElements", before=ALWAYS)
def scatter_elements(
    g: Builder,
    data: Tensor,
    indices: Tensor,
    updates: Tensor,
    *,
    axis: int = 0,
    reduction: str = "none",
) -> Tensor:
    """Called Scatter before opset 11; add and mul came with 16, max and min with 18.

    Onnxruntime's float16 and bfloat16 kernels have no reductions: they go through float32.
    """
    indices = g.constant(indices)
    updates = g.constant(updates, data.dtype)
    if reduction != "none" and data.dtype in HALVES:
        wide, new = g.cast(data, D.FLOAT), g.cast(updates, D.FLOAT)
        result = g.ScatterElements(wide, indices, new, axis=axis, reduction=reduction)
        return g.cast(result, data.dtype)
    if g.opset >= SINCE[reduction]:
        slices = None if reduction == "none" else whole_slices(g, data, indices, axis)
        if slices is not None and data.require_rank() > 1:
            if axis == 0:
                return _put_rows(g, data, slices, updates, reduction)
            if reduction == "add" and _are_few(data, slices, axis):
                return _added_groups(g, data, slices, updates, axis)
        return g.native(  # type: ignore[no-any-return]
            "ScatterElements", data, indices, updates, axis=axis, reduction=reduction
        )
    if reduction == "none":
        return g.native("Scatter", data, indices, updates, axis=axis)  # type: ignore[no-any-return]
    position = g.reshape(element_positions(g, data, indices, axis), [-1])
    flat = _rounds(g, g.reshape(data, [-1]), position, g.reshape(updates, [-1]), reduction)
    return g.reshape(flat, list(data.require_shape()))


@lowering("ScatterND", before=ALWAYS)
def scatter_nd(
    g: Builder, data: Tensor, indices: Tensor, updates: Tensor, *, reduction: str = "none"
) -> Tensor:
    """Added with opset 11. A reduction is one of rows, the indexed dims being flattened into one.

    Onnxruntime (1.20 to 1.32) combines updates in several threads and loses some of those that
    meet in one place: its ScatterND with a reduction is only right where none do.
    """
    indices = g.constant(indices)
    updates = g.constant(updates, data.dtype)
    if reduction != "none" and data.dtype in HALVES:
        wide, new = g.cast(data, D.FLOAT), g.cast(updates, D.FLOAT)
        return g.cast(g.ScatterND(wide, indices, new, reduction=reduction), data.dtype)
    if g.opset >= SINCE[reduction] and (reduction == "none" or _are_distinct(indices)):
        return g.native("ScatterND", data, indices, updates, reduction=reduction)  # type: ignore[no-any-return]
    shape, width = data.require_shape(), indices.require_shape()[-1]
    if not isinstance(width, int):
        raise Unsupported("ScatterND with tuples of a length that is only known at run time")
    rest = list(shape[width:])
    # A single index needs no arithmetic; negative ones are taken as they are.
    position = g.reshape(indices if width == 1 else linear_indices(g, indices, shape[:width]), [-1])
    rows = g.reshape(data, [prod(shape[:width]), *rest])
    count = prod(indices.require_shape()[:-1])
    new = g.reshape(updates, [count, *rest])
    if g.opset >= SINCE[reduction] or reduction == "none":
        result = _put_rows(g, rows, position, new, reduction)
    else:
        result = _rounds(g, rows, position, new, reduction)
    return g.reshape(result, list(shape))


def _are_distinct(indices: Tensor) -> bool:
    """Whether the places are known, and no two are the same."""
    found = indices.array
    if found is None or found.ndim == 0 or found.size == 0 or found.min() < 0:
        return False
    places = found.reshape(-1, found.shape[-1])
    return len(np.unique(places, axis=0)) == len(places)


def _put_rows(
    g: Builder, rows: Tensor, position: Tensor, new: Tensor, reduction: str = "none"
) -> Tensor:
    """`rows` with `new` at `position` along the first dim.

    Onnxruntime combines elements of a 1-D tensor in half the time that it takes for more dims.
    """
    rank = rows.require_rank()
    if reduction == "none" or rank == 1:
        column = g.reshape(position, [-1, *([1] * (rank - 1))])
        where = g.Expand(column, g.shape(new)) if rank > 1 else position
        return g.ScatterElements(rows, where, new, axis=0, reduction=reduction)  # type: ignore[no-any-return]
    if reduction == "add" and _are_few(rows, position, 0):
        return _added_groups(g, rows, position, new, 0)
    shape = list(rows.require_shape())
    width = prod(shape[1:])
    starts = g.Mul(g.reshape(position, [-1, 1]), width)
    where = g.reshape(g.Add(starts, consecutive(g, width)), [-1])
    flat = g.ScatterElements(
        g.reshape(rows, [-1]), where, g.reshape(new, [-1]), axis=0, reduction=reduction
    )
    result = g.reshape(flat, shape)
    if reduction != "add":
        return result
    return g.known_as("added_rows", result, rows, position, new, g.constant(0))


# So many sums are more nodes than they are worth.
GROUPS = 16


def _are_few(data: Tensor, slices: Tensor, axis: int) -> bool:
    """Whether large slices are added at few places, known ones in a dim of known size."""
    places, shape = slices.array, data.require_shape()
    if places is None or not isinstance(shape[axis], int) or not places.size or places.min() < 0:
        return False
    count = len(np.unique(places))
    others = [size for i, size in enumerate(shape) if i != axis % len(shape)]
    large = not all(isinstance(size, int) for size in others) or prod(others) >= MANY
    return large and count <= GROUPS and count < len(places) and places.max() < shape[axis]


def _added_groups(g: Builder, data: Tensor, slices: Tensor, updates: Tensor, axis: int) -> Tensor:
    """The slices that meet in a place are summed, and the sums put in order.

    Onnxruntime takes ten times as long to add each element by itself.
    """
    places, size = slices.array, data.require_shape()[axis]
    assert places is not None
    assert isinstance(size, int)
    order = np.argsort(places, kind="stable")
    targets, counts = np.unique(places, return_counts=True)
    ordered = updates
    if not np.array_equal(order, np.arange(len(order))):
        ordered = g.Gather(updates, order, axis=axis)
    parts = [ordered]
    if len(counts) > 1:
        parts = g.Split(ordered, counts.tolist(), axis=axis, outputs=len(counts))
    sums = [
        part if count == 1 else g.ReduceSum(part, axes=[axis], keepdims=True)
        for part, count in zip(parts, counts, strict=True)
    ]
    if len(targets) < size:
        sums.append(g.Expand(g.constant(0, data.dtype), g.shape(sums[0])))
    total = sums[0] if len(sums) == 1 else g.Concat(*sums, axis=axis)
    if len(targets) < size:
        found = np.full(size, len(targets))
        found[targets] = np.arange(len(targets))
        total = g.Gather(total, found, axis=axis)
    return g.known_as("added_rows", g.Add(data, total), data, slices, updates, g.constant(axis))


def _rounds(g: Builder, rows: Tensor, position: Tensor, new: Tensor, reduction: str) -> Tensor:
    """Combine `new` into `rows` at `position`, in rounds; see the module's docstring.

    1. each pending update writes its number to its place: who can read it back there has won
    2. the winners' rows are gathered, combined with their updates, and put back
    3. the others stay pending; there is another round while there are any
    """
    shape = rows.require_shape()
    count = new.require_shape()[0]
    number = consecutive(g, count)
    pending = g.ConstantOfShape(g.constant([count], D.INT64), value=np.array([True]))
    blank = g.ConstantOfShape(g.constant([shape[0]], D.INT64), value=np.array([-1], np.int64))

    def going(states: list[Tensor]) -> Tensor:
        left = g.ReduceSum(g.cast(states[1], D.INT32), keepdims=False)
        return g.Greater(left, 0)  # type: ignore[no-any-return]

    def step(states: list[Tensor]) -> list[Tensor]:
        current, waiting = states
        chosen = g.Compress(number, waiting, axis=0)
        places = g.Gather(position, chosen, axis=0)
        marked = g.ScatterElements(blank, places, chosen, axis=0)
        # An update that is not pending reads back another's number, or none.
        won = g.And(waiting, g.Equal(g.Gather(marked, position, axis=0), number))
        winners = g.Compress(number, won, axis=0)
        target = g.Gather(position, winners, axis=0)
        old = g.Gather(current, target, axis=0)
        combined = g.op(COMBINE[reduction], old, g.Gather(new, winners, axis=0))
        return [_put_rows(g, current, target, combined), g.And(waiting, g.Not(won))]

    result = loop_while(g, going, step, [rows, pending])[0]
    if reduction != "add":
        return result
    return g.known_as("added_rows", result, rows, position, new, g.constant(0))
