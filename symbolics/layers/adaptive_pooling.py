"""Pooling to a given size, and what undoes max pooling. Windows of a given size are in `pooling`.

Window i of `outputs` over `size` elements goes from floor(i * size / outputs) to
ceil((i + 1) * size / outputs). Where the one divides the other, that is an ordinary pooling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import Dim, is_ge, sym_max
from exporter.onnx_graph.values import Tensor
from symbolics.layers.windows import (
    any_spatial,
    at_least_one,
    batched,
    largest_in_windows,
    unbatched,
)
from symbolics.registry import Raised, Unsupported, symbolic
from symbolics.rules import FLOAT, INT64, is_float, widened

__all__ = ["adaptive_avg_pool", "adaptive_max_pool"]


def output_sizes(output_size: int | Sequence[Dim], dims: int) -> list[Dim]:
    """One size a spatial dim."""
    sizes = any_spatial(output_size, dims, "output_size")
    if any(is_ge(-1, size) for size in sizes):
        raise Raised(f"output_size={sizes}: a size is negative")
    return sizes


def even_kernel(sizes: Sequence[Dim], outputs: Sequence[Dim]) -> list[int] | None:
    """The size of the windows, where they are all of one size and do not overlap."""
    kernel = []
    for n, o in zip(sizes, outputs, strict=True):
        if n == o:
            kernel.append(1)
        elif isinstance(n, int) and isinstance(o, int) and o > 0 and n % o == 0 and n > 0:
            kernel.append(n // o)
        else:
            return None
    return kernel


def window_bounds(g: Builder, size: Dim, outputs: Dim) -> tuple[Tensor, Tensor]:
    """Where each window starts, and where it ends (exclusive)."""
    number = consecutive(g, outputs)
    n, o = g.constant(size, INT64), g.constant(sym_max(outputs, 1), INT64)
    start = g.Div(g.Mul(number, n), o)
    reach = g.Add(g.Mul(g.Add(number, 1), n), g.Sub(o, 1))
    return start, g.Div(reach, o)


def longest_window(size: Dim, outputs: Dim) -> Dim:
    """The length of the longest window, or a little more where it is only known at run time."""
    if isinstance(size, int) and isinstance(outputs, int):
        lengths = [-((i + 1) * size // -outputs) - i * size // outputs for i in range(outputs)]
        return max(lengths, default=1)
    outputs = sym_max(outputs, 1)
    return (size + outputs - 1) // outputs + 1


def window_table(g: Builder, size: Dim, outputs: Dim) -> tuple[Tensor, Tensor]:
    """Which elements each window reads, [outputs, longest], and which of them are its own.

    Shorter windows repeat their last element.
    """
    start, end = window_bounds(g, size, outputs)
    longest = longest_window(size, outputs)
    steps = g.reshape(consecutive(g, longest), [1, longest])
    reach = g.Add(g.reshape(start, [outputs, 1]), steps)
    end = g.reshape(end, [outputs, 1])
    return g.Min(reach, g.Sub(end, 1)), g.Less(reach, end)


def adaptive_avg_pool(
    g: Builder, self: Tensor, dims: int, output_size: int | Sequence[Dim]
) -> Tensor:
    """The mean of each of `output_size` windows, which may overlap by an element."""
    if not is_float(self.dtype):
        raise Unsupported(f"an adaptive average of {self.dtype.name}: PyTorch has none")
    x, had_batch = batched(g, widened(g, self), dims)
    at_least_one(g, x, dims)
    outputs = output_sizes(output_size, dims)
    sizes = list(x.require_shape()[-dims:])
    kernel = even_kernel(sizes, outputs)
    if sizes == outputs:
        result = x
    elif all(isinstance(o, int) and o == 1 for o in outputs):
        result = g.GlobalAveragePool(x) if x.dtype == FLOAT else mean_over_last(g, x, dims)
    elif kernel is not None:
        result = g.AveragePool(x, kernel_shape=kernel, strides=kernel)
    else:
        result = x
        for i, (n, o) in enumerate(zip(sizes, outputs, strict=True)):
            if n != o:
                result = averaged_along(g, result, 2 + i, n, o)
    return unbatched(g, g.cast(result, self.dtype), had_batch)


def mean_over_last(g: Builder, x: Tensor, dims: int) -> Tensor:
    """The mean over the last dims, which stay as 1."""
    return g.ReduceMean(x, axes=list(range(-dims, 0)), keepdims=True)


def averaged_along(g: Builder, x: Tensor, axis: int, size: Dim, outputs: Dim) -> Tensor:
    """Means over one dim: gathered windows, of which what is beyond their end counts as zero.

    The mean over a box is the mean of means, since all its rows are of one length.
    """
    table, own = window_table(g, size, outputs)
    behind = x.require_rank() - axis - 1
    cut = g.Gather(x, table, axis=axis)
    longest = longest_window(size, outputs)
    own = g.reshape(own, [outputs, longest, *[1] * behind])
    total = g.ReduceSum(g.Where(own, cut, g.constant(0, x.dtype)), axes=[axis + 1], keepdims=False)
    start, end = window_bounds(g, size, outputs)
    count = g.reshape(g.cast(g.Sub(end, start), x.dtype), [outputs, *[1] * behind])
    return g.Div(total, count)


def adaptive_max_pool(
    g: Builder, self: Tensor, dims: int, output_size: int | Sequence[Dim]
) -> tuple[Tensor, Tensor]:
    """The largest element of each window, and the position of the first of the largest.

    Windows that are all alike are an ordinary pooling. Otherwise they are gathered, the shorter ones
    repeating their last element, which changes no maximum and never comes first.
    """
    x, had_batch = batched(g, self, dims)
    at_least_one(g, x, dims)
    outputs = output_sizes(output_size, dims)
    sizes = list(x.require_shape()[-dims:])
    kernel = even_kernel(sizes, outputs)
    if kernel is not None and is_float(x.dtype):
        values, positions = g.MaxPool(x, outputs=2, kernel_shape=kernel, strides=kernel)
        positions = g.Mod(positions, g.constant(math.prod(sizes), INT64))
        return unbatched(g, values, had_batch), unbatched(g, positions, had_batch)
    if all(isinstance(o, int) and o == 1 for o in outputs):
        values, positions = largest_of_all(g, x, dims)
        return unbatched(g, values, had_batch), unbatched(g, positions, had_batch)
    tables = [window_table(g, n, o)[0] for n, o in zip(sizes, outputs, strict=True)]
    values, position = largest_in_windows(g, x, tables)
    return unbatched(g, values, had_batch), unbatched(g, position, had_batch)


def largest_of_all(g: Builder, x: Tensor, dims: int) -> tuple[Tensor, Tensor]:
    """The largest element of each plane, and its position; the planes' dims stay, as 1."""
    *lead, plane = [*x.require_shape()[:-dims], math.prod(x.require_shape()[-dims:])]
    flat = g.reshape(x, [*lead, plane])
    position = g.ArgMax(flat, axis=-1, keepdims=True)
    if dims > 1:
        position = g.Unsqueeze(position, axes=list(range(3, 2 + dims)))
    return g.ReduceMax(x, axes=list(range(2, 2 + dims)), keepdims=True), position


@symbolic("aten::adaptive_avg_pool1d(Tensor self, int[1] output_size) -> Tensor")
def adaptive_avg_pool1d(g: Builder, self: Tensor, output_size: Sequence[Dim]) -> Tensor:
    """`adaptive_avg_pool` over one dim."""
    return adaptive_avg_pool(g, self, 1, output_size)


@symbolic("aten::_adaptive_avg_pool2d(Tensor self, SymInt[2] output_size) -> Tensor")
@symbolic("aten::adaptive_avg_pool2d(Tensor self, SymInt[2] output_size) -> Tensor")
def adaptive_avg_pool2d(g: Builder, self: Tensor, output_size: Sequence[Dim]) -> Tensor:
    """`adaptive_avg_pool` over two dims."""
    return adaptive_avg_pool(g, self, 2, output_size)


@symbolic("aten::_adaptive_avg_pool3d(Tensor self, SymInt[3] output_size) -> Tensor")
@symbolic("aten::adaptive_avg_pool3d(Tensor self, SymInt[3] output_size) -> Tensor")
def adaptive_avg_pool3d(g: Builder, self: Tensor, output_size: Sequence[Dim]) -> Tensor:
    """`adaptive_avg_pool` over three dims."""
    return adaptive_avg_pool(g, self, 3, output_size)


@symbolic("aten::adaptive_max_pool1d(Tensor self, int[1] output_size) -> (Tensor, Tensor)")
def adaptive_max_pool1d(
    g: Builder, self: Tensor, output_size: Sequence[Dim]
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool` over one dim."""
    return adaptive_max_pool(g, self, 1, output_size)


@symbolic("aten::adaptive_max_pool2d(Tensor self, int[2] output_size) -> (Tensor, Tensor)")
def adaptive_max_pool2d(
    g: Builder, self: Tensor, output_size: Sequence[Dim]
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool` over two dims."""
    return adaptive_max_pool(g, self, 2, output_size)


@symbolic("aten::adaptive_max_pool3d(Tensor self, int[3] output_size) -> (Tensor, Tensor)")
def adaptive_max_pool3d(
    g: Builder, self: Tensor, output_size: Sequence[Dim]
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool` over three dims."""
    return adaptive_max_pool(g, self, 3, output_size)


def max_unpool(g: Builder, self: Tensor, indices: Tensor, output_size: Sequence[Dim]) -> Tensor:
    """Each element at its position in a plane of zeros."""
    dims = len(output_size)
    lead = self.require_shape()[:-dims]
    plane = math.prod(output_size)
    count = math.prod(self.require_shape()[-dims:])
    zeros = g.Expand(g.constant(0, self.dtype), g.constant([*lead, plane], INT64))
    flat = g.reshape(self, [*lead, count])
    where = g.reshape(indices, [*lead, count])
    filled = g.ScatterElements(zeros, where, flat, axis=-1)
    return g.reshape(filled, [*lead, *output_size])


@symbolic("aten::max_unpool2d(Tensor self, Tensor indices, SymInt[2] output_size) -> Tensor")
def max_unpool2d(g: Builder, self: Tensor, indices: Tensor, output_size: Sequence[Dim]) -> Tensor:
    """Undo `max_pool2d`, zeros between the maxima."""
    return max_unpool(g, self, indices, output_size)


@symbolic(
    "aten::max_unpool3d(Tensor self, Tensor indices, SymInt[3] output_size, int[3] stride, int[3] padding) -> Tensor"
)
def max_unpool3d(
    g: Builder,
    self: Tensor,
    indices: Tensor,
    output_size: Sequence[Dim],
    stride: Sequence[int],
    padding: Sequence[int],
) -> Tensor:
    """Undo `max_pool3d`; stride and padding only served to check `output_size`."""
    return max_unpool(g, self, indices, output_size)
