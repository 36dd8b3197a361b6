"""Interpolation to another size: nearest, linear, cubic, and the antialiased kinds.

Each comes in two forms: by output size, with scales that may replace the ratio of the sizes in the
coordinates; and `.vec`, by either. Sampling at arbitrary places is `grid_sample`.
"""

from __future__ import annotations

from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Tensor
from symbolics.images.resampling import (
    CUBIC_AA,
    CUBIC_KIND,
    LANCZOS_AA,
    LINEAR_AA,
    LINEAR_KIND,
    NEAREST,
    NEAREST_EXACT,
    axes_of,
    resampled,
)
from symbolics.registry import symbolic

__all__ = ["upsample_bilinear2d", "upsample_nearest2d"]


@symbolic(
    "aten::upsample_nearest1d(Tensor self, SymInt[1] output_size, float? scales=None) -> Tensor"
)
def upsample_nearest1d(
    g: Builder,
    self: Tensor,
    output_size: Sequence[Dim],
    scales: float | None = None,
) -> Tensor:
    """The element at floor(index * size in / size out)."""
    axes = axes_of(g, self, output_size, [scales], False)
    return resampled(g, self, axes, NEAREST)


@symbolic(
    "aten::upsample_nearest1d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor"
)
def upsample_nearest1d_vec(
    g: Builder,
    input: Tensor,
    output_size: Sequence[Dim] | None,
    scale_factors: Sequence[float] | None,
) -> Tensor:
    """`upsample_nearest1d` by sizes or by scale factors."""
    return resampled(g, input, axes_of(g, input, output_size, scale_factors, False), NEAREST)


@symbolic(
    "aten::upsample_nearest2d(Tensor self, SymInt[2] output_size, float? scales_h=None, float? scales_w=None) -> Tensor"
)
def upsample_nearest2d(
    g: Builder,
    self: Tensor,
    output_size: Sequence[Dim],
    scales_h: float | None = None,
    scales_w: float | None = None,
) -> Tensor:
    """The element at floor(index * size in / size out)."""
    axes = axes_of(g, self, output_size, [scales_h, scales_w], False)
    return resampled(g, self, axes, NEAREST)


@symbolic(
    "aten::upsample_nearest2d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor"
)
def upsample_nearest2d_vec(
    g: Builder,
    input: Tensor,
    output_size: Sequence[Dim] | None,
    scale_factors: Sequence[float] | None,
) -> Tensor:
    """`upsample_nearest2d` by sizes or by scale factors."""
    return resampled(g, input, axes_of(g, input, output_size, scale_factors, False), NEAREST)


@symbolic(
    "aten::upsample_nearest3d(Tensor self, SymInt[3] output_size, float? scales_d=None, float? scales_h=None, float? scales_w=None) -> Tensor"
)
def upsample_nearest3d(
    g: Builder,
    self: Tensor,
    output_size: Sequence[Dim],
    scales_d: float | None = None,
    scales_h: float | None = None,
    scales_w: float | None = None,
) -> Tensor:
    """The element at floor(index * size in / size out)."""
    axes = axes_of(g, self, output_size, [scales_d, scales_h, scales_w], False)
    return resampled(g, self, axes, NEAREST)


@symbolic(
    "aten::upsample_nearest3d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor"
)
def upsample_nearest3d_vec(
    g: Builder,
    input: Tensor,
    output_size: Sequence[Dim] | None,
    scale_factors: Sequence[float] | None,
) -> Tensor:
    """`upsample_nearest3d` by sizes or by scale factors."""
    return resampled(g, input, axes_of(g, input, output_size, scale_factors, False), NEAREST)


@symbolic(
    "aten::_upsample_nearest_exact1d(Tensor self, SymInt[1] output_size, float? scales=None) -> Tensor"
)
def _upsample_nearest_exact1d(
    g: Builder,
    self: Tensor,
    output_size: Sequence[Dim],
    scales: float | None = None,
) -> Tensor:
    """The element at floor((index + 0.5) * size in / size out)."""
    axes = axes_of(g, self, output_size, [scales], False)
    return resampled(g, self, axes, NEAREST_EXACT)


@symbolic(
    "aten::_upsample_nearest_exact1d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor"
)
def _upsample_nearest_exact1d_vec(
    g: Builder,
    input: Tensor,
    output_size: Sequence[Dim] | None,
    scale_factors: Sequence[float] | None,
) -> Tensor:
    """`_upsample_nearest_exact1d` by sizes or by scale factors."""
    return resampled(g, input, axes_of(g, input, output_size, scale_factors, False), NEAREST_EXACT)


@symbolic(
    "aten::_upsample_nearest_exact2d(Tensor self, SymInt[2] output_size, float? scales_h=None, float? scales_w=None) -> Tensor"
)
def _upsample_nearest_exact2d(
    g: Builder,
    self: Tensor,
    output_size: Sequence[Dim],
    scales_h: float | None = None,
    scales_w: float | None = None,
) -> Tensor:
    """The element at floor((index + 0.5) * size in / size out)."""
    axes = axes_of(g, self, output_size, [scales_h, scales_w], False)
    return resampled(g, self, axes, NEAREST_EXACT)


@symbolic(
    "aten::_upsample_nearest_exact2d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor"
)
def _upsample_nearest_exact2d_vec(
    g: Builder,
    input: Tensor,
    output_size: Sequence[Dim] | None,
    scale_factors: Sequence[float] | None,
) -> Tensor:
    """`_upsample_nearest_exact2d` by sizes or by scale factors."""
    return resampled(g, input, axes_of(g, input, output_size, scale_factors, False), NEAREST_EXACT)


@symbolic(
    "aten::_upsample_nearest_exact3d(Tensor self, SymInt[3] output_size, float? scales_d=None, float? scales_h=None, float? scales_w=None) -> Tensor"
)
def _upsample_nearest_exact3d(
    g: Builder,
    self: Tensor,
    output_size: Sequence[Dim],
    scales_d: float | None = None,
    scales_h: float | None = None,
    scales_w: float | None = None,
) -> Tensor:
    """The element at floor((index + 0.5) * size in / size out)."""
    axes = axes_of(g, self, output_size, [scales_d, scales_h, scales_w], False)
    return resampled(g, self, axes, NEAREST_EXACT)


@symbolic(
    "aten::_upsample_nearest_exact3d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor"
)
def _upsample_nearest_exact3d_vec(
    g: Builder,
    input: Tensor,
    output_size: Sequence[Dim] | None,
    scale_factors: Sequence[float] | None,
) -> Tensor:
    """`_upsample_nearest_exact3d` by sizes or by scale factors."""
    return resampled(g, input, axes_of(g, input, output_size, scale_factors, False), NEAREST_EXACT)


@symbolic(
    "aten::upsample_linear1d(Tensor self, SymInt[1] output_size, bool align_corners, float? scales=None) -> Tensor"
)
def upsample_linear1d(
    g: Builder,
    self: Tensor,
    output_size: Sequence[Dim],
    align_corners: bool,
    scales: float | None = None,
) -> Tensor:
    """Linear interpolation."""
    axes = axes_of(g, self, output_size, [scales], align_corners)
    return resampled(g, self, axes, LINEAR_KIND)


@symbolic(
    "aten::upsample_linear1d.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor"
)
def upsample_linear1d_vec(
    g: Builder,
    input: Tensor,
    output_size: Sequence[Dim] | None,
    align_corners: bool,
    scale_factors: Sequence[float] | None,
) -> Tensor:
    """`upsample_linear1d` by sizes or by scale factors."""
    return resampled(
        g, input, axes_of(g, input, output_size, scale_factors, align_corners), LINEAR_KIND
    )


@symbolic(
    "aten::upsample_bilinear2d(Tensor self, SymInt[2] output_size, bool align_corners, float? scales_h=None, float? scales_w=None) -> Tensor"
)
def upsample_bilinear2d(
    g: Builder,
    self: Tensor,
    output_size: Sequence[Dim],
    align_corners: bool,
    scales_h: float | None = None,
    scales_w: float | None = None,
) -> Tensor:
    """Linear interpolation."""
    axes = axes_of(g, self, output_size, [scales_h, scales_w], align_corners)
    return resampled(g, self, axes, LINEAR_KIND)


@symbolic(
    "aten::upsample_bilinear2d.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor"
)
def upsample_bilinear2d_vec(
    g: Builder,
    input: Tensor,
    output_size: Sequence[Dim] | None,
    align_corners: bool,
    scale_factors: Sequence[float] | None,
) -> Tensor:
    """`upsample_bilinear2d` by sizes or by scale factors."""
    return resampled(
        g, input, axes_of(g, input, output_size, scale_factors, align_corners), LINEAR_KIND
    )


@symbolic(
    "aten::upsample_trilinear3d(Tensor self, SymInt[3] output_size, bool align_corners, float? scales_d=None, float? scales_h=None, float? scales_w=None) -> Tensor"
)
def upsample_trilinear3d(
    g: Builder,
    self: Tensor,
    output_size: Sequence[Dim],
    align_corners: bool,
    scales_d: float | None = None,
    scales_h: float | None = None,
    scales_w: float | None = None,
) -> Tensor:
    """Linear interpolation."""
    axes = axes_of(g, self, output_size, [scales_d, scales_h, scales_w], align_corners)
    return resampled(g, self, axes, LINEAR_KIND)


@symbolic(
    "aten::upsample_trilinear3d.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor"
)
def upsample_trilinear3d_vec(
    g: Builder,
    input: Tensor,
    output_size: Sequence[Dim] | None,
    align_corners: bool,
    scale_factors: Sequence[float] | None,
) -> Tensor:
    """`upsample_trilinear3d` by sizes or by scale factors."""
    return resampled(
        g, input, axes_of(g, input, output_size, scale_factors, align_corners), LINEAR_KIND
    )


@symbolic(
    "aten::upsample_bicubic2d(Tensor self, SymInt[2] output_size, bool align_corners, float? scales_h=None, float? scales_w=None) -> Tensor"
)
def upsample_bicubic2d(
    g: Builder,
    self: Tensor,
    output_size: Sequence[Dim],
    align_corners: bool,
    scales_h: float | None = None,
    scales_w: float | None = None,
) -> Tensor:
    """Cubic interpolation."""
    axes = axes_of(g, self, output_size, [scales_h, scales_w], align_corners)
    return resampled(g, self, axes, CUBIC_KIND)


@symbolic(
    "aten::upsample_bicubic2d.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor"
)
def upsample_bicubic2d_vec(
    g: Builder,
    input: Tensor,
    output_size: Sequence[Dim] | None,
    align_corners: bool,
    scale_factors: Sequence[float] | None,
) -> Tensor:
    """`upsample_bicubic2d` by sizes or by scale factors."""
    return resampled(
        g, input, axes_of(g, input, output_size, scale_factors, align_corners), CUBIC_KIND
    )


@symbolic(
    "aten::_upsample_bilinear2d_aa(Tensor self, SymInt[2] output_size, bool align_corners, float? scales_h=None, float? scales_w=None) -> Tensor"
)
def _upsample_bilinear2d_aa(
    g: Builder,
    self: Tensor,
    output_size: Sequence[Dim],
    align_corners: bool,
    scales_h: float | None = None,
    scales_w: float | None = None,
) -> Tensor:
    """Linear interpolation with a filter as wide as the output is coarser."""
    axes = axes_of(g, self, output_size, [scales_h, scales_w], align_corners)
    return resampled(g, self, axes, LINEAR_AA)


@symbolic(
    "aten::_upsample_bilinear2d_aa.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor"
)
def _upsample_bilinear2d_aa_vec(
    g: Builder,
    input: Tensor,
    output_size: Sequence[Dim] | None,
    align_corners: bool,
    scale_factors: Sequence[float] | None,
) -> Tensor:
    """`_upsample_bilinear2d_aa` by sizes or by scale factors."""
    return resampled(
        g, input, axes_of(g, input, output_size, scale_factors, align_corners), LINEAR_AA
    )


@symbolic(
    "aten::_upsample_bicubic2d_aa(Tensor self, SymInt[2] output_size, bool align_corners, float? scales_h=None, float? scales_w=None) -> Tensor"
)
def _upsample_bicubic2d_aa(
    g: Builder,
    self: Tensor,
    output_size: Sequence[Dim],
    align_corners: bool,
    scales_h: float | None = None,
    scales_w: float | None = None,
) -> Tensor:
    """Cubic interpolation with a filter as wide as the output is coarser."""
    axes = axes_of(g, self, output_size, [scales_h, scales_w], align_corners)
    return resampled(g, self, axes, CUBIC_AA)


@symbolic(
    "aten::_upsample_bicubic2d_aa.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor"
)
def _upsample_bicubic2d_aa_vec(
    g: Builder,
    input: Tensor,
    output_size: Sequence[Dim] | None,
    align_corners: bool,
    scale_factors: Sequence[float] | None,
) -> Tensor:
    """`_upsample_bicubic2d_aa` by sizes or by scale factors."""
    return resampled(
        g, input, axes_of(g, input, output_size, scale_factors, align_corners), CUBIC_AA
    )


@symbolic(
    "aten::_upsample_lanczos2d_aa(Tensor self, SymInt[2] output_size, bool align_corners, float? scales_h=None, float? scales_w=None) -> Tensor"
)
def _upsample_lanczos2d_aa(
    g: Builder,
    self: Tensor,
    output_size: Sequence[Dim],
    align_corners: bool,
    scales_h: float | None = None,
    scales_w: float | None = None,
) -> Tensor:
    """A windowed sinc of six elements, as much wider as the output is coarser."""
    axes = axes_of(g, self, output_size, [scales_h, scales_w], align_corners)
    return resampled(g, self, axes, LANCZOS_AA)


@symbolic(
    "aten::_upsample_lanczos2d_aa.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor"
)
def _upsample_lanczos2d_aa_vec(
    g: Builder,
    input: Tensor,
    output_size: Sequence[Dim] | None,
    align_corners: bool,
    scale_factors: Sequence[float] | None,
) -> Tensor:
    """`_upsample_lanczos2d_aa` by sizes or by scale factors."""
    return resampled(
        g, input, axes_of(g, input, output_size, scale_factors, align_corners), LANCZOS_AA
    )
