"""To and from quantized tensors, and what one can ask them.

What a quantized tensor is in the graph is in `exporter/onnx_graph/quantized.py`. Simulated
quantization is in `fake_quantization`, what computes with quantized tensors in the modules named
`quantized_*`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exporter.onnx_graph import quantized
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Number, Quantization, SymFloat, Tensor
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import DOUBLE, FLOAT, INT64, D, element_count, quantized_dtype

__all__ = ["chosen_parameters", "scale_of", "zero_point_of"]

# c10's at::native ChooseQuantizationParams: the least scale, and the one for a range of nothing.
SMALL_SCALE = float(np.float32(6.1e-5))
SCALE_OF_ZEROS = 0.1
# Below this the reciprocal of a float32 is infinite.
NO_SCALE = 2.9387359e-39


def scale_of(g: Builder, scale: Number) -> Tensor:
    """A scale as it is given to an operator, without loss."""
    return g.constant(scale, DOUBLE)


def zero_point_of(g: Builder, zero_point: Dim) -> Tensor:
    """A zero point as it is given to an operator."""
    return g.constant(zero_point, INT64)


@symbolic(
    "aten::quantize_per_tensor(Tensor self, float scale, int zero_point, ScalarType dtype) -> Tensor"
)
def quantize_per_tensor(
    g: Builder, self: Tensor, scale: Number, zero_point: Dim, dtype: int
) -> Tensor:
    """Integers with one scale and zero point."""
    wanted = quantized_dtype(dtype)
    return quantized.quantized(g, self, scale_of(g, scale), zero_point_of(g, zero_point), wanted)


@symbolic(
    "aten::quantize_per_tensor.tensor_qparams(Tensor self, Tensor scale, Tensor zero_point, ScalarType dtype) -> Tensor"
)
def quantize_per_tensor_tensor_qparams(
    g: Builder, self: Tensor, scale: Tensor, zero_point: Tensor, dtype: int
) -> Tensor:
    """The scale and the zero point may be computed by the program."""
    wanted = quantized_dtype(dtype)
    return quantized.quantized(g, self, g.reshape(scale, []), g.reshape(zero_point, []), wanted)


@symbolic(
    "aten::quantize_per_tensor.tensors(Tensor[] tensors, Tensor scales, Tensor zero_points, ScalarType dtype) -> Tensor[]"
)
def quantize_per_tensor_tensors(
    g: Builder, tensors: Sequence[Tensor], scales: Tensor, zero_points: Tensor, dtype: int
) -> list[Tensor]:
    """A scale and a zero point for each tensor."""
    return [
        quantize_per_tensor_tensor_qparams(
            g, x, g.Gather(scales, i, axis=0), g.Gather(zero_points, i, axis=0), dtype
        )
        for i, x in enumerate(tensors)
    ]


@symbolic(
    "aten::quantize_per_channel(Tensor self, Tensor scales, Tensor zero_points, int axis, ScalarType dtype) -> Tensor"
)
def quantize_per_channel(
    g: Builder, self: Tensor, scales: Tensor, zero_points: Tensor, axis: int, dtype: int
) -> Tensor:
    """A scale and a zero point for each index along an axis."""
    wanted = quantized_dtype(dtype)
    if zero_points.dtype in (FLOAT, DOUBLE):
        return _with_float_zero_points(g, self, scales, zero_points, axis, wanted)
    return quantized.quantized(g, self, scales, zero_points, wanted, axis)


def _with_float_zero_points(
    g: Builder, x: Tensor, scales: Tensor, zero_points: Tensor, axis: int, dtype: D
) -> Tensor:
    """The tables of embeddings, quantized by rows: the zero point is added before rounding."""
    rank = x.require_rank()
    inverse = g.Reciprocal(quantized.along(g, g.cast(scales, FLOAT), axis, rank))
    point = quantized.along(g, g.cast(zero_points, FLOAT), axis, rank)
    low, high = quantized.integer_range(dtype)
    steps = g.Clip(g.Round(g.Add(g.Mul(x, inverse), point)), float(low), float(high))
    if dtype != D.UINT8:
        raise Unsupported(f"quantizing to {dtype.name.lower()} by rows at run time")
    return quantized.whole(g.cast(steps, dtype), scales, zero_points, axis)


@symbolic(
    "aten::quantize_per_tensor_dynamic(Tensor self, ScalarType dtype, bool reduce_range) -> Tensor"
)
def quantize_per_tensor_dynamic(g: Builder, self: Tensor, dtype: int, reduce_range: bool) -> Tensor:
    """The scale and the zero point are those that the tensor's own range needs."""
    wanted = quantized_dtype(dtype)
    scale, zero_point = chosen_parameters(g, self, wanted, reduce_range)
    return quantized.quantized(g, self, scale, zero_point, wanted)


@symbolic("aten::_choose_qparams_per_tensor(Tensor self, bool reduce_range=False) -> (float, int)")
def _choose_qparams_per_tensor(
    g: Builder, self: Tensor, reduce_range: bool = False
) -> tuple[SymFloat, Dim]:
    """The scale and the zero point for the tensor's range in uint8."""
    scale, zero_point = chosen_parameters(g, self, D.UINT8, reduce_range)
    return SymFloat(g.cast(scale, DOUBLE)), g.integer(zero_point)


def chosen_parameters(
    g: Builder, x: Tensor, dtype: D, reduce_range: bool = False
) -> tuple[Tensor, Tensor]:
    """The scale (a double) and zero point with which a tensor's range fills a dtype's.

    As PyTorch computes them: the range holds 0, the scale is computed in double, and there is a
    least scale. The zero point is where 0 lies without that limit. DynamicQuantizeLinear knows
    neither 7 bits (`reduce_range`) nor the limit.
    """
    if dtype not in (D.UINT8, D.INT8):
        raise Unsupported(f"choosing a scale for {dtype.name.lower()}")
    low, high = quantized.integer_range(dtype)
    if reduce_range:
        # Both are divided by 2, rounding towards 0.
        low, high = int(low / 2), high // 2
    zero = g.constant(0.0, FLOAT)
    flat = g.reshape(x, [element_count(g, x)])
    if not isinstance(element_count(g, x), int) or element_count(g, x) == 0:
        # There may be no element at all; 0 is in the range in any case.
        flat = g.Concat(flat, g.constant([0.0], FLOAT), axis=0)
    least = g.cast(g.Min(g.ReduceMin(flat, keepdims=False), zero), DOUBLE)
    greatest = g.cast(g.Max(g.ReduceMax(flat, keepdims=False), zero), DOUBLE)
    exact = g.Div(g.Sub(greatest, least), float(high - low))
    usable = g.GreaterOrEqual(g.cast(exact, FLOAT), g.constant(NO_SCALE, FLOAT))
    steps = g.Where(usable, exact, g.constant(SCALE_OF_ZEROS, DOUBLE))
    scale = g.Max(steps, g.constant(SMALL_SCALE, DOUBLE))
    below = g.Div(least, steps)
    point = g.Sub(g.constant(float(low), DOUBLE), below)
    if low < 0:
        # Counted from the end that lies nearer; they differ where the range is nothing.
        above = g.Div(greatest, steps)
        nearer = g.Less(g.Add(below, float(-low)), g.Sub(g.constant(float(high), DOUBLE), above))
        point = g.Where(nearer, point, g.Sub(g.constant(float(high), DOUBLE), above))
    point = g.Round(point)
    return scale, g.cast(g.Clip(point, float(low), float(high)), INT64)


# ---------------------------------------------------------------- and back


@symbolic("aten::dequantize.self(Tensor self) -> Tensor")
def dequantize_self(g: Builder, self: Tensor) -> Tensor:
    """The numbers; those of a tensor that is not quantized are its own, as float32."""
    return g.cast(self, FLOAT) if self.quantization is None else quantized.dequantized(g, self)


@symbolic("aten::dequantize.tensor(Tensor qtensor) -> Tensor")
def dequantize_tensor(g: Builder, qtensor: Tensor) -> Tensor:
    """The numbers."""
    return dequantize_self(g, qtensor)


@symbolic("aten::dequantize.tensors(Tensor[] tensors) -> Tensor[]")
def dequantize_tensors(g: Builder, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Each on its own."""
    return [dequantize_self(g, x) for x in tensors]


@symbolic("aten::int_repr(Tensor self) -> Tensor")
def int_repr(g: Builder, self: Tensor) -> Tensor:
    """The integers."""
    return quantized.meaning_of(self).integers


@symbolic(
    "aten::_make_per_tensor_quantized_tensor(Tensor self, float scale, int zero_point) -> Tensor"
)
def _make_per_tensor_quantized_tensor(
    g: Builder, self: Tensor, scale: Number, zero_point: Dim
) -> Tensor:
    """Integers as the quantized tensor that they are of."""
    return quantized.whole(self, scale_of(g, scale), zero_point_of(g, zero_point))


@symbolic(
    "aten::_make_per_channel_quantized_tensor(Tensor self, Tensor scale, Tensor zero_point, int axis) -> Tensor"
)
def _make_per_channel_quantized_tensor(
    g: Builder, self: Tensor, scale: Tensor, zero_point: Tensor, axis: int
) -> Tensor:
    """Integers as the quantized tensor that they are of."""
    return quantized.whole(self, scale, zero_point, axis)


# ---------------------------------------------------------------- questions


@symbolic("aten::q_scale(Tensor self) -> float")
def q_scale(g: Builder, self: Tensor) -> Number:
    """The scale, as exactly as it was given."""
    scale = _per_tensor(self).scale
    if scale.array is not None:
        return float(scale.array.item())
    return SymFloat(g.cast(g.reshape(scale, []), DOUBLE))


@symbolic("aten::q_zero_point(Tensor self) -> int")
def q_zero_point(g: Builder, self: Tensor) -> Dim:
    """The zero point."""
    return g.integer(_per_tensor(self).zero_point)


@symbolic("aten::q_per_channel_scales(Tensor self) -> Tensor")
def q_per_channel_scales(g: Builder, self: Tensor) -> Tensor:
    """The scales: doubles, but float32 beside float zero points."""
    meaning = _per_channel(self)
    single = meaning.zero_point.dtype in (FLOAT, DOUBLE)
    return g.cast(meaning.scale, FLOAT if single else DOUBLE)


@symbolic("aten::q_per_channel_zero_points(Tensor self) -> Tensor")
def q_per_channel_zero_points(g: Builder, self: Tensor) -> Tensor:
    """The zero points: int64, or float32 for the tables of embeddings."""
    point = _per_channel(self).zero_point
    return g.cast(point, FLOAT if point.dtype in (FLOAT, DOUBLE) else INT64)


@symbolic("aten::q_per_channel_axis(Tensor self) -> int")
def q_per_channel_axis(g: Builder, self: Tensor) -> int:
    """The axis that the scales go along."""
    axis = _per_channel(self).axis
    assert axis is not None
    return axis


def _per_tensor(x: Tensor) -> Quantization:
    meaning = quantized.meaning_of(x)
    if meaning.axis is not None:
        raise Unsupported("a tensor that is quantized per channel has no single scale")
    return meaning


def _per_channel(x: Tensor) -> Quantization:
    meaning = quantized.meaning_of(x)
    if meaning.axis is None:
        raise Unsupported("a tensor that is quantized as a whole has no scales of channels")
    return meaning
