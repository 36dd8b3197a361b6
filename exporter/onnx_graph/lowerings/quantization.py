"""QuantizeLinear and DequantizeLinear with a scale for each channel, which opset 13 brought."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from exporter.onnx_graph.lowerings.registry import lowering
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder


@lowering("DequantizeLinear", before=13)
def dequantize(
    g: Builder, x: Tensor, x_scale: Tensor, x_zero_point: Tensor | None = None, *, axis: int = 1
) -> Tensor:
    """(x - zero point) * scale, in float."""
    if x_scale.rank != 1:
        return g.native("DequantizeLinear", x, x_scale, x_zero_point)  # type: ignore[no-any-return]
    numbers = g.cast(x, x_scale.dtype)
    if x_zero_point is not None:
        point = g.cast(x_zero_point, x_scale.dtype)
        numbers = g.Sub(numbers, channels(g, point, axis, x.require_rank()))
    return g.Mul(numbers, channels(g, x_scale, axis, x.require_rank()))  # type: ignore[no-any-return]


@lowering("QuantizeLinear", before=13)
def quantize(
    g: Builder, x: Tensor, y_scale: Tensor, y_zero_point: Tensor, *, axis: int = 1
) -> Tensor:
    """The quotient x / scale rounded, half to even, plus the zero point; saturated at its range."""
    if y_scale.rank != 1:
        return g.native("QuantizeLinear", x, y_scale, y_zero_point)  # type: ignore[no-any-return]
    rank = x.require_rank()
    steps = g.Round(g.Div(x, channels(g, y_scale, axis, rank)))
    point = channels(g, g.cast(y_zero_point, x.dtype), axis, rank)
    limits = np.iinfo(y_zero_point.dtype.numpy())
    inside = g.Clip(g.Add(steps, point), float(limits.min), float(limits.max))
    return g.cast(inside, y_zero_point.dtype)


def channels(g: Builder, values: Tensor, axis: int, rank: int) -> Tensor:
    """One value for each index along an axis, in a shape that broadcasts."""
    return g.reshape(values, [-1 if i == axis % rank else 1 for i in range(rank)])
