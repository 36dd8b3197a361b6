"""The whole of `F.interpolate` as one operator, as TorchScript had it before it compiled the function.

What is computed is in `resampling`, the operators that `F.interpolate` calls by now in `upsampling`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, TypeVar

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import SymFloat, Tensor
from symbolics.images.resampling import (
    CUBIC_KIND,
    LINEAR_KIND,
    NEAREST,
    axes_of,
    resampled,
    scaled_size,
)
from symbolics.layers.adaptive_pooling import adaptive_avg_pool
from symbolics.registry import Raised, symbolic

__all__: list[str] = []

N = TypeVar("N")
Factor: TypeAlias = "float | SymFloat"

_KINDS = {
    "nearest": (NEAREST, (1, 2, 3)),
    "linear": (LINEAR_KIND, (1,)),
    "bilinear": (LINEAR_KIND, (2,)),
    "trilinear": (LINEAR_KIND, (3,)),
    "bicubic": (CUBIC_KIND, (2,)),
}


@symbolic(
    'aten::__interpolate(Tensor input, int? size=None, float? scale_factor=None, str mode="nearest", bool? align_corners=None, bool? recompute_scale_factor=None, bool antialias=False) -> Tensor'
)
@symbolic(
    'aten::__interpolate.size_list(Tensor input, int[]? size=None, float? scale_factor=None, str mode="nearest", bool? align_corners=None, bool? recompute_scale_factor=None, bool antialias=False) -> Tensor'
)
@symbolic(
    'aten::__interpolate.scale_list(Tensor input, int? size=None, float[]? scale_factor=None, str mode="nearest", bool? align_corners=None, bool? recompute_scale_factor=None, bool antialias=False) -> Tensor'
)
@symbolic(
    'aten::__interpolate.size_list_scale_list(Tensor input, int[]? size=None, float[]? scale_factor=None, str mode="nearest", bool? align_corners=None, bool? recompute_scale_factor=None, bool antialias=False) -> Tensor'
)
def __interpolate(
    g: Builder,
    input: Tensor,
    size: Dim | Sequence[Dim] | None = None,
    scale_factor: Factor | Sequence[Factor] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """To a size, or by factors, which the ratio of the sizes replaces unless told not to."""
    if (size is None) == (scale_factor is None):
        raise Raised("interpolation takes either a size or a scale factor")
    dims = input.require_rank() - 2
    sizes: list[Dim] | None = _each(size, dims, "size")
    factors: list[Factor] | None = _each(scale_factor, dims, "scale_factor")
    if factors is not None and (recompute_scale_factor is not False or mode == "area"):
        shape = input.require_shape()[2:]
        sizes = [scaled_size(g, n, f) for n, f in zip(shape, factors, strict=True)]
        factors = None
    if mode == "area" and sizes is not None:
        return adaptive_avg_pool(g, input, dims, sizes)
    kind, allowed = _KINDS.get(mode, (None, ()))
    if antialias or kind is None or dims not in allowed:
        raise Raised(f"interpolation with antialias={antialias}, mode={mode!r} of {dims} dims")
    axes = axes_of(g, input, sizes, factors, bool(align_corners))
    return resampled(g, input, axes, kind)


def _each(given: N | Sequence[N] | None, dims: int, name: str) -> list[N] | None:
    """One number for each spatial dim."""
    if given is None:
        return None
    if not isinstance(given, Sequence):
        return [given] * dims
    if len(given) != dims:
        raise Raised(f"interpolation of {dims} dims with {len(given)} numbers as {name}")
    return list(given)


@symbolic(
    'aten::__upsample(Tensor input, int? size=None, int? scale_factor=None, str mode="nearest", bool? align_corners=None) -> Tensor'
)
@symbolic(
    'aten::__upsample.size_list(Tensor input, int[]? size=None, int? scale_factor=None, str mode="nearest", bool? align_corners=None) -> Tensor'
)
def __upsample(
    g: Builder,
    input: Tensor,
    size: Dim | Sequence[Dim] | None = None,
    scale_factor: int | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """`F.interpolate` by a whole factor."""
    return __interpolate(g, input, size, scale_factor, mode, align_corners)


@symbolic(
    "aten::__upsample_nearest(Tensor input, int? size=None, int? scale_factor=None) -> Tensor"
)
@symbolic(
    "aten::__upsample_nearest.size_list(Tensor input, int[]? size=None, int? scale_factor=None) -> Tensor"
)
def __upsample_nearest(
    g: Builder,
    input: Tensor,
    size: Dim | Sequence[Dim] | None = None,
    scale_factor: int | None = None,
) -> Tensor:
    """`F.interpolate` to the nearest element."""
    return __interpolate(g, input, size, scale_factor)


@symbolic(
    "aten::__upsample_bilinear(Tensor input, int? size=None, int? scale_factor=None) -> Tensor"
)
@symbolic(
    "aten::__upsample_bilinear.size_list(Tensor input, int[]? size=None, int? scale_factor=None) -> Tensor"
)
@symbolic(
    "aten::__upsample_bilinear.scale_list(Tensor input, int? size=None, int[]? scale_factor=None) -> Tensor"
)
@symbolic(
    "aten::__upsample_bilinear.size_list_scale_list(Tensor input, int[]? size=None, int[]? scale_factor=None) -> Tensor"
)
def __upsample_bilinear(
    g: Builder,
    input: Tensor,
    size: Dim | Sequence[Dim] | None = None,
    scale_factor: int | Sequence[int] | None = None,
) -> Tensor:
    """Bilinear interpolation with the corners aligned."""
    return __interpolate(g, input, size, scale_factor, "bilinear", True)
