"""Simulated quantization: floats rounded to what a quantized tensor could hold.

Models of quantization-aware training consist of these. They become QuantizeLinear and
DequantizeLinear where the range is within 8 bits, which runtimes take for quantized operators.
"""

from __future__ import annotations

from exporter.onnx_graph import quantized
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Number, Tensor
from symbolics.quantization.quantization import scale_of, zero_point_of
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import FLOAT, INT64, D, is_float, wrapped_dim

__all__ = ["simulated"]


def simulated(
    g: Builder,
    x: Tensor,
    scale: Tensor,
    zero_point: Tensor,
    low: int,
    high: int,
    axis: int | None = None,
) -> Tensor:
    """Multiples of the scale, `low` to `high` of them less the zero point.

    Within 8 bits a narrower range is one of the numbers before they are rounded: nothing stands
    between QuantizeLinear and DequantizeLinear.
    """
    if x.dtype != FLOAT:
        raise Unsupported(f"simulated quantization of {x.dtype.name.lower()}")
    if is_float(zero_point.dtype):
        raise Unsupported("simulated quantization with a zero point that is a float")
    dtype = _dtype_for(zero_point, low, high)
    if dtype is None:
        steps = _steps(g, x, scale, zero_point, axis)
        point = g.cast(_along(g, zero_point, axis, x), FLOAT)
        inside = g.Clip(steps, float(low), float(high))
        return g.Mul(g.Sub(inside, point), g.cast(_along(g, scale, axis, x), FLOAT))
    if quantized.integer_range(dtype) != (low, high):
        step = g.cast(_along(g, scale, axis, x), FLOAT)
        point = g.cast(_along(g, zero_point, axis, x), FLOAT)
        x = g.Min(x, g.Mul(g.Sub(g.constant(high, FLOAT), point), step))
        x = g.Max(x, g.Mul(g.Sub(g.constant(low, FLOAT), point), step))
    return quantized.dequantized(g, quantized.quantized(g, x, scale, zero_point, dtype, axis))


def _dtype_for(zero_point: Tensor, low: int, high: int) -> D | None:
    """The 8-bit dtype that holds the range and the zero point, None if none does for certain."""
    for dtype in (D.UINT8, D.INT8):
        least, greatest = quantized.integer_range(dtype)
        if not least <= low <= high <= greatest:
            continue
        point = zero_point.array
        if point is None:
            # PyTorch demands a zero point within the range.
            return dtype
        if ((point >= least) & (point <= greatest)).all():
            return dtype
    return None


def _along(g: Builder, values: Tensor, axis: int | None, x: Tensor) -> Tensor:
    return quantized.along(g, values, axis, 0 if axis is None else x.require_rank())


def _steps(g: Builder, x: Tensor, scale: Tensor, zero_point: Tensor, axis: int | None) -> Tensor:
    """The integers before they are limited, as floats."""
    inverse = g.Reciprocal(g.cast(_along(g, scale, axis, x), FLOAT))
    point = g.cast(_along(g, zero_point, axis, x), FLOAT)
    return g.Add(g.Round(g.Mul(x, inverse)), point)


def _with_mask(
    g: Builder,
    x: Tensor,
    scale: Tensor,
    zero_point: Tensor,
    low: int,
    high: int,
    axis: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The result, and where it was not limited."""
    steps = _steps(g, x, scale, zero_point, axis)
    inside = g.And(g.GreaterOrEqual(steps, float(low)), g.LessOrEqual(steps, float(high)))
    return simulated(g, x, scale, zero_point, low, high, axis), inside


@symbolic(
    "aten::fake_quantize_per_tensor_affine(Tensor self, float scale, int zero_point, int quant_min, int quant_max) -> Tensor"
)
def fake_quantize_per_tensor_affine(
    g: Builder, self: Tensor, scale: Number, zero_point: Dim, quant_min: int, quant_max: int
) -> Tensor:
    """With one scale and zero point."""
    step, point = scale_of(g, scale), zero_point_of(g, zero_point)
    return simulated(g, self, step, point, quant_min, quant_max)


@symbolic(
    "aten::fake_quantize_per_tensor_affine.tensor_qparams(Tensor self, Tensor scale, Tensor zero_point, int quant_min, int quant_max) -> Tensor"
)
def fake_quantize_per_tensor_affine_tensor_qparams(
    g: Builder, self: Tensor, scale: Tensor, zero_point: Tensor, quant_min: int, quant_max: int
) -> Tensor:
    """The scale and the zero point may be computed by the program."""
    step, point = g.reshape(scale, []), g.reshape(zero_point, [])
    return simulated(g, self, step, point, quant_min, quant_max)


@symbolic(
    "aten::fake_quantize_per_tensor_affine_cachemask(Tensor self, float scale, int zero_point, int quant_min, int quant_max) -> (Tensor output, Tensor mask)"
)
def fake_quantize_per_tensor_affine_cachemask(
    g: Builder, self: Tensor, scale: Number, zero_point: Dim, quant_min: int, quant_max: int
) -> tuple[Tensor, Tensor]:
    """And where the result was not limited."""
    step, point = scale_of(g, scale), zero_point_of(g, zero_point)
    return _with_mask(g, self, step, point, quant_min, quant_max)


@symbolic(
    "aten::_fake_quantize_per_tensor_affine_cachemask_tensor_qparams(Tensor self, Tensor scale, Tensor zero_point, Tensor fake_quant_enabled, int quant_min, int quant_max) -> (Tensor output, Tensor mask)"
)
def _fake_quantize_per_tensor_affine_cachemask_tensor_qparams(
    g: Builder,
    self: Tensor,
    scale: Tensor,
    zero_point: Tensor,
    fake_quant_enabled: Tensor,
    quant_min: int,
    quant_max: int,
) -> tuple[Tensor, Tensor]:
    """A switch that is 0 lets the numbers pass, and the mask is all true."""
    step, point = g.reshape(scale, []), g.reshape(zero_point, [])
    result, mask = _with_mask(g, self, step, point, quant_min, quant_max)
    enabled = g.cast(g.reshape(fake_quant_enabled, []), D.BOOL)
    return g.Where(enabled, result, self), g.Or(g.Not(enabled), mask)


@symbolic(
    "aten::fake_quantize_per_channel_affine(Tensor self, Tensor scale, Tensor zero_point, int axis, int quant_min, int quant_max) -> Tensor"
)
def fake_quantize_per_channel_affine(
    g: Builder,
    self: Tensor,
    scale: Tensor,
    zero_point: Tensor,
    axis: int,
    quant_min: int,
    quant_max: int,
) -> Tensor:
    """With a scale and a zero point for each index along an axis."""
    axis = wrapped_dim(axis, self.require_rank())
    return simulated(g, self, scale, zero_point, quant_min, quant_max, axis)


@symbolic(
    "aten::fake_quantize_per_channel_affine_cachemask(Tensor self, Tensor scale, Tensor zero_point, int axis, int quant_min, int quant_max) -> (Tensor output, Tensor mask)"
)
def fake_quantize_per_channel_affine_cachemask(
    g: Builder,
    self: Tensor,
    scale: Tensor,
    zero_point: Tensor,
    axis: int,
    quant_min: int,
    quant_max: int,
) -> tuple[Tensor, Tensor]:
    """And where the result was not limited."""
    axis = wrapped_dim(axis, self.require_rank())
    return _with_mask(g, self, scale, zero_point, quant_min, quant_max, axis)


# ---------------------------------------------------------------- of modules in training


@symbolic(
    "aten::_fake_quantize_learnable_per_tensor_affine(Tensor self, Tensor scale, Tensor zero_point, int quant_min, int quant_max, float grad_factor=1.) -> Tensor"
)
def _fake_quantize_learnable_per_tensor_affine(
    g: Builder,
    self: Tensor,
    scale: Tensor,
    zero_point: Tensor,
    quant_min: int,
    quant_max: int,
    grad_factor: float = 1.0,
) -> Tensor:
    """The zero point is a float that is rounded and limited."""
    shifted = g.Add(g.cast(g.reshape(zero_point, []), FLOAT), 0.5)
    point = g.cast(g.Clip(shifted, float(quant_min), float(quant_max)), INT64)
    return simulated(g, self, g.reshape(scale, []), point, quant_min, quant_max)


@symbolic(
    "aten::_fake_quantize_learnable_per_channel_affine(Tensor self, Tensor scale, Tensor zero_point, int axis, int quant_min, int quant_max, float grad_factor=1.) -> Tensor"
)
def _fake_quantize_learnable_per_channel_affine(
    g: Builder,
    self: Tensor,
    scale: Tensor,
    zero_point: Tensor,
    axis: int,
    quant_min: int,
    quant_max: int,
    grad_factor: float = 1.0,
) -> Tensor:
    """The same along an axis."""
    shifted = g.Add(g.cast(zero_point, FLOAT), 0.5)
    point = g.cast(g.Floor(g.Clip(shifted, float(quant_min), float(quant_max))), INT64)
    axis = wrapped_dim(axis, self.require_rank())
    return simulated(g, self, scale, point, quant_min, quant_max, axis)


@symbolic(
    "aten::fused_moving_avg_obs_fake_quant(Tensor self, Tensor observer_on, Tensor fake_quant_on, Tensor(a!) running_min, Tensor(b!) running_max, Tensor(c!) scale, Tensor(d!) zero_point, float averaging_const, int quant_min, int quant_max, int ch_axis, bool per_row_fake_quant=False, bool symmetric_quant=False) -> Tensor"
)
def fused_moving_avg_obs_fake_quant(
    g: Builder,
    self: Tensor,
    observer_on: Tensor,
    fake_quant_on: Tensor,
    running_min: Tensor,
    running_max: Tensor,
    scale: Tensor,
    zero_point: Tensor,
    averaging_const: float,
    quant_min: int,
    quant_max: int,
    ch_axis: int,
    per_row_fake_quant: bool = False,
    symmetric_quant: bool = False,
) -> Tensor:
    """With the scales as they are: an observer that is on would change them at each call."""
    if observer_on.array is None or observer_on.array.any():
        raise Unsupported(
            "simulated quantization with an observer that is on; "
            "switch it off: model.apply(torch.ao.quantization.disable_observer)"
        )
    if fake_quant_on.array is None:
        raise Unsupported("simulated quantization that the run switches on")
    if not fake_quant_on.array.any():
        return self
    if per_row_fake_quant:
        axis = wrapped_dim(ch_axis, self.require_rank())
        return simulated(g, self, scale, zero_point, quant_min, quant_max, axis)
    step, point = g.reshape(scale, []), g.reshape(zero_point, [])
    return simulated(g, self, step, point, quant_min, quant_max)
