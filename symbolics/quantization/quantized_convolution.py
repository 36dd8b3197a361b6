"""Convolutions with quantized weights, on quantized and on float inputs, and their packing.

The operators of 1, 2 and 3 dims and of the transposed form differ in their names alone: they are
rows of tables here.
"""

from __future__ import annotations

from collections.abc import Sequence

from exporter.onnx_graph import quantized
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.packed_weights import PackedConv
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Number, Tensor
from symbolics.layers.convolution import convolution
from symbolics.quantization.quantization import chosen_parameters, scale_of, zero_point_of
from symbolics.quantization.quantized_linear import dequantized_input, quantized_bias
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import D

__all__ = ["convolved"]

_PACKED = "__torch__.torch.classes.quantized.Conv{}dPackedParamsBase"


def convolved(g: Builder, x: Tensor, numbers: Tensor, packed: PackedConv, dims: int) -> Tensor:
    """The convolution, in float, of a quantized tensor and its numbers."""
    plain = packed.with_dims(dims)
    weight = plain.weight
    if dims < packed.dims:
        weight = _without_height(g, weight)
    if plain.transposed and quantized.meaning_of(weight).axis is not None:
        raise Unsupported("a transposed convolution with a weight that is quantized per channel")
    return convolution(
        g,
        numbers,
        quantized.dequantized(g, weight),
        quantized_bias(g, x, weight, plain.bias),
        plain.stride,
        plain.padding,
        plain.dilation,
        plain.transposed,
        plain.output_padding,
        plain.groups,
    )


def reshaped(g: Builder, x: Tensor, shape: Sequence[Dim]) -> Tensor:
    """A weight in another shape; one that is a constant keeps its name."""
    if x.array is None:
        return g.reshape(x, shape)
    return g.constant(x.array.reshape([int(d) for d in shape]), name=x.name)


def named(g: Builder, x: Tensor, name: str) -> Tensor:
    """A constant under a name in its module, if it came out of the state of one as an item.

    PyTorch's convolutions are stored as a tuple, of which the items have but numbers.
    """
    plain = x if x.quantization is None else x.quantization.integers
    if plain.array is None or plain.name is None or not plain.name.rpartition(".")[2].isdigit():
        return x
    path = f"{g.module_path}.{name}" if g.module_path else name
    again = g.constant(plain.array, name=path)
    return again if x.quantization is None else quantized.carried(again, x)


def _without_height(g: Builder, weight: Tensor) -> Tensor:
    """A two-dimensional kernel of height 1 as a one-dimensional one; channels stay where they are."""
    meaning = quantized.meaning_of(weight)
    first, second, _, *rest = weight.require_shape()
    integers = reshaped(g, meaning.integers, [first, second, *rest])
    return quantized.whole(integers, meaning.scale, meaning.zero_point, meaning.axis)


def static(
    g: Builder,
    x: Tensor,
    packed: PackedConv,
    scale: Number,
    zero_point: Dim,
    dims: int,
    *,
    relu: bool,
    added: Tensor | None = None,
) -> Tensor:
    """A convolution of integers, plus another quantized tensor if there is one, rounded once."""
    y = convolved(g, x, dequantized_input(g, x), packed, dims)
    if added is not None:
        y = g.Add(y, quantized.dequantized(g, added))
    if relu:
        y = g.Relu(y)
    return quantized.quantized(g, y, scale_of(g, scale), zero_point_of(g, zero_point), x.dtype)


def _register(name: str, dims: int, *, relu: bool) -> None:
    """`quantized::conv2d` and its like."""
    packed = _PACKED.format(max(dims, 2))
    overload = ".new" if dims > 1 and not name.startswith("conv_transpose") else ""

    @symbolic(
        f"quantized::{name}{overload}(Tensor qx, {packed} packed_weight, float output_scale, int output_zero_point) -> Tensor"
    )
    def layer(
        g: Builder,
        qx: Tensor,
        packed_weight: PackedConv,
        output_scale: Number,
        output_zero_point: Dim,
    ) -> Tensor:
        return static(g, qx, packed_weight, output_scale, output_zero_point, dims, relu=relu)


def _register_with_settings(name: str, dims: int, *, relu: bool) -> None:
    """The first form of these operators, whose settings are those in the weight once more."""

    @symbolic(
        f"quantized::{name}(Tensor qx, {_PACKED.format(dims)} weight, int[] stride, int[] padding, int[] dilation, int groups, float output_scale, int output_zero_point) -> Tensor"
    )
    def layer(
        g: Builder,
        qx: Tensor,
        weight: PackedConv,
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        groups: int,
        output_scale: Number,
        output_zero_point: Dim,
    ) -> Tensor:
        return static(g, qx, weight, output_scale, output_zero_point, dims, relu=relu)


def _register_dynamic(name: str, dims: int) -> None:
    """`quantized::conv2d_dynamic` and its like: floats, that are quantized in between."""

    @symbolic(
        f"quantized::{name}_dynamic(Tensor qx, {_PACKED.format(max(dims, 2))} packed_weight, bool reduce_range=False) -> Tensor"
    )
    def layer(
        g: Builder, qx: Tensor, packed_weight: PackedConv, reduce_range: bool = False
    ) -> Tensor:
        scale, zero_point = chosen_parameters(g, qx, D.UINT8, reduce_range)
        x = quantized.quantized(g, qx, scale, zero_point, D.UINT8)
        y = convolved(g, x, quantized.dequantized(g, x), packed_weight, dims)
        # PyTorch rounds the result with the scale of the input, and saturates it there.
        return quantized.dequantized(g, quantized.requantized(g, y, x))


for _dims in (1, 2, 3):
    _register(f"conv{_dims}d", _dims, relu=False)
    _register(f"conv{_dims}d_relu", _dims, relu=True)
    _register(f"conv_transpose{_dims}d", _dims, relu=False)
    _register_dynamic(f"conv{_dims}d", _dims)
    _register_dynamic(f"conv_transpose{_dims}d", _dims)
    if _dims > 1:
        _register_with_settings(f"conv{_dims}d", _dims, relu=False)
        _register_with_settings(f"conv{_dims}d_relu", _dims, relu=True)


@symbolic(
    f"quantized::conv2d_add(Tensor qx, Tensor qaccum, {_PACKED.format(2)} packed_weight, float output_scale, int output_zero_point) -> Tensor"
)
def conv2d_add(
    g: Builder,
    qx: Tensor,
    qaccum: Tensor,
    packed_weight: PackedConv,
    output_scale: Number,
    output_zero_point: Dim,
) -> Tensor:
    """A convolution and a sum, rounded once."""
    return static(
        g, qx, packed_weight, output_scale, output_zero_point, 2, relu=False, added=qaccum
    )


@symbolic(
    f"quantized::conv2d_add_relu(Tensor qx, Tensor qaccum, {_PACKED.format(2)} packed_weight, float output_scale, int output_zero_point) -> Tensor"
)
def conv2d_add_relu(
    g: Builder,
    qx: Tensor,
    qaccum: Tensor,
    packed_weight: PackedConv,
    output_scale: Number,
    output_zero_point: Dim,
) -> Tensor:
    """The same, and negative results are 0."""
    return static(g, qx, packed_weight, output_scale, output_zero_point, 2, relu=True, added=qaccum)


# ---------------------------------------------------------------- packing


def pack(
    g: Builder,
    weight: Tensor,
    bias: Tensor | None,
    settings: Sequence[Sequence[int]],
    groups: int,
    *,
    transposed: bool,
) -> PackedConv:
    """A weight with its settings: strides, paddings, output paddings, dilations.

    A one-dimensional kernel becomes a two-dimensional one of height 1, as PyTorch packs it.
    """
    weight, bias = named(g, weight, "weight"), None if bias is None else named(g, bias, "bias")
    meaning = quantized.meaning_of(weight)
    lists = [tuple(int(n) for n in numbers) for numbers in settings]
    if weight.require_rank() == 3:
        first, second, *rest = weight.require_shape()
        integers = reshaped(g, meaning.integers, [first, second, 1, *rest])
        weight = quantized.whole(integers, meaning.scale, meaning.zero_point, meaning.axis)
        lists = [(neutral, *numbers) for neutral, numbers in zip((1, 0, 0, 1), lists, strict=True)]
    stride, padding, output_padding, dilation = lists
    return PackedConv(
        weight, bias, stride, padding, output_padding, dilation, int(groups), transposed
    )


def _register_packing(dims: int) -> None:
    made = _PACKED.format(max(dims, 2))

    @symbolic(
        f"quantized::conv{dims}d_prepack(Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, int groups) -> {made}"
    )
    def prepack(
        g: Builder,
        weight: Tensor,
        bias: Tensor | None,
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        groups: int,
    ) -> PackedConv:
        settings = (stride, padding, [0] * dims, dilation)
        return pack(g, weight, bias, settings, groups, transposed=False)

    @symbolic(
        f"quantized::conv_transpose{dims}d_prepack(Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] output_padding, int[] dilation, int groups) -> {made}"
    )
    def prepack_transposed(
        g: Builder,
        weight: Tensor,
        bias: Tensor | None,
        stride: Sequence[int],
        padding: Sequence[int],
        output_padding: Sequence[int],
        dilation: Sequence[int],
        groups: int,
    ) -> PackedConv:
        settings = (stride, padding, output_padding, dilation)
        return pack(g, weight, bias, settings, groups, transposed=True)

    for kind in (f"conv{dims}d", f"conv_transpose{dims}d"):

        @symbolic(
            f"quantized::{kind}_unpack({made} packed_weights) -> (Tensor unpacked_weights, Tensor? B_origin)"
        )
        def unpack(g: Builder, packed_weights: PackedConv) -> tuple[Tensor, Tensor | None]:
            if dims == 1:
                return _without_height(g, packed_weights.weight), packed_weights.bias
            return packed_weights.weight, packed_weights.bias


for _dims in (1, 2, 3):
    _register_packing(_dims)


def _register_questions(name: str, dims: int) -> None:
    """What a program can ask of packed weights."""
    packed = _PACKED.format(dims)

    def register(word: str) -> None:
        @symbolic(f"quantized::{name}_{word}({packed} packed_weights) -> int[]")
        def numbers(g: Builder, packed_weights: PackedConv) -> list[int]:
            return list(getattr(packed_weights, word))

    for word in ("stride", "padding", "output_padding", "dilation"):
        register(word)

    @symbolic(f"quantized::{name}_groups({packed} packed_weights) -> int")
    def groups(g: Builder, packed_weights: PackedConv) -> int:
        return packed_weights.groups

    @symbolic(f"quantized::{name}_transpose({packed} packed_weights) -> int")
    def transposed(g: Builder, packed_weights: PackedConv) -> int:
        return int(packed_weights.transposed)


for _dims in (2, 3):
    _register_questions(f"conv{_dims}d", _dims)
    _register_questions(f"conv_transpose{_dims}d", _dims)
