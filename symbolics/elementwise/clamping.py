"""Limits: the larger and smaller of two, `clamp`, `threshold`, `heaviside`.

The largest element of one tensor (`max`, `max.dim`) is in `reduction`.
"""

from __future__ import annotations

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.values import Number, Tensor
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import is_bool, is_float, promote, result_type

__all__ = ["clamp", "maximum", "minimum"]

Operand = Tensor | Number


@symbolic("aten::maximum(Tensor self, Tensor other) -> Tensor")
def maximum(g: Builder, self: Operand, other: Operand) -> Tensor:
    """The larger of two; NaN if one is NaN."""
    self, other = promote(g, self, other)
    return g.Or(self, other) if is_bool(self.dtype) else g.Max(self, other)


@symbolic("aten::minimum(Tensor self, Tensor other) -> Tensor")
def minimum(g: Builder, self: Operand, other: Operand) -> Tensor:
    """The smaller of two; NaN if one is NaN."""
    self, other = promote(g, self, other)
    return g.And(self, other) if is_bool(self.dtype) else g.Min(self, other)


@symbolic("aten::fmax(Tensor self, Tensor other) -> Tensor")
def fmax(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """The larger of two; the other one if one is NaN."""
    self, other = promote(g, self, other)
    result = without_nan(g, self, other, maximum(g, self, other))
    return g.known_as("fmax", result, self, other)


@symbolic("aten::fmin(Tensor self, Tensor other) -> Tensor")
def fmin(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """The smaller of two; the other one if one is NaN."""
    self, other = promote(g, self, other)
    result = without_nan(g, self, other, minimum(g, self, other))
    return g.known_as("fmin", result, self, other)


def without_nan(g: Builder, self: Tensor, other: Tensor, result: Tensor) -> Tensor:
    """`result`, or the operand that is a number where the other is NaN."""
    if not is_float(self.dtype):
        return result
    return g.Where(g.IsNaN(self), other, g.Where(g.IsNaN(other), self, result))


@symbolic("aten::clip(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor")
@symbolic("aten::clamp(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor")
def clamp(g: Builder, self: Tensor, min: Number | None = None, max: Number | None = None) -> Tensor:
    """Limit each element to [min, max]; a bound that is None is open, and max wins over min.

    The bounds take part in promotion: an int tensor clamped by 1.5 becomes float. A bound of NaN
    makes everything NaN; ONNX Clip does not say so.
    """
    if min is None and max is None:
        raise Unsupported("clamp needs a bound: min and max are both None")
    if any(isinstance(bound, float) and bound != bound for bound in (min, max)):
        return clamp_tensor(g, self, *(None if b is None else g.constant(b) for b in (min, max)))
    if is_bool(result_type(self, min, max)):
        return clamp_tensor(g, self, *(None if b is None else g.constant(b) for b in (min, max)))
    tensor, low, high = promote(g, self, min, max)
    return g.known_as("clamp", g.Clip(tensor, min=low, max=high), tensor, low, high)


@symbolic("aten::clip.Tensor(Tensor self, Tensor? min=None, Tensor? max=None) -> Tensor")
@symbolic("aten::clamp.Tensor(Tensor self, Tensor? min=None, Tensor? max=None) -> Tensor")
def clamp_tensor(
    g: Builder, self: Tensor, min: Tensor | None = None, max: Tensor | None = None
) -> Tensor:
    """Like `clamp` with bounds for each element, which broadcast."""
    if min is None and max is None:
        raise Unsupported("clamp needs a bound: min and max are both None")
    tensor, low, high = promote(g, self, min, max)
    assert tensor is not None
    limited = tensor if low is None else maximum(g, tensor, low)
    limited = limited if high is None else minimum(g, limited, high)
    return g.known_as("clamp", limited, tensor, low, high)


@symbolic("aten::clamp_min(Tensor self, Scalar min) -> Tensor")
def clamp_min(g: Builder, self: Tensor, min: Number) -> Tensor:
    """No element below min."""
    return clamp(g, self, min, None)


@symbolic("aten::clamp_max(Tensor self, Scalar max) -> Tensor")
def clamp_max(g: Builder, self: Tensor, max: Number) -> Tensor:
    """No element above max."""
    return clamp(g, self, None, max)


@symbolic("aten::clamp_min.Tensor(Tensor self, Tensor min) -> Tensor")
def clamp_min_tensor(g: Builder, self: Tensor, min: Tensor) -> Tensor:
    """No element below that of min."""
    return clamp_tensor(g, self, min, None)


@symbolic("aten::clamp_max.Tensor(Tensor self, Tensor max) -> Tensor")
def clamp_max_tensor(g: Builder, self: Tensor, max: Tensor) -> Tensor:
    """No element above that of max."""
    return clamp_tensor(g, self, None, max)


@symbolic("aten::threshold(Tensor self, Scalar threshold, Scalar value) -> Tensor")
def threshold(g: Builder, self: Tensor, threshold: Number, value: Number) -> Tensor:
    """Elements at or below the threshold become `value`; NaN stays, and so does the dtype."""
    low = g.LessOrEqual(self, g.constant(threshold, self.dtype))
    return g.Where(low, g.constant(value, self.dtype), self)


@symbolic("aten::heaviside(Tensor self, Tensor values) -> Tensor")
def heaviside(g: Builder, self: Tensor, values: Tensor) -> Tensor:
    """0 below zero, 1 above, and `values` at zero; 0 for NaN."""
    self, values = promote(g, self, values)
    if is_bool(self.dtype):
        return g.Or(self, values)
    zero = g.constant(0, self.dtype)
    return g.Where(g.Equal(self, zero), values, g.cast(g.Greater(self, zero), self.dtype))
