"""Error functions, entropies and logarithms that need care; what `torch.special` is built upon.

The gamma function's kin are in `gamma`, Bessel functions in `bessel`, polynomials by degree in
`orthogonal`. All compute in doubles, and return the dtype that promotion says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.values import Number, Tensor
from symbolics.elementwise.comparison import isnan
from symbolics.elementwise.pointwise import as_float, log1p
from symbolics.registry import symbolic
from symbolics.rules import DOUBLE, promote_float

__all__ = ["horner", "in_doubles"]

Operand = Tensor | Number


def in_doubles(g: Builder, compute: Callable[..., Tensor], *operands: Operand) -> Tensor:
    """`compute` of the operands as doubles, in the dtype of their promotion to a float."""
    promoted = promote_float(g, *operands)
    return g.cast(compute(g, *(g.cast(t, DOUBLE) for t in promoted)), promoted[0].dtype)


def horner(g: Builder, x: Tensor, coefficients: Sequence[float]) -> Tensor:
    """A polynomial, the coefficient of its highest power first."""
    result = g.constant(coefficients[0], x.dtype)
    for coefficient in coefficients[1:]:
        result = g.Add(g.Mul(result, x), coefficient)
    return result


# ---------------------------------------------------------------- error functions

# Rational approximations of erf within 1, and of exp(x * x) * erfc(x) from 1 to 8 and beyond; they are
# those of W. J. Cody's kind in the Cephes library (S. L. Moshier), good to the last digits of a double.
ERF = (
    (9.60497373987051638749, 90.0260197203842689217, 2232.00534594684319226, 7003.32514112805075473, 55592.3013010394962768),
    (1.0, 33.5617141647503099647, 521.357949780152679795, 4594.32382970980127987, 22629.0000613890934246, 49267.3942608635921086),
)  # fmt: skip
ERFC_NEAR = (
    (2.46196981473530512524e-10, 0.564189564831068821977, 7.46321056442269912687, 48.6371970985681366614, 196.520832956077098242,
     526.445194995477358631, 934.528527171957607540, 1027.55188689515710272, 557.535335369399327526),
    (1.0, 13.2281951154744992508, 86.7072140885989742329, 354.937778887819891062, 975.708501743205489753, 1823.90916687909736289,
     2246.33760818710981792, 1656.66309194161350182, 557.535340817727675546),
)  # fmt: skip
ERFC_FAR = (
    (0.564189583547755073984, 1.27536670759978104416, 5.01905042251180477414, 6.16021097993053585195, 7.40974269950448939160,
     2.97886665372100240670),
    (1.0, 2.26052863220117276590, 9.39603524938001434673, 12.0489539808096656605, 17.0814450747565897222, 9.60896809063285878198,
     3.36907645100081516050),
)  # fmt: skip


def rational(g: Builder, x: Tensor, parts: tuple[Sequence[float], Sequence[float]]) -> Tensor:
    """A quotient of two polynomials."""
    return g.Div(horner(g, x, parts[0]), horner(g, x, parts[1]))


def erf_within_one(g: Builder, x: Tensor) -> Tensor:
    """The error function for |x| <= 1."""
    return g.Mul(x, rational(g, g.Mul(x, x), ERF))


def scaled_tail(g: Builder, x: Tensor) -> Tensor:
    """exp(x * x) * erfc(x) for x >= 1."""
    near = rational(g, g.Min(x, 8.0), ERFC_NEAR)
    far = rational(g, g.Min(x, 1e30), ERFC_FAR)
    return g.Where(g.Less(x, 8.0), near, far)


def erfc_double(g: Builder, x: Tensor) -> Tensor:
    """1 - erf(x), exact in its tail too."""
    size = g.Abs(x)
    tail = g.Mul(g.Exp(g.Neg(g.Mul(size, size))), scaled_tail(g, size))
    tail = g.Where(g.Less(x, 0.0), g.Sub(g.constant(2.0, DOUBLE), tail), tail)
    small = g.Sub(g.constant(1.0, DOUBLE), erf_within_one(g, x))
    return g.Where(g.Less(size, 1.0), small, tail)


def erf_double(g: Builder, x: Tensor) -> Tensor:
    """The error function."""
    rest = g.Sub(g.constant(1.0, DOUBLE), erfc_double(g, x))
    return g.Where(g.Less(g.Abs(x), 1.0), erf_within_one(g, x), rest)


@symbolic("aten::special_erf(Tensor self) -> Tensor")
@symbolic("aten::erf(Tensor self) -> Tensor")
def erf(g: Builder, self: Tensor) -> Tensor:
    """The error function; ONNX runtimes have it in float32."""
    self = as_float(g, self)
    return erf_double(g, self) if self.dtype == DOUBLE else g.Erf(self)


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

    return in_doubles(g, compute, self)


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

    return in_doubles(g, compute, self)


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
    return times_log(g, self, other, plain_log)


@symbolic("aten::special_xlog1py(Tensor self, Tensor other) -> Tensor")
@symbolic("aten::special_xlog1py.other_scalar(Tensor self, Scalar other) -> Tensor")
@symbolic("aten::special_xlog1py.self_scalar(Scalar self, Tensor other) -> Tensor")
def special_xlog1py(g: Builder, self: Operand, other: Operand) -> Tensor:
    """self * log(1 + other), 0 where self is 0."""
    return times_log(g, self, other, log1p)


@symbolic("aten::special_entr(Tensor self) -> Tensor")
def special_entr(g: Builder, self: Tensor) -> Tensor:
    """-x log(x): 0 at 0, -inf below."""
    self = as_float(g, self)
    zero = g.constant(0, self.dtype)
    plain = g.Neg(g.Mul(self, g.Log(self)))
    result = g.Where(g.Less(self, 0), g.constant(-math.inf, self.dtype), plain)
    return g.Where(g.Equal(self, 0), zero, result)


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
