"""Arithmetic of two or three tensors: sums, products, quotients, remainders, powers.

One tensor alone is in `pointwise`, tests and bits in `comparison`, limits in `clamping`.
"""

from __future__ import annotations

import math

import onnx_ir as ir

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.loops import loop
from exporter.onnx_graph.symbolic import Dim, is_ge
from exporter.onnx_graph.values import Number, Tensor
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import (
    BOOL,
    DOUBLE,
    INT64,
    category,
    is_bool,
    is_float,
    is_integral,
    promote,
    promote_float,
    result_type,
)

__all__ = [
    "add",
    "div",
    "floored_quotient",
    "lerp",
    "mul",
    "negative_sign",
    "pow",
    "scaled",
    "sub",
    "truncated",
]

Operand = Tensor | Number


def scaled(g: Builder, value: Tensor, alpha: Number) -> Tensor:
    """`alpha * value` in the dtype of `value`; free if alpha is 1."""
    if isinstance(alpha, (int, float)) and alpha == 1:
        return value
    if is_bool(value.dtype):
        return g.And(value, g.constant(alpha, BOOL))
    if isinstance(alpha, float) and category(value) < 2:
        raise Unsupported(f"alpha = {alpha} for a {value.dtype.name.lower()} tensor")
    return g.Mul(value, alpha)


# ---------------------------------------------------------------- sums and products


def add(g: Builder, self: Operand, other: Operand, alpha: Number = 1) -> Tensor:
    """self + alpha * other; of two bools the logical or."""
    self, other = promote(g, self, other)
    other = scaled(g, other, alpha)
    return g.Or(self, other) if is_bool(self.dtype) else g.Add(self, other)


def sub(g: Builder, self: Operand, other: Operand, alpha: Number = 1) -> Tensor:
    """self - alpha * other."""
    self, other = promote(g, self, other)
    if is_bool(self.dtype):
        raise Unsupported("PyTorch does not subtract bool tensors")
    return g.Sub(self, scaled(g, other, alpha))


@symbolic("aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor")
def add_tensor(g: Builder, self: Tensor, other: Tensor, *, alpha: Number = 1) -> Tensor:
    """See `add`."""
    return add(g, self, other, alpha)


@symbolic("aten::add.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor")
def add_scalar(g: Builder, self: Tensor, other: Number, alpha: Number = 1) -> Tensor:
    """See `add`."""
    return add(g, self, other, alpha)


@symbolic("aten::_add_relu.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor")
def add_relu_tensor(g: Builder, self: Tensor, other: Tensor, *, alpha: Number = 1) -> Tensor:
    """max(0, self + alpha * other)."""
    return g.Max(add(g, self, other, alpha), 0)


@symbolic("aten::subtract.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor")
@symbolic("aten::sub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor")
def sub_tensor(g: Builder, self: Tensor, other: Tensor, *, alpha: Number = 1) -> Tensor:
    """See `sub`."""
    return sub(g, self, other, alpha)


@symbolic("aten::subtract.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor")
@symbolic("aten::sub.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor")
def sub_scalar(g: Builder, self: Tensor, other: Number, alpha: Number = 1) -> Tensor:
    """See `sub`."""
    return sub(g, self, other, alpha)


@symbolic("aten::rsub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor")
def rsub_tensor(g: Builder, self: Tensor, other: Tensor, *, alpha: Number = 1) -> Tensor:
    """other - alpha * self."""
    return sub(g, other, self, alpha)


@symbolic("aten::rsub.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor")
def rsub_scalar(g: Builder, self: Tensor, other: Number, alpha: Number = 1) -> Tensor:
    """other - alpha * self."""
    return sub(g, other, self, alpha)


@symbolic("aten::multiply.Tensor(Tensor self, Tensor other) -> Tensor")
@symbolic("aten::multiply.Scalar(Tensor self, Scalar other) -> Tensor")
@symbolic("aten::mul.Tensor(Tensor self, Tensor other) -> Tensor")
@symbolic("aten::mul.Scalar(Tensor self, Scalar other) -> Tensor")
def mul(g: Builder, self: Operand, other: Operand) -> Tensor:
    """self * other; of two bools the logical and."""
    self, other = promote(g, self, other)
    return g.And(self, other) if is_bool(self.dtype) else g.Mul(self, other)


@symbolic("aten::addcmul(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor")
def addcmul(
    g: Builder, self: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1
) -> Tensor:
    """self + value * tensor1 * tensor2."""
    self, tensor1, tensor2 = promote(g, self, tensor1, tensor2)
    return g.Add(self, g.Mul(scaled(g, tensor1, value), tensor2))


@symbolic("aten::addcdiv(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor")
def addcdiv(
    g: Builder, self: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1
) -> Tensor:
    """self + value * tensor1 / tensor2, not for integers."""
    self, tensor1, tensor2 = promote(g, self, tensor1, tensor2)
    if category(self) < 2:
        raise Unsupported("PyTorch has no addcdiv of integers")
    return g.Add(self, g.Div(scaled(g, tensor1, value), tensor2))


@symbolic("aten::lerp.Scalar(Tensor self, Tensor end, Scalar weight) -> Tensor")
@symbolic("aten::lerp.Tensor(Tensor self, Tensor end, Tensor weight) -> Tensor")
def lerp(g: Builder, self: Tensor, end: Tensor, weight: Operand) -> Tensor:
    """self + weight * (end - self); counted from `end` for weights of 0.5 and more, to end exactly.

    A weight that is a tensor takes part in promotion, a number does not.
    """
    if isinstance(weight, Tensor):
        self, end, weight = promote(g, self, end, weight)
    else:
        self, end = promote(g, self, end)
    span = g.Sub(end, self)
    if isinstance(weight, (int, float)):
        if abs(weight) < 0.5:
            return g.Add(self, g.Mul(span, weight))
        return g.Sub(end, g.Mul(span, 1 - weight))
    weight = g.constant(weight, self.dtype)
    near = g.Add(self, g.Mul(span, weight))
    far = g.Sub(end, g.Mul(span, g.Sub(g.constant(1, self.dtype), weight)))
    return g.Where(g.Less(g.Abs(weight), 0.5), near, far)


# ---------------------------------------------------------------- quotients


def known_ints(tensor: Tensor) -> tuple[Dim, ...] | None:
    """The integers of a tensor that is known as expressions."""
    return tensor.elements if is_integral(tensor.dtype) else None


def never_negative(tensor: Tensor) -> bool:
    """Whether an integer tensor certainly holds no negative number."""
    if tensor.dtype.name.startswith("UINT"):
        return True
    if tensor.elements is not None:
        return all(is_ge(e, 0) for e in tensor.elements)
    return tensor.array is not None and bool((tensor.array >= 0).all())


def truncated(g: Builder, self: Tensor) -> Tensor:
    """A float tensor rounded towards zero, keeping inf and NaN."""
    return g.Where(g.Less(self, 0), g.Ceil(self), g.Floor(self))


def negative_sign(g: Builder, self: Tensor) -> Tensor:
    """Whether the sign is a minus, that of -0.0 included (a float tensor; NaN counts as plus)."""
    minus_zero = g.And(g.Equal(self, 0), g.Less(g.Reciprocal(self), 0))
    return g.Or(g.Less(self, 0), minus_zero)


def floored_quotient(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """The quotient rounded down, for two tensors of one dtype.

    Floats: PyTorch derives it from the remainder, so 1 // 0.1 is 9 although 1 / 0.1 rounds to 10.
    Integers: ONNX truncates, which is one too many where the signs differ and a rest is left.
    """
    if is_float(self.dtype):
        rest = g.Mod(self, other, fmod=1)
        quotient = g.Div(g.Sub(self, rest), other)
        differs = g.Xor(g.Less(other, 0), g.Less(rest, 0))
        low = g.And(g.Not(g.Equal(rest, 0)), differs)
        quotient = g.Round(g.Sub(quotient, g.cast(low, self.dtype)))
        return g.Where(g.Equal(other, 0), g.Div(self, other), quotient)
    left, right = known_ints(self), known_ints(other)
    scalars = self.rank == 0 and other.rank == 0
    if left is not None and right is not None and scalars and right[0] != 0:
        return g.constant(left[0] // right[0], self.dtype)
    quotient = g.Div(self, other)
    if never_negative(self) and never_negative(other):
        return quotient
    rest = g.Sub(self, g.Mul(quotient, other))
    if never_negative(other):
        return g.Sub(quotient, g.cast(g.Less(rest, 0), self.dtype))
    differs = g.Xor(g.Less(other, 0), g.Less(rest, 0))
    low = g.And(g.Not(g.Equal(rest, 0)), differs)
    return g.Sub(quotient, g.cast(low, self.dtype))


@symbolic("aten::true_divide.Tensor(Tensor self, Tensor other) -> Tensor")
@symbolic("aten::true_divide.Scalar(Tensor self, Scalar other) -> Tensor")
@symbolic("aten::divide.Tensor(Tensor self, Tensor other) -> Tensor")
@symbolic("aten::divide.Scalar(Tensor self, Scalar other) -> Tensor")
@symbolic("aten::div.Tensor(Tensor self, Tensor other) -> Tensor")
@symbolic("aten::div.Scalar(Tensor self, Scalar other) -> Tensor")
def div(g: Builder, self: Operand, other: Operand) -> Tensor:
    """The true quotient: that of integers is float."""
    self, other = promote_float(g, self, other)
    return g.Div(self, other)


@symbolic("aten::divide.Tensor_mode(Tensor self, Tensor other, *, str? rounding_mode) -> Tensor")
@symbolic("aten::divide.Scalar_mode(Tensor self, Scalar other, *, str? rounding_mode) -> Tensor")
@symbolic("aten::div.Tensor_mode(Tensor self, Tensor other, *, str? rounding_mode) -> Tensor")
@symbolic("aten::div.Scalar_mode(Tensor self, Scalar other, *, str? rounding_mode) -> Tensor")
def div_mode(g: Builder, self: Operand, other: Operand, *, rounding_mode: str | None) -> Tensor:
    """The quotient, rounded as `rounding_mode` says; that of integers is then an integer."""
    if rounding_mode is None:
        return div(g, self, other)
    self, other = promote(g, self, other)
    if is_bool(self.dtype):
        raise Unsupported("PyTorch does not divide bools with a rounding mode")
    if rounding_mode == "floor":
        return floored_quotient(g, self, other)
    if rounding_mode != "trunc":
        raise Unsupported(f"rounding_mode = {rounding_mode!r}")
    quotient = g.Div(self, other)
    return truncated(g, quotient) if is_float(self.dtype) else quotient


@symbolic("aten::floor_divide(Tensor self, Tensor other) -> Tensor")
@symbolic("aten::floor_divide.Scalar(Tensor self, Scalar other) -> Tensor")
def floor_divide(g: Builder, self: Operand, other: Operand) -> Tensor:
    """The quotient rounded down."""
    return div_mode(g, self, other, rounding_mode="floor")


@symbolic("aten::remainder.Tensor(Tensor self, Tensor other) -> Tensor")
@symbolic("aten::remainder.Scalar(Tensor self, Scalar other) -> Tensor")
@symbolic("aten::remainder.Scalar_Tensor(Scalar self, Tensor other) -> Tensor")
def remainder(g: Builder, self: Operand, other: Operand) -> Tensor:
    """What flooring division leaves: it has the sign of the divisor. ONNX has it for integers only."""
    self, other = promote(g, self, other)
    if not is_float(self.dtype):
        return g.Mod(self, other)
    rest = g.Mod(self, other, fmod=1)
    differs = g.Xor(g.Less(other, 0), g.Less(rest, 0))
    return g.Where(g.And(g.Not(g.Equal(rest, 0)), differs), g.Add(rest, other), rest)


@symbolic("aten::fmod.Tensor(Tensor self, Tensor other) -> Tensor")
@symbolic("aten::fmod.Scalar(Tensor self, Scalar other) -> Tensor")
def fmod(g: Builder, self: Operand, other: Operand) -> Tensor:
    """What truncating division leaves: it has the sign of the dividend."""
    self, other = promote(g, self, other)
    return g.Mod(self, other, fmod=1)


# ---------------------------------------------------------------- powers


def integer_power(g: Builder, self: Tensor, exponent: Tensor) -> Tensor:
    """A power of integers by squaring, since ONNX runtimes go through float there.

    It wraps around. A negative exponent gives 0, but for the bases 1 and -1.
    """
    zero, one = g.constant(0, self.dtype), g.constant(1, self.dtype)
    if exponent.array is not None and exponent.array.size == 1 and exponent.array.item() >= 0:
        left, result, power = int(exponent.array.item()), None, self
        if left == 0:
            return g.Add(g.Mul(self, 0), one)
        while True:
            if left & 1:
                result = power if result is None else g.Mul(result, power)
            left >>= 1
            if not left:
                assert result is not None
                # An exponent with dims broadcasts against the base.
                return result if exponent.rank == 0 else g.Mul(result, g.Add(g.Mul(exponent, 0), 1))
            power = g.Mul(power, power)

    def step(index: Tensor, states: list[Tensor]) -> list[Tensor]:
        result, power, left = states
        odd = g.Equal(g.Mod(left, 2), one)
        return [g.Where(odd, g.Mul(result, power), result), g.Mul(power, power), g.Div(left, 2)]

    magnitude = g.Abs(exponent)
    start = g.Add(g.Mul(self, 0), g.Add(g.Mul(exponent, 0), one))
    result = loop(g, bit_count(g, magnitude), step, [start, self, magnitude])[0]
    unit = g.Equal(g.Abs(self), one)
    return g.Where(g.And(g.Less(exponent, 0), g.Not(unit)), zero, result)


def bit_count(g: Builder, self: Tensor) -> Dim:
    """How many bits the largest of some integers has."""
    numbers = g.Concat(g.reshape(g.cast(self, INT64), [-1]), g.constant([0], INT64), axis=0)
    largest = g.ReduceMax(numbers, keepdims=False)
    powers = g.constant([2**k for k in range(63)], INT64)
    reached = g.cast(g.GreaterOrEqual(largest, powers), INT64)
    return g.integer(g.ReduceSum(reached, keepdims=False))


@symbolic("aten::pow.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor")
@symbolic("aten::pow.Tensor_Scalar(Tensor self, Scalar exponent) -> Tensor")
@symbolic("aten::pow.Scalar(Scalar self, Tensor exponent) -> Tensor")
def pow(g: Builder, self: Operand, exponent: Operand) -> Tensor:
    """self to the power of exponent. 0.5 is the square root, which is NaN for -inf.

    onnxruntime multiplies for the powers 2 and 3, and it looks for Pow in normalizations to fuse.
    """
    dtype = result_type(self, exponent)
    if is_bool(dtype):
        base, raised = g.constant(self, BOOL), g.constant(exponent, BOOL)
        return g.Or(base, g.Not(raised))
    if category(dtype) < 2:
        return integer_power(g, g.constant(self, dtype), g.constant(exponent, dtype))
    base = g.constant(self, dtype)
    if isinstance(exponent, (int, float)):
        if exponent == 0.5:
            return g.Sqrt(base)
        if exponent == -0.5:
            return g.Div(1.0, g.Sqrt(base))
        if exponent == -1:
            return g.Reciprocal(base)
    return g.Pow(base, g.constant(exponent, dtype))


@symbolic("aten::float_power.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor")
@symbolic("aten::float_power.Tensor_Scalar(Tensor self, Scalar exponent) -> Tensor")
@symbolic("aten::float_power.Scalar(Scalar self, Tensor exponent) -> Tensor")
def float_power(g: Builder, self: Operand, exponent: Operand) -> Tensor:
    """The power computed in double, whatever the dtypes; complex numbers in complex128."""
    whole = category(self) == 3 or category(exponent) == 3
    dtype = ir.DataType.COMPLEX128 if whole else DOUBLE
    if isinstance(exponent, Tensor):
        exponent = g.cast(exponent, dtype)
    return pow(g, g.constant(self, dtype), exponent)


@symbolic("aten::ldexp.Tensor(Tensor self, Tensor other) -> Tensor")
def ldexp(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """self * 2 ** other.

    A float is moved by an integral number of binary places, an int32 at most: it keeps its dtype,
    and the power alone may be too large or too small for that. Doubles are moved in three steps.
    """
    if not (is_float(self.dtype) and is_integral(other.dtype)):
        return mul(g, self, pow(g, 2.0, other))
    wide, parts, most = g.cast(self, DOUBLE), 1, 400
    if self.dtype == DOUBLE:
        parts, most = 3, 2200
    places = g.Clip(g.cast(g.cast(other, ir.DataType.INT32), DOUBLE), -most, most)
    for left in range(parts, 0, -1):
        step = places if left == 1 else g.Round(g.Div(places, float(left)))
        wide = g.Mul(wide, g.Pow(g.constant(2.0, DOUBLE), step))
        places = g.Sub(places, step)
    return g.cast(wide, self.dtype)


# ---------------------------------------------------------------- two arguments, no operator in ONNX


@symbolic("aten::arctan2(Tensor self, Tensor other) -> Tensor")
@symbolic("aten::atan2(Tensor self, Tensor other) -> Tensor")
def atan2(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """The angle of the point (other, self), from -pi to pi; the signs of zeros and inf count.

    The angle in the first quadrant, from the absolute values, is mirrored at both axes. Two zeros
    have the angle 0 there, two infinities pi/4.
    """
    y, x = promote_float(g, self, other)
    both_zero = g.And(g.Equal(y, 0), g.Equal(x, 0))
    both_infinite = g.And(g.IsInf(y), g.IsInf(x))
    angle = g.Atan(g.Div(g.Abs(y), g.Abs(x)))
    angle = g.Where(both_zero, g.constant(0.0, y.dtype), angle)
    angle = g.Where(both_infinite, g.constant(math.pi / 4, y.dtype), angle)
    angle = g.Where(negative_sign(g, x), g.Sub(g.constant(math.pi, y.dtype), angle), angle)
    return g.known_as("atan2", g.Where(negative_sign(g, y), g.Neg(angle), angle), y, x)


@symbolic("aten::hypot(Tensor self, Tensor other) -> Tensor")
def hypot(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """sqrt(self ** 2 + other ** 2) without overflow; inf wins over NaN."""
    self, other = promote(g, self, other)
    left, right = g.Abs(self), g.Abs(other)
    large, small = g.Max(left, right), g.Min(left, right)
    ratio = g.Div(small, g.Where(g.Equal(large, 0), g.constant(1, self.dtype), large))
    length = g.Mul(large, g.Sqrt(g.Add(g.Mul(ratio, ratio), 1)))
    infinite = g.Or(g.IsInf(self), g.IsInf(other))
    result = g.Where(infinite, g.constant(math.inf, self.dtype), length)
    return g.known_as("hypot", result, self, other)


@symbolic("aten::copysign.Tensor(Tensor self, Tensor other) -> Tensor")
@symbolic("aten::copysign.Scalar(Tensor self, Scalar other) -> Tensor")
def copysign(g: Builder, self: Operand, other: Operand) -> Tensor:
    """The magnitude of self with the sign of other, -0.0 counting as negative."""
    self, other = promote_float(g, self, other)
    magnitude = g.Abs(self)
    return g.Where(negative_sign(g, other), g.Neg(magnitude), magnitude)


@symbolic("aten::gcd(Tensor self, Tensor other) -> Tensor")
def gcd(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """The greatest common divisor by Euclid's steps: 92 for any two int64, one more to sort them.

    A divisor that is already 0 ends it: the remainder is then taken of 1. The smallest integer has no
    absolute value, and may leave a negative result, as in PyTorch.
    """
    self, other = promote(g, self, other)
    one = g.constant(1, self.dtype)

    def step(index: Tensor, states: list[Tensor]) -> list[Tensor]:
        divisor, number = states
        done = g.Equal(divisor, 0)
        rest = g.Mod(number, g.Where(done, one, divisor), fmod=1)
        return [g.Where(done, divisor, rest), g.Where(done, number, divisor)]

    trips = {"UINT8": 13, "INT8": 12, "INT16": 24, "INT32": 47}.get(self.dtype.name, 93)
    shape = g.Mul(g.Add(self, other), 0)
    divisor, number = (g.Add(shape, g.Abs(value)) for value in (self, other))
    return loop(g, trips, step, [divisor, number])[1]


@symbolic("aten::lcm(Tensor self, Tensor other) -> Tensor")
def lcm(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """The least common multiple: |self / gcd * other|, and 0 if one is 0.

    As in C, integers of less than 32 bits are multiplied as int32.
    """
    self, other = promote(g, self, other)
    dtype = self.dtype
    divisor = gcd(g, self, other)
    divisor = g.Where(g.Equal(divisor, 0), g.constant(1, dtype), divisor)
    factor = g.Div(self, divisor)
    if dtype != INT64:
        factor, other = g.cast(factor, ir.DataType.INT32), g.cast(other, ir.DataType.INT32)
    return g.cast(g.Abs(g.Mul(factor, other)), dtype)
