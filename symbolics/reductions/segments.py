"""Reductions of consecutive rows, a segment each. Rows that indices assign are in `indexing.scatter`."""

from __future__ import annotations

import math

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.values import Number, Tensor
from symbolics.indexing.scatter import along, reduced
from symbolics.registry import Raised, Unsupported, symbolic
from symbolics.rules import INT64
from symbolics.views.rearranging import repeat_interleave_indices
from symbolics.views.shape import expand_to

__all__: list[str] = []

# What a segment starts from, and `scatter_reduce`'s word for how it goes on.
_STARTS = {
    "sum": (0.0, "sum"),
    "mean": (0.0, "sum"),
    "prod": (1.0, "prod"),
    "max": (-math.inf, "amax"),
    "min": (math.inf, "amin"),
}


@symbolic(
    "aten::segment_reduce(Tensor data, str reduce, *, Tensor? lengths=None, Tensor? indices=None, Tensor? offsets=None, int axis=0, bool unsafe=False, Scalar? initial=None) -> Tensor"
)
def segment_reduce(
    g: Builder,
    data: Tensor,
    reduce: str,
    *,
    lengths: Tensor | None = None,
    indices: Tensor | None = None,
    offsets: Tensor | None = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: Number | None = None,
) -> Tensor:
    """One row for each segment, of which `lengths` are the sizes and `offsets` the borders.

    1. A row's segment is found by repeating its number as often as it is long.
    2. Rows are scattered onto the value to begin with, which is all there is of an empty segment.
    3. A mean is divided by the length; that of nothing is NaN, unless a value was given.
    """
    if indices is not None or (lengths is None and offsets is None):
        raise Raised("segment_reduce takes lengths or offsets")
    if offsets is not None:
        borders = g.cast(offsets, INT64)
        data = g.Slice(data, g.Slice(borders, [0], [1]), g.Slice(borders, [-1], [2**63 - 1]), [0])
        lengths = g.Sub(g.Slice(borders, [1], [2**63 - 1]), g.Slice(borders, [0], [-1]))
    assert lengths is not None
    if axis != 0 or lengths.require_rank() != 1:
        raise Unsupported(f"segment_reduce along dim {axis}, of which each row has its own lengths")
    lengths = g.cast(lengths, INT64)
    start, how = _STARTS[reduce]
    rest = list(data.require_shape()[1:])
    given = g.constant(start if initial is None else initial, data.dtype)
    base = expand_to(g, given, [g.size(lengths, 0), *rest])
    number = repeat_interleave_indices(g, lengths)
    result = reduced(g, along(g, 0, number, data), base, data, how, True)
    if reduce != "mean":
        return result
    count = g.reshape(lengths, [-1, *[1] * len(rest)])
    if initial is not None:
        count = g.Max(count, 1)
    return g.Div(result, g.cast(count, data.dtype))
