"""Layers of `torch.utils.mkldnn`, whose tensors lie in memory as oneDNN likes them.

ONNX has no memory formats: such a tensor is one like any other, and the layer is the plain one.
"""

from __future__ import annotations

from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Tensor
from symbolics.layers.adaptive_pooling import adaptive_avg_pool2d
from symbolics.layers.convolution import convolution
from symbolics.layers.pooling import max_pool2d, max_pool3d
from symbolics.linear_algebra.matmul import linear
from symbolics.registry import symbolic
from symbolics.views.conversion import to_dense

__all__: list[str] = []


@symbolic("aten::to_mkldnn(Tensor self, ScalarType? dtype=None) -> Tensor")
def to_mkldnn(g: Builder, self: Tensor, dtype: int | None = None) -> Tensor:
    """The same values."""
    return to_dense(g, self, dtype)


@symbolic(
    "aten::mkldnn_reorder_conv2d_weight(Tensor self, SymInt[2] padding=[0, 0], SymInt[2] stride=[1, 1], SymInt[2] dilation=[1, 1], SymInt groups=1, SymInt[]? input_size=None) -> Tensor"
)
def mkldnn_reorder_conv2d_weight(
    g: Builder,
    self: Tensor,
    padding: Sequence[int] = (0, 0),
    stride: Sequence[int] = (1, 1),
    dilation: Sequence[int] = (1, 1),
    groups: Dim = 1,
    input_size: Sequence[Dim] | None = None,
) -> Tensor:
    """The same weight."""
    return self


@symbolic(
    "aten::mkldnn_reorder_conv3d_weight(Tensor self, SymInt[3] padding=[0, 0, 0], SymInt[3] stride=[1, 1, 1], SymInt[3] dilation=[1, 1, 1], SymInt groups=1, SymInt[]? input_size=None) -> Tensor"
)
def mkldnn_reorder_conv3d_weight(
    g: Builder,
    self: Tensor,
    padding: Sequence[int] = (0, 0, 0),
    stride: Sequence[int] = (1, 1, 1),
    dilation: Sequence[int] = (1, 1, 1),
    groups: Dim = 1,
    input_size: Sequence[Dim] | None = None,
) -> Tensor:
    """The same weight."""
    return self


@symbolic("aten::mkldnn_linear(Tensor self, Tensor weight, Tensor? bias=None) -> Tensor")
def mkldnn_linear(g: Builder, self: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`linear`."""
    return linear(g, self, weight, bias)


@symbolic(
    "aten::mkldnn_convolution(Tensor self, Tensor weight, Tensor? bias, SymInt[] padding, SymInt[] stride, SymInt[] dilation, SymInt groups) -> Tensor"
)
def mkldnn_convolution(
    g: Builder,
    self: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    padding: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    groups: Dim,
) -> Tensor:
    """`convolution`."""
    return convolution(g, self, weight, bias, stride, padding, dilation, False, [0], groups)


@symbolic(
    "aten::mkldnn_max_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, int[2] dilation=1, bool ceil_mode=False) -> Tensor"
)
def mkldnn_max_pool2d(
    g: Builder,
    self: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    ceil_mode: bool = False,
) -> Tensor:
    """`max_pool2d`."""
    return max_pool2d(g, self, kernel_size, stride, padding, dilation, ceil_mode)


@symbolic(
    "aten::mkldnn_max_pool3d(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, int[3] dilation=1, bool ceil_mode=False) -> Tensor"
)
def mkldnn_max_pool3d(
    g: Builder,
    self: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0, 0, 0),
    dilation: Sequence[int] = (1, 1, 1),
    ceil_mode: bool = False,
) -> Tensor:
    """`max_pool3d`."""
    return max_pool3d(g, self, kernel_size, stride, padding, dilation, ceil_mode)


@symbolic("aten::mkldnn_adaptive_avg_pool2d(Tensor self, int[2] output_size) -> Tensor")
def mkldnn_adaptive_avg_pool2d(g: Builder, self: Tensor, output_size: Sequence[Dim]) -> Tensor:
    """`adaptive_avg_pool2d`."""
    return adaptive_avg_pool2d(g, self, output_size)
