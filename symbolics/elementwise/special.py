"""Error functions, entropies and logarithms that need care; what `torch.special` is built upon.

The gamma function's kin are in `gamma`, Bessel functions in `bessel`, polynomials by degree in
`orthogonal`. All compute in doubles, and return the dtype that promotion says.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.derivatives.pieces import summed_to
from exporter.onnx_graph.derivatives.registry import Step, derivative
from exporter.onnx_graph.polynomials import (
    erf_double,
    erf_within_one,
    erfc_double,
    horner,
    scaled_tail,
)
from exporter.onnx_graph.values import Number, Tensor
from symbolics.elementwise.comparison import isnan
from symbolics.elementwise.pointwise import as_float, log1p
from symbolics.registry import symbolic
from symbolics.rules import DOUBLE, promote_float

__all__ = ["in_doubles"]

Operand = Tensor | Number


def in_doubles(g: Builder, compute: Callable[..., Tensor], *operands: Operand) -> Tensor:
    """`compute` of the operands as doubles, in the dtype of their promotion to a float."""
    promoted = promote_float(g, *operands)
    return g.cast(compute(g, *(g.cast(t, DOUBLE) for t in promoted)), promoted[0].dtype)


# ---------------------------------------------------------------- error functions


@symbolic("aten::special_erf(Tensor self) -> Tensor")
@symbolic("aten::erf(Tensor self) -> Tensor")
def erf(g: Builder, self: Tensor) -> Tensor:
    """The error function."""
    return g.Erf(as_float(g, self))


@symbolic("aten::special_erfc(Tensor self) -> Tensor")
@symbolic("aten::erfc(Tensor self) -> Tensor")
def erfc(g: Builder, self: Tensor) -> Tensor:
    """1 - erf(x)."""
    return in_doubles(g, erfc_double, self)


@symbolic("aten::special_erfcx(Tensor self) -> Tensor")
def special_erfcx(g: Builder, self: Tensor) -> Tensor:
    """exp(x * x) * erfc(x)."""

    def compute(g: Builder, x: Tensor) -> Tensor:
        size = g.Abs(x)
        growth = g.Exp(g.Mul(x, x))
        small = g.Mul(growth, g.Sub(g.constant(1.0, DOUBLE), erf_within_one(g, x)))
        tail = scaled_tail(g, size)
        tail = g.Where(g.Less(x, 0.0), g.Sub(g.Mul(growth, 2.0), tail), tail)
        return g.Where(g.Less(size, 1.0), small, tail)

    return in_doubles(g, compute, self)


# A first guess at erfinv, near and far from 0, after M. Giles, "Approximating the erfinv function".
GUESS_NEAR = (2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
              -0.00125372503, -0.00417768164, 0.246640727, 1.50140941)  # fmt: skip
GUESS_FAR = (-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
             -0.0076224613, 0.00943887047, 1.00167406, 2.83297682)  # fmt: skip


def inverse(g: Builder, x: Tensor, rest: Tensor) -> Tensor:
    """erfinv of x >= 0, where `rest` is 1 - x (which may be more exact than x).

    1. Guess; far out from erfc(y) = exp(-y * y) / (y * sqrt(pi)), nearly.
    2. Newton's steps: on erf near 0, on erfc, and far out on the logarithm of erfc.
    """
    logarithm = g.Neg(g.Log(g.Mul(rest, g.Add(x, 1.0))))
    root = g.Sub(g.Sqrt(g.Max(logarithm, 0.0)), 3.0)
    near, far = horner(g, g.Sub(logarithm, 2.5), GUESS_NEAR), horner(g, root, GUESS_FAR)
    wanted = g.Log(rest)
    square = g.Sub(g.constant(-0.5 * math.log(math.pi), DOUBLE), wanted)
    tail = g.Sqrt(g.Sub(square, g.Mul(g.Log(g.Max(square, 1.0)), 0.5)))
    guess = g.Mul(g.Where(g.Less(logarithm, 5.0), near, far), x)
    guess = g.Where(g.Greater(logarithm, 15.0), tail, guess)
    for _ in range(3):
        error = g.Where(
            g.Less(x, 0.5), g.Sub(x, erf_double(g, guess)), g.Sub(erfc_double(g, guess), rest)
        )
        step = g.Mul(g.Mul(error, g.Exp(g.Mul(guess, guess))), math.sqrt(math.pi) / 2)
        scaled = scaled_tail(g, guess)
        distance = g.Sub(g.Sub(g.Log(scaled), g.Mul(guess, guess)), wanted)
        far_step = g.Mul(g.Mul(distance, scaled), math.sqrt(math.pi) / 2)
        guess = g.Add(guess, g.Where(g.Greater(logarithm, 5.0), far_step, step))
    end = g.Where(g.Equal(rest, 0.0), g.constant(math.inf, DOUBLE), guess)
    return g.Where(g.Less(rest, 0.0), g.constant(math.nan, DOUBLE), end)


@symbolic("aten::special_erfinv(Tensor self) -> Tensor")
@symbolic("aten::erfinv(Tensor self) -> Tensor")
def erfinv(g: Builder, self: Tensor) -> Tensor:
    """The x whose erf is given: inf at 1, NaN beyond."""

    def compute(g: Builder, x: Tensor) -> Tensor:
        size = g.Abs(x)
        result = inverse(g, size, g.Sub(g.constant(1.0, DOUBLE), size))
        return g.Where(g.Less(x, 0.0), g.Neg(result), result)

    return g.known_as("erfinv", in_doubles(g, compute, self), self)


@symbolic("aten::special_ndtr(Tensor self) -> Tensor")
def special_ndtr(g: Builder, self: Tensor) -> Tensor:
    """The area under the normal density up to x."""

    def compute(g: Builder, x: Tensor) -> Tensor:
        return g.Mul(erfc_double(g, g.Mul(x, -math.sqrt(0.5))), 0.5)

    return in_doubles(g, compute, self)


@symbolic("aten::special_log_ndtr(Tensor self) -> Tensor")
def special_log_ndtr(g: Builder, self: Tensor) -> Tensor:
    """The logarithm of `special_ndtr`, exact far below 0 too."""

    def compute(g: Builder, x: Tensor) -> Tensor:
        reduced = g.Mul(x, math.sqrt(0.5))
        below = g.Log(g.Mul(scaled_tail(g, g.Max(g.Neg(reduced), 1.0)), 0.5))
        below = g.Sub(below, g.Mul(reduced, reduced))
        above = log1p(g, g.Mul(erfc_double(g, reduced), -0.5))
        return g.Where(g.Less(reduced, -1.0), below, above)

    return in_doubles(g, compute, self)


@symbolic("aten::special_ndtri(Tensor self) -> Tensor")
def special_ndtri(g: Builder, self: Tensor) -> Tensor:
    """The x at which `special_ndtr` is given."""

    def compute(g: Builder, p: Tensor) -> Tensor:
        one = g.constant(1.0, DOUBLE)
        rest = g.Mul(g.Min(p, g.Sub(one, p)), 2.0)
        result = g.Mul(inverse(g, g.Sub(one, rest), rest), math.sqrt(2))
        return g.Where(g.Less(p, 0.5), g.Neg(result), result)

    return g.known_as("ndtri", in_doubles(g, compute, self), self)


# ---------------------------------------------------------------- logarithms


def times_log(g: Builder, self: Operand, other: Operand, logarithm: Callable[..., Tensor]) -> Tensor:  # fmt: skip
    """self * logarithm(other): 0 where self is 0, unless other is NaN."""
    self, other = promote_float(g, self, other)
    zero = g.And(g.Equal(self, 0), g.Not(isnan(g, other)))
    return g.Where(zero, g.constant(0, self.dtype), g.Mul(self, logarithm(g, other)))


def plain_log(g: Builder, x: Tensor) -> Tensor:
    """The natural logarithm."""
    return g.Log(x)


@symbolic("aten::special_xlogy(Tensor self, Tensor other) -> Tensor")
@symbolic("aten::special_xlogy.other_scalar(Tensor self, Scalar other) -> Tensor")
@symbolic("aten::special_xlogy.self_scalar(Scalar self, Tensor other) -> Tensor")
@symbolic("aten::xlogy.Tensor(Tensor self, Tensor other) -> Tensor")
@symbolic("aten::xlogy.Scalar_Other(Tensor self, Scalar other) -> Tensor")
@symbolic("aten::xlogy.Scalar_Self(Scalar self, Tensor other) -> Tensor")
def xlogy(g: Builder, self: Operand, other: Operand) -> Tensor:
    """self * log(other), 0 where self is 0."""
    self, other = promote_float(g, self, other)
    return g.known_as("xlogy", times_log(g, self, other, plain_log), self, other)


@symbolic("aten::special_xlog1py(Tensor self, Tensor other) -> Tensor")
@symbolic("aten::special_xlog1py.other_scalar(Tensor self, Scalar other) -> Tensor")
@symbolic("aten::special_xlog1py.self_scalar(Scalar self, Tensor other) -> Tensor")
def special_xlog1py(g: Builder, self: Operand, other: Operand) -> Tensor:
    """self * log(1 + other), 0 where self is 0."""
    self, other = promote_float(g, self, other)
    return g.known_as("xlog1py", times_log(g, self, other, log1p), self, other)


@derivative("xlog1py")
def xlog1py_slope(g: Builder, step: Step, grad: Tensor) -> list[Tensor | None]:
    """By the first the logarithm, though the product is 0 by definition where that is."""
    x, y, zero = step[0], step[1], g.constant(0, grad.dtype)
    pole = g.And(g.Equal(x, zero), g.LessOrEqual(y, -1.0))
    slope = g.Where(pole, zero, log1p(g, y))
    return [
        summed_to(g, g.Mul(grad, slope), x) if step.wants(0) else None,
        summed_to(g, g.Mul(grad, g.Div(x, g.Add(y, 1.0))), y) if step.wants(1) else None,
    ]


@symbolic("aten::special_entr(Tensor self) -> Tensor")
def special_entr(g: Builder, self: Tensor) -> Tensor:
    """-x log(x): 0 at 0, -inf below."""
    self = as_float(g, self)
    zero = g.constant(0, self.dtype)
    plain = g.Neg(g.Mul(self, g.Log(self)))
    result = g.Where(g.Less(self, 0), g.constant(-math.inf, self.dtype), plain)
    return g.known_as("entr", g.Where(g.Equal(self, 0), zero, result), self)


def log_of_sum(g: Builder, self: Tensor, other: Tensor, base: float) -> Tensor:
    """The logarithm of base ** self + base ** other, without overflow."""
    self, other = promote_float(g, self, other)
    larger = g.Max(self, other)
    same = g.And(g.IsInf(self), g.Equal(self, other))
    distance = g.Mul(g.Neg(g.Abs(g.Sub(self, other))), math.log(base))
    rest = g.Div(log1p(g, g.Exp(distance)), math.log(base))
    return g.Where(same, self, g.Add(larger, rest))


@symbolic("aten::logaddexp(Tensor self, Tensor other) -> Tensor")
def logaddexp(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """log(exp(self) + exp(other))."""
    return log_of_sum(g, self, other, math.e)


@symbolic("aten::logaddexp2(Tensor self, Tensor other) -> Tensor")
def logaddexp2(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """log2(2 ** self + 2 ** other)."""
    return log_of_sum(g, self, other, 2.0)
