"""Layers with weights packed for XNNPACK, which `torch.utils.mobile_optimizer` puts into programs.

Each is a layer of float32 with a clamp behind it, a ReLU or hardtanh that was fused. The schemas
are those of PyTorch's `aten/src/ATen/native/xnnpack`; builds without XNNPACK don't have them.
"""

from __future__ import annotations

from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.packed_weights import PackedClamped, PackedConv, PackedLinear
from exporter.onnx_graph.values import Number, Tensor
from symbolics.elementwise.clamping import clamp
from symbolics.layers.convolution import convolution
from symbolics.linear_algebra.matmul import linear
from symbolics.registry import Unsupported, symbolic

__all__: list[str] = []

_LINEAR = "__torch__.torch.classes.xnnpack.LinearOpContext"
_CONV = "__torch__.torch.classes.xnnpack.Conv2dOpContext"
_TRANSPOSED = "__torch__.torch.classes.xnnpack.TransposeConv2dOpContext"


def _clamped(g: Builder, result: Tensor, packed: PackedClamped) -> Tensor:
    if packed.minimum is None and packed.maximum is None:
        return result
    if packed.minimum == 0 and packed.maximum is None:
        return g.Relu(result)
    return clamp(g, result, packed.minimum, packed.maximum)


# ---------------------------------------------------------------- linear layers


@symbolic(
    f"prepacked::linear_clamp_prepack(Tensor W, Tensor? B=None, Scalar? output_min=None, Scalar? output_max=None) -> {_LINEAR}"
)
def linear_clamp_prepack(
    g: Builder,
    W: Tensor,
    B: Tensor | None = None,
    output_min: Number | None = None,
    output_max: Number | None = None,
) -> PackedClamped:
    """The weight with its bias and the limits of the results."""
    return PackedClamped(PackedLinear(W, B), output_min, output_max)


@symbolic(f"prepacked::linear_clamp_run(Tensor X, {_LINEAR} W_prepack) -> Tensor Y")
def linear_clamp_run(g: Builder, X: Tensor, W_prepack: PackedClamped) -> Tensor:
    """`linear`, then the clamp."""
    layer = W_prepack.layer
    assert isinstance(layer, PackedLinear)
    return _clamped(g, linear(g, X, layer.weight, layer.bias), W_prepack)


# ---------------------------------------------------------------- convolutions


@symbolic(
    f"prepacked::conv2d_clamp_prepack(Tensor W, Tensor? B, int[2] stride, int[2] padding, int[2] dilation, int groups, Scalar? output_min=None, Scalar? output_max=None) -> {_CONV}"
)
def conv2d_clamp_prepack(
    g: Builder,
    W: Tensor,
    B: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    output_min: Number | None = None,
    output_max: Number | None = None,
) -> PackedClamped:
    """The weight with its bias, the settings and the limits of the results."""
    return PackedClamped(
        PackedConv(
            W, B, _pair(stride), _pair(padding), (0, 0), _pair(dilation), groups, transposed=False
        ),
        output_min,
        output_max,
    )


@symbolic(
    f"prepacked::conv2d_transpose_clamp_prepack(Tensor W, Tensor? B, int[2] stride, int[2] padding, int[2] output_padding, int[2] dilation, int groups, Scalar? output_min=None, Scalar? output_max=None) -> {_TRANSPOSED}"
)
def conv2d_transpose_clamp_prepack(
    g: Builder,
    W: Tensor,
    B: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    output_padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    output_min: Number | None = None,
    output_max: Number | None = None,
) -> PackedClamped:
    """The weight with its bias, the settings and the limits of the results."""
    return PackedClamped(
        PackedConv(
            W,
            B,
            _pair(stride),
            _pair(padding),
            _pair(output_padding),
            _pair(dilation),
            groups,
            transposed=True,
        ),
        output_min,
        output_max,
    )


def _pair(numbers: Sequence[int]) -> tuple[int, ...]:
    """One number for each of two dims; a single one counts for both."""
    if len(numbers) not in (1, 2):
        raise Unsupported(f"{len(numbers)} numbers for the two dims of a convolution")
    return tuple(numbers) if len(numbers) == 2 else (numbers[0], numbers[0])


@symbolic(f"prepacked::conv2d_clamp_run(Tensor X, {_CONV} W_prepack) -> Tensor Y")
@symbolic(f"prepacked::conv2d_transpose_clamp_run(Tensor X, {_TRANSPOSED} W_prepack) -> Tensor Y")
def conv2d_clamp_run(g: Builder, X: Tensor, W_prepack: PackedClamped) -> Tensor:
    """`conv2d` or `conv_transpose2d`, then the clamp."""
    layer = W_prepack.layer
    assert isinstance(layer, PackedConv)
    result = convolution(
        g,
        X,
        layer.weight,
        layer.bias,
        layer.stride,
        layer.padding,
        layer.dilation,
        layer.transposed,
        layer.output_padding,
        layer.groups,
    )
    return _clamped(g, result, W_prepack)
