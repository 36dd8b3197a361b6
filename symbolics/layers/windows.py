"""Sliding windows over spatial dims: their parameters, and windows taken apart by Gather.

Convolution, pooling and unfold share these. Where ONNX has the operator it is used; taking windows
apart serves dtypes and shapes of window that ONNX does not know.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Tensor
from symbolics.registry import Raised
from symbolics.rules import INT64

__all__ = [
    "at_least_one",
    "any_spatial",
    "batched",
    "gathered_windows",
    "largest_in_windows",
    "spatial",
    "unbatched",
    "window_indices",
]


def spatial(values: Dim | Sequence[Dim], dims: int, name: str) -> list[int]:
    """One number per spatial dim, which must be known; a single number counts for all of them."""
    return [int(v) for v in any_spatial(values, dims, name)]


def any_spatial(values: Dim | Sequence[Dim], dims: int, name: str) -> list[Dim]:
    """`spatial`, of numbers that may be only known at run time."""
    listed = list(values) if isinstance(values, Sequence) else [values]
    if len(listed) == 1:
        listed = listed * dims
    if len(listed) != dims:
        raise Raised(f"{name}={listed}: {dims} numbers are wanted, one per spatial dim")
    return listed


def batched(g: Builder, self: Tensor, dims: int) -> tuple[Tensor, bool]:
    """The input with a batch dim in front of its channels, and whether it had one."""
    rank = self.require_rank()
    if rank == dims + 2:
        return self, True
    if rank != dims + 1:
        raise Raised(f"an input with {rank} dims; {dims + 1} or {dims + 2} are wanted")
    return g.Unsqueeze(self, axes=[0]), False


def unbatched(g: Builder, result: Tensor, had_batch: bool) -> Tensor:
    """Undo `batched`."""
    return result if had_batch else g.Squeeze(result, axes=[0])


def at_least_one(g: Builder, result: Tensor, dims: int) -> Tensor:
    """The tensor, none of whose last dims is empty: PyTorch refuses images smaller than a window."""
    for size in result.require_shape()[-dims:]:
        g.at_least(size, 1)
    return result


def window_indices(g: Builder, outputs: Dim, kernel: Dim, stride: Dim, dilation: Dim) -> Tensor:
    """Where window o reads its k-th element: o * stride + k * dilation, as an [outputs, kernel] table."""
    starts = g.reshape(g.Mul(consecutive(g, outputs), stride), [outputs, 1])
    steps = g.reshape(g.Mul(consecutive(g, kernel), dilation), [1, kernel])
    return g.Add(starts, steps)


def gathered_windows(g: Builder, self: Tensor, tables: Sequence[Tensor]) -> Tensor:
    """The trailing dims read through one [outputs, kernel] table each.

    The result has the leading dims, then the outputs of every table, then their kernels.
    """
    dims = len(tables)
    lead = self.require_rank() - dims
    for i, table in enumerate(tables):
        self = g.Gather(self, table, axis=lead + 2 * i)
    order = [*range(lead), *(lead + 2 * i for i in range(dims))]
    order += [lead + 2 * i + 1 for i in range(dims)]
    return self if dims == 1 else g.Transpose(self, perm=order)


def largest_in_windows(g: Builder, self: Tensor, tables: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """The largest element of each window (see `gathered_windows`), and the first such one's position.

    1. A window's elements become one dim, of which ArgMax picks one.
    2. Its number splits into one number a dim, for which the dim's table has the coordinate.
    3. The coordinates make up the position in the plane.
    """
    dims = len(tables)
    sizes = self.require_shape()[-dims:]
    windows = gathered_windows(g, self, tables)
    shape = windows.require_shape()
    flat = g.reshape(windows, [*shape[:-dims], math.prod(shape[-dims:])])
    values = g.ReduceMax(flat, axes=[-1], keepdims=False)
    rest = g.ArgMax(flat, axis=-1, keepdims=False)
    position: Tensor = g.constant(0, INT64)
    plane: Dim = 1
    for i in reversed(range(dims)):
        outputs, length = tables[i].require_shape()
        row = g.Mul(consecutive(g, outputs), g.constant(length, INT64))
        row = g.reshape(row, [outputs, *[1] * (dims - 1 - i)])
        element, rest = (
            g.Mod(rest, g.constant(length, INT64)),
            g.Div(rest, g.constant(length, INT64)),
        )
        coordinates = g.reshape(tables[i], [outputs * length])
        coordinate = g.Gather(coordinates, g.Add(row, element), axis=0)
        position = g.Add(position, g.Mul(coordinate, g.constant(plane, INT64)))
        plane = plane * sizes[i]
    return values, position
