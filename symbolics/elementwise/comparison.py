"""Tests and bits: comparisons, logical and bitwise operators, shifts, choices by a mask.

What asks about one tensor alone (`isnan`) is here as well; limits are in `clamping`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import onnx_ir as ir

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.complex_numbers import parts
from exporter.onnx_graph.values import Number, Tensor
from symbolics.reductions.reduction import all_
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import (
    BOOL,
    category,
    default_float,
    is_bool,
    is_complex,
    is_float,
    is_integral,
    promote,
)

__all__ = ["compared", "isfinite", "isnan", "masked_fill", "where_self"]

Operand = Tensor | Number
Binary = Callable[[Builder, Operand, Operand], Tensor]


# ---------------------------------------------------------------- comparisons


def compared(op_type: str, *, negated: bool = False) -> Binary:
    """The symbolic for an ONNX comparison, after promotion."""

    def compare(g: Builder, self: Operand, other: Operand) -> Tensor:
        self, other = promote(g, self, other)
        result = g.op(op_type, self, other)
        return g.Not(result) if negated else result

    return compare


# ATen's names -> ONNX's operator, and whether it is negated. NaN differs from everything.
_COMPARISONS = {
    ("eq",): ("Equal", False),
    ("ne", "not_equal"): ("Equal", True),
    ("lt", "less"): ("Less", False),
    ("le", "less_equal"): ("LessOrEqual", False),
    ("gt", "greater"): ("Greater", False),
    ("ge", "greater_equal"): ("GreaterOrEqual", False),
}
for _names, (_op_type, _negated) in _COMPARISONS.items():
    for _name in _names:
        _function = compared(_op_type, negated=_negated)
        symbolic(f"aten::{_name}.Tensor(Tensor self, Tensor other) -> Tensor")(_function)
        symbolic(f"aten::{_name}.Scalar(Tensor self, Scalar other) -> Tensor")(_function)


@symbolic(
    "aten::isclose(Tensor self, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> Tensor"
)
def isclose(
    g: Builder,
    self: Tensor,
    other: Tensor,
    rtol: float = 1e-05,
    atol: float = 1e-08,
    equal_nan: bool = False,
) -> Tensor:
    """|self - other| <= atol + rtol * |other|, or equal; infinities are close to themselves alone."""
    close = g.Equal(self, other)
    if equal_nan and category(self) >= 2:
        close = g.Or(close, g.And(g.IsNaN(self), g.IsNaN(other)))
    if rtol == 0 and atol == 0:
        return close
    dtype = default_float(self.dtype)
    left, right = g.cast(self, dtype), g.cast(other, dtype)
    allowed = g.Add(g.Abs(g.Mul(right, rtol)), atol)
    error = g.Abs(g.Sub(left, right))
    finite = g.Less(error, math.inf)
    return g.Or(close, g.And(finite, g.LessOrEqual(error, allowed)))


@symbolic(
    "aten::allclose(Tensor self, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> bool"
)
def allclose(
    g: Builder,
    self: Tensor,
    other: Tensor,
    rtol: float = 1e-05,
    atol: float = 1e-08,
    equal_nan: bool = False,
) -> Tensor:
    """Whether all elements are close."""
    return all_(g, isclose(g, self, other, rtol, atol, equal_nan))


# ---------------------------------------------------------------- questions to one tensor


def everywhere(g: Builder, self: Tensor, answer: bool) -> Tensor:
    """A bool for each element, the same for all: what integers answer about inf and NaN."""
    same = g.Equal(self, self)
    return same if answer else g.Not(same)


@symbolic("aten::isnan(Tensor self) -> Tensor")
def isnan(g: Builder, self: Tensor) -> Tensor:
    """Whether each element is NaN; never for integers."""
    return g.IsNaN(self) if category(self) >= 2 else everywhere(g, self, False)


@symbolic("aten::isinf(Tensor self) -> Tensor")
def isinf(g: Builder, self: Tensor) -> Tensor:
    """Whether each element is inf or -inf; never for integers."""
    return g.IsInf(self) if category(self) >= 2 else everywhere(g, self, False)


@symbolic("aten::isposinf(Tensor self) -> Tensor")
def isposinf(g: Builder, self: Tensor) -> Tensor:
    """Whether each element is inf."""
    if not is_float(self.dtype):
        return everywhere(g, self, False)
    return g.IsInf(self, detect_negative=0)


@symbolic("aten::isneginf(Tensor self) -> Tensor")
def isneginf(g: Builder, self: Tensor) -> Tensor:
    """Whether each element is -inf."""
    if not is_float(self.dtype):
        return everywhere(g, self, False)
    return g.IsInf(self, detect_positive=0)


@symbolic("aten::isfinite(Tensor self) -> Tensor")
def isfinite(g: Builder, self: Tensor) -> Tensor:
    """Whether each element is neither infinite nor NaN, which is not less than inf either."""
    if category(self) < 2:
        return everywhere(g, self, True)
    if is_complex(self.dtype):
        return g.And(*(isfinite(g, part) for part in parts(g, self)))
    return g.Less(g.Abs(self), math.inf)


@symbolic("aten::isreal(Tensor self) -> Tensor")
def isreal(g: Builder, self: Tensor) -> Tensor:
    """Whether the imaginary part is 0: always, for a tensor that is not complex."""
    if is_complex(self.dtype):
        return g.Equal(parts(g, self)[1], 0)
    return everywhere(g, g.cast(self, BOOL), True)


# ---------------------------------------------------------------- logical operators


def logical(op_type: str) -> Binary:
    """The symbolic for a logical operator: whatever is not zero is true, NaN too."""

    def combine(g: Builder, self: Operand, other: Operand) -> Tensor:
        return g.op(op_type, g.constant(self, BOOL), g.constant(other, BOOL))

    return combine


symbolic("aten::logical_and(Tensor self, Tensor other) -> Tensor")(logical("And"))
symbolic("aten::logical_or(Tensor self, Tensor other) -> Tensor")(logical("Or"))
symbolic("aten::logical_xor(Tensor self, Tensor other) -> Tensor")(logical("Xor"))


@symbolic("aten::logical_not(Tensor self) -> Tensor")
def logical_not(g: Builder, self: Tensor) -> Tensor:
    """True where an element is zero."""
    return g.Not(g.cast(self, BOOL))


# ---------------------------------------------------------------- bits


def bitwise(bool_op: str, integer_op: str) -> Binary:
    """The symbolic for an operator that is logical for bools and on bits for integers."""

    def combine(g: Builder, self: Operand, other: Operand) -> Tensor:
        self, other = promote(g, self, other)
        if is_float(self.dtype):
            raise Unsupported("PyTorch has no bitwise operators for floats")
        return g.op(bool_op if is_bool(self.dtype) else integer_op, self, other)

    return combine


for _word, _bool_op, _integer_op in (
    ("and", "And", "BitwiseAnd"),
    ("or", "Or", "BitwiseOr"),
    ("xor", "Xor", "BitwiseXor"),
):
    _function = bitwise(_bool_op, _integer_op)
    for _schema in (
        f"aten::bitwise_{_word}.Tensor(Tensor self, Tensor other) -> Tensor",
        f"aten::bitwise_{_word}.Scalar(Tensor self, Scalar other) -> Tensor",
        f"aten::bitwise_{_word}.Scalar_Tensor(Scalar self, Tensor other) -> Tensor",
        f"aten::__{_word}__.Tensor(Tensor self, Tensor other) -> Tensor",
        f"aten::__{_word}__.Scalar(Tensor self, Scalar other) -> Tensor",
    ):
        symbolic(_schema)(_function)


@symbolic("aten::bitwise_not(Tensor self) -> Tensor")
def bitwise_not(g: Builder, self: Tensor) -> Tensor:
    """Every bit flipped: -1 - x for integers, the logical not for bools."""
    if is_bool(self.dtype):
        return g.Not(self)
    if is_float(self.dtype):
        raise Unsupported("PyTorch has no bitwise operators for floats")
    return g.BitwiseNot(self)


def shift_operands(
    g: Builder, self: Operand, other: Operand
) -> tuple[Tensor, Tensor, Tensor | None, int]:
    """Promoted operands, where the count is out of range (None: nowhere), and the number of bits."""
    self, other = promote(g, self, other)
    if not is_integral(self.dtype):
        raise Unsupported(f"PyTorch does not shift {self.dtype.name.lower()} tensors")
    bits = self.dtype.itemsize * 8
    known = other.array
    if known is not None and bool(((known >= 0) & (known < bits)).all()):
        return self, other, None, int(bits)
    return self, other, g.Or(g.Less(other, 0), g.GreaterOrEqual(other, int(bits))), int(bits)


def shifted(g: Builder, self: Tensor, count: Tensor, direction: str) -> Tensor:
    """Bits of the two's complement moved, 0 filling up; ONNX shifts unsigned integers only."""
    wide = ir.DataType.UINT64
    moved = g.BitShift(g.cast(self, wide), g.cast(count, wide), direction=direction)
    return g.cast(moved, self.dtype)


@symbolic("aten::__lshift__.Tensor(Tensor self, Tensor other) -> Tensor")
@symbolic("aten::__lshift__.Scalar(Tensor self, Scalar other) -> Tensor")
@symbolic("aten::bitwise_left_shift.Tensor(Tensor self, Tensor other) -> Tensor")
@symbolic("aten::bitwise_left_shift.Tensor_Scalar(Tensor self, Scalar other) -> Tensor")
@symbolic("aten::bitwise_left_shift.Scalar_Tensor(Scalar self, Tensor other) -> Tensor")
def bitwise_left_shift(g: Builder, self: Operand, other: Operand) -> Tensor:
    """Bits moved up; 0 for a count that is negative or not below the number of bits."""
    self, count, beyond, _ = shift_operands(g, self, other)
    if beyond is None:
        return shifted(g, self, count, "LEFT")
    zero = g.constant(0, self.dtype)
    return g.Where(beyond, zero, shifted(g, self, g.Where(beyond, zero, count), "LEFT"))


@symbolic("aten::__rshift__.Tensor(Tensor self, Tensor other) -> Tensor")
@symbolic("aten::__rshift__.Scalar(Tensor self, Scalar other) -> Tensor")
@symbolic("aten::bitwise_right_shift.Tensor(Tensor self, Tensor other) -> Tensor")
@symbolic("aten::bitwise_right_shift.Tensor_Scalar(Tensor self, Scalar other) -> Tensor")
@symbolic("aten::bitwise_right_shift.Scalar_Tensor(Scalar self, Tensor other) -> Tensor")
def bitwise_right_shift(g: Builder, self: Operand, other: Operand) -> Tensor:
    """Bits moved down, the sign filling up; a count out of range moves all of them out.

    ~(~x >> n) is the arithmetic shift of a negative x, and ~x is -1 - x.
    """
    self, count, beyond, bits = shift_operands(g, self, other)
    unsigned = self.dtype.name.startswith("UINT")
    if beyond is not None:
        # An unsigned number has no sign bit to stay: its last move is one more.
        count = g.Where(beyond, g.constant(bits - 1, self.dtype), count)
    if unsigned:
        result = shifted(g, self, count, "RIGHT")
        return result if beyond is None else g.Where(beyond, g.constant(0, self.dtype), result)
    minus_one = g.constant(-1, self.dtype)
    negative = g.Less(self, 0)
    flipped = g.Where(negative, g.Sub(minus_one, self), self)
    moved = shifted(g, flipped, count, "RIGHT")
    return g.Where(negative, g.Sub(minus_one, moved), moved)


# ---------------------------------------------------------------- choices


@symbolic("aten::where.self(Tensor condition, Tensor self, Tensor other) -> Tensor")
@symbolic("aten::where.ScalarOther(Tensor condition, Tensor self, Scalar other) -> Tensor")
@symbolic("aten::where.ScalarSelf(Tensor condition, Scalar self, Tensor other) -> Tensor")
@symbolic("aten::where.Scalar(Tensor condition, Scalar self, Scalar other) -> Tensor")
def where_self(g: Builder, condition: Tensor, self: Operand, other: Operand) -> Tensor:
    """self where the condition holds, else other."""
    self, other = promote(g, self, other)
    return g.Where(g.cast(condition, BOOL), self, other)


@symbolic("aten::where(Tensor condition) -> Tensor[]")
def where(g: Builder, condition: Tensor) -> list[Tensor]:
    """The positions that hold, one index tensor a dim; a 0-d tensor has one dim here."""
    if condition.require_rank() == 0:
        condition = g.reshape(condition, [1])
    positions = g.NonZero(g.cast(condition, BOOL))
    return [g.Gather(positions, i, axis=0) for i in range(condition.require_rank())]


@symbolic("aten::masked_fill.Scalar(Tensor self, Tensor mask, Scalar value) -> Tensor")
@symbolic("aten::masked_fill.Tensor(Tensor self, Tensor mask, Tensor value) -> Tensor")
def masked_fill(g: Builder, self: Tensor, mask: Tensor, value: Operand) -> Tensor:
    """`value` where the mask holds; the dtype stays that of self, whatever the value's."""
    return g.Where(g.cast(mask, BOOL), g.constant(value, self.dtype), self)
