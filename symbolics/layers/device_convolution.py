"""Convolutions under the names of the libraries and kernels that a device computes them with.

A program that was traced below `convolution`, on a GPU or through PyTorch's function transforms,
names them. They are `convolution` with their arguments in another order.
"""

from __future__ import annotations

from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Number, Tensor
from symbolics.layers.convolution import convolution
from symbolics.registry import symbolic

__all__: list[str] = []

Sizes = Sequence[int]


def direct(
    g: Builder,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes = (1,),
    groups: Dim = 1,
) -> Tensor:
    """A convolution that is not transposed."""
    lists = (list(stride), list(padding), list(dilation))
    return convolution(g, input, weight, bias, *lists, False, [0], groups)


@symbolic(
    "aten::convolution_overrideable(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation, bool transposed, SymInt[] output_padding, SymInt groups) -> Tensor"
)
def convolution_overrideable(
    g: Builder,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    transposed: bool,
    output_padding: Sizes,
    groups: Dim,
) -> Tensor:
    """`convolution` of a device that PyTorch does not know."""
    return convolution(
        g, input, weight, bias, stride, padding, dilation, transposed, output_padding, groups
    )


# ---------------------------------------------------------------- cuDNN, MIOpen


@symbolic(
    "aten::cudnn_convolution(Tensor self, Tensor weight, SymInt[] padding, SymInt[] stride, SymInt[] dilation, SymInt groups, bool benchmark, bool deterministic, bool allow_tf32) -> Tensor"
)
def cudnn_convolution(
    g: Builder,
    self: Tensor,
    weight: Tensor,
    padding: Sizes,
    stride: Sizes,
    dilation: Sizes,
    groups: Dim,
    benchmark: bool,
    deterministic: bool,
    allow_tf32: bool,
) -> Tensor:
    """A convolution without a bias, the padding before the stride."""
    return direct(g, self, weight, None, stride, padding, dilation, groups)


@symbolic(
    "aten::cudnn_convolution_transpose(Tensor self, Tensor weight, SymInt[] padding, SymInt[] output_padding, SymInt[] stride, SymInt[] dilation, SymInt groups, bool benchmark, bool deterministic, bool allow_tf32) -> Tensor"
)
def cudnn_convolution_transpose(
    g: Builder,
    self: Tensor,
    weight: Tensor,
    padding: Sizes,
    output_padding: Sizes,
    stride: Sizes,
    dilation: Sizes,
    groups: Dim,
    benchmark: bool,
    deterministic: bool,
    allow_tf32: bool,
) -> Tensor:
    """A transposed convolution without a bias."""
    return convolution(
        g, self, weight, None, stride, padding, dilation, True, output_padding, groups
    )


@symbolic(
    "aten::miopen_depthwise_convolution(Tensor self, Tensor weight, Tensor? bias, SymInt[] padding, SymInt[] stride, SymInt[] dilation, SymInt groups, bool benchmark, bool deterministic) -> Tensor"
)
@symbolic(
    "aten::miopen_convolution(Tensor self, Tensor weight, Tensor? bias, SymInt[] padding, SymInt[] stride, SymInt[] dilation, SymInt groups, bool benchmark, bool deterministic) -> Tensor"
)
def miopen_convolution(
    g: Builder,
    self: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    padding: Sizes,
    stride: Sizes,
    dilation: Sizes,
    groups: Dim,
    benchmark: bool,
    deterministic: bool,
) -> Tensor:
    """A convolution, the padding before the stride."""
    return direct(g, self, weight, bias, stride, padding, dilation, groups)


@symbolic(
    "aten::miopen_convolution_transpose(Tensor self, Tensor weight, Tensor? bias, SymInt[] padding, SymInt[] output_padding, SymInt[] stride, SymInt[] dilation, SymInt groups, bool benchmark, bool deterministic) -> Tensor"
)
def miopen_convolution_transpose(
    g: Builder,
    self: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    padding: Sizes,
    output_padding: Sizes,
    stride: Sizes,
    dilation: Sizes,
    groups: Dim,
    benchmark: bool,
    deterministic: bool,
) -> Tensor:
    """A transposed convolution."""
    return convolution(
        g, self, weight, bias, stride, padding, dilation, True, output_padding, groups
    )


@symbolic(
    "aten::miopen_convolution_relu(Tensor self, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation, SymInt groups) -> Tensor"
)
@symbolic(
    "aten::cudnn_convolution_relu(Tensor self, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation, SymInt groups) -> Tensor"
)
def cudnn_convolution_relu(
    g: Builder,
    self: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    groups: Dim,
) -> Tensor:
    """relu(convolution)."""
    return g.Relu(direct(g, self, weight, bias, stride, padding, dilation, groups))


@symbolic(
    "aten::miopen_convolution_add_relu(Tensor self, Tensor weight, Tensor z, Scalar? alpha, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation, SymInt groups) -> Tensor"
)
@symbolic(
    "aten::cudnn_convolution_add_relu(Tensor self, Tensor weight, Tensor z, Scalar? alpha, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation, SymInt groups) -> Tensor"
)
def cudnn_convolution_add_relu(
    g: Builder,
    self: Tensor,
    weight: Tensor,
    z: Tensor,
    alpha: Number | None,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    groups: Dim,
) -> Tensor:
    """relu(convolution + alpha * z); no alpha means 1."""
    result = direct(g, self, weight, bias, stride, padding, dilation, groups)
    return g.Relu(g.Add(result, z if alpha is None else g.Mul(z, alpha)))


# ---------------------------------------------------------------- PyTorch's own kernels


@symbolic(
    "aten::_nnpack_spatial_convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[2] padding, SymInt[2] stride=[1, 1]) -> Tensor"
)
def _nnpack_spatial_convolution(
    g: Builder,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    padding: Sizes,
    stride: Sizes = (1, 1),
) -> Tensor:
    """A convolution in 2 dims."""
    return direct(g, input, weight, bias, stride, padding)


@symbolic(
    "aten::_slow_conv2d_forward(Tensor self, Tensor weight, SymInt[2] kernel_size, Tensor? bias, SymInt[2] stride, SymInt[2] padding) -> Tensor"
)
@symbolic(
    "aten::slow_conv3d_forward(Tensor self, Tensor weight, SymInt[3] kernel_size, Tensor? bias, SymInt[3] stride, SymInt[3] padding) -> Tensor"
)
def _slow_conv_forward(
    g: Builder,
    self: Tensor,
    weight: Tensor,
    kernel_size: Sizes,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes,
) -> Tensor:
    """A convolution; the weight has the kernel's size as well."""
    return direct(g, self, weight, bias, stride, padding)


@symbolic(
    "aten::thnn_conv2d(Tensor self, Tensor weight, SymInt[2] kernel_size, Tensor? bias=None, SymInt[2] stride=[1, 1], SymInt[2] padding=[0, 0]) -> Tensor"
)
def thnn_conv2d(
    g: Builder,
    self: Tensor,
    weight: Tensor,
    kernel_size: Sizes,
    bias: Tensor | None = None,
    stride: Sizes = (1, 1),
    padding: Sizes = (0, 0),
) -> Tensor:
    """A convolution in 2 dims."""
    return direct(g, self, weight, bias, stride, padding)


@symbolic(
    "aten::slow_conv3d(Tensor self, Tensor weight, SymInt[3] kernel_size, Tensor? bias=None, SymInt[3] stride=[1, 1, 1], SymInt[3] padding=[0, 0, 0]) -> Tensor"
)
def slow_conv3d(
    g: Builder,
    self: Tensor,
    weight: Tensor,
    kernel_size: Sizes,
    bias: Tensor | None = None,
    stride: Sizes = (1, 1, 1),
    padding: Sizes = (0, 0, 0),
) -> Tensor:
    """A convolution in 3 dims."""
    return direct(g, self, weight, bias, stride, padding)


@symbolic(
    "aten::slow_conv_dilated2d(Tensor self, Tensor weight, SymInt[2] kernel_size, Tensor? bias=None, SymInt[2] stride=[1, 1], SymInt[2] padding=[0, 0], SymInt[2] dilation=[1, 1]) -> Tensor"
)
def slow_conv_dilated2d(
    g: Builder,
    self: Tensor,
    weight: Tensor,
    kernel_size: Sizes,
    bias: Tensor | None = None,
    stride: Sizes = (1, 1),
    padding: Sizes = (0, 0),
    dilation: Sizes = (1, 1),
) -> Tensor:
    """A convolution in 2 dims."""
    return direct(g, self, weight, bias, stride, padding, dilation)


@symbolic(
    "aten::slow_conv_dilated3d(Tensor self, Tensor weight, SymInt[3] kernel_size, Tensor? bias=None, SymInt[3] stride=[1, 1, 1], SymInt[3] padding=[0, 0, 0], SymInt[3] dilation=[1, 1, 1]) -> Tensor"
)
def slow_conv_dilated3d(
    g: Builder,
    self: Tensor,
    weight: Tensor,
    kernel_size: Sizes,
    bias: Tensor | None = None,
    stride: Sizes = (1, 1, 1),
    padding: Sizes = (0, 0, 0),
    dilation: Sizes = (1, 1, 1),
) -> Tensor:
    """A convolution in 3 dims."""
    return direct(g, self, weight, bias, stride, padding, dilation)


@symbolic(
    "aten::_conv_depthwise2d(Tensor self, Tensor weight, SymInt[2] kernel_size, Tensor? bias, SymInt[2] stride, SymInt[2] padding, SymInt[2] dilation) -> Tensor"
)
@symbolic(
    "aten::conv_depthwise3d(Tensor self, Tensor weight, SymInt[3] kernel_size, Tensor? bias, SymInt[3] stride, SymInt[3] padding, SymInt[3] dilation) -> Tensor"
)
def conv_depthwise(
    g: Builder,
    self: Tensor,
    weight: Tensor,
    kernel_size: Sizes,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
) -> Tensor:
    """Each channel by itself, with as many filters as there are weights for it."""
    channels = self.require_shape()[1 - weight.require_rank()]
    return direct(g, self, weight, bias, stride, padding, dilation, channels)


@symbolic(
    "aten::slow_conv_transpose2d(Tensor self, Tensor weight, SymInt[2] kernel_size, Tensor? bias=None, SymInt[2] stride=[1, 1], SymInt[2] padding=[0, 0], SymInt[2] output_padding=[0, 0], SymInt[2] dilation=[1, 1]) -> Tensor"
)
def slow_conv_transpose2d(
    g: Builder,
    self: Tensor,
    weight: Tensor,
    kernel_size: Sizes,
    bias: Tensor | None = None,
    stride: Sizes = (1, 1),
    padding: Sizes = (0, 0),
    output_padding: Sizes = (0, 0),
    dilation: Sizes = (1, 1),
) -> Tensor:
    """A transposed convolution in 2 dims."""
    return convolution(g, self, weight, bias, stride, padding, dilation, True, output_padding, 1)


@symbolic(
    "aten::slow_conv_transpose3d(Tensor self, Tensor weight, SymInt[3] kernel_size, Tensor? bias=None, SymInt[3] stride=[1, 1, 1], SymInt[3] padding=[0, 0, 0], SymInt[3] output_padding=[0, 0, 0], SymInt[3] dilation=[1, 1, 1]) -> Tensor"
)
def slow_conv_transpose3d(
    g: Builder,
    self: Tensor,
    weight: Tensor,
    kernel_size: Sizes,
    bias: Tensor | None = None,
    stride: Sizes = (1, 1, 1),
    padding: Sizes = (0, 0, 0),
    output_padding: Sizes = (0, 0, 0),
    dilation: Sizes = (1, 1, 1),
) -> Tensor:
    """A transposed convolution in 3 dims."""
    return convolution(g, self, weight, bias, stride, padding, dilation, True, output_padding, 1)
