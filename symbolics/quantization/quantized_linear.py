"""Linear layers with quantized weights, on quantized and on float inputs, and their packing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from exporter.onnx_graph import quantized
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.packed_weights import PackedLinear
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Number, Tensor
from symbolics.quantization.quantization import chosen_parameters, scale_of, zero_point_of
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import FLOAT, D

__all__ = ["dynamic_linear", "quantized_bias", "dequantized_input"]

# Beyond this a bias in 32 bits would saturate.
_LIMIT = 2**31 - 1
_HALF_MAX = 65504.0


# ---------------------------------------------------------------- packing


@symbolic(
    "quantized::linear_prepack(Tensor W, Tensor? B=None) -> __torch__.torch.classes.quantized.LinearPackedParamsBase W_prepack"
)
def linear_prepack(g: Builder, W: Tensor, B: Tensor | None = None) -> PackedLinear:
    """The weight with its bias."""
    quantized.meaning_of(W)
    return PackedLinear(W, B)


@symbolic(
    "quantized::linear_prepack_fp16(Tensor W, Tensor? B=None) -> __torch__.torch.classes.quantized.LinearPackedParamsBase W_prepack"
)
def linear_prepack_fp16(g: Builder, W: Tensor, B: Tensor | None = None) -> PackedLinear:
    """The weight, which is rounded to float16 where it is used."""
    return PackedLinear(W, B)


@symbolic(
    "quantized::linear_unpack(__torch__.torch.classes.quantized.LinearPackedParamsBase W_prepack) -> (Tensor W_origin, Tensor? B_origin)"
)
@symbolic(
    "quantized::linear_unpack_fp16(__torch__.torch.classes.quantized.LinearPackedParamsBase W_prepack) -> (Tensor W_origin, Tensor? B_origin)"
)
def linear_unpack(g: Builder, W_prepack: PackedLinear) -> tuple[Tensor, Tensor | None]:
    """The weight and the bias."""
    if W_prepack.weight.quantization is None:
        return half_rounded(g, W_prepack.weight), W_prepack.bias
    return W_prepack.weight, W_prepack.bias


# ---------------------------------------------------------------- quantized inputs


def dequantized_input(g: Builder, x: Tensor) -> Tensor:
    """A quantized input as floats, an error for one that is not quantized as a whole."""
    if quantized.meaning_of(x).axis is not None:
        raise Unsupported("an input that is quantized per channel")
    return quantized.dequantized(g, x)


def quantized_bias(g: Builder, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor | None:
    """The bias as runtimes want it beside 8-bit operands: 32-bit integers of their scales' product.

    That is exact to half of a unit of the integer sums. The bias stays as it is where a scale is
    not known, or where 32 bits do not hold it.
    """
    if bias is None:
        return None
    meaning, weights = quantized.meaning_of(x), quantized.meaning_of(weight)
    if bias.array is None or meaning.scale.array is None or weights.scale.array is None:
        return bias
    scales = np.float32(meaning.scale.array).astype(np.float64) * np.float32(weights.scale.array)
    steps = np.round(bias.array.astype(np.float64) / scales)
    if not (np.abs(steps) <= _LIMIT).all():
        return bias
    name = None if bias.name is None else f"{bias.name}/quantized"
    integers = g.constant(steps.astype(np.int32), name=name)
    factors = np.broadcast_to(scales.astype(np.float32), steps.shape)
    if scales.size == 1:
        return g.DequantizeLinear(integers, g.constant(factors[0]))
    return g.DequantizeLinear(
        integers, g.constant(np.ascontiguousarray(factors)), **quantized.channels(g, 0)
    )


def rows_of(g: Builder, x: Tensor) -> tuple[Tensor, list[Dim]]:
    """A tensor as a matrix whose rows are its last dim, and the dims before that."""
    *outer, width = x.require_shape()
    if not outer:
        raise Unsupported("a quantized linear layer of a vector")
    if len(outer) == 1:
        return x, outer
    rows: Dim = 1
    for dim in outer:
        rows = rows * dim
    return g.reshape(x, [rows, width]), outer


def linear(
    g: Builder,
    X: Tensor,
    packed: PackedLinear,
    scale: Number,
    zero_point: Dim,
    activation: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """A matrix product of integers, rounded once, behind the activation.

    Always a product of matrices (Gemm), which is the form that runtimes know.
    """
    x, outer = rows_of(g, X)
    bias = quantized_bias(g, x, packed.weight, packed.bias)
    weight = quantized.dequantized(g, packed.weight)
    y = g.Gemm(dequantized_input(g, x), weight, bias, transB=1)
    if activation is not None:
        y = activation(y)
    result = quantized.quantized(g, y, scale_of(g, scale), zero_point_of(g, zero_point), X.dtype)
    return g.reshape(result, [*outer, packed.weight.require_shape()[0]])


@symbolic(
    "quantized::linear(Tensor X, __torch__.torch.classes.quantized.LinearPackedParamsBase W_prepack, float Y_scale_i, int Y_zero_point_i) -> Tensor Y"
)
def quantized_linear(
    g: Builder,
    X: Tensor,
    W_prepack: PackedLinear,
    Y_scale_i: Number,
    Y_zero_point_i: Dim,
) -> Tensor:
    """x W' + b."""
    return linear(g, X, W_prepack, Y_scale_i, Y_zero_point_i)


@symbolic(
    "quantized::linear_relu(Tensor X, __torch__.torch.classes.quantized.LinearPackedParamsBase W_prepack, float Y_scale_i, int Y_zero_point_i) -> Tensor Y"
)
def quantized_linear_relu(
    g: Builder,
    X: Tensor,
    W_prepack: PackedLinear,
    Y_scale_i: Number,
    Y_zero_point_i: Dim,
) -> Tensor:
    """max(x W' + b, 0)."""
    return linear(g, X, W_prepack, Y_scale_i, Y_zero_point_i, g.Relu)


@symbolic(
    "quantized::linear_leaky_relu(Tensor X, __torch__.torch.classes.quantized.LinearPackedParamsBase W_prepack, float Y_scale_i, int Y_zero_point_i, float negative_slope) -> Tensor Y"
)
def quantized_linear_leaky_relu(
    g: Builder,
    X: Tensor,
    W_prepack: PackedLinear,
    Y_scale_i: Number,
    Y_zero_point_i: Dim,
    negative_slope: float,
) -> Tensor:
    """The leaky form of `linear_relu`."""
    return linear(
        g,
        X,
        W_prepack,
        Y_scale_i,
        Y_zero_point_i,
        lambda y: g.LeakyRelu(y, alpha=negative_slope),
    )


@symbolic(
    "quantized::linear_tanh(Tensor X, __torch__.torch.classes.quantized.LinearPackedParamsBase W_prepack, float Y_scale_i, int Y_zero_point_i) -> Tensor Y"
)
def quantized_linear_tanh(
    g: Builder,
    X: Tensor,
    W_prepack: PackedLinear,
    Y_scale_i: Number,
    Y_zero_point_i: Dim,
) -> Tensor:
    """tanh(x W' + b)."""
    return linear(g, X, W_prepack, Y_scale_i, Y_zero_point_i, g.Tanh)


# ---------------------------------------------------------------- float inputs


def dynamic_linear(g: Builder, X: Tensor, packed: PackedLinear, reduce_range: bool) -> Tensor:
    """A float input is quantized by its own range, the result is float32 and not rounded.

    Written with MatMulInteger: where the scale is not known, runtimes don't look for integer
    kernels between DequantizeLinear and QuantizeLinear.
    """
    if packed.weight.quantization is None:
        return half_linear(g, X, packed)
    scale, zero_point = chosen_parameters(g, X, D.UINT8, reduce_range)
    x = quantized.quantized(g, X, scale, zero_point, D.UINT8)
    return integer_product(g, x, packed)


def integer_product(g: Builder, x: Tensor, packed: PackedLinear) -> Tensor:
    """x W' + b in float32: the sums are of integers, scaled afterwards."""
    meaning, weights = quantized.meaning_of(x), quantized.meaning_of(packed.weight)
    point: Tensor | None = g.cast(weights.zero_point, packed.weight.dtype)
    if point is not None and point.array is not None and not point.array.any():
        point = None
    sums = g.MatMulInteger(
        meaning.integers,
        g.Transpose(weights.integers, perm=[1, 0]),
        g.cast(meaning.zero_point, x.dtype),
        point,
    )
    scale = g.Mul(g.cast(meaning.scale, FLOAT), g.cast(weights.scale, FLOAT))
    product = g.Mul(g.cast(sums, FLOAT), scale)
    return product if packed.bias is None else g.Add(product, packed.bias)


@symbolic(
    "quantized::linear_dynamic(Tensor X, __torch__.torch.classes.quantized.LinearPackedParamsBase W_prepack, bool reduce_range=False) -> Tensor Y"
)
def linear_dynamic(
    g: Builder,
    X: Tensor,
    W_prepack: PackedLinear,
    reduce_range: bool = False,
) -> Tensor:
    """x W' + b, in float32. `reduce_range` is not heeded by the engine qnnpack."""
    return dynamic_linear(g, X, W_prepack, reduce_range)


@symbolic(
    "quantized::linear_relu_dynamic(Tensor X, __torch__.torch.classes.quantized.LinearPackedParamsBase W_prepack, bool reduce_range=False) -> Tensor Y"
)
def linear_relu_dynamic(
    g: Builder,
    X: Tensor,
    W_prepack: PackedLinear,
    reduce_range: bool = False,
) -> Tensor:
    """max(x W' + b, 0)."""
    return g.Relu(dynamic_linear(g, X, W_prepack, reduce_range))


def half_rounded(g: Builder, weight: Tensor) -> Tensor:
    """A float32 weight rounded to float16, saturated, as fbgemm packs it; still float32."""
    return g.cast(g.cast(g.Clip(weight, -_HALF_MAX, _HALF_MAX), D.FLOAT16), FLOAT)


def half_linear(g: Builder, X: Tensor, packed: PackedLinear) -> Tensor:
    """A product with a weight in float16, computed in float32."""
    if packed.weight.quantization is not None:
        raise Unsupported("a product in float16 with a weight that is packed as 8-bit integers")
    product = g.MatMul(X, g.Transpose(half_rounded(g, packed.weight), perm=[1, 0]))
    return product if packed.bias is None else g.Add(product, packed.bias)


@symbolic(
    "quantized::linear_dynamic_fp16(Tensor X, __torch__.torch.classes.quantized.LinearPackedParamsBase W_prepack) -> Tensor Y"
)
def linear_dynamic_fp16(g: Builder, X: Tensor, W_prepack: PackedLinear) -> Tensor:
    """x W' + b with the weight in float16."""
    return half_linear(g, X, W_prepack)


@symbolic(
    "quantized::linear_relu_dynamic_fp16(Tensor X, __torch__.torch.classes.quantized.LinearPackedParamsBase W_prepack) -> Tensor Y"
)
def linear_relu_dynamic_fp16(g: Builder, X: Tensor, W_prepack: PackedLinear) -> Tensor:
    """max(x W' + b, 0) with the weight in float16."""
    return g.Relu(half_linear(g, X, W_prepack))


@symbolic(
    "quantized::linear_dynamic_fp16_unpacked_weight(Tensor X, Tensor weight, Tensor? bias) -> Tensor Y"
)
def linear_dynamic_fp16_unpacked_weight(
    g: Builder,
    X: Tensor,
    weight: Tensor,
    bias: Tensor | None,
) -> Tensor:
    """The same with a weight that is not packed."""
    return half_linear(g, X, PackedLinear(weight, bias))


@symbolic(
    "quantized::linear_with_input_q_dq_qweight_dq_output_fp32(Tensor X, float X_scale, int X_zero_point, __torch__.torch.classes.quantized.LinearPackedParamsBase W_prepack) -> Tensor Y"
)
def linear_with_input_q_dq_qweight_dq_output_fp32(
    g: Builder,
    X: Tensor,
    X_scale: Number,
    X_zero_point: Dim,
    W_prepack: PackedLinear,
) -> Tensor:
    """A float input is quantized with the scale given; the result is float32 and not rounded."""
    scale, zero_point = scale_of(g, X_scale), zero_point_of(g, X_zero_point)
    return integer_product(g, quantized.quantized(g, X, scale, zero_point, D.UINT8), W_prepack)


@symbolic(
    "quantized::linear_with_input_q_dq_qweight_dq_relu_output_fp32(Tensor X, float X_scale, int X_zero_point, __torch__.torch.classes.quantized.LinearPackedParamsBase W_prepack) -> Tensor Y"
)
def linear_with_input_q_dq_qweight_dq_relu_output_fp32(
    g: Builder,
    X: Tensor,
    X_scale: Number,
    X_zero_point: Dim,
    W_prepack: PackedLinear,
) -> Tensor:
    """The same, and negative results are 0."""
    return g.Relu(
        linear_with_input_q_dq_qweight_dq_output_fp32(g, X, X_scale, X_zero_point, W_prepack)
    )
