"""How a tensor is interpolated to another size; the operators themselves are in `upsampling`.

ONNX Resize is used where it gives PyTorch's numbers. Else (double, a nearest index that rounds the
other way, an output size that Resize would not come to) each dim is interpolated by itself, with
the elements and weights of `interpolation_taps`. Sampling at arbitrary places is `grid_sample`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import SymFloat, Tensor
from symbolics.images.interpolation_taps import (
    FILTERS,
    Axis,
    antialiased_taps,
    cubic_taps,
    linear_taps,
    nearest_indices,
    nearest_now,
)
from symbolics.registry import Raised, Unsupported
from symbolics.rules import DOUBLE, FLOAT, INT64, is_float

__all__ = [
    "CUBIC_AA",
    "CUBIC_KIND",
    "LANCZOS_AA",
    "LINEAR_AA",
    "LINEAR_KIND",
    "NEAREST",
    "NEAREST_EXACT",
    "Kind",
    "axes_of",
    "resampled",
]


@dataclass(frozen=True)
class Kind:
    """A way to interpolate: ONNX's mode, and what PyTorch means by it."""

    mode: str
    exact: bool = False
    antialias: bool = False
    coefficient: float = -0.75


NEAREST = Kind("nearest")
NEAREST_EXACT = Kind("nearest", exact=True)
LINEAR_KIND = Kind("linear")
CUBIC_KIND = Kind("cubic")
LINEAR_AA = Kind("linear", antialias=True)
CUBIC_AA = Kind("cubic", antialias=True, coefficient=-0.5)
LANCZOS_AA = Kind("lanczos", antialias=True)


# ------------------------------------------------------------ sizes


def scaled_size(g: Builder, size: Dim, scale: float | SymFloat) -> Dim:
    """floor(size * scale), computed in double."""
    if not isinstance(scale, SymFloat):
        if isinstance(size, int):
            return int(float(size) * scale)
        ratio = Fraction(scale)
        if ratio.denominator <= 1024:
            # Such a product is exact in double.
            return size * ratio.numerator // ratio.denominator
    return g.integer(g.cast(g.Floor(g.Mul(g.cast(g.constant(size), DOUBLE), scale)), INT64))


def axes_of(
    g: Builder,
    x: Tensor,
    output_size: Sequence[Dim] | None,
    scales: Sequence[float | SymFloat | None] | None,
    align_corners: bool,
) -> list[Axis]:
    """What happens to each spatial dim; scales make the output size where none is given."""
    sizes = x.require_shape()[2:]
    if output_size is None:
        if scales is None:
            raise Raised("interpolation with neither an output size nor scale factors")
        given = [s for s in scales if s is not None]
        output_size = [scaled_size(g, n, s) for n, s in zip(sizes, given, strict=True)]
    factors = [counting(f) for f in scales] if scales else [None] * len(sizes)
    planar = len(sizes) == 2
    return [
        Axis(n, o, bool(align_corners), f, planar)
        for n, o, f in zip(sizes, output_size, factors, strict=True)
    ]


def counting(factor: float | SymFloat | None) -> float | SymFloat | None:
    """The scale factor where it counts: above zero. One of run time is asked in `step`."""
    if factor is None or isinstance(factor, SymFloat):
        return factor
    return float(factor) if factor > 0 else None


def whole_ratio(axis: Axis) -> int | None:
    """k, where the output is k times the input, for small k."""
    return next((k for k in range(1, 65) if axis.size * k == axis.outputs), None)


# ------------------------------------------------------------ where Resize will do


def same_nearest(axis: Axis, kind: Kind) -> bool:
    """Whether Resize finds the same elements, by the arithmetic that both use: float32.

    PyTorch multiplies by the rounded inverse of the scale, ONNX divides by the scale.
    """
    ratio = whole_ratio(axis)
    if kind.exact and ratio is None:
        return False
    if axis.static:
        if not axis.size or not axis.outputs:
            return False
        tried = axis
        scale = np.float32(int(axis.outputs)) / np.float32(int(axis.size))
    elif ratio is not None:
        # Sizes of run time: tried out up to 65536 elements, beyond which rounding matters again.
        tried = replace(axis, size=65536 // ratio, outputs=65536 // ratio * ratio)
        scale = np.float32(ratio)
    else:
        return False
    places = np.arange(int(tried.outputs), dtype=np.float32)
    return bool((nearest_now(tried, kind.exact, FLOAT) == np.floor(places / scale)).all())


def same_scale(axis: Axis, kind: Kind, use_scale: bool) -> bool:
    """Whether Resize, given the scale, comes to the same output size and the same places.

    It multiplies in float32. And PyTorch, where a factor above 1 adds nothing to a small size,
    leaves linear interpolation out. Sizes of run time are tried out up to 65536.
    """
    if not use_scale or axis.scale is None:
        return True
    if isinstance(axis.scale, SymFloat):
        return False
    if axis.static:
        rounded = int(np.float32(int(axis.size)) * np.float32(axis.scale))
        return rounded == axis.outputs and (axis.size != axis.outputs or axis.scale == 1)
    if kind.antialias:
        exact = Fraction(axis.scale).denominator <= 1024
        return exact and (axis.scale <= 1 or axis.scale >= 2)
    sizes = np.arange(1, 65537)
    outputs = (sizes * axis.scale).astype(np.int64)
    rounded = (sizes.astype(np.float32) * np.float32(axis.scale)).astype(np.int64)
    # A single element stays what it is either way.
    left_out = axis.scale != 1 and bool((outputs == sizes)[1:].any())
    return bool((outputs == rounded).all()) and not left_out


def resize(g: Builder, x: Tensor, axes: Sequence[Axis], kind: Kind) -> Tensor | None:
    """The whole as one ONNX Resize, or None where that would give other numbers.

    1. Nearest, by whole scales or sizes, where Resize comes to the same elements.
    2. Linear and cubic between corners that are aligned, by sizes.
    3. Linear and cubic otherwise, by the factors if there are any, else by sizes.
    """
    if x.dtype == DOUBLE or not is_float(x.dtype) or kind.mode == "lanczos":
        return None
    spatial = list(range(2, 2 + len(axes)))
    if kind.mode == "nearest":
        if not all(same_nearest(a, kind) for a in axes):
            return None
        ratios = [whole_ratio(a) for a in axes]
        target = target_of(axes, ratios)
        return g.Resize(
            x,
            axes=spatial,
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
            **target,
        )
    align = axes[0].align_corners
    use_scale = not align and any(a.scale is not None for a in axes)
    if not align and any(
        (a.scale is None) == use_scale or not same_scale(a, kind, use_scale) for a in axes
    ):
        return None
    if align and kind.antialias:
        return None
    if len(axes) == 2 or kind.mode == "linear":
        target = (
            {"scales": [a.scale for a in axes]}
            if use_scale
            else target_of(axes, [whole_ratio(a) for a in axes])
        )
        return g.Resize(
            x,
            axes=spatial,
            mode=kind.mode,
            coordinate_transformation_mode="align_corners" if align else "half_pixel",
            cubic_coeff_a=kind.coefficient if kind.mode == "cubic" else None,
            antialias=1 if kind.antialias else None,
            exclude_outside=1 if kind.antialias else None,
            **target,
        )
    return None


def target_of(axes: Sequence[Axis], ratios: Sequence[int | None]) -> dict[str, object]:
    """Whole scales, which need no arithmetic and no sizes of other dims, else the sizes."""
    if all(r is not None for r in ratios):
        return {"scales": [float(r) for r in ratios if r is not None]}
    return {"sizes": [a.outputs for a in axes]}


# ------------------------------------------------------------ one dim after the other


def blended(g: Builder, x: Tensor, axis: int, table: Tensor, weights: Tensor) -> Tensor:
    """Sums of gathered elements times weights, both [outputs, taps], over one dim."""
    behind = x.require_rank() - axis - 1
    taps = g.Gather(x, table, axis=axis)
    shape = [*weights.require_shape(), *[1] * behind]
    weighted = g.Mul(taps, g.reshape(g.cast(weights, x.dtype), shape))
    return g.ReduceSum(weighted, axes=[axis + 1], keepdims=False)


def dim_by_dim(g: Builder, x: Tensor, axes: Sequence[Axis], kind: Kind) -> Tensor:
    """Every dim that changes, the last one first, as PyTorch's antialiased kinds do."""
    for i in reversed(range(len(axes))):
        axis = axes[i]
        if kind.mode == "nearest":
            if axis.size != axis.outputs or axis.scale not in (None, 1.0):
                x = g.Gather(x, nearest_indices(g, axis, kind.exact, x.dtype), axis=2 + i)
            continue
        if kind.antialias:
            table, weights = antialiased_taps(g, axis, FILTERS[kind.mode], x.dtype)
        elif kind.mode == "linear":
            table, weights = linear_taps(g, axis, x.dtype)
        else:
            table, weights = cubic_taps(g, axis, x.dtype)
        x = blended(g, x, 2 + i, table, weights)
    return x


def resampled(g: Builder, self: Tensor, axes: Sequence[Axis], kind: Kind) -> Tensor:
    """Interpolate the dims behind batch and channels.

    Half precision is computed in float32.
    """
    unchanged = all(a.size == a.outputs and a.scale in (None, 1.0) for a in axes)
    if unchanged and kind.mode != "cubic":
        return self
    if kind.mode == "nearest":
        found = resize(g, self, axes, kind)
        return dim_by_dim(g, self, axes, kind) if found is None else found
    if not is_float(self.dtype):
        raise Unsupported(
            f"{kind.mode} interpolation of {self.dtype.name}: PyTorch uses fixed point numbers, "
            "differently on each CPU; convert to float before, and round after"
        )
    x = self if self.dtype == DOUBLE else g.cast(self, FLOAT)
    static = all(isinstance(a.size, int) and isinstance(a.outputs, int) for a in axes)
    found = None if kind.antialias and static else resize(g, x, axes, kind)
    if found is None:
        found = dim_by_dim(g, x, axes, kind)
    return g.cast(found, self.dtype)
