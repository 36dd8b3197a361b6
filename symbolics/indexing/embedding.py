"""Looking up rows of a table, and bags of them. `one_hot` is with indexing."""

from __future__ import annotations

import math

import numpy as np

from exporter.onnx_graph import quantized
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Tensor
from symbolics.reductions.norms import norm_scalaropt_dim
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import BOOL, FLOAT, INT64, D, element_count

__all__ = ["SUM", "bags", "embedding", "rows_at"]

SUM, MEAN, MAX = 0, 1, 2


@symbolic(
    "aten::embedding(Tensor weight, Tensor indices, SymInt padding_idx=-1, bool scale_grad_by_freq=False, bool sparse=False) -> Tensor"
)
def embedding(
    g: Builder,
    weight: Tensor,
    indices: Tensor,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of the table. The padding index, like the rest, only matters to gradients."""
    return g.Gather(weight, indices, axis=0)


@symbolic(
    "aten::embedding_renorm(Tensor self, Tensor indices, float max_norm, float norm_type) -> Tensor"
)
def embedding_renorm(
    g: Builder, self: Tensor, indices: Tensor, max_norm: float, norm_type: float
) -> Tensor:
    """The table with those rows that the indices name shortened to `max_norm`, where longer."""
    rows = self.require_shape()[0]
    norms = norm_scalaropt_dim(g, self, norm_type, [1], True)
    count = g.reshape(indices, [element_count(g, indices)])
    zeros = g.Expand(g.constant(0, INT64), g.constant([rows], INT64))
    ones = g.Expand(g.constant(1, INT64), g.shape(count))
    named = g.ScatterElements(zeros, g.cast(count, INT64), ones, axis=0)
    long = g.And(g.cast(g.reshape(named, [rows, 1]), BOOL), g.Greater(norms, max_norm))
    factor = g.Div(g.constant(max_norm, self.dtype), g.Add(norms, 1e-7))
    return g.Mul(self, g.Where(long, factor, g.constant(1, self.dtype)))


def rows_at(g: Builder, weight: Tensor, indices: Tensor) -> Tensor:
    """Rows of a table, as floats also where it is quantized by rows.

    Only the rows that are asked for are dequantized. A table of 4 bits is stored two to a byte, the
    earlier one in the low half.
    """
    if weight.quantization is None:
        return g.Gather(weight, indices, axis=0)
    meaning = quantized.meaning_of(weight)
    if meaning.axis != 0 or weight.require_rank() != 2:
        raise Unsupported("a quantized table without a scale for each row")
    width = weight.require_shape()[1]
    integers = meaning.integers
    if weight.dtype == D.UINT4:
        halves = integers.require_array().astype(np.uint8)
        if halves.shape[1] % 2 == 0:
            integers = g.constant(halves[:, ::2] | halves[:, 1::2] << 4, name=integers.name)
        else:
            integers = g.constant(halves, name=integers.name)
    rows = g.cast(g.Gather(integers, indices, axis=0), FLOAT)
    if integers.require_shape()[1] != width:
        high = g.Floor(g.Mul(rows, 1 / 16))
        low = g.Sub(rows, g.Mul(high, 16))
        pairs = g.Concat(g.Unsqueeze(low, axes=[-1]), g.Unsqueeze(high, axes=[-1]), axis=-1)
        rows = g.reshape(pairs, [*indices.require_shape(), width])
    scale = g.cast(meaning.scale, FLOAT)
    # PyTorch's tables hold the product; those of 4 bits hold both in float16.
    bias = g.Neg(g.Mul(g.cast(meaning.zero_point, FLOAT), scale))
    if weight.dtype == D.UINT4:
        scale, bias = (g.cast(g.cast(values, D.FLOAT16), FLOAT) for values in (scale, bias))
    scale, bias = (
        g.Unsqueeze(g.Gather(values, indices, axis=0), axes=[-1]) for values in (scale, bias)
    )
    return g.Add(g.Mul(rows, scale), bias)


def bags(
    g: Builder,
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    mode: int,
    per_sample_weights: Tensor | None,
    include_last_offset: bool,
    padding_idx: int | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The sum, mean or maximum of the rows of each bag, zero for an empty one.

    Bag b goes from offsets[b] to the next offset, or to the end. Also returned, as PyTorch does:
    the bag of each index, the size of each bag, and, again, the size (in place of the positions of
    the maxima, which only gradients use).

    1. The bag of an index is the number of offsets up to its place, less one.
    2. Rows are scattered into a table of zeros (of -inf, for the maximum) by their bags.
    3. What is equal to the padding index goes to a bag of its own behind the others.
    """
    if indices.require_rank() != 1:
        raise Unsupported(f"embedding_bag with {indices.rank}-D indices")
    count = indices.require_shape()[0]
    starts = g.cast(offsets, INT64)
    number: Dim = offsets.require_shape()[0]
    if include_last_offset:
        number = number - 1
        starts = g.Slice(starts, [0], [number], [0])
    places = g.reshape(consecutive(g, count), [count, 1])
    begun = g.LessOrEqual(g.reshape(starts, [1, number]), places)
    bag = g.Sub(g.ReduceSum(g.cast(begun, INT64), axes=[1], keepdims=False), 1)
    target = bag
    if padding_idx is not None:
        wanted = padding_idx % weight.require_shape()[0] if padding_idx < 0 else padding_idx
        is_padding = g.Equal(g.cast(indices, INT64), g.constant(wanted, INT64))
        target = g.Where(is_padding, g.constant(number, INT64), bag)
    target = g.reshape(target, [count, 1])
    rows = rows_at(g, weight, indices)
    if per_sample_weights is not None:
        rows = g.Mul(rows, g.reshape(g.cast(per_sample_weights, rows.dtype), [count, 1]))
    width = weight.require_shape()[1]
    fill = g.constant(-math.inf if mode == MAX else 0, rows.dtype)
    table = g.Expand(fill, g.constant([number + 1, width], INT64))
    table = g.ScatterND(table, target, rows, reduction="max" if mode == MAX else "add")
    result = g.Slice(table, [0], [number], [0])
    zeros = g.Expand(g.constant(0, INT64), g.constant([number + 1], INT64))
    ones = g.Expand(g.constant(1, INT64), g.constant([count], INT64))
    sizes = g.Slice(g.ScatterND(zeros, target, ones, reduction="add"), [0], [number], [0])
    column = g.reshape(sizes, [number, 1])
    if mode == MEAN:
        result = g.Div(result, g.cast(g.Max(column, g.constant(1, INT64)), rows.dtype))
    elif mode == MAX:
        empty = g.Equal(column, g.constant(0, INT64))
        result = g.Where(empty, g.constant(0, rows.dtype), result)
    return result, bag, sizes, sizes


@symbolic(
    "aten::embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, bool sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False) -> (Tensor, Tensor, Tensor, Tensor)"
)
def embedding_bag(
    g: Builder,
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
) -> tuple[Tensor, ...]:
    """Bags of rows; see `bags`."""
    return bags(g, weight, indices, offsets, mode, per_sample_weights, include_last_offset, None)


@symbolic(
    "aten::embedding_bag.padding_idx(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq, int mode, bool sparse, Tensor? per_sample_weights, bool include_last_offset, int? padding_idx) -> (Tensor, Tensor, Tensor, Tensor)"
)
def embedding_bag_padding_idx(
    g: Builder,
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool,
    mode: int,
    sparse: bool,
    per_sample_weights: Tensor | None,
    include_last_offset: bool,
    padding_idx: int | None,
) -> tuple[Tensor, ...]:
    """Bags of rows; those at the padding index do not count."""
    return bags(
        g, weight, indices, offsets, mode, per_sample_weights, include_last_offset, padding_idx
    )


@symbolic(
    "aten::_embedding_bag_forward_only(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, bool sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False, int padding_idx=-1) -> (Tensor, Tensor, Tensor, Tensor)"
)
@symbolic(
    "aten::_embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, bool sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False, int padding_idx=-1) -> (Tensor, Tensor, Tensor, Tensor)"
)
def _embedding_bag(
    g: Builder,
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int = -1,
) -> tuple[Tensor, ...]:
    """Bags of rows; here a padding index below zero means that there is none."""
    padding = None if padding_idx < 0 else padding_idx
    return bags(g, weight, indices, offsets, mode, per_sample_weights, include_last_offset, padding)
