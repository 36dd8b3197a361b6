"""Functions of quantized tensors with a scale of their own for the result: `quantized::sigmoid`...

Each is the function for floats between a DequantizeLinear and a QuantizeLinear.
"""

from __future__ import annotations

from collections.abc import Sequence

from exporter.onnx_graph import quantized
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Number, Tensor
from symbolics.elementwise.activation import elu, hardswish, leaky_relu, prelu, relu6, softmax_int
from symbolics.elementwise.clamping import clamp, threshold
from symbolics.layers.normalization import batch_norm, group_norm, instance_norm, layer_norm
from symbolics.layers.pooling import max_pool1d, max_pool2d
from symbolics.quantization.quantized_arithmetic import rounded
from symbolics.registry import Unsupported, symbolic


@symbolic("quantized::sigmoid(Tensor qx, float output_scale, int output_zero_point) -> Tensor")
def quantized_sigmoid(
    g: Builder, qx: Tensor, output_scale: Number, output_zero_point: Dim
) -> Tensor:
    """1 / (1 + exp(-x))."""
    y = g.Sigmoid(quantized.dequantized(g, qx))
    return rounded(g, y, output_scale, output_zero_point, qx)


@symbolic("quantized::hardswish(Tensor input, float output_scale, int output_zero_point) -> Tensor")
def quantized_hardswish(
    g: Builder, input: Tensor, output_scale: Number, output_zero_point: Dim
) -> Tensor:
    """x relu6(x + 3) / 6."""
    y = hardswish(g, quantized.dequantized(g, input))
    return rounded(g, y, output_scale, output_zero_point, input)


@symbolic(
    "quantized::leaky_relu(Tensor qx, Scalar negative_slope, bool inplace, float output_scale, int output_zero_point) -> Tensor"
)
def quantized_leaky_relu(
    g: Builder,
    qx: Tensor,
    negative_slope: Number,
    inplace: bool,
    output_scale: Number,
    output_zero_point: Dim,
) -> Tensor:
    """x, or the slope times x below 0."""
    y = leaky_relu(g, quantized.dequantized(g, qx), negative_slope)
    return rounded(g, y, output_scale, output_zero_point, qx)


@symbolic(
    "quantized::elu(Tensor self, float output_scale, int output_zero_point, Scalar alpha=1, Scalar scale=1, Scalar input_scale=1) -> Tensor"
)
def quantized_elu(
    g: Builder,
    self: Tensor,
    output_scale: Number,
    output_zero_point: Dim,
    alpha: Number = 1,
    scale: Number = 1,
    input_scale: Number = 1,
) -> Tensor:
    """The exponential linear unit."""
    y = elu(g, quantized.dequantized(g, self), alpha, scale, input_scale)
    return rounded(g, y, output_scale, output_zero_point, self)


@symbolic(
    "quantized::celu(Tensor self, float output_scale, int output_zero_point, Scalar alpha=1) -> Tensor"
)
def quantized_celu(
    g: Builder,
    self: Tensor,
    output_scale: Number,
    output_zero_point: Dim,
    alpha: Number = 1,
) -> Tensor:
    """The continuously differentiable one, as PyTorch computes it: elu with 1 / alpha inside."""
    if not isinstance(alpha, (int, float)):
        raise Unsupported("quantized::celu with an alpha of run time")
    y = elu(g, quantized.dequantized(g, self), alpha, 1, 1 / alpha)
    return rounded(g, y, output_scale, output_zero_point, self)


@symbolic(
    "quantized::softmax(Tensor qx, int dim, float output_scale, int output_zero_point) -> Tensor"
)
def quantized_softmax(
    g: Builder, qx: Tensor, dim: int, output_scale: Number, output_zero_point: Dim
) -> Tensor:
    """exp(x), divided by the sum."""
    y = softmax_int(g, quantized.dequantized(g, qx), dim)
    return rounded(g, y, output_scale, output_zero_point, qx)


@symbolic(
    "quantized::prelu(Tensor qx, Tensor weight, float output_scale, int output_zero_point) -> Tensor"
)
def quantized_prelu(
    g: Builder, qx: Tensor, weight: Tensor, output_scale: Number, output_zero_point: Dim
) -> Tensor:
    """A learned slope times x below 0, and above it what the slopes' scale makes of 1 times x.

    PyTorch multiplies by integers of that scale, and 1 is saturated like any other number: beside
    slopes that fill the range of 8 bits it becomes the largest of them.
    """
    meaning = quantized.meaning_of(weight)
    scale, zero_point = meaning.scale.array, meaning.zero_point.array
    if meaning.axis is not None or scale is None or zero_point is None:
        raise Unsupported("quantized::prelu with slopes whose scale is only known at run time")
    step, point = float(scale.item()), int(zero_point.item())
    low, high = quantized.integer_range(weight.dtype)
    one = (min(max(round(1 / step) + point, low), high) - point) * step
    if one <= 0:
        raise Unsupported("quantized::prelu with slopes whose scale holds no positive number")
    slopes = g.Div(quantized.dequantized(g, weight), one)
    y = prelu(g, g.Mul(quantized.dequantized(g, qx), one), slopes)
    return rounded(g, y, output_scale, output_zero_point, qx)


@symbolic(
    "quantized::dropout(Tensor self, float output_scale, int output_zero_point, Scalar p=0.5, bool training=False) -> Tensor"
)
def quantized_dropout(
    g: Builder,
    self: Tensor,
    output_scale: Number,
    output_zero_point: Dim,
    p: Number = 0.5,
    training: bool = False,
) -> Tensor:
    """Nothing at inference, where it does not even round to the scale that it is given."""
    if training:
        raise Unsupported("quantized::dropout in training")
    return self


# ---------------------------------------------------------------- with the scale of the input


@symbolic("quantized::relu6(Tensor qx, bool inplace=False) -> Tensor")
def quantized_relu6(g: Builder, qx: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6)."""
    return quantized.requantized(g, relu6(g, quantized.dequantized(g, qx)), qx)


@symbolic("quantized::clamp(Tensor qx, Scalar? min=None, Scalar? max=None) -> Tensor qy")
def quantized_clamp(
    g: Builder, qx: Tensor, min: Number | None = None, max: Number | None = None
) -> Tensor:
    """Between two bounds."""
    return quantized.requantized(g, clamp(g, quantized.dequantized(g, qx), min, max), qx)


@symbolic("quantized::threshold(Tensor qx, Scalar threshold, Scalar value) -> Tensor qy")
def quantized_threshold(g: Builder, qx: Tensor, threshold: Number, value: Number) -> Tensor:
    """What is not above the threshold becomes the value."""
    return quantized.requantized(g, above(g, quantized.dequantized(g, qx), threshold, value), qx)


# The parameter of the operator above has the function's name.
above = threshold


@symbolic(
    "quantized::max_pool1d(Tensor qx, int[] kernel_size, int[] stride, int[] padding, int[] dilation, bool ceil_mode) -> Tensor"
)
def quantized_max_pool1d(
    g: Builder,
    qx: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
) -> Tensor:
    """The greatest of each window."""
    x = quantized.dequantized(g, qx)
    y = max_pool1d(g, x, kernel_size, stride, padding, dilation, ceil_mode)
    return quantized.requantized(g, y, qx)


@symbolic(
    "quantized::max_pool2d(Tensor qx, int[] kernel_size, int[] stride, int[] padding, int[] dilation, bool ceil_mode) -> Tensor"
)
def quantized_max_pool2d(
    g: Builder,
    qx: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
) -> Tensor:
    """The greatest of each window."""
    x = quantized.dequantized(g, qx)
    y = max_pool2d(g, x, kernel_size, stride, padding, dilation, ceil_mode)
    return quantized.requantized(g, y, qx)


# ---------------------------------------------------------------- normalization


def _register_batch_norm(name: str, *, relu: bool) -> None:
    @symbolic(
        f"quantized::{name}(Tensor qx, Tensor? weight, Tensor? bias, Tensor mean, Tensor var, float eps, float output_scale, int output_zero_point) -> Tensor"
    )
    def normalized(
        g: Builder,
        qx: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor,
        var: Tensor,
        eps: float,
        output_scale: Number,
        output_zero_point: Dim,
    ) -> Tensor:
        x = quantized.dequantized(g, qx)
        y = batch_norm(g, x, weight, bias, mean, var, False, 0.0, eps, False)
        return rounded(g, g.Relu(y) if relu else y, output_scale, output_zero_point, qx)


for _dims in ("", "1d", "2d", "3d"):
    _register_batch_norm(f"batch_norm{_dims}", relu=False)
    _register_batch_norm(f"batch_norm{_dims}_relu", relu=True)


@symbolic(
    "aten::quantized_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor mean, Tensor var, float eps, float output_scale, int output_zero_point) -> Tensor"
)
def quantized_batch_norm(
    g: Builder,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    var: Tensor,
    eps: float,
    output_scale: Number,
    output_zero_point: Dim,
) -> Tensor:
    """By the statistics given."""
    x = quantized.dequantized(g, input)
    y = batch_norm(g, x, weight, bias, mean, var, False, 0.0, eps, False)
    return rounded(g, y, output_scale, output_zero_point, input)


@symbolic(
    "quantized::layer_norm(Tensor input, int[] normalized_shape, Tensor? weight, Tensor? bias, float eps, float output_scale, int output_zero_point) -> Tensor"
)
def quantized_layer_norm(
    g: Builder,
    input: Tensor,
    normalized_shape: Sequence[Dim],
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    output_scale: Number,
    output_zero_point: Dim,
) -> Tensor:
    """Over the last dims."""
    y = layer_norm(g, quantized.dequantized(g, input), normalized_shape, weight, bias, eps)
    return rounded(g, y, output_scale, output_zero_point, input)


@symbolic(
    "quantized::group_norm(Tensor qx, int num_groups, Tensor? weight, Tensor? bias, float eps, float output_scale, int output_zero_point) -> Tensor"
)
def quantized_group_norm(
    g: Builder,
    qx: Tensor,
    num_groups: int,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    output_scale: Number,
    output_zero_point: Dim,
) -> Tensor:
    """Over groups of channels."""
    y = group_norm(g, quantized.dequantized(g, qx), num_groups, weight, bias, eps)
    return rounded(g, y, output_scale, output_zero_point, qx)


@symbolic(
    "quantized::instance_norm(Tensor input, Tensor? weight, Tensor? bias, float eps, float output_scale, int output_zero_point) -> Tensor"
)
def quantized_instance_norm(
    g: Builder,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    output_scale: Number,
    output_zero_point: Dim,
) -> Tensor:
    """Over each channel of each sample."""
    x = quantized.dequantized(g, input)
    y = instance_norm(g, x, weight, bias, None, None, True, 0.0, eps, False)
    return rounded(g, y, output_scale, output_zero_point, input)
