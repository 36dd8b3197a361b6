"""RoiAlign and MaxRoiPool by Gathers, where onnxruntime has no kernel for them.

onnxruntime 1.31 has none from opset 22 on; below 16 RoiAlign has but one kind of coordinates. Here
the image is taken as rows, [images * height * width, channels], so that an element of it is a row's
number, and all bins of all regions take one point at a time. How many points a bin has may depend
on the regions: a Loop goes as far as the largest needs, and the others ignore the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from exporter.errors import UnsupportedError as Unsupported
from exporter.onnx_graph.loops import loop
from exporter.onnx_graph.lowerings.registry import ALWAYS, WITHOUT_KERNELS, lowering
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

D = ir.DataType


@lowering("RoiAlign", before=ALWAYS)
def roi_align(
    g: Builder,
    X: Tensor,
    rois: Tensor,
    batch_indices: Tensor,
    *,
    coordinate_transformation_mode: str = "half_pixel",
    mode: str = "avg",
    output_height: int = 1,
    output_width: int = 1,
    sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
) -> Tensor:
    """The mean of points between elements, in each bin of a region.

    1. Boxes in elements. Coordinates other than half_pixel widen a box to an element.
    2. Points of a bin along each axis: `sampling_ratio`, or one for each element begun.
    3. Add one point of each bin at a time; a point is the mean of the four elements around it.
    """
    half = coordinate_transformation_mode == "half_pixel"
    if (16 if half else 10) <= g.opset < WITHOUT_KERNELS:
        return g.native(  # type: ignore[no-any-return]
            "RoiAlign",
            X,
            rois,
            batch_indices,
            coordinate_transformation_mode=coordinate_transformation_mode,
            mode=mode,
            output_height=output_height,
            output_width=output_width,
            sampling_ratio=sampling_ratio,
            spatial_scale=spatial_scale,
        )
    if mode != "avg":
        raise Unsupported(f"RoiAlign with mode={mode} has no kernel at opset {g.opset}")
    working = D.DOUBLE if X.dtype == D.DOUBLE else D.FLOAT
    image = _Image(g, g.cast(X, working), batch_indices)
    corners = g.Mul(g.cast(rois, working), spatial_scale)
    if half:
        corners = g.Sub(corners, 0.5)
    firsts, steps, counts, trips = [], [], [], []
    for axis, bins in ((1, output_height), (0, output_width)):
        start, end = (g.Slice(corners, [i], [i + 1], [1]) for i in (axis, axis + 2))
        length = g.Sub(end, start)
        steps.append(g.Div(length if half else g.Max(length, 1), bins))
        firsts.append(g.Add(start, g.Mul(steps[-1], g.cast(consecutive(g, bins), working))))
        ratio = sampling_ratio if sampling_ratio > 0 else None
        counts.append(g.Ceil(steps[-1]) if ratio is None else g.constant([[ratio]], working))
        trips.append(_largest(g, counts[-1]) if ratio is None else ratio)

    def add_point(index: Tensor, states: list[Tensor]) -> list[Tensor]:
        """The point of this number in each bin, counted row by row."""
        down = g.Div(index, trips[1])
        (total,), around = states, []
        for axis, place in enumerate((down, g.Sub(index, g.Mul(down, trips[1])))):
            centre = g.Add(g.cast(place, working), 0.5)
            position = g.Add(firsts[axis], g.Mul(steps[axis], g.Div(centre, counts[axis])))
            taken = g.Less(centre, counts[axis])
            around.append(_neighbours(g, position, taken, image.sides[axis]))
        for y, y_weight in around[0]:
            for x, x_weight in around[1]:
                weight = g.Mul(g.Unsqueeze(y_weight, [2]), g.Unsqueeze(x_weight, [1]))
                total = g.Add(total, g.Mul(image.elements(y, x), g.Unsqueeze(weight, [3])))
        return [total]

    empty = image.filled(0, [output_height, output_width])
    (total,) = loop(g, trips[0] * trips[1], add_point, [empty])
    mean = g.Div(total, g.Unsqueeze(g.Max(g.Mul(*counts), 1), [2, 3]))
    return g.cast(g.Transpose(mean, perm=[0, 3, 1, 2]), X.dtype)


def _neighbours(
    g: Builder, position: Tensor, taken: Tensor, size: Dim
) -> list[tuple[Tensor, Tensor]]:
    """The two elements around a position along an axis, with their weights.

    Beyond one element outside nothing counts; up to there, and below 0, it is the border's.
    """
    last = g.cast(g.constant(size, D.INT64), position.dtype)
    inside = g.And(g.GreaterOrEqual(position, -1), g.LessOrEqual(position, last))
    last = g.Sub(last, 1)
    taken = g.And(taken, inside)
    position = g.Min(g.Max(g.Where(taken, position, 0), 0), last)
    low = g.Floor(position)
    high = g.Min(g.Add(low, 1), last)
    over = g.Sub(position, low)
    shares = ((low, g.Sub(1, over)), (high, over))
    return [(g.cast(at, D.INT64), g.Where(taken, share, 0)) for at, share in shares]


@lowering("MaxRoiPool", before=ALWAYS)
def max_roi_pool(
    g: Builder, X: Tensor, rois: Tensor, *, pooled_shape: Sequence[int], spatial_scale: float = 1.0
) -> Tensor:
    """The largest element of each bin of a region; 0 where a bin has none, and NaN is never it.

    1. Boxes in whole elements, half away from 0, with the end inside.
    2. First and last element of each bin, inside the image.
    3. Take one element of each bin at a time; bins with fewer repeat their last.
    """
    if g.opset < WITHOUT_KERNELS:
        return g.native(  # type: ignore[no-any-return]
            "MaxRoiPool", X, rois, pooled_shape=pooled_shape, spatial_scale=spatial_scale
        )
    scaled = g.Mul(g.Slice(rois, [1], [5], [1]), spatial_scale)
    corners = g.Mul(g.Sign(scaled), g.Floor(g.Add(g.Abs(scaled), 0.5)))
    numbers = g.cast(g.Squeeze(g.Slice(rois, [0], [1], [1]), [1]), D.INT64)
    image = _Image(g, X, numbers)
    firsts, ends, trips = [], [], []
    for axis, bins in ((1, pooled_shape[0]), (0, pooled_shape[1])):
        start, end = (g.Slice(corners, [i], [i + 1], [1]) for i in (axis, axis + 2))
        step = g.Div(g.Max(g.Add(g.Sub(end, start), 1), 1), bins)
        size = g.cast(g.constant(image.sides[1 - axis], D.INT64), X.dtype)
        bounds = [
            g.Min(g.Max(g.Add(rounded, start), 0), size)
            for rounded in (
                g.Floor(g.Mul(step, g.cast(consecutive(g, bins), X.dtype))),
                g.Ceil(g.Mul(step, g.Add(g.cast(consecutive(g, bins), X.dtype), 1))),
            )
        ]
        firsts.append(bounds[0])
        ends.append(bounds[1])
        trips.append(_largest(g, g.Sub(bounds[1], bounds[0])))

    def take_element(index: Tensor, states: list[Tensor]) -> list[Tensor]:
        """The element of this number in each bin, counted row by row."""
        down = g.Div(index, trips[1])
        places = (down, g.Sub(index, g.Mul(down, trips[1])))
        y, x = (
            g.cast(g.Max(g.Min(g.Add(first, g.cast(p, X.dtype)), g.Sub(end, 1)), 0), D.INT64)
            for first, end, p in zip(firsts, ends, places, strict=True)
        )
        found = image.elements(y, x)
        return [g.Where(g.Greater(found, states[0]), found, states[0])]

    lowest = float(np.finfo(X.dtype.numpy()).min)
    start = image.filled(lowest, pooled_shape)
    (largest,) = loop(g, trips[0] * trips[1], take_element, [start])
    none = g.Or(
        g.Unsqueeze(g.LessOrEqual(ends[0], firsts[0]), [2]),
        g.Unsqueeze(g.LessOrEqual(ends[1], firsts[1]), [1]),
    )
    largest = g.Where(g.Unsqueeze(none, [3]), 0, largest)
    return g.Transpose(largest, perm=[0, 3, 1, 2])  # type: ignore[no-any-return]


class _Image:
    """[images, channels, height, width] as rows, and the number of the image of each region."""

    def __init__(self, g: Builder, x: Tensor, numbers: Tensor) -> None:
        self.g = g
        shape = x.require_shape()
        self.channels, self.sides = shape[1], shape[2:]
        self.dtype = x.dtype
        self.rows = g.reshape(g.Transpose(x, perm=[0, 2, 3, 1]), [-1, self.channels])
        self.numbers = g.Unsqueeze(numbers, [1])

    def elements(self, y: Tensor, x: Tensor) -> Tensor:
        """[regions, rows, columns, channels] at the rows [regions, rows] and columns of each."""
        g, (height, width) = self.g, self.sides
        row = g.Add(g.Mul(self.numbers, height), y)
        at = g.Add(g.Unsqueeze(g.Mul(row, width), [2]), g.Unsqueeze(x, [1]))
        return g.Gather(self.rows, at, axis=0)  # type: ignore[no-any-return]

    def filled(self, value: float, bins: Sequence[int]) -> Tensor:
        """One number for each element of the result."""
        shape = [self.g.size(self.numbers, 0), *bins, self.channels]
        return self.g.Expand(self.g.constant(value, self.dtype), shape)  # type: ignore[no-any-return]


def _largest(g: Builder, counts: Tensor) -> Dim:
    """The largest of some counts, at least 0 (also where there are none)."""
    every = g.Concat(g.reshape(counts, [-1]), g.constant([0], counts.dtype), axis=0)
    return g.integer(g.cast(g.ReduceMax(every, axes=[0], keepdims=False), D.INT64))
