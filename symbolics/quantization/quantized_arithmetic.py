"""Sums, products and joins of quantized tensors: `quantized::add` and its like."""

from __future__ import annotations

from collections.abc import Sequence

from exporter.onnx_graph import quantized
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Number, Tensor
from symbolics.quantization.quantization import scale_of, zero_point_of
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import DOUBLE, FLOAT, INT64

__all__ = ["joined", "rounded"]


def rounded(g: Builder, y: Tensor, scale: Number, zero_point: Dim, like: Tensor) -> Tensor:
    """Numbers quantized with this scale and zero point, in the dtype of another tensor."""
    return quantized.quantized(g, y, scale_of(g, scale), zero_point_of(g, zero_point), like.dtype)


def _register_binary(name: str, op_type: str, *, relu: bool) -> None:
    """An operator of two quantized tensors, rounded once."""

    @symbolic(f"quantized::{name}(Tensor qa, Tensor qb, float scale, int zero_point) -> Tensor qc")
    def binary(g: Builder, qa: Tensor, qb: Tensor, scale: Number, zero_point: Dim) -> Tensor:
        y = g.op(op_type, quantized.dequantized(g, qa), quantized.dequantized(g, qb))
        return rounded(g, g.Relu(y) if relu else y, scale, zero_point, qa)


_register_binary("add", "Add", relu=False)
_register_binary("add_relu", "Add", relu=True)
_register_binary("mul", "Mul", relu=False)
_register_binary("mul_relu", "Mul", relu=True)
_register_binary("matmul", "MatMul", relu=False)


# ---------------------------------------------------------------- with a number


def plus_number(g: Builder, qa: Tensor, b: Number, *, relu: bool) -> Tensor:
    """A tensor plus a number: as far as the range allows the zero point is moved, and no integer.

    The number counts as a multiple of the scale. Where the zero point would leave the dtype's
    range, it stays at its end and the scale grows to hold what the integers then stand for.
    """
    meaning = quantized.meaning_of(qa)
    scale, zero_point = meaning.scale.array, meaning.zero_point.array
    if meaning.axis is not None:
        raise Unsupported("a tensor that is quantized per channel plus a number")
    if scale is None or zero_point is None or not _is_known(b):
        return plus_number_of_run(g, qa, b, relu=relu)
    low, high = quantized.integer_range(qa.dtype)
    step, point = float(scale), int(zero_point)
    added = round(float(b) / step)  # type: ignore[arg-type]
    moved = point - added
    if low <= moved <= high:
        result = quantized.whole(meaning.integers, meaning.scale, g.constant(moved, INT64))
        return at_least_zero(g, result) if relu else result
    if moved < low:
        grown, end = (high - moved) / (high - low) * step, low
    else:
        grown, end = (moved - low) / (high - low) * step, high
    y = g.Add(quantized.dequantized(g, qa), g.constant(added * step, FLOAT))
    return quantized.quantized(
        g, g.Relu(y) if relu else y, g.constant(grown, DOUBLE), g.constant(end, INT64), qa.dtype
    )


def plus_number_of_run(g: Builder, qa: Tensor, b: Number, *, relu: bool) -> Tensor:
    """The same where the run decides: what stays within the range is rounded to itself."""
    meaning = quantized.meaning_of(qa)
    low, high = (float(end) for end in quantized.integer_range(qa.dtype))
    step = g.cast(meaning.scale, DOUBLE)
    added = g.Round(g.Div(g.constant(b, DOUBLE), step))
    moved = g.Sub(g.cast(meaning.zero_point, DOUBLE), added)
    end = g.Clip(moved, low, high)
    # How far the zero point would leave the range, on either side.
    excess = g.Abs(g.Sub(moved, end))
    grown = g.Mul(g.Add(g.Div(excess, high - low), 1.0), step)
    y = g.Add(quantized.dequantized(g, qa), g.cast(g.Mul(added, step), FLOAT))
    return quantized.quantized(g, g.Relu(y) if relu else y, grown, g.cast(end, INT64), qa.dtype)


def times_number(g: Builder, qa: Tensor, b: Number, *, relu: bool) -> Tensor:
    """A tensor times a number: its scale, and where that is negative its integers reversed."""
    meaning = quantized.meaning_of(qa)
    if meaning.axis is not None or not _is_known(b):
        raise Unsupported("a quantized tensor times a number, not all known")
    factor = float(b)  # type: ignore[arg-type]
    low, high = quantized.integer_range(qa.dtype)
    point = g.cast(meaning.zero_point, INT64)
    scale = g.Mul(g.cast(meaning.scale, DOUBLE), abs(factor))
    integers = meaning.integers
    if factor < 0:
        wide = g.cast(integers, INT64)
        integers = g.cast(g.Sub(g.constant(low + high, INT64), wide), qa.dtype)
        point = g.Sub(g.constant(low + high, INT64), point)
    elif factor == 0:
        zero = g.constant(0, qa.dtype)
        integers = g.Expand(zero, g.shape(integers))
        scale, point = g.constant(1.0, DOUBLE), g.constant(0, INT64)
    result = quantized.whole(integers, scale, point)
    return at_least_zero(g, result) if relu else result


def at_least_zero(g: Builder, x: Tensor) -> Tensor:
    """Negative numbers become 0, which the zero point is exactly."""
    return quantized.requantized(g, g.Relu(quantized.dequantized(g, x)), x)


def _is_known(number: Number) -> bool:
    return isinstance(number, (int, float))


def _register_with_number(name: str, *, relu: bool) -> None:
    """`add_scalar` and `mul_scalar`, under all their names; the number may be a 0-d tensor."""
    suffix = "_relu" if relu else ""
    compute = plus_number if name == "add" else times_number

    @symbolic(f"quantized::{name}{suffix}.Scalar(Tensor qa, Scalar b) -> Tensor qc")
    @symbolic(f"quantized::{name}_scalar{suffix}(Tensor qa, Scalar b) -> Tensor qc")
    def with_number(g: Builder, qa: Tensor, b: Number) -> Tensor:
        return compute(g, qa, b, relu=relu)

    @symbolic(f"quantized::{name}{suffix}.Scalar2(Scalar b, Tensor qa) -> Tensor qc")
    def number_first(g: Builder, b: Number, qa: Tensor) -> Tensor:
        return compute(g, qa, b, relu=relu)

    @symbolic(f"quantized::{name}_scalar{suffix}.Tensor(Tensor qa, Tensor b) -> Tensor qc")
    def with_tensor(g: Builder, qa: Tensor, b: Tensor) -> Tensor:
        return compute(g, qa, b.require_array().item(), relu=relu)


for _name in ("add", "mul"):
    _register_with_number(_name, relu=False)
    _register_with_number(_name, relu=True)


# ---------------------------------------------------------------- joins


def joined(
    g: Builder, tensors: Sequence[Tensor], dim: int, scale: Tensor, zero_point: Tensor
) -> Tensor:
    """Tensors one behind the other: the integers, where they all mean the same."""
    first = quantized.meaning_of(tensors[0])
    target = quantized.whole(first.integers, scale, zero_point)
    if all(quantized.same_meaning(x, target) for x in tensors):
        # Equal scales may be constants of their own: the integers are what is joined.
        integers = g.Concat(*[quantized.meaning_of(x).integers for x in tensors], axis=dim)
        return quantized.whole(integers, scale, zero_point)
    y = g.Concat(*[quantized.dequantized(g, x) for x in tensors], axis=dim)
    return quantized.quantized(g, y, scale, zero_point, tensors[0].dtype)


def _register_cat(name: str, *, relu: bool) -> None:
    @symbolic(f"quantized::{name}(Tensor[] qx, int dim, float? scale, int? zero_point) -> Tensor")
    def cat(
        g: Builder,
        qx: Sequence[Tensor],
        dim: int,
        scale: Number | None,
        zero_point: Dim | None,
    ) -> Tensor:
        first = quantized.meaning_of(qx[0])
        result = joined(
            g,
            qx,
            dim,
            first.scale if scale is None else scale_of(g, scale),
            first.zero_point if zero_point is None else zero_point_of(g, zero_point),
        )
        return at_least_zero(g, result) if relu else result


_register_cat("cat", relu=False)
_register_cat("cat_relu", relu=True)
