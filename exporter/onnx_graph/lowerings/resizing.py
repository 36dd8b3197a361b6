"""Resize in the forms that older opsets lack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from exporter.errors import UnsupportedError as Unsupported
from exporter.onnx_graph.lowerings.arithmetic import FLOATS
from exporter.onnx_graph.lowerings.layout import known_integers
from exporter.onnx_graph.lowerings.registry import ALWAYS, lowering
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import Dim, is_ge
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

D = ir.DataType


@lowering("Resize", before=ALWAYS)
def resize(
    g: Builder,
    X: Tensor,
    roi: Any = None,
    scales: Any = None,
    sizes: Any = None,
    *,
    axes: Sequence[int] | None = None,
    coordinate_transformation_mode: str = "half_pixel",
    mode: str = "nearest",
    nearest_mode: str = "round_prefer_floor",
    cubic_coeff_a: float = -0.75,
    antialias: int = 0,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: str = "stretch",
) -> Tensor:
    """axes, antialias and the aspect ratio came with opset 18; sizes and the modes with 11.

    Before 18 scales and sizes name all dims. So they do later, where all dims can be said: moving
    a Transpose, onnxruntime (1.31) takes those of some axes for those of all. Opsets 11 and 12
    want an empty roi, and empty scales beside sizes. Before 11 each dim is interpolated by
    gathering: see `_interpolated`.
    """
    if coordinate_transformation_mode == "half_pixel_symmetric" and g.opset < 19:
        raise Unsupported("Resize with half_pixel_symmetric needs opset 19")
    settings: dict[str, Any] = {
        "coordinate_transformation_mode": coordinate_transformation_mode,
        "mode": mode,
        "nearest_mode": nearest_mode,
        "cubic_coeff_a": cubic_coeff_a,
        "exclude_outside": exclude_outside,
        "extrapolation_value": extrapolation_value,
    }
    if g.opset >= 18:
        settings.update(antialias=antialias, keep_aspect_ratio_policy=keep_aspect_ratio_policy)
        if axes is not None and roi is None and keep_aspect_ratio_policy == "stretch":
            full = _of_all_dims(g, X, axes, scales, sizes)
            if full is not None:
                axes, (scales, sizes) = None, full
        return g.native("Resize", X, roi, scales, sizes, axes=axes, **settings)  # type: ignore[no-any-return]
    if antialias or keep_aspect_ratio_policy != "stretch":
        raise Unsupported("Resize with antialias or a kept aspect ratio needs opset 18")
    if axes is not None:
        full = _of_all_dims(g, X, axes, scales, sizes)
        if full is None:
            raise Unsupported("Resize with axes, and sizes that are computed, needs opset 18")
        scales, sizes = full
    if g.opset >= 13:
        return g.native("Resize", X, roi, scales, sizes, **settings)  # type: ignore[no-any-return]
    if g.opset >= 11:
        empty = np.zeros(0, np.float32)
        roi = empty if roi is None else roi
        scales = empty if scales is None else scales
        return g.native("Resize", X, roi, scales, sizes, **settings)  # type: ignore[no-any-return]
    if roi is not None or exclude_outside or coordinate_transformation_mode == "tf_crop_and_resize":
        raise Unsupported("Resize with a region of interest needs opset 11")
    return _interpolated(g, X, scales, sizes, settings)


def _of_all_dims(
    g: Builder, x: Tensor, axes: Sequence[int], scales: Any, sizes: Any
) -> tuple[Any, Any] | None:
    """Scales and sizes of all dims; None where they are only known at run time."""
    if x.shape is None:
        return None
    shape = x.shape
    where = [a % len(shape) for a in axes]
    if sizes is not None:
        known = known_integers(g, sizes)
        if known is None:
            return None
        full = list(shape)
        for axis, size in zip(where, known, strict=True):
            full[axis] = size
        return None, full
    factors = g.constant(scales, D.FLOAT)
    if factors.array is None:
        return None
    all_scales = np.ones(len(shape), np.float32)
    all_scales[where] = factors.array
    return all_scales, None


def _interpolated(
    g: Builder, x: Tensor, scales: Any, sizes: Any, settings: dict[str, Any]
) -> Tensor:
    """Resize one dim after the other, each by Gathers along it.

    Nearest by a scale that divides evenly is Upsample's (Resize's at opset 10) own rule: floor of
    the output's index by the scale.
    """
    shape = x.require_shape()
    factors: np.ndarray | None = None
    if scales is not None:
        factors = g.constant(scales, D.FLOAT).require_array()
        target: list[Dim] = []
        for size, factor in zip(shape, factors.tolist(), strict=True):
            if factor == int(factor):
                target.append(size * int(factor))
            elif isinstance(size, int):
                target.append(int(np.floor(np.float32(size) * np.float32(factor))))
            else:
                raise Unsupported("Resize of a dynamic size by a fraction needs opset 11")
    else:
        known = known_integers(g, sizes)
        if known is None:
            raise Unsupported("Resize with sizes that are computed needs opset 11")
        target = known
    ratios = [_whole_ratio(a, b) for a, b in zip(shape, target, strict=True)]
    if settings["mode"] == "nearest" and all(r is not None for r in ratios):
        exact = settings["nearest_mode"] == "floor" or settings["nearest_mode"].startswith("round")
        asymmetric = settings["coordinate_transformation_mode"] == "asymmetric"
        half = settings["coordinate_transformation_mode"] in ("half_pixel", "pytorch_half_pixel")
        if (asymmetric and settings["nearest_mode"] == "floor") or (half and exact):
            repeat = np.array(ratios, np.float32)
            if half and settings["nearest_mode"] == "floor":
                pass  # (i + 1/2) / r - 1/2 floors below 0: not this rule
            elif g.opset < 10:
                return g.native("Upsample", x, scales=repeat, mode="nearest")  # type: ignore[no-any-return]
            else:
                return g.native(  # type: ignore[no-any-return]
                    "Resize",
                    x,
                    scales=repeat,
                    mode="nearest",
                    coordinate_transformation_mode="asymmetric",
                    nearest_mode="floor",
                )
    for axis, (size, wanted) in enumerate(zip(shape, target, strict=True)):
        factor = None if factors is None else float(factors[axis])
        if size == wanted and factor in (None, 1.0):
            continue
        x = _along(g, x, axis, size, wanted, factor, settings)
    return x


def _whole_ratio(size: Dim, wanted: Dim) -> int | None:
    for ratio in range(1, 17):
        if size * ratio == wanted:
            return ratio
    return None


def _along(
    g: Builder,
    x: Tensor,
    axis: int,
    size: Dim,
    wanted: Dim,
    factor: float | None,
    settings: dict[str, Any],
) -> Tensor:
    """One dim from `size` to `wanted` elements: where each output lies, and what is around it.

    A coordinate lies between two elements (linear) or four (cubic), whose weights depend on the
    distance; beyond the ends the outermost element is repeated.
    """
    if x.dtype not in FLOATS and settings["mode"] != "nearest":
        raise Unsupported("Resize of integers by interpolation needs opset 11")
    position = _coordinates(g, size, wanted, factor, settings["coordinate_transformation_mode"])
    last = g.constant(size - 1, D.INT64)

    def element(index: Tensor) -> Tensor:
        inside = g.Min(g.Max(g.cast(index, D.INT64), 0), last)
        return g.Gather(x, inside, axis=axis)  # type: ignore[no-any-return]

    mode = settings["mode"]
    if mode == "nearest":
        return element(_nearest(g, position, settings["nearest_mode"]))
    low = g.Floor(position)
    along = [1] * (x.require_rank() - axis)
    along[0] = -1
    distance = g.cast(g.reshape(g.Sub(position, low), along), x.dtype)
    if mode == "linear":
        first, second = element(low), element(g.Add(low, 1))
        return g.Add(g.Mul(first, g.Sub(1, distance)), g.Mul(second, distance))  # type: ignore[no-any-return]
    total: Tensor | None = None
    for offset, weight in zip(
        (-1, 0, 1, 2), cubic_weights(g, distance, settings["cubic_coeff_a"]), strict=True
    ):
        part = g.Mul(element(g.Add(low, offset)), weight)
        total = part if total is None else g.Add(total, part)
    assert total is not None
    return total


def _coordinates(g: Builder, size: Dim, wanted: Dim, factor: float | None, mode: str) -> Tensor:
    """Where the outputs lie in the input, as float32."""
    index = g.cast(consecutive(g, wanted), D.FLOAT)
    old, new = g.constant(size, D.FLOAT), g.constant(wanted, D.FLOAT)
    scale = g.Div(new, old) if factor is None else g.constant(factor, D.FLOAT)
    if mode == "asymmetric":
        return g.Div(index, scale)  # type: ignore[no-any-return]
    if mode == "align_corners":
        above = g.Max(g.Sub(new, 1), 1)
        return g.Div(g.Mul(index, g.Sub(old, 1)), above)  # type: ignore[no-any-return]
    if mode not in ("half_pixel", "pytorch_half_pixel"):
        raise Unsupported(f"Resize with {mode} needs opset 11")
    centred = g.Sub(g.Div(g.Add(index, 0.5), scale), 0.5)
    if mode == "pytorch_half_pixel" and is_ge(wanted, 2) is not True:
        # One output only: it lies at 0.
        return g.Where(g.Greater(new, 1), centred, 0)  # type: ignore[no-any-return]
    return centred  # type: ignore[no-any-return]


def _nearest(g: Builder, position: Tensor, mode: str) -> Tensor:
    if mode == "floor":
        return g.Floor(position)  # type: ignore[no-any-return]
    if mode == "ceil":
        return g.Ceil(position)  # type: ignore[no-any-return]
    if mode == "round_prefer_ceil":
        return g.Floor(g.Add(position, 0.5))  # type: ignore[no-any-return]
    return g.Ceil(g.Sub(position, 0.5))  # type: ignore[no-any-return]


def cubic_weights(g: Builder, t: Tensor, a: float) -> list[Tensor]:
    """Weights of the elements at -1, 0, 1 and 2 for a point at `t` (Keys' cubic convolution)."""

    def near(s: Tensor) -> Tensor:
        """(a + 2) s^3 - (a + 3) s^2 + 1, for distances up to 1."""
        inner = g.Sub(g.Mul(s, a + 2), a + 3)
        return g.Add(g.Mul(g.Mul(inner, s), s), 1)  # type: ignore[no-any-return]

    def far(s: Tensor) -> Tensor:
        """A s^3 - 5a s^2 + 8a s - 4a, for distances from 1 to 2."""
        inner = g.Add(g.Mul(g.Sub(g.Mul(s, a), 5 * a), s), 8 * a)
        return g.Sub(g.Mul(inner, s), 4 * a)  # type: ignore[no-any-return]

    rest = g.Sub(1, t)
    return [far(g.Add(t, 1)), near(t), near(rest), far(g.Add(rest, 1))]
