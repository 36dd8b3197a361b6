"""Pooling in the forms that older opsets lack, and in those that onnxruntime is fast at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from exporter.errors import UnsupportedError as Unsupported
from exporter.onnx_graph.lowerings.registry import ALWAYS, lowering
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

# Opset 19 gave AveragePool dilations. onnxruntime's kernel for that one (1.20 to 1.32) takes three
# to fifty times as long as the one before.
SLOW_AVERAGES = 19
# Images whose channels come in such blocks have a kernel of their own at every opset.
CHANNEL_BLOCK = 16


@lowering("MaxPool", before=10)
def max_pool(
    g: Builder,
    X: Tensor,
    *,
    kernel_shape: Sequence[int],
    ceil_mode: int = 0,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    outputs: int = 1,
    **rest: Any,
) -> Any:
    """ceil_mode came with opset 10: the last, partial window is reached by more padding."""
    if dilations is not None and any(d != 1 for d in dilations):
        raise Unsupported("MaxPool with dilations needs opset 10")
    if ceil_mode:
        pads = _ceil_pads(X, kernel_shape, pads, strides)
    return g.native(
        "MaxPool",
        X,
        kernel_shape=kernel_shape,
        pads=pads,
        strides=strides,
        outputs=outputs,
        **rest,
    )


@lowering("AveragePool", before=ALWAYS)
def average_pool(
    g: Builder,
    X: Tensor,
    *,
    kernel_shape: Sequence[int],
    ceil_mode: int = 0,
    count_include_pad: int | None = 0,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
    **rest: Any,
) -> Any:
    """As MaxPool, where padding does not count; or a convolution of each channel by itself.

    That is the same mean if all windows have the same number of elements.
    """
    if ceil_mode and g.opset < 10:
        if count_include_pad:
            raise Unsupported("AveragePool with ceil_mode and count_include_pad needs opset 10")
        pads, ceil_mode = _ceil_pads(X, kernel_shape, pads, strides), 0
    alike = not ceil_mode and (count_include_pad or not any(pads or ())) and not rest
    if alike and g.opset >= SLOW_AVERAGES and _is_slow(X):
        return _mean_by_conv(g, X, kernel_shape, pads, strides)
    return g.native(
        "AveragePool",
        X,
        kernel_shape=kernel_shape,
        count_include_pad=count_include_pad,
        pads=pads,
        strides=strides,
        ceil_mode=ceil_mode or None,
        **rest,
    )


def _is_slow(x: Tensor) -> bool:
    """Whether onnxruntime has just the slow kernel, and a convolution can be said.

    A float16 of 1/9 is too far from it.
    """
    if x.dtype != ir.DataType.FLOAT or x.shape is None:
        return False
    _, channels, *sizes = x.shape
    if not isinstance(channels, int):
        return all(isinstance(size, int) for size in sizes)
    return channels > 0 and (len(sizes) != 2 or channels % CHANNEL_BLOCK != 0)


def _mean_by_conv(
    g: Builder,
    x: Tensor,
    kernel: Sequence[int],
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
) -> Tensor:
    """Each channel convolved by itself; as an image with one where their number is not known."""
    batch, channels, *sizes = x.require_shape()
    known = isinstance(channels, int)
    share = g.constant(1 / math.prod(kernel), x.dtype)
    weights = g.Expand(share, [channels if known else 1, 1, *kernel])
    images = x if known else g.reshape(x, [-1, 1, *sizes])
    result: Tensor = g.Conv(
        images,
        weights,
        group=channels if known else 1,
        kernel_shape=kernel,
        pads=pads,
        strides=strides,
    )
    return result if known else g.reshape(result, [batch, channels, *result.require_shape()[2:]])


def _ceil_pads(
    x: Tensor, kernel: Sequence[int], pads: Sequence[int] | None, strides: Sequence[int] | None
) -> list[int]:
    """Pads whose ends let the last window fit; it must begin inside the input or its left pad."""
    count = len(kernel)
    result = [0] * (2 * count) if pads is None else list(pads)
    steps = [1] * count if strides is None else list(strides)
    for i, size in enumerate(x.require_shape()[-count:]):
        if not isinstance(size, int):
            if steps[i] == 1:
                continue
            raise Unsupported("pooling of a dynamic size with ceil_mode needs opset 10")
        padded = size + result[i] + result[i + count]
        windows = -(-(padded - kernel[i]) // steps[i]) + 1
        if (windows - 1) * steps[i] >= size + result[i]:
            windows -= 1
        missing = (windows - 1) * steps[i] + kernel[i] - padded
        result[i + count] += max(missing, 0)
    return result
