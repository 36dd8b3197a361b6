"""Max pooling over windows whose places are drawn at random for each channel."""

from __future__ import annotations

import math
from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import Dim, sym_max
from exporter.onnx_graph.values import Tensor
from symbolics.layers.windows import any_spatial, batched, spatial, unbatched
from symbolics.registry import symbolic
from symbolics.rules import INT64

__all__ = ["fractional_max_pool2d"]


def window_starts(g: Builder, sample: Tensor, size: Dim, outputs: Dim, kernel: int) -> Tensor:
    """Where the windows of each channel start: [N, C, outputs].

    Window i starts at int((i + u) * a) - int(u * a), a being (size - kernel) / (outputs - 1) and u
    the channel's sample; the last one ends with the input.
    """
    batch, channels, _ = sample.require_shape()
    room = g.constant(size - kernel, INT64)
    last = g.Expand(room, g.constant([batch, channels, 1], INT64))
    if outputs == 1:
        return last
    spread = g.Div(g.cast(room, sample.dtype), g.constant(sym_max(outputs - 1, 1), sample.dtype))
    index = consecutive(g, outputs - 1, sample.dtype)
    first = g.cast(g.Mul(g.Add(index, sample), spread), INT64)
    shift = g.cast(g.Mul(sample, spread), INT64)
    return g.Concat(g.Sub(first, shift), last, axis=2)


def fractional_max_pool(
    g: Builder,
    self: Tensor,
    kernel_size: Sequence[int],
    output_size: Sequence[Dim],
    random_samples: Tensor,
    order: Sequence[int],
) -> tuple[Tensor, Tensor]:
    """Maxima and their positions; `order` says which sample is for which dim.

    1. Each dim's window starts, and from them the elements' numbers in the plane:
       [N, C, outputs..., kernel...].
    2. All elements are gathered from the flat plane, with the windows' elements last.
    3. The largest of each window, and its number.

    There may be samples for more than the batch.
    """
    dims = len(order)
    x, had_batch = batched(g, self, dims)
    samples = random_samples
    kernel = spatial(kernel_size, dims, "kernel_size")
    outputs = any_spatial(output_size, dims, "output_size")
    batch, channels, *sizes = x.require_shape()
    if isinstance(batch, int) and samples.require_shape()[0] != batch:
        samples = g.Slice(samples, [0], [batch], [0])
    index: Tensor = g.constant(0, INT64)
    for i in range(dims):
        sample = g.Slice(samples, [order[i]], [order[i] + 1], [2])
        starts = window_starts(g, sample, sizes[i], outputs[i], kernel[i])
        before, after = [1] * i, [1] * (dims - 1 - i)
        starts = g.reshape(starts, [batch, channels, *before, outputs[i], *after, *[1] * dims])
        steps = g.reshape(consecutive(g, kernel[i]), [*before, kernel[i], *after])
        place = g.Add(starts, steps)
        index = g.Add(g.Mul(index, g.constant(sizes[i], INT64)), place)
    area, count = math.prod(kernel), math.prod(outputs)
    flat = g.reshape(x, [batch, channels, math.prod(sizes)])
    index = g.reshape(index, [batch, channels, count * area])
    shape = [batch, channels, *outputs, area]
    windows = g.reshape(g.GatherElements(flat, index, axis=2), shape)
    values = g.ReduceMax(windows, axes=[-1], keepdims=False)
    chosen = g.ArgMax(windows, axis=-1, keepdims=True)
    positions = g.GatherElements(g.reshape(index, shape), chosen, axis=dims + 2)
    positions = g.Squeeze(positions, axes=[dims + 2])
    return unbatched(g, values, had_batch), unbatched(g, positions, had_batch)


@symbolic(
    "aten::fractional_max_pool2d(Tensor self, int[2] kernel_size, int[2] output_size, Tensor random_samples) -> (Tensor, Tensor)"
)
def fractional_max_pool2d(
    g: Builder,
    self: Tensor,
    kernel_size: Sequence[int],
    output_size: Sequence[Dim],
    random_samples: Tensor,
) -> tuple[Tensor, Tensor]:
    """`fractional_max_pool` of images; the first sample is for the width."""
    return fractional_max_pool(g, self, kernel_size, output_size, random_samples, (1, 0))


@symbolic(
    "aten::fractional_max_pool3d(Tensor self, int[3] kernel_size, int[3] output_size, Tensor random_samples) -> (Tensor, Tensor)"
)
def fractional_max_pool3d(
    g: Builder,
    self: Tensor,
    kernel_size: Sequence[int],
    output_size: Sequence[Dim],
    random_samples: Tensor,
) -> tuple[Tensor, Tensor]:
    """`fractional_max_pool` of volumes; the samples are in the order of the dims."""
    return fractional_max_pool(g, self, kernel_size, output_size, random_samples, (0, 1, 2))
