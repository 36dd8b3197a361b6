"""Sampling an image or a volume at the points of a grid, and making such grids."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Tensor
from symbolics.registry import Raised, symbolic
from symbolics.rules import INT64

__all__ = ["affine_grid_generator", "grid_sampler"]

MODES = ("linear", "nearest", "cubic")
PADDING_MODES = ("zeros", "border", "reflection")


@symbolic(
    "aten::grid_sampler(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners) -> Tensor"
)
@symbolic(
    "aten::grid_sampler_2d(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners) -> Tensor"
)
@symbolic(
    "aten::grid_sampler_3d(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners) -> Tensor"
)
def grid_sampler(
    g: Builder,
    input: Tensor,
    grid: Tensor,
    interpolation_mode: int,
    padding_mode: int,
    align_corners: bool,
) -> Tensor:
    """The input at the grid's points, whose coordinates, x first, go from -1 to 1.

    ONNX GridSample means the same; its names for the modes are PyTorch's numbers.
    """
    if MODES[int(interpolation_mode)] == "cubic" and input.require_rank() == 5:
        raise Raised("cubic sampling of a volume: PyTorch has none")
    return g.GridSample(
        input,
        grid,
        mode=MODES[int(interpolation_mode)],
        padding_mode=PADDING_MODES[int(padding_mode)],
        align_corners=int(bool(align_corners)),
    )


def from_minus_one(g: Builder, count: Dim, align_corners: bool, dtype: ir.DataType) -> Tensor:
    """Coordinates of `count` elements from -1 to 1: of their centers, or with corners aligned.

    A single element is at 0 either way.
    """
    if isinstance(count, int) and count <= 1:
        return g.constant([0.0] * count, dtype)
    index = consecutive(g, count, dtype)
    if align_corners:
        last = g.Max(g.constant(count - 1, INT64), g.constant(1, INT64))
        place = g.Sub(g.Div(g.Mul(index, 2), g.cast(last, dtype)), 1)
        if isinstance(count, int):
            return place
        alone = g.Equal(g.constant(count, INT64), g.constant(1, INT64))
        return g.Where(alone, g.constant(0, dtype), place)
    size = g.cast(g.constant(count, INT64), dtype)
    return g.Sub(g.Div(g.Add(g.Mul(index, 2), 1), size), 1)


@symbolic("aten::affine_grid_generator(Tensor theta, SymInt[] size, bool align_corners) -> Tensor")
def affine_grid_generator(
    g: Builder, theta: Tensor, size: Sequence[Dim], align_corners: bool
) -> Tensor:
    """The points of a grid of [N, C, (D,) H, W], each as (x, y, (z,) 1) times theta.

    1. Coordinates of each dim, spread over the grid, x first, with ones behind.
    2. As rows: [points, d + 1] @ theta.T, for each theta of the batch.
    """
    spatial = list(size[2:])
    dims = len(spatial)
    columns = []
    for i in reversed(range(dims)):
        line = from_minus_one(g, spatial[i], bool(align_corners), theta.dtype)
        line = g.reshape(line, [spatial[i], *[1] * (dims - i)])
        columns.append(g.Expand(line, g.constant([*spatial, 1], INT64)))
    columns.append(g.Expand(g.constant(1, theta.dtype), g.constant([*spatial, 1], INT64)))
    points: Dim = 1
    for n in spatial:
        points = points * n
    base = g.reshape(g.Concat(*columns, axis=-1), [points, dims + 1])
    rows = g.MatMul(base, g.Transpose(theta, perm=[0, 2, 1]))
    return g.reshape(rows, [size[0], *spatial, dims])
