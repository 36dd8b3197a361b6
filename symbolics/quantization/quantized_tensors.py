"""What ordinary operators do with quantized tensors.

PyTorch has kernels for some. What only moves elements needs nothing here: it acts on the integers
(`MOVES` in `exporter/onnx_graph/quantized.py`). The others are of four kinds: the result keeps the
scale of the argument, has a fixed one, or is not quantized; and joins have to agree on a scale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from exporter.onnx_graph import quantized
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.values import Tensor
from symbolics.quantization.quantization import scale_of, zero_point_of
from symbolics.quantization.quantized_arithmetic import joined
from symbolics.registry import Unsupported, quantized_form
from symbolics.rules import QUANTIZED_TYPES, D, is_float, wrapped_dim

Function = Callable[..., Any]
Arguments = Mapping[str, Any]


def in_floats(g: Builder, arguments: Arguments) -> dict[str, Any]:
    """Arguments whose quantized tensors are the numbers that they stand for."""

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(v) for v in value]
        if isinstance(value, Tensor) and value.quantization is not None:
            return quantized.dequantized(g, value)
        return value

    return {name: plain(value) for name, value in arguments.items()}


def first_quantized(arguments: Arguments) -> Tensor:
    """The argument whose scale the result has."""
    return next(
        value
        for value in arguments.values()
        if isinstance(value, Tensor) and value.quantization is not None
    )


# fmt: off
_KEEP_SCALE = [
    "aten::relu", "aten::relu6", "aten::hardtanh", "aten::clamp", "aten::clamp_min",
    "aten::clamp_max", "aten::leaky_relu", "aten::threshold", "aten::gelu",
    "aten::max_pool1d", "aten::max_pool2d", "aten::max_pool3d",
    "aten::quantized_max_pool1d", "aten::quantized_max_pool2d", "aten::quantized_max_pool3d",
    "aten::avg_pool1d", "aten::avg_pool2d", "aten::avg_pool3d",
    "aten::adaptive_avg_pool1d", "aten::adaptive_avg_pool2d", "aten::adaptive_avg_pool3d",
    "aten::_adaptive_avg_pool2d", "aten::_adaptive_avg_pool3d",
    "aten::upsample_nearest1d", "aten::upsample_nearest2d", "aten::upsample_nearest3d",
    "aten::_upsample_nearest_exact1d", "aten::_upsample_nearest_exact2d",
    "aten::_upsample_nearest_exact3d", "aten::upsample_bilinear2d", "aten::grid_sampler_2d",
    "aten::grid_sampler", "aten::mean", "aten::std", "aten::max", "aten::min", "aten::amax",
    "aten::amin", "aten::sort", "aten::topk", "aten::masked_fill", "aten::index_put",
    "aten::_index_put_impl", "aten::constant_pad_nd", "aten::pad",
]
# fmt: on


@quantized_form(*_KEEP_SCALE)
def keeps_scale(g: Builder, function: Function, arguments: Arguments) -> Any:
    """Floats in between; the result, if it is of floats, has the scale of the first argument."""
    like = first_quantized(arguments)
    result = function(g, **in_floats(g, arguments))

    def rounded(value: Tensor) -> Tensor:
        return quantized.requantized(g, value, like) if is_float(value.dtype) else value

    if isinstance(result, tuple):
        return tuple(rounded(value) for value in result)
    return rounded(result)


# The scales and zero points that PyTorch fixes for functions with bounded values, by the dtype.
_UNIT = {D.UINT8: (1 / 256, 0), D.INT8: (1 / 256, -128), D.INT32: (1 / 2**32, -(2**31))}
_SIGNED = {D.UINT8: (2 / 256, 128), D.INT8: (2 / 256, 0), D.INT32: (2 / 2**32, 0)}


def _fixed(name: str, table: Mapping[D, tuple[float, int]]) -> None:
    @quantized_form(name)
    def with_fixed_scale(g: Builder, function: Function, arguments: Arguments) -> Tensor:
        x = first_quantized(arguments)
        scale, zero_point = table[x.dtype]
        y = function(g, **in_floats(g, arguments))
        return quantized.quantized(g, y, scale_of(g, scale), zero_point_of(g, zero_point), x.dtype)


_fixed("aten::sigmoid", _UNIT)
_fixed("aten::hardsigmoid", _UNIT)
_fixed("aten::tanh", _SIGNED)


@quantized_form(
    "aten::eq", "aten::ne", "aten::lt", "aten::le", "aten::gt", "aten::ge", "aten::argmax"
)
def as_floats(g: Builder, function: Function, arguments: Arguments) -> Any:
    """The numbers are compared."""
    return function(g, **in_floats(g, arguments))


@quantized_form(
    "aten::quantized_batch_norm",
    "aten::dequantize",
    "aten::int_repr",
    "aten::q_scale",
    "aten::q_zero_point",
    "aten::q_per_channel_scales",
    "aten::q_per_channel_zero_points",
    "aten::q_per_channel_axis",
)
def as_it_is(g: Builder, function: Function, arguments: Arguments) -> Any:
    """These are about quantized tensors."""
    return function(g, **arguments)


@quantized_form("aten::to")
def to(g: Builder, function: Function, arguments: Arguments) -> Tensor:
    """Another device is nothing here; another dtype PyTorch refuses, too."""
    x = first_quantized(arguments)
    dtype = arguments.get("dtype")
    if dtype is not None and dtype != QUANTIZED_TYPES[x.dtype]:
        raise Unsupported("a quantized tensor in another dtype; dequantize() it before")
    return x


@quantized_form("aten::cat", "aten::concat", "aten::concatenate")
def cat(g: Builder, function: Function, arguments: Arguments) -> Tensor:
    """The result has the scale of the first tensor."""
    tensors = _all_quantized(arguments["tensors"])
    dim = wrapped_dim(arguments["dim"], tensors[0].require_rank())
    meaning = quantized.meaning_of(tensors[0])
    return joined(g, tensors, dim, meaning.scale, meaning.zero_point)


@quantized_form("aten::stack")
def stack(g: Builder, function: Function, arguments: Arguments) -> Tensor:
    """The same, along a new dim."""
    tensors = _all_quantized(arguments["tensors"])
    dim = wrapped_dim(arguments["dim"], tensors[0].require_rank() + 1)
    rows = [g.Unsqueeze(x, axes=[dim]) for x in tensors]
    meaning = quantized.meaning_of(tensors[0])
    return joined(g, rows, dim, meaning.scale, meaning.zero_point)


def _all_quantized(tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    if any(x.quantization is None or x.quantization.axis is not None for x in tensors):
        raise Unsupported("tensors of which not all are quantized as a whole, joined")
    return tensors
