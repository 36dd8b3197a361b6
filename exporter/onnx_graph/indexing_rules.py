"""Shape rules of operators that pick, repeat, pad, split, sort and build elements."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from exporter.onnx_graph.symbolic import Dim, Shape, is_ge, sym_max, sym_min

if TYPE_CHECKING:
    from exporter.onnx_graph.call import Call
    from exporter.onnx_graph.shape_rules import PartialShape, Rule

__all__ = ["INDEXING_RULES", "slice_bounds"]

# Bounds beyond this mean "to the end": no dim is that large.
BEYOND = 1 << 62


def slice_bounds(start: Dim, end: Dim, step: int, size: Dim) -> tuple[Dim, Dim] | None:
    """The first element of a slice and how many it has, for every size of the dim.

    None where runtimes differ: onnxruntime takes the largest integers for "to the end" also where
    a step goes backwards.

    A negative bound counts from the end. Where its sign is not known, the size is added times
    min(max(-bound, 0), 1), which is 1 for negative bounds and 0 for others.
    """
    if step < 0 and isinstance(end, int) and end >= (1 << 31) - 1:
        return None
    low, high = (0, size) if step > 0 else (0, size - 1)
    first = _bound(start, size, low, high)
    low, high = (0, size) if step > 0 else (-1, size - 1)
    last = _bound(end, size, low, high)
    return first, sym_max(-((first - last) // step), 0)


def _bound(value: Dim, size: Dim, low: Dim, high: Dim) -> Dim:
    if isinstance(value, int) and abs(value) >= BEYOND:
        return high if value > 0 else low
    negative = is_ge(-1, value)
    if negative is None:
        value = value + size * sym_min(sym_max(-value, 0), 1)
    elif negative:
        value = value + size
    # The outer clamp is the one that holds where the dim is empty.
    return sym_min(sym_max(value, low), high)


def _slice(call: Call) -> Sequence[PartialShape] | None:
    shape = call.tensor(0).shape
    if shape is None:
        return [None]
    starts, ends = call.integers(1, "starts"), call.integers(2, "ends")
    axes = call.integers(3, "axes")
    if axes is None and call.optional(3) is not None:
        return [(None,) * len(shape)]
    steps = call.integers(4, "steps")
    if axes is None:
        count = len(starts or ends or ()) or _length(call, 1)
        if count is None:
            return [(None,) * len(shape)]
        axes = list(range(count))
    result: list[Dim | None] = list(shape)
    for i, axis in enumerate(axes):
        assert isinstance(axis, int)
        axis %= len(shape)
        step = 1 if call.optional(4) is None else None if steps is None else steps[i]
        if starts is None or ends is None or not isinstance(step, int) or step == 0:
            result[axis] = None
        else:
            bounds = slice_bounds(starts[i], ends[i], step, shape[axis])
            result[axis] = None if bounds is None else bounds[1]
    return [tuple(result)]


def _length(call: Call, index: int) -> int | None:
    shape = call.tensor(index).static_shape
    return shape[0] if shape else None


def _split(call: Call) -> Sequence[PartialShape] | None:
    shape = call.tensor(0).shape
    if shape is None:
        return [None] * call.outputs
    axis = call.attributes.get("axis", 0) % len(shape)
    sizes: Sequence[Dim | None] | None = call.integers(1, "split")
    if sizes is None:
        if call.optional(1) is not None:
            sizes = [None] * call.outputs
        else:
            count = call.attributes.get("num_outputs", call.outputs)
            part = -(-shape[axis] // count)
            if part * count == shape[axis]:
                sizes = [part] * count
            elif isinstance(part, int):
                sizes = [*[part] * (count - 1), shape[axis] - part * (count - 1)]
            else:
                sizes = [None] * count
    return [(*shape[:axis], size, *shape[axis + 1 :]) for size in sizes]


def _pad(call: Call) -> Sequence[PartialShape] | None:
    shape = call.tensor(0).shape
    if shape is None:
        return [None]
    pads, axes = call.integers(1, "pads"), call.integers(3, "axes")
    if axes is None:
        if call.optional(3) is not None:
            return [(None,) * len(shape)]
        axes = list(range(len(shape)))
    result: list[Dim | None] = list(shape)
    for i, axis in enumerate(axes):
        assert isinstance(axis, int)
        axis %= len(shape)
        result[axis] = None if pads is None else shape[axis] + pads[i] + pads[i + len(axes)]
    return [tuple(result)]


def _tile(call: Call) -> Sequence[PartialShape] | None:
    shape, repeats = call.tensor(0).shape, call.tensor(1).elements
    if shape is None:
        return None
    if repeats is None:
        return [(None,) * len(shape)]
    return [tuple(d * r for d, r in zip(shape, repeats, strict=True))]


def _top_k(call: Call) -> Sequence[PartialShape] | None:
    shape, count = call.tensor(0).shape, call.integers(1, "k")
    if shape is None:
        return [None] * call.outputs
    axis = call.attributes.get("axis", -1) % len(shape)
    picked = count[0] if count else None
    return [(*shape[:axis], picked, *shape[axis + 1 :])] * call.outputs


def _range(call: Call) -> Sequence[PartialShape]:
    """The count is ceil((limit - start) / delta), or 0."""
    start, limit, delta = (call.tensor(i) for i in range(3))
    if start.elements and limit.elements and delta.elements:
        step = delta.elements[0]
        if isinstance(step, int) and step != 0:
            return [(sym_max(-((start.elements[0] - limit.elements[0]) // step), 0),)]
    if start.array is not None and limit.array is not None and delta.array is not None:
        ends = [np.float64(t.array.item()) for t in (start, limit, delta) if t.array is not None]
        if ends[2] != 0:
            return [(max(int(np.ceil((ends[1] - ends[0]) / ends[2])), 0),)]
    return [(None,)]


def _one_hot(call: Call) -> Sequence[PartialShape] | None:
    shape, depth = call.tensor(0).shape, call.integers(1, "depth")
    if shape is None:
        return None
    axis = call.attributes.get("axis", -1)
    axis = axis + len(shape) + 1 if axis < 0 else axis
    return [(*shape[:axis], depth[0] if depth else None, *shape[axis:])]


def _gather_nd(call: Call) -> Sequence[PartialShape] | None:
    shape, indices = call.tensor(0).shape, call.tensor(1).shape
    if shape is None or indices is None or not indices or not isinstance(indices[-1], int):
        return None
    batch = call.attributes.get("batch_dims", 0)
    return [(*indices[:-1], *shape[batch + indices[-1] :])]


def _compress(call: Call) -> Sequence[PartialShape] | None:
    shape, axis = call.tensor(0).shape, call.attributes.get("axis")
    condition = call.tensor(1).array
    count = None if condition is None else int(condition.sum())
    if axis is None:
        return [(count,)]
    if shape is None:
        return [None]
    axis %= len(shape)
    return [(*shape[:axis], count, *shape[axis + 1 :])]


def _non_zero(call: Call) -> Sequence[PartialShape]:
    """A 0-d tensor counts as one dim."""
    rank = call.tensor(0).rank
    return [(None if rank is None else max(rank, 1), None)]


def _unique(call: Call) -> Sequence[PartialShape] | None:
    """The values, then for each where it was first, where each element went, and how many."""
    shape, axis = call.tensor(0).shape, call.attributes.get("axis")
    if axis is None:
        total = None if shape is None else prod(shape)
        return [(None,), (None,), (total,), (None,)][: call.outputs]
    if shape is None:
        return None
    axis %= len(shape)
    values = (*shape[:axis], None, *shape[axis + 1 :])
    return [values, (None,), (shape[axis],), (None,)][: call.outputs]


def _einsum(call: Call) -> Sequence[PartialShape] | None:
    """Each letter has one size; a size of 1 gives way to another."""
    left, arrow, result = call.attributes["equation"].replace(" ", "").partition("->")
    sizes: dict[str, Dim] = {}
    if "." in left or not arrow:
        return None
    for term, tensor in zip(left.split(","), call.inputs, strict=True):
        if tensor is None or tensor.shape is None:
            return None
        for letter, dim in zip(term, tensor.shape, strict=True):
            known = sizes.get(letter)
            if (
                known is None
                or known == 1
                or (
                    known != dim
                    and not isinstance(known, int)
                    and isinstance(dim, int)
                    and dim != 1
                )
            ):
                sizes[letter] = dim
    return [tuple(sizes[letter] for letter in result)]


def _shape_attribute(call: Call) -> Sequence[PartialShape]:
    return [tuple(call.attributes["shape"])]


def _multinomial(call: Call) -> Sequence[PartialShape] | None:
    shape = call.tensor(0).shape
    return None if shape is None else [(shape[0], call.attributes.get("sample_size", 1))]


def _det(call: Call) -> Sequence[PartialShape] | None:
    shape = call.tensor(0).shape
    return None if shape is None else [shape[:-2]]


def _dropout(call: Call) -> Sequence[PartialShape]:
    return [call.tensor(0).shape] * call.outputs


def _boxes(call: Call) -> Sequence[PartialShape]:  # noqa: ARG001
    return [(None, 3)]


def _sequence_length(call: Call) -> Sequence[PartialShape]:  # noqa: ARG001
    return [()]


def _unknown(call: Call) -> Sequence[PartialShape]:
    """Elements of a sequence may differ in shape."""
    rest: list[Shape | None] = [None] * call.outputs
    return rest


INDEXING_RULES: dict[str, Rule] = {
    "Slice": _slice,
    "Split": _split,
    "Pad": _pad,
    "Tile": _tile,
    "TopK": _top_k,
    "Range": _range,
    "OneHot": _one_hot,
    "GatherND": _gather_nd,
    "Compress": _compress,
    "NonZero": _non_zero,
    "Unique": _unique,
    "Einsum": _einsum,
    "RandomNormal": _shape_attribute,
    "RandomUniform": _shape_attribute,
    "Multinomial": _multinomial,
    "Det": _det,
    "Dropout": _dropout,
    "NonMaxSuppression": _boxes,
    "SequenceLength": _sequence_length,
    **dict.fromkeys(
        (
            "SequenceAt",
            "SequenceConstruct",
            "SequenceEmpty",
            "SequenceErase",
            "SequenceInsert",
            "SplitToSequence",
        ),
        _unknown,
    ),
}
