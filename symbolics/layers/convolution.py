"""Convolution and its transpose, in 1, 2 and 3 dims. Windows taken apart are in `unfolding`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim, SymInt
from exporter.onnx_graph.values import Tensor
from symbolics.layers.padding import constant_pad_nd
from symbolics.layers.windows import (
    any_spatial,
    at_least_one,
    batched,
    gathered_windows,
    spatial,
    unbatched,
    window_indices,
)
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import category

__all__ = ["convolution"]


@symbolic(
    "aten::convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation, bool transposed, SymInt[] output_padding, SymInt groups) -> Tensor"
)
def convolution(
    g: Builder,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[Dim],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[Dim],
    groups: Dim,
) -> Tensor:
    """Cross-correlation, with or without a batch dim. ONNX Conv is the same operator."""
    dims = weight.require_rank() - 2
    pads = any_spatial(padding, dims, "padding")
    strides = spatial(stride, dims, "stride")
    dilations = spatial(dilation, dims, "dilation")
    if transposed:
        extra = any_spatial(output_padding, dims, "output_padding")
        return transposed_convolution(
            g, input, weight, bias, strides, pads, extra, dilations, groups
        )
    if not all(isinstance(p, int) for p in pads):
        # ONNX has pads as an attribute.
        x, had_batch = batched(g, input, dims)
        input = unbatched(g, g.Pad(x, [0, 0, *pads, 0, 0, *pads]), had_batch)
        pads = [0] * dims
    known = [int(p) for p in pads] * 2
    return padded_convolution(g, input, weight, bias, strides, known, dilations, groups)


def transposed_convolution(
    g: Builder,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    strides: list[int],
    padding: list[Dim],
    output_padding: list[Dim],
    dilations: list[int],
    groups: Dim,
) -> Tensor:
    """The gradient of a convolution, as an operator. ONNX ConvTranspose is the same.

    `output_padding` picks among the sizes that the convolution would bring to the input's. One of
    run time is cut from the largest of them.
    """
    dims = len(strides)
    pads = [int(p) for p in padding]
    x, had_batch = batched(g, input, dims)
    extra = [
        e if isinstance(e, int) else max(s, d) - 1
        for e, s, d in zip(output_padding, strides, dilations, strict=True)
    ]
    if by_windows(input, groups):
        result = windowed_transpose(g, x, weight, bias, strides, pads, extra, dilations, groups)
    else:
        result = onnx_transpose(g, x, weight, bias, strides, pads, extra, dilations, int(groups))
    cut = [i for i in range(dims) if extra[i] != output_padding[i]]
    if cut:
        ends = [g.size(result, 2 + i) - (extra[i] - output_padding[i]) for i in cut]
        result = g.Slice(result, [0] * len(cut), ends, [2 + i for i in cut])
    return unbatched(g, result, had_batch)


def onnx_transpose(
    g: Builder,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    strides: list[int],
    pads: list[int],
    extra: list[int],
    dilations: list[int],
    groups: int,
) -> Tensor:
    """ConvTranspose of a batch."""
    dims = len(strides)
    ends = pads
    behind = [0] * dims
    if any(e >= s for e, s in zip(extra, strides, strict=True)):
        # onnxruntime refuses these: cut off less at the end, or add what was never reached.
        ends = [max(p - e, 0) for p, e in zip(pads, extra, strict=True)]
        behind = [max(e - p, 0) for p, e in zip(pads, extra, strict=True)]
        extra = [0] * dims
    late_bias = bias if any(behind) else None
    result = g.ConvTranspose(
        x,
        weight,
        None if late_bias is not None else bias,
        kernel_shape=kernel_shape(weight),
        strides=strides,
        pads=pads + ends,
        dilations=dilations,
        output_padding=extra if any(extra) else None,
        group=groups,
    )
    if any(behind):
        result = g.Pad(result, [0] * (dims + 2) + [0, 0, *behind])
    if late_bias is not None:
        result = g.Add(result, g.reshape(late_bias, [late_bias.require_shape()[0], *[1] * dims]))
    return result


def padded_convolution(
    g: Builder,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    strides: list[int],
    pads: list[int],
    dilations: list[int],
    groups: Dim,
) -> Tensor:
    """A convolution whose pads (all begins, then all ends) are known."""
    x, had_batch = batched(g, input, len(strides))
    if by_windows(input, groups):
        result = windowed_convolution(g, x, weight, bias, strides, pads, dilations, groups)
    else:
        result = g.Conv(
            x,
            weight,
            bias,
            kernel_shape=kernel_shape(weight),
            strides=strides,
            pads=pads,
            dilations=dilations,
            group=int(groups),
        )
    return unbatched(g, at_least_one(g, result, len(strides)), had_batch)


def kernel_shape(weight: Tensor) -> list[int] | None:
    """The spatial size of the weight, where it is known; ONNX may leave it out."""
    kernel = weight.require_shape()[2:]
    known = [d for d in kernel if isinstance(d, int)]
    return known if len(known) == len(kernel) else None


def by_windows(input: Tensor, groups: Dim) -> bool:
    """Whether ONNX Conv can't do it: it takes floats only, and its groups are an attribute."""
    return category(input) < 2 or isinstance(groups, SymInt)


def windowed_convolution(
    g: Builder,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    strides: list[int],
    pads: list[int],
    dilations: list[int],
    groups: Dim,
) -> Tensor:
    """A convolution whose windows are gathered and multiplied as a matrix.

    1. Pad, and gather the windows: [N, C, outputs..., kernel...].
    2. Bring them to [N, group, outputs, C / group * kernel].
    3. Multiply with the weights, [group, C / group * kernel, channels out / group].
    """
    dims = len(strides)
    if any(pads):
        x = g.Pad(x, [0, 0, *pads[:dims], 0, 0, *pads[dims:]])
    batch, _, *sizes = x.require_shape()
    out, inner, *kernel = weight.require_shape()
    outputs = [
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(sizes, kernel, strides, dilations, strict=True)
    ]
    tables = [
        window_indices(g, o, k, s, d)
        for o, k, s, d in zip(outputs, kernel, strides, dilations, strict=True)
    ]
    windows = gathered_windows(g, x, tables)
    windows = g.reshape(windows, [batch, groups, inner, *outputs, *kernel])
    order = [0, 1, *range(3, 3 + dims), 2, *range(3 + dims, 3 + 2 * dims)]
    area = math.prod(kernel)
    places = math.prod(outputs)
    columns = g.reshape(g.Transpose(windows, perm=order), [batch, groups, places, inner * area])
    matrix = g.reshape(weight, [groups, out // groups, inner * area])
    result = g.MatMul(columns, g.Transpose(matrix, perm=[0, 2, 1]))
    result = g.reshape(g.Transpose(result, perm=[0, 1, 3, 2]), [batch, out, *outputs])
    if bias is None:
        return result
    return g.Add(result, g.reshape(bias, [out, *[1] * dims]))


def windowed_transpose(
    g: Builder,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    strides: list[int],
    pads: list[int],
    extra: list[int],
    dilations: list[int],
    groups: Dim,
) -> Tensor:
    """A transposed convolution as a plain one.

    1. stride - 1 zeros between the elements of the input, and a border of dilation * (kernel - 1)
       less the padding around it.
    2. The kernel backwards, and its channels in and out swapped within each group.
    """
    dims = len(strides)
    batch, channels, *sizes = x.require_shape()
    _, width, *kernel = weight.require_shape()
    spread = g.reshape(x, [batch, channels, *(d for n in sizes for d in (n, 1))])
    zeros = [0, 0, *(d for s in strides for d in (0, s - 1))]
    if any(zeros):
        spread = g.Pad(spread, [0] * len(zeros) + zeros)
    x = g.reshape(spread, [batch, channels, *(n * s for n, s in zip(sizes, strides, strict=True))])
    reach = [d * (k - 1) for d, k in zip(dilations, kernel, strict=True)]
    border: list[Dim] = []
    for i in reversed(range(dims)):
        begin = reach[i] - pads[i]
        # The zeros behind the last element count as border.
        border += [begin, begin + extra[i] - (strides[i] - 1)]
    x = constant_pad_nd(g, x, border)
    split = g.reshape(weight, [groups, channels // groups, width, *kernel])
    swapped = g.Transpose(split, perm=[0, 2, 1, *range(3, 3 + dims)])
    flipped = g.reshape(swapped, [groups * width, channels // groups, *kernel])
    lowest = -(2**63)
    axes = list(range(2, 2 + dims))
    flipped = g.Slice(flipped, [-1] * dims, [lowest] * dims, axes, [-1] * dims)
    ones, none = [1] * dims, [0] * (2 * dims)
    return windowed_convolution(g, x, flipped, bias, ones, none, dilations, groups)


@symbolic(
    "aten::_convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation, bool transposed, SymInt[] output_padding, SymInt groups, bool benchmark, bool deterministic, bool cudnn_enabled, bool allow_tf32) -> Tensor"
)
def _convolution(
    g: Builder,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[Dim],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[Dim],
    groups: Dim,
    benchmark: bool,
    deterministic: bool,
    cudnn_enabled: bool,
    allow_tf32: bool,
) -> Tensor:
    """`convolution`, as traces record it; the rest chooses a kernel."""
    return convolution(
        g, input, weight, bias, stride, padding, dilation, transposed, output_padding, groups
    )


@symbolic(
    "aten::_convolution.deprecated(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation, bool transposed, int[] output_padding, SymInt groups, bool benchmark, bool deterministic, bool cudnn_enabled) -> Tensor"
)
def _convolution_deprecated(
    g: Builder,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[Dim],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[Dim],
    groups: Dim,
    benchmark: bool,
    deterministic: bool,
    cudnn_enabled: bool,
) -> Tensor:
    """`convolution`, as archives of PyTorch before 1.7 record it."""
    return convolution(
        g, input, weight, bias, stride, padding, dilation, transposed, output_padding, groups
    )


@symbolic(
    "aten::_convolution_mode(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, str padding, SymInt[] dilation, SymInt groups) -> Tensor"
)
def _convolution_mode(
    g: Builder,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: str,
    dilation: Sequence[int],
    groups: Dim,
) -> Tensor:
    """Padding by name: "valid" is none; "same" keeps the size, the odd element going to the end."""
    dims = weight.require_rank() - 2
    strides = spatial(stride, dims, "stride")
    dilations = spatial(dilation, dims, "dilation")
    if padding == "valid":
        pads = [0] * (2 * dims)
    elif padding == "same":
        kernel = kernel_shape(weight)
        if kernel is None:
            raise Unsupported('padding="same" with a kernel size only known at run time')
        if any(s != 1 for s in strides):
            raise Unsupported(f'padding="same" with stride {strides}: PyTorch refuses it')
        total = [d * (k - 1) for d, k in zip(dilations, kernel, strict=True)]
        pads = [t // 2 for t in total] + [t - t // 2 for t in total]
    else:
        raise Unsupported(f"padding={padding!r}")
    return padded_convolution(g, input, weight, bias, strides, pads, dilations, groups)


@symbolic(
    "aten::conv1d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=[1], SymInt[1] padding=[0], SymInt[1] dilation=[1], SymInt groups=1) -> Tensor"
)
def conv1d(
    g: Builder,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1,),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    groups: Dim = 1,
) -> Tensor:
    """`convolution` over one dim."""
    return convolution(g, input, weight, bias, stride, padding, dilation, False, [0], groups)


@symbolic(
    "aten::conv2d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=[1, 1], SymInt[2] padding=[0, 0], SymInt[2] dilation=[1, 1], SymInt groups=1) -> Tensor"
)
def conv2d(
    g: Builder,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    groups: Dim = 1,
) -> Tensor:
    """`convolution` over two dims."""
    return convolution(g, input, weight, bias, stride, padding, dilation, False, [0], groups)


@symbolic(
    "aten::conv3d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=[1, 1, 1], SymInt[3] padding=[0, 0, 0], SymInt[3] dilation=[1, 1, 1], SymInt groups=1) -> Tensor"
)
def conv3d(
    g: Builder,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1, 1, 1),
    padding: Sequence[int] = (0, 0, 0),
    dilation: Sequence[int] = (1, 1, 1),
    groups: Dim = 1,
) -> Tensor:
    """`convolution` over three dims."""
    return convolution(g, input, weight, bias, stride, padding, dilation, False, [0], groups)


@symbolic(
    'aten::conv1d.padding(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=[1], str padding="valid", SymInt[1] dilation=[1], SymInt groups=1) -> Tensor'
)
def conv1d_padding(
    g: Builder,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1,),
    padding: str = "valid",
    dilation: Sequence[int] = (1,),
    groups: Dim = 1,
) -> Tensor:
    """`conv1d` with its padding by name."""
    return _convolution_mode(g, input, weight, bias, stride, padding, dilation, groups)


@symbolic(
    'aten::conv2d.padding(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=[1, 1], str padding="valid", SymInt[2] dilation=[1, 1], SymInt groups=1) -> Tensor'
)
def conv2d_padding(
    g: Builder,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1, 1),
    padding: str = "valid",
    dilation: Sequence[int] = (1, 1),
    groups: Dim = 1,
) -> Tensor:
    """`conv2d` with its padding by name."""
    return _convolution_mode(g, input, weight, bias, stride, padding, dilation, groups)


@symbolic(
    'aten::conv3d.padding(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=[1, 1, 1], str padding="valid", SymInt[3] dilation=[1, 1, 1], SymInt groups=1) -> Tensor'
)
def conv3d_padding(
    g: Builder,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1, 1, 1),
    padding: str = "valid",
    dilation: Sequence[int] = (1, 1, 1),
    groups: Dim = 1,
) -> Tensor:
    """`conv3d` with its padding by name."""
    return _convolution_mode(g, input, weight, bias, stride, padding, dilation, groups)


@symbolic(
    "aten::conv_transpose1d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=[1], SymInt[1] padding=[0], SymInt[1] output_padding=[0], SymInt groups=1, SymInt[1] dilation=[1]) -> Tensor"
)
def conv_transpose1d(
    g: Builder,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1,),
    padding: Sequence[int] = (0,),
    output_padding: Sequence[int] = (0,),
    groups: Dim = 1,
    dilation: Sequence[int] = (1,),
) -> Tensor:
    """The gradient of `conv1d` with respect to its input."""
    return convolution(
        g, input, weight, bias, stride, padding, dilation, True, output_padding, groups
    )


@symbolic(
    "aten::conv_transpose2d.input(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=[1, 1], SymInt[2] padding=[0, 0], SymInt[2] output_padding=[0, 0], SymInt groups=1, SymInt[2] dilation=[1, 1]) -> Tensor"
)
def conv_transpose2d_input(
    g: Builder,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0),
    output_padding: Sequence[int] = (0, 0),
    groups: Dim = 1,
    dilation: Sequence[int] = (1, 1),
) -> Tensor:
    """The gradient of `conv2d` with respect to its input."""
    return convolution(
        g, input, weight, bias, stride, padding, dilation, True, output_padding, groups
    )


@symbolic(
    "aten::conv_transpose3d.input(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=[1, 1, 1], SymInt[3] padding=[0, 0, 0], SymInt[3] output_padding=[0, 0, 0], SymInt groups=1, SymInt[3] dilation=[1, 1, 1]) -> Tensor"
)
def conv_transpose3d_input(
    g: Builder,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1, 1, 1),
    padding: Sequence[int] = (0, 0, 0),
    output_padding: Sequence[int] = (0, 0, 0),
    groups: Dim = 1,
    dilation: Sequence[int] = (1, 1, 1),
) -> Tensor:
    """The gradient of `conv3d` with respect to its input."""
    return convolution(
        g, input, weight, bias, stride, padding, dilation, True, output_padding, groups
    )


@symbolic("aten::conv_tbc(Tensor self, Tensor weight, Tensor bias, int pad=0) -> Tensor")
def conv_tbc(g: Builder, self: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """`conv1d` with time first and channels last; the weight is [kernel, channels in, out]."""
    x = g.Transpose(self, perm=[1, 2, 0])
    kernel = g.Transpose(weight, perm=[2, 1, 0])
    result = padded_convolution(g, x, kernel, bias, [1], [pad, pad], [1], 1)
    return g.Transpose(result, perm=[2, 0, 1])
