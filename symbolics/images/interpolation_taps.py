"""Which elements an interpolated one is made of, and with what weights, along one dim.

The formulas are PyTorch's: aten/src/ATen/native/UpSample.h, and UpSampleKernel.cpp for the
antialiased kinds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import SymFloat, Tensor
from symbolics.rules import DOUBLE, FLOAT, INT64

__all__ = [
    "FILTERS",
    "Axis",
    "antialiased_taps",
    "cubic_taps",
    "cubic_weights",
    "linear_taps",
    "nearest_indices",
    "nearest_now",
]


@dataclass(frozen=True)
class Axis:
    """One dim: its size before and after; the scale factor, where that was given and counts.

    `planar`: it is one of two spatial dims, which PyTorch has a kernel of their own for.
    """

    size: Dim
    outputs: Dim
    align_corners: bool
    scale: float | SymFloat | None
    planar: bool = False

    @property
    def static(self) -> bool:
        """Whether both sizes and the scale factor are known."""
        known = isinstance(self.size, int) and isinstance(self.outputs, int)
        return known and not isinstance(self.scale, SymFloat)


def step(g: Builder, axis: Axis, dtype: ir.DataType) -> Tensor:
    """How far the source moves when the output moves by one."""
    if axis.align_corners:
        if axis.static:
            steps = int(axis.outputs) - 1
            return g.constant((int(axis.size) - 1) / steps if steps > 0 else 0.0, dtype)
        last = g.cast(g.constant(axis.size - 1, INT64), dtype)
        far = g.constant(axis.outputs - 1, INT64)
        divisor = g.cast(g.Max(far, g.constant(1, INT64)), dtype)
        return g.Where(
            g.Equal(far, g.constant(0, INT64)), g.constant(0, dtype), g.Div(last, divisor)
        )
    if axis.scale is not None and not isinstance(axis.scale, SymFloat):
        return g.constant(1.0 / axis.scale, dtype)
    size = g.cast(g.constant(axis.size, INT64), dtype)
    ratio = g.Div(size, g.cast(g.constant(axis.outputs, INT64), dtype))
    if axis.scale is None:
        return ratio
    # A factor of run time counts where it is above zero.
    inverse = g.cast(g.Div(g.constant(1, DOUBLE), axis.scale), dtype)
    return g.Where(g.Greater(g.constant(axis.scale), 0), inverse, ratio)


def places(g: Builder, axis: Axis, dtype: ir.DataType) -> Tensor:
    """The source coordinate of each output element."""
    index = consecutive(g, axis.outputs, dtype)
    if axis.align_corners:
        return g.Mul(index, step(g, axis, dtype))
    return g.Sub(g.Mul(g.Add(index, 0.5), step(g, axis, dtype)), 0.5)


def last_index(g: Builder, axis: Axis) -> Tensor:
    """The last element along the axis."""
    return g.constant(axis.size - 1, INT64)


def nearest_now(axis: Axis, exact: bool, dtype: ir.DataType) -> np.ndarray:
    """`nearest_indices` of sizes that are known."""
    kind = np.float64 if dtype == DOUBLE else np.float32
    size, outputs = int(axis.size), int(axis.outputs)
    index = np.arange(outputs)
    if axis.planar and not exact and outputs in (size, 2 * size):
        return index if outputs == size else index // 2
    ratio = kind(size) / kind(outputs) if axis.scale is None else kind(1.0 / axis.scale)
    places = (index.astype(kind) + kind(0.5 if exact else 0)) * ratio
    return np.minimum(np.floor(places.astype(np.float32)).astype(np.int64), size - 1)


def nearest_indices(g: Builder, axis: Axis, exact: bool, dtype: ir.DataType) -> Tensor:
    """floor(index * step), or floor((index + 0.5) * step), in float32.

    Of a double the product is made in double, and then rounded to float32.

    Without `exact` the sizes n to n and n to 2n of an image are special: index, and index / 2.
    """
    if axis.static:
        return g.constant(nearest_now(axis, exact, dtype))
    special = axis.planar and not exact
    if special and axis.outputs == axis.size:
        return consecutive(g, axis.outputs)
    if special and axis.outputs == axis.size * 2:
        return g.Div(consecutive(g, axis.outputs), 2)
    dtype = DOUBLE if dtype == DOUBLE else FLOAT
    index = consecutive(g, axis.outputs, dtype)
    if exact:
        index = g.Add(index, 0.5)
    plain = replace(axis, align_corners=False)
    place = g.cast(g.Mul(index, step(g, plain, dtype)), FLOAT)
    found = g.Min(g.cast(g.Floor(place), INT64), last_index(g, axis))
    if not special or axis.scale is None:
        return found
    # A factor that is no whole number can still lead to a size that is special.
    whole = consecutive(g, axis.outputs)
    size, outputs = g.constant(axis.size, INT64), g.constant(axis.outputs, INT64)
    found = g.Where(g.Equal(outputs, g.Mul(size, 2)), g.Div(whole, 2), found)
    return g.Where(g.Equal(outputs, size), whole, found)


def columns(g: Builder, parts: list[Tensor], axis: Axis) -> Tensor:
    """Vectors side by side: [outputs, parts]."""
    return g.Concat(*[g.reshape(p, [axis.outputs, 1]) for p in parts], axis=1)


def linear_taps(g: Builder, axis: Axis, dtype: ir.DataType) -> tuple[Tensor, Tensor]:
    """The elements on both sides, weighted by closeness; nothing lies before the first element.

    Where the size stays the same so do the elements, whatever the scale factor was.
    """
    place = g.Max(places(g, axis, dtype), g.constant(0, dtype))
    if axis.scale is not None and not axis.align_corners:
        whole = consecutive(g, axis.outputs, dtype)
        same = g.Equal(g.constant(axis.outputs, INT64), g.constant(axis.size, INT64))
        place = g.Where(same, whole, place)
    last = last_index(g, axis)
    left = g.Min(g.cast(g.Floor(place), INT64), last)
    right = g.Min(g.Add(left, 1), last)
    part = g.Sub(place, g.cast(left, dtype))
    part = g.Min(g.Max(part, g.constant(0, dtype)), g.constant(1, dtype))
    rest = g.Sub(g.constant(1, dtype), part)
    return columns(g, [left, right], axis), columns(g, [rest, part], axis)


def cubic_weights(g: Builder, part: Tensor, a: float = -0.75) -> list[Tensor]:
    """Weights of the four elements around a place that is `part` past the second one."""

    def near(x: Tensor) -> Tensor:
        # ((a + 2) x - (a + 3)) x x + 1, for a distance up to 1
        inner = g.Sub(g.Mul(x, a + 2), a + 3)
        return g.Add(g.Mul(g.Mul(inner, x), x), 1.0)

    def far(x: Tensor) -> Tensor:
        # ((a x - 5a) x + 8a) x - 4a, for a distance from 1 to 2
        inner = g.Add(g.Mul(g.Sub(g.Mul(x, a), 5 * a), x), 8 * a)
        return g.Sub(g.Mul(inner, x), 4 * a)

    rest = g.Sub(g.constant(1, part.dtype), part)
    return [far(g.Add(part, 1.0)), near(part), near(rest), far(g.Add(rest, 1.0))]


def cubic_taps(g: Builder, axis: Axis, dtype: ir.DataType) -> tuple[Tensor, Tensor]:
    """Two elements on each side, those at the border repeated."""
    place = places(g, axis, dtype)
    last = last_index(g, axis)
    first = g.constant(0, INT64)
    whole = g.Min(g.cast(g.Floor(place), INT64), last)
    part = g.Sub(place, g.cast(whole, dtype))
    part = g.Min(g.Max(part, g.constant(0, dtype)), g.constant(1, dtype))
    around = [g.Max(g.Min(g.Add(whole, d), last), first) for d in (-1, 0, 1, 2)]
    return columns(g, around, axis), columns(g, cubic_weights(g, part), axis)


# ------------------------------------------------------------ antialiased


@dataclass(frozen=True)
class Filter:
    """A symmetric filter: how many elements wide it is, and its value at a distance.

    `value` is for distances that are known, `emitted` for those of run time.
    """

    width: int
    value: Callable[[np.ndarray], np.ndarray]
    emitted: Callable[[Builder, Tensor], Tensor]


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(x), 0)


def _emitted_triangle(g: Builder, x: Tensor) -> Tensor:
    return g.Max(g.Sub(1, g.Abs(x)), g.constant(0, x.dtype))


def _cubic(x: np.ndarray) -> np.ndarray:
    a, x = -0.5, np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _emitted_cubic(g: Builder, x: Tensor) -> Tensor:
    x = g.Abs(x)
    near = g.Add(g.Mul(g.Mul(g.Sub(g.Mul(x, 1.5), 2.5), x), x), 1)
    far = g.Mul(g.Sub(g.Mul(g.Add(g.Mul(g.Sub(x, 5), x), 8), x), 4), -0.5)
    zero = g.constant(0, x.dtype)
    return g.Where(g.Less(x, 1), near, g.Where(g.Less(x, 2), far, zero))


def _lanczos(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)


def _emitted_lanczos(g: Builder, x: Tensor) -> Tensor:
    def sinc(x: Tensor) -> Tensor:
        angle = g.Mul(x, math.pi)
        return g.Where(g.Equal(x, 0), g.constant(1, x.dtype), g.Div(g.Sin(angle), angle))

    value = g.Mul(sinc(x), sinc(g.Div(x, 3)))
    return g.Where(g.Less(g.Abs(x), 3), value, g.constant(0, x.dtype))


# The filters of the antialiased modes.
FILTERS = {
    "linear": Filter(2, _triangle, _emitted_triangle),
    "cubic": Filter(4, _cubic, _emitted_cubic),
    "lanczos": Filter(6, _lanczos, _emitted_lanczos),
}


def antialiased_taps(
    g: Builder, axis: Axis, kernel: Filter, dtype: ir.DataType
) -> tuple[Tensor, Tensor]:
    """All elements under the filter, which is as much wider as the output is coarser.

    The weights of those that exist are brought to a sum of 1. Unused taps have weight 0. A dim that
    keeps its size stays as it is, whatever the scale factor was.
    """
    if not axis.static:
        return _emitted_taps(g, axis, kernel, dtype)
    size, outputs = int(axis.size), int(axis.outputs)
    if size == outputs:
        scale = 1.0
    elif axis.align_corners:
        scale = (size - 1) / (outputs - 1) if outputs > 1 else 0.0
    else:
        scale = size / outputs if axis.scale is None else 1.0 / axis.scale
    stretch = max(scale, 1.0)
    support = kernel.width / 2 * stretch
    taps = math.ceil(support) * 2 + 1
    centers = scale * (np.arange(outputs) + 0.5)
    starts = np.maximum((centers - support + 0.5).astype(np.int64), 0)
    ends = np.minimum((centers + support + 0.5).astype(np.int64), size)
    table = starts[:, None] + np.arange(taps)[None, :]
    inside = table < ends[:, None]
    weights = kernel.value((table - centers[:, None] + 0.5) / stretch) * inside
    total = weights.sum(axis=1, keepdims=True)
    weights = np.where(total != 0, weights / np.where(total == 0, 1, total), weights)
    table = np.minimum(table, size - 1)
    return g.constant(table), g.constant(weights, dtype)


def _emitted_taps(
    g: Builder, axis: Axis, kernel: Filter, dtype: ir.DataType
) -> tuple[Tensor, Tensor]:
    """`antialiased_taps` of sizes of run time: the same steps, and the width is computed as well."""
    scale = step(g, axis, DOUBLE)
    if axis.scale is not None and not axis.align_corners:
        same = g.Equal(g.constant(axis.outputs, INT64), g.constant(axis.size, INT64))
        scale = g.Where(same, g.constant(1, DOUBLE), scale)
    stretch = g.Max(scale, g.constant(1, DOUBLE))
    support = g.Mul(stretch, kernel.width / 2)
    taps = g.integer(g.cast(g.Ceil(support), INT64)) * 2 + 1
    centers = g.Mul(g.Add(consecutive(g, axis.outputs, DOUBLE), 0.5), scale)
    centers = g.reshape(centers, [axis.outputs, 1])
    first = g.cast(g.Add(g.Sub(centers, support), 0.5), INT64)
    behind = g.cast(g.Add(g.Add(centers, support), 0.5), INT64)
    size = g.constant(axis.size, INT64)
    table = g.Add(g.Max(first, g.constant(0, INT64)), g.reshape(consecutive(g, taps), [1, taps]))
    inside = g.Less(table, g.Min(behind, size))
    distance = g.Div(g.Add(g.Sub(g.cast(table, DOUBLE), centers), 0.5), stretch)
    weights = g.Where(inside, kernel.emitted(g, distance), g.constant(0, DOUBLE))
    total = g.ReduceSum(weights, axes=[1], keepdims=True)
    weights = g.Div(weights, g.Where(g.Equal(total, 0), g.constant(1, DOUBLE), total))
    return g.Min(table, g.Sub(size, 1)), g.cast(weights, dtype)
