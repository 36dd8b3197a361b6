"""Images taken apart into windows and put together again, and channels moved to space and back."""

from __future__ import annotations

import math
from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim, Shape
from exporter.onnx_graph.values import Tensor
from symbolics.layers.windows import (
    any_spatial,
    batched,
    gathered_windows,
    spatial,
    unbatched,
    window_indices,
)
from symbolics.registry import Raised, symbolic
from symbolics.rules import FLOAT

__all__ = ["col2im", "im2col", "pixel_shuffle"]


@symbolic(
    "aten::im2col(Tensor self, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride) -> Tensor"
)
def im2col(
    g: Builder,
    self: Tensor,
    kernel_size: Sequence[Dim],
    dilation: Sequence[Dim],
    padding: Sequence[Dim],
    stride: Sequence[Dim],
) -> Tensor:
    """The windows of an image as columns: [N, C * kernel, outputs]."""
    x, had_batch = batched(g, self, 2)
    kernel, pads = any_spatial(kernel_size, 2, "kernel_size"), any_spatial(padding, 2, "padding")
    strides, dilations = any_spatial(stride, 2, "stride"), any_spatial(dilation, 2, "dilation")
    if pads != [0, 0]:
        x = g.Pad(x, [0, 0, *pads, 0, 0, *pads])
    batch, channels, *sizes = x.require_shape()
    outputs = [
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(sizes, kernel, strides, dilations, strict=True)
    ]
    tables = [
        window_indices(g, o, k, s, d)
        for o, k, s, d in zip(outputs, kernel, strides, dilations, strict=True)
    ]
    # [N, C, rows, columns, kernel rows, kernel columns]
    windows = g.Transpose(gathered_windows(g, x, tables), perm=[0, 1, 4, 5, 2, 3])
    columns = g.reshape(windows, [batch, channels * math.prod(kernel), math.prod(outputs)])
    return unbatched(g, columns, had_batch)


@symbolic(
    "aten::col2im(Tensor self, SymInt[2] output_size, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride) -> Tensor"
)
def col2im(
    g: Builder,
    self: Tensor,
    output_size: Sequence[Dim],
    kernel_size: Sequence[int],
    dilation: Sequence[int],
    padding: Sequence[int],
    stride: Sequence[int],
) -> Tensor:
    """The image that columns are the windows of; where windows overlap, the sum."""
    had_batch = self.require_rank() == 3
    x = self if had_batch else g.Unsqueeze(self, axes=[0])
    image = g.Col2Im(
        x,
        list(output_size),
        spatial(kernel_size, 2, "kernel_size"),
        dilations=spatial(dilation, 2, "dilation"),
        pads=spatial(padding, 2, "padding") * 2,
        strides=spatial(stride, 2, "stride"),
    )
    return unbatched(g, image, had_batch)


def _image(self: Tensor) -> Shape:
    """The shape of an image, which has channels, rows and columns."""
    if len(shape := self.require_shape()) < 3:
        raise Raised(f"channels and pixels of a tensor with {len(shape)} dims: it takes 3 or more")
    return shape


@symbolic("aten::pixel_shuffle(Tensor self, int upscale_factor) -> Tensor")
def pixel_shuffle(g: Builder, self: Tensor, upscale_factor: Dim) -> Tensor:
    """Channels in blocks of r * r become r rows by r columns of space."""
    r = upscale_factor
    *lead, channels, height, width = _image(self)
    if len(lead) == 1 and self.dtype == FLOAT and isinstance(r, int):
        return g.DepthToSpace(self, blocksize=r, mode="CRD")
    n = len(lead)
    out = channels // (r * r)
    split = g.reshape(self, [*lead, out, r, r, height, width])
    mixed = g.Transpose(split, perm=[*range(n), n, n + 3, n + 1, n + 4, n + 2])
    return g.reshape(mixed, [*lead, out, height * r, width * r])


@symbolic("aten::pixel_unshuffle(Tensor self, int downscale_factor) -> Tensor")
def pixel_unshuffle(g: Builder, self: Tensor, downscale_factor: Dim) -> Tensor:
    """Undo `pixel_shuffle`. ONNX SpaceToDepth has another order of channels."""
    r = downscale_factor
    *lead, channels, height, width = _image(self)
    n = len(lead)
    split = g.reshape(self, [*lead, channels, height // r, r, width // r, r])
    mixed = g.Transpose(split, perm=[*range(n), n, n + 2, n + 4, n + 1, n + 3])
    return g.reshape(mixed, [*lead, channels * r * r, height // r, width // r])


@symbolic("aten::native_channel_shuffle(Tensor self, SymInt groups) -> Tensor")
@symbolic("aten::channel_shuffle(Tensor self, SymInt groups) -> Tensor")
def channel_shuffle(g: Builder, self: Tensor, groups: int) -> Tensor:
    """Channels, seen as [groups, rest], in the order of [rest, groups]."""
    batch, channels, *sizes = _image(self)
    rank = len(sizes)
    split = g.reshape(self, [batch, groups, channels // groups, *sizes])
    mixed = g.Transpose(split, perm=[0, 2, 1, *range(3, 3 + rank)])
    return g.reshape(mixed, [batch, channels, *sizes])
