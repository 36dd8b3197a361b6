"""The gamma function's kin: its logarithm and derivatives, the Hurwitz zeta, incomplete forms."""

from __future__ import annotations

import math

import numpy as np

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.derivatives.registry import Step, derivative
from exporter.onnx_graph.loops import loop
from exporter.onnx_graph.polynomials import horner
from exporter.onnx_graph.symbolic import sym_max
from exporter.onnx_graph.values import Tensor
from symbolics.elementwise.special import Operand, in_doubles
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import DOUBLE, INT64

__all__ = ["lgamma_double", "zeta_double"]

# Lanczos' approximation with g = 7 and nine terms, good to 15 digits.
LANCZOS = (676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
           12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7)  # fmt: skip

# B(2k) / (2k)!, for Euler and Maclaurin's summation.
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)


def lgamma_double(g: Builder, x: Tensor) -> Tensor:
    """log |gamma(x)|; below 1/2 by reflection, inf at 0, -1, -2, ..."""
    one = g.constant(1.0, DOUBLE)
    mirrored = g.Less(x, 0.5)
    z = g.Sub(g.Where(mirrored, g.Sub(one, x), x), 1.0)
    total = g.constant(0.99999999999980993, DOUBLE)
    for i, coefficient in enumerate(LANCZOS):
        total = g.Add(total, g.Div(g.constant(coefficient, DOUBLE), g.Add(z, i + 1.0)))
    power = g.Sub(g.Log(g.Add(z, 7.5)), 1.0)
    value = g.Add(g.Mul(g.Add(z, 0.5), power), g.Log(total))
    value = g.Add(value, 0.5 * math.log(2 * math.pi) - 7.0)
    sine = g.Abs(g.Sin(g.Mul(g.Sub(x, g.Round(x)), math.pi)))
    reflected = g.Sub(g.Sub(g.constant(math.log(math.pi), DOUBLE), g.Log(sine)), value)
    result = g.Where(mirrored, reflected, value)
    return g.Where(g.IsInf(x), g.constant(math.inf, DOUBLE), result)


def digamma_double(g: Builder, x: Tensor) -> Tensor:
    """The derivative of log gamma: -inf at 0, NaN at -1, -2, ..., by reflection below 0."""
    one = g.constant(1.0, DOUBLE)
    mirrored = g.Less(x, 0.0)
    start = g.Where(mirrored, g.Sub(one, x), x)
    steps = 10
    total = g.constant(0.0, DOUBLE)
    for i in range(steps):
        total = g.Add(total, g.Div(one, g.Add(start, float(i))))
    far = g.Add(start, float(steps))
    square = g.Div(one, g.Mul(far, far))
    tail = [b / (2 * k + 2) for k, b in enumerate(BERNOULLI[:6])]
    series = g.Mul(square, horner(g, square, tail[::-1]))
    value = g.Sub(g.Sub(g.Sub(g.Log(far), g.Div(g.constant(0.5, DOUBLE), far)), series), total)
    angle = g.Mul(g.Sub(x, g.Round(x)), math.pi)
    reflected = g.Sub(value, g.Div(g.Mul(g.Cos(angle), math.pi), g.Sin(angle)))
    result = g.Where(mirrored, reflected, value)
    pole = g.And(mirrored, g.Equal(x, g.Floor(x)))
    result = g.Where(pole, g.constant(math.nan, DOUBLE), result)
    endless = g.Mul(g.Reciprocal(x), -1.0)
    return g.Where(g.Equal(x, 0.0), endless, result)


def trigamma_double(g: Builder, x: Tensor) -> Tensor:
    """The second derivative of log gamma, by reflection below 1/2."""
    one = g.constant(1.0, DOUBLE)
    mirrored = g.Less(x, 0.5)
    start = g.Where(mirrored, g.Sub(one, x), x)
    value = zeta_above(g, g.constant(2.0, DOUBLE), start)
    sine = g.Sin(g.Mul(g.Sub(x, g.Round(x)), math.pi))
    ratio = g.Div(g.constant(math.pi, DOUBLE), sine)
    return g.Where(mirrored, g.Sub(g.Mul(ratio, ratio), value), value)


def zeta_tail(g: Builder, s: Tensor, q: Tensor) -> Tensor:
    """The sum of (q + k) ** -s over k = 0, 1, ... for a large q, by Euler and Maclaurin."""
    power = g.Pow(q, g.Neg(s))
    total = g.Add(g.Div(g.Mul(power, q), g.Sub(s, 1.0)), g.Mul(power, 0.5))
    factor, rising = g.Div(power, q), s
    for k, number in enumerate(BERNOULLI):
        term = g.Mul(g.Mul(rising, factor), number / math.factorial(2 * k + 2))
        total = g.Add(total, term)
        rising = g.Mul(g.Mul(rising, g.Add(s, 2 * k + 1.0)), g.Add(s, 2 * k + 2.0))
        factor = g.Div(factor, g.Mul(q, q))
    return total


def zeta_above(g: Builder, s: Tensor, q: Tensor) -> Tensor:
    """The Hurwitz zeta function for q > 0."""
    steps = 12
    total = zeta_tail(g, s, g.Add(q, float(steps)))
    for i in range(steps):
        total = g.Add(total, g.Pow(g.Add(q, float(i)), g.Neg(s)))
    return total


def zeta_double(g: Builder, s: Tensor, q: Tensor) -> Tensor:
    """The sum of (q + k) ** -s over k = 0, 1, ...

    inf at s = 1, NaN below; at q = 0, -1, ... inf; for other q below 0 NaN, unless s is an integer:
    then the terms up to 12 are added one by one, which is why there is a loop.
    """
    limit = 12.0
    # One NaN, or -inf, must not decide how many terms the others have.
    counted = g.Where(g.Or(g.IsNaN(q), g.IsInf(q)), g.constant(limit, DOUBLE), q)
    lowest = g.ReduceMin(
        g.Concat(g.Reshape(counted, [-1]), g.constant([limit], DOUBLE), axis=0), keepdims=False
    )
    count = g.integer(g.cast(g.Ceil(g.Sub(g.constant(limit, DOUBLE), lowest)), INT64))
    zero = g.Mul(g.Add(q, s), 0.0)

    def step(index: Tensor, states: list[Tensor]) -> list[Tensor]:
        at = g.Add(q, g.cast(index, DOUBLE))
        term = g.Where(g.Less(at, limit), g.Pow(at, g.Neg(s)), g.constant(0.0, DOUBLE))
        return [g.Add(states[0], term)]

    near = loop(g, sym_max(count, 0), step, [zero])[0]
    start = g.Add(q, g.Max(g.Ceil(g.Sub(g.constant(limit, DOUBLE), q)), 0.0))
    result = g.Add(near, zeta_tail(g, s, start))
    nan, inf = g.constant(math.nan, DOUBLE), g.constant(math.inf, DOUBLE)
    below = g.LessOrEqual(q, 0.0)
    result = g.Where(g.And(below, g.Not(g.Equal(s, g.Floor(s)))), nan, result)
    result = g.Where(g.And(below, g.Equal(q, g.Floor(q))), inf, result)
    result = g.Where(g.Less(s, 1.0), nan, result)
    return g.Where(g.Equal(s, 1.0), inf, result)


# ---------------------------------------------------------------- the operators


@symbolic("aten::special_gammaln(Tensor self) -> Tensor")
@symbolic("aten::lgamma(Tensor self) -> Tensor")
def lgamma(g: Builder, self: Tensor) -> Tensor:
    """log |gamma(x)|."""
    return g.known_as("lgamma", in_doubles(g, lgamma_double, self), self)


@derivative("lgamma")
def lgamma_slope(g: Builder, step: Step, grad: Tensor) -> list[Tensor]:
    """The digamma function."""
    return [g.Mul(grad, digamma(g, step[0]))]


@symbolic("aten::special_psi(Tensor self) -> Tensor")
@symbolic("aten::special_digamma(Tensor self) -> Tensor")
@symbolic("aten::digamma(Tensor self) -> Tensor")
def digamma(g: Builder, self: Tensor) -> Tensor:
    """The derivative of `lgamma`."""
    return g.known_as("digamma", in_doubles(g, digamma_double, self), self)


@derivative("digamma")
def digamma_slope(g: Builder, step: Step, grad: Tensor) -> list[Tensor]:
    """The trigamma function."""
    return [g.Mul(grad, polygamma(g, 1, step[0]))]


@symbolic("aten::special_polygamma(int n, Tensor self) -> Tensor")
@symbolic("aten::polygamma(int n, Tensor self) -> Tensor")
def polygamma(g: Builder, n: int, self: Tensor) -> Tensor:
    """The n-th derivative of `digamma`: from the second on (-1) ** (n + 1) n! zeta(n + 1, x)."""
    if n < 0:
        raise Unsupported(f"polygamma with n = {n}")
    if n == 0:
        return digamma(g, self)

    def compute(g: Builder, x: Tensor) -> Tensor:
        if n == 1:
            return trigamma_double(g, x)
        factor = (-1.0) ** (n + 1) * math.factorial(n)
        return g.Mul(zeta_double(g, g.constant(n + 1.0, DOUBLE), x), factor)

    return g.known_as("polygamma", in_doubles(g, compute, self), self, g.constant(n))


@derivative("polygamma")
def polygamma_slope(g: Builder, step: Step, grad: Tensor) -> list[Tensor | None]:
    """The next of them."""
    n = int(step[1].require_array())
    return [g.Mul(grad, polygamma(g, n + 1, step[0])), None]


@symbolic("aten::special_multigammaln(Tensor self, int p) -> Tensor")
@symbolic("aten::mvlgamma(Tensor self, int p) -> Tensor")
def mvlgamma(g: Builder, self: Tensor, p: int) -> Tensor:
    """The logarithm of the multivariate gamma function of dim p."""

    def compute(g: Builder, x: Tensor) -> Tensor:
        total = g.constant(p * (p - 1) / 4 * math.log(math.pi), DOUBLE)
        for i in range(p):
            total = g.Add(total, lgamma(g, g.Sub(x, i / 2)))
        return total

    return in_doubles(g, compute, self)


@symbolic("aten::special_zeta(Tensor self, Tensor other) -> Tensor")
@symbolic("aten::special_zeta.other_scalar(Tensor self, Scalar other) -> Tensor")
@symbolic("aten::special_zeta.self_scalar(Scalar self, Tensor other) -> Tensor")
def special_zeta(g: Builder, self: Operand, other: Operand) -> Tensor:
    """The Hurwitz zeta function of self, from other on."""
    return in_doubles(g, zeta_double, self, other)


# ---------------------------------------------------------------- incomplete gamma functions

TERMS = 220  # enough for 1e-13 wherever a < LARGE
LARGE = 100.0


def incomplete(g: Builder, a: Tensor, x: Tensor, upper: bool) -> Tensor:
    """The regularised lower (or upper) incomplete gamma function.

    1. x up to a + 1: the power series of the lower one.
    2. Beyond: the continued fraction of the upper one.
    3. a of 100 and more: Gauss and Legendre's quadrature from x to where the integrand vanishes.
    4. The edges: a = 0, x = 0, inf; NaN where an argument is negative or both are 0 or inf.
    """
    one, zero = g.constant(1.0, DOUBLE), g.constant(0.0, DOUBLE)
    log_gamma = lgamma_double(g, a)
    weight = g.Exp(g.Sub(g.Sub(g.Mul(a, g.Log(x)), x), log_gamma))

    def series(index: Tensor, states: list[Tensor]) -> list[Tensor]:
        term, total = states
        term = g.Div(g.Mul(term, x), g.Add(g.Add(a, 1.0), g.cast(index, DOUBLE)))
        return [term, g.Add(total, term)]

    blank = g.Mul(g.Add(a, x), 0.0)
    first = g.Add(g.Div(one, a), blank)
    lower = g.Mul(weight, loop(g, TERMS, series, [first, first])[1])

    def fraction(index: Tensor, states: list[Tensor]) -> list[Tensor]:
        value, c, d = states
        n = g.Add(g.cast(index, DOUBLE), 1.0)
        numerator = g.Neg(g.Mul(n, g.Sub(n, a)))
        b = g.Add(g.Sub(x, a), g.Add(g.Mul(n, 2.0), 1.0))
        d = g.Div(one, away_from_zero(g, g.Add(g.Mul(numerator, d), b)))
        c = away_from_zero(g, g.Add(b, g.Div(numerator, c)))
        return [g.Mul(value, g.Mul(c, d)), c, d]

    b = away_from_zero(g, g.Add(g.Sub(x, a), 1.0))
    d = g.Div(one, b)
    huge = g.Add(blank, 1e300)
    beyond = g.Mul(weight, loop(g, TERMS, fraction, [d, huge, d])[0])
    early = g.Less(x, g.Add(a, 1.0))
    rest = g.Where(early, g.Sub(one, lower), beyond)
    lower = g.Where(early, lower, g.Sub(one, beyond))
    wide_lower, wide_upper = quadrature(g, a, x, log_gamma)
    wide = g.GreaterOrEqual(a, LARGE)
    result = g.Where(wide, wide_upper, rest) if upper else g.Where(wide, wide_lower, lower)
    nothing, all_of_it = (one, zero) if upper else (zero, one)
    infinite_a, infinite_x = g.IsInf(a), g.IsInf(x)
    result = g.Where(g.Or(g.Equal(x, 0.0), infinite_a), nothing, result)
    result = g.Where(g.Or(g.Equal(a, 0.0), g.And(infinite_x, g.Not(infinite_a))), all_of_it, result)
    wrong = g.Or(g.Less(a, 0.0), g.Less(x, 0.0))
    wrong = g.Or(wrong, g.And(g.Equal(a, 0.0), g.Equal(x, 0.0)))
    wrong = g.Or(wrong, g.And(infinite_a, infinite_x))
    wrong = g.Or(wrong, g.IsNaN(g.Add(a, x)))
    return g.Where(wrong, g.constant(math.nan, DOUBLE), result)


def away_from_zero(g: Builder, value: Tensor) -> Tensor:
    """The value, a tiny number where it is 0: what Lentz' algorithm divides by."""
    return g.Where(g.Less(g.Abs(value), 1e-300), g.constant(1e-300, DOUBLE), value)


def quadrature(g: Builder, a: Tensor, x: Tensor, log_gamma: Tensor) -> tuple[Tensor, Tensor]:
    """The lower and upper function for a large a."""
    nodes, weights = np.polynomial.legendre.leggauss(48)
    peak = g.Sub(a, 1.0)
    spread = g.Sqrt(peak)
    above = g.Greater(x, peak)
    far = g.Max(g.Add(peak, g.Mul(spread, 11.5)), g.Add(x, g.Mul(spread, 6.0)))
    near = g.Max(
        g.Min(g.Sub(peak, g.Mul(spread, 7.5)), g.Sub(x, g.Mul(spread, 5.0))),
        g.constant(0.0, DOUBLE),
    )
    end = g.Where(above, far, near)
    half = g.Unsqueeze(g.Mul(g.Sub(end, x), 0.5), [-1])
    middle = g.Unsqueeze(g.Mul(g.Add(end, x), 0.5), [-1])
    at = g.Add(middle, g.Mul(half, g.constant(nodes, DOUBLE)))
    wide_a, log_peak = g.Unsqueeze(peak, [-1]), g.Log(g.Unsqueeze(peak, [-1]))
    exponent = g.Sub(g.Mul(wide_a, g.Sub(g.Log(at), log_peak)), g.Sub(at, wide_a))
    values = g.Mul(g.Exp(exponent), g.constant(weights, DOUBLE))
    area = g.Mul(g.ReduceSum(values, axes=[-1], keepdims=False), g.Squeeze(half, [-1]))
    scale = g.Exp(g.Sub(g.Sub(g.Mul(peak, g.Log(peak)), peak), log_gamma))
    area = g.Mul(area, scale)
    one = g.constant(1.0, DOUBLE)
    upper = g.Where(above, area, g.Add(one, area))
    lower = g.Where(above, g.Sub(one, area), g.Neg(area))
    return lower, upper


@symbolic("aten::special_gammainc(Tensor self, Tensor other) -> Tensor")
@symbolic("aten::igamma(Tensor self, Tensor other) -> Tensor")
def igamma(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """The regularised lower incomplete gamma function."""
    return in_doubles(g, lambda g, a, x: incomplete(g, a, x, False), self, other)


@symbolic("aten::special_gammaincc(Tensor self, Tensor other) -> Tensor")
@symbolic("aten::igammac(Tensor self, Tensor other) -> Tensor")
def igammac(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """The regularised upper incomplete gamma function."""
    return in_doubles(g, lambda g, a, x: incomplete(g, a, x, True), self, other)
