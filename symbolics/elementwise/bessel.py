"""Bessel functions of orders 0 and 1, and Airy's function.

None is an operator of ONNX. Each is computed in doubles from its integral or power series for small
arguments (Abramowitz & Stegun, 9.1.18-21, 9.1.88, 9.6.11-24) and from its asymptotic series for large
ones (9.2.5, 9.7.1). A periodic or quickly vanishing integrand makes the trapezoidal rule exact
to the last digits; the sum over its points is a MatMul.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.polynomials import horner
from exporter.onnx_graph.values import Tensor
from symbolics.elementwise.special import in_doubles
from symbolics.registry import symbolic
from symbolics.rules import DOUBLE

__all__: list[str] = []

# Asymptotic series from here on, where they are good to 1e-14.
FAR = 30.0
TERMS = 18
POINTS = 60


def asymptotic(order: float) -> list[float]:
    """The coefficients a_k of Hankel's expansions."""
    result = [1.0]
    for k in range(1, TERMS):
        result.append(result[-1] * (4 * order**2 - (2 * k - 1) ** 2) / (8 * k))
    return result


def series(g: Builder, x: Tensor, coefficients: list[float]) -> Tensor:
    """A power series, the constant first."""
    return horner(g, x, coefficients[::-1])


def summed(g: Builder, values: Tensor, weights: np.ndarray) -> Tensor:
    """The sum over the last dim, weighted."""
    column = g.constant(weights.reshape(-1, 1), DOUBLE)
    return g.Squeeze(g.MatMul(values, column), [-1])


def at_points(g: Builder, x: Tensor, points: np.ndarray) -> Tensor:
    """x times each point, along a new last dim."""
    return g.Mul(g.Unsqueeze(x, [-1]), g.constant(points, DOUBLE))


def number(g: Builder, value: float) -> Tensor:
    """A double."""
    return g.constant(value, DOUBLE)


# ---------------------------------------------------------------- J and Y


def wave(g: Builder, x: Tensor, order: int, *, second: bool) -> Tensor:
    """J (or Y, the `second` kind) of a large x > 0: waves of slowly falling height."""
    coefficients = asymptotic(order)
    inverse = g.Reciprocal(x)
    square = g.Mul(inverse, inverse)
    even = [(-1) ** k * c for k, c in enumerate(coefficients[::2])]
    odd = [(-1) ** k * c for k, c in enumerate(coefficients[1::2])]
    p, q = series(g, square, even), g.Mul(inverse, series(g, square, odd))
    phase = g.Sub(x, (order / 2 + 0.25) * math.pi)
    sine, cosine = g.Sin(phase), g.Cos(phase)
    if second:
        total = g.Add(g.Mul(p, sine), g.Mul(q, cosine))
    else:
        total = g.Sub(g.Mul(p, cosine), g.Mul(q, sine))
    height = g.Sqrt(g.Mul(inverse, 2 / math.pi))
    return g.Mul(total, height)


def angles() -> np.ndarray:
    """The midpoints of a quarter period."""
    return np.asarray((np.arange(POINTS) + 0.5) * (math.pi / 2 / POINTS))


def j_near(g: Builder, x: Tensor, order: int) -> Tensor:
    """J as the mean of cos(x sin t) or sin(t) sin(x sin t)."""
    sines = np.sin(angles())
    inner = at_points(g, x, sines)
    if order == 0:
        return summed(g, g.Cos(inner), np.full(POINTS, 1 / POINTS))
    return summed(g, g.Sin(inner), sines / POINTS)


def y_near(g: Builder, x: Tensor, order: int) -> Tensor:
    """Y by Neumann's series of J(2k), each of which is a mean of cos(2 k t) cos(x sin t).

    Y0 = 2/pi (log(x/2) + gamma) J0 - 4/pi sum of (-1)**k J(2k) / k, and Y1 is minus its derivative.
    """
    t = angles()
    weights = np.zeros(POINTS)
    for k in range(1, 41):
        weights -= (-1) ** k * np.cos(2 * k * t) / k
    weights *= 4 / math.pi / POINTS
    logarithm = g.Mul(g.Add(g.Log(g.Mul(x, 0.5)), float(np.euler_gamma)), 2 / math.pi)
    inner = at_points(g, x, np.sin(t))
    if order == 0:
        return g.Add(g.Mul(logarithm, j_near(g, x, 0)), summed(g, g.Cos(inner), weights))
    rest = g.Sub(summed(g, g.Sin(inner), weights * np.sin(t)), g.Mul(g.Div(j_near(g, x, 0), x), 2 / math.pi))  # fmt: skip
    return g.Add(g.Mul(logarithm, j_near(g, x, 1)), rest)


def j_double(order: int) -> Callable[[Builder, Tensor], Tensor]:
    """J of one order: even in x for 0, odd for 1."""

    def compute(g: Builder, x: Tensor) -> Tensor:
        size = g.Abs(x)
        near = j_near(g, g.Min(size, FAR), order)
        value = g.Where(g.Less(size, FAR), near, wave(g, size, order, second=False))
        return g.Where(g.Less(x, 0.0), g.Neg(value), value) if order else value

    return compute


def y_double(order: int) -> Callable[[Builder, Tensor], Tensor]:
    """Y of one order: -inf at 0, NaN below."""

    def compute(g: Builder, x: Tensor) -> Tensor:
        near = y_near(g, g.Min(x, FAR), order)
        value = g.Where(g.Less(x, FAR), near, wave(g, x, order, second=True))
        value = g.Where(g.Equal(x, 0.0), number(g, -math.inf), value)
        return g.Where(g.Less(x, 0.0), number(g, math.nan), value)

    return compute


# ---------------------------------------------------------------- I and K


def i_scaled(g: Builder, x: Tensor, order: int) -> Tensor:
    """exp(-x) I(x) for x >= 0: the mean of exp(x (cos t - 1)) over half a turn, times cos t."""
    t = (np.arange(POINTS) + 0.5) * (math.pi / POINTS)
    inner = g.Exp(at_points(g, g.Min(x, FAR), np.cos(t) - 1))
    near = summed(g, inner, (np.cos(t) if order else np.ones(POINTS)) / POINTS)
    inverse = g.Reciprocal(g.Max(x, FAR))
    alternating = [(-1) ** k * c for k, c in enumerate(asymptotic(order))]
    far = g.Mul(series(g, inverse, alternating), g.Sqrt(g.Mul(inverse, 0.5 / math.pi)))
    return g.Where(g.Less(x, FAR), near, far)


def i_double(order: int, *, scaled: bool) -> Callable[[Builder, Tensor], Tensor]:
    """I of one order, times exp(-|x|) if `scaled`."""

    def compute(g: Builder, x: Tensor) -> Tensor:
        size = g.Abs(x)
        value = i_scaled(g, size, order)
        if not scaled:
            # In two steps: exp(x) alone is infinite before the product is.
            half = g.Exp(g.Mul(size, 0.5))
            value = g.Mul(g.Mul(value, half), half)
        return g.Where(g.Less(x, 0.0), g.Neg(value), value) if order else value

    return compute


def k_series(g: Builder, x: Tensor, order: int) -> Tensor:
    """K of 0 < x <= 2 by its power series."""
    square = g.Mul(g.Mul(x, x), 0.25)
    logarithm = g.Log(g.Mul(x, 0.5))
    plain, harmonic = [], []
    psi = -float(np.euler_gamma)
    for k in range(16):
        if order == 0:
            plain.append(1 / math.factorial(k) ** 2)
            harmonic.append(psi * plain[-1])
        else:
            plain.append(1 / (math.factorial(k) * math.factorial(k + 1)))
            harmonic.append((2 * psi + 1 / (k + 1)) * plain[-1])
        psi += 1 / (k + 1)
    first, rest = series(g, square, plain), series(g, square, harmonic)
    if order == 0:
        return g.Sub(rest, g.Mul(logarithm, first))
    half = g.Mul(x, 0.5)
    product = g.Mul(g.Mul(logarithm, half), first)
    return g.Sub(g.Add(g.Reciprocal(x), product), g.Mul(g.Mul(half, rest), 0.5))


def k_scaled(g: Builder, x: Tensor, order: float) -> Tensor:
    """exp(x) K(x) for x > 2: the integral of exp(x (1 - cosh t)) cosh(order t) over t > 0."""
    step = 0.08
    t = np.arange(0.0, 3.9, step)
    weights = np.cosh(order * t) * step
    weights[0] /= 2
    near = summed(g, g.Exp(at_points(g, g.Min(x, FAR), 1 - np.cosh(t))), weights)
    inverse = g.Reciprocal(g.Max(x, FAR))
    far = g.Mul(series(g, inverse, asymptotic(order)), g.Sqrt(g.Mul(inverse, math.pi / 2)))
    return g.Where(g.Less(x, FAR), near, far)


def k_double(order: int, *, scaled: bool) -> Callable[[Builder, Tensor], Tensor]:
    """K of one order, times exp(x) if `scaled`: inf at 0, NaN below."""

    def compute(g: Builder, x: Tensor) -> Tensor:
        small, large = k_series(g, g.Min(x, 2.0), order), k_scaled(g, g.Max(x, 2.0), order)
        if scaled:
            small = g.Mul(small, g.Exp(g.Min(x, 2.0)))
        else:
            large = g.Mul(large, g.Exp(g.Neg(x)))
        value = g.Where(g.LessOrEqual(x, 2.0), small, large)
        value = g.Where(g.Equal(x, 0.0), number(g, math.inf), value)
        return g.Where(g.Less(x, 0.0), number(g, math.nan), value)

    return compute


# ---------------------------------------------------------------- others


def spherical_j0(g: Builder, x: Tensor) -> Tensor:
    """sin(x) / x: 1 at 0, 0 at infinity."""
    zero = g.Equal(x, 0.0)
    value = g.Div(g.Sin(x), g.Where(zero, number(g, 1.0), x))
    value = g.Where(zero, number(g, 1.0), value)
    return g.Where(g.IsInf(x), number(g, 0.0), value)


def airy_ai(g: Builder, x: Tensor) -> Tensor:
    """Ai: by its power series from -8 to 2, by K(1/3) above, as a wave below.

    Above: Ai = sqrt(x / 3) K(z) / pi with z = 2/3 x ** 1.5; below: the wave of DLMF 9.7.9.
    """
    middle = g.Min(g.Max(x, -8.0), 2.0)
    # In units of 8 ** 3: onnxruntime 1.31 takes a double below the least float32 for 0 and drops it.
    unit = 512.0
    cube = g.Mul(g.Mul(g.Mul(middle, middle), middle), 1 / unit)
    even, odd = [1.0], [1.0]
    for k in range(1, 40):
        even.append(even[-1] * unit / ((3 * k) * (3 * k - 1)))
        odd.append(odd[-1] * unit / ((3 * k) * (3 * k + 1)))
    at_zero = 1 / (3 ** (2 / 3) * math.gamma(2 / 3))
    slope = 1 / (3 ** (1 / 3) * math.gamma(1 / 3))
    near = g.Sub(
        g.Mul(series(g, cube, even), at_zero),
        g.Mul(g.Mul(series(g, cube, odd), middle), slope),
    )
    above = g.Max(x, 2.0)
    z = g.Mul(g.Mul(above, g.Sqrt(above)), 2 / 3)
    decay = g.Mul(k_scaled(g, g.Max(z, 1.8), 1 / 3), g.Exp(g.Neg(z)))
    high = g.Mul(g.Mul(decay, g.Sqrt(g.Div(above, number(g, 3.0)))), 1 / math.pi)
    below = g.Max(g.Neg(x), 8.0)
    z = g.Mul(g.Mul(below, g.Sqrt(below)), 2 / 3)
    coefficients = [1.0]
    for k in range(1, 14):
        factor = (6 * k - 5) * (6 * k - 3) * (6 * k - 1) / (216 * k * (2 * k - 1))
        coefficients.append(coefficients[-1] * factor)
    inverse = g.Reciprocal(z)
    square = g.Mul(inverse, inverse)
    p = series(g, square, [(-1) ** k * c for k, c in enumerate(coefficients[::2])])
    q = series(g, square, [(-1) ** k * c for k, c in enumerate(coefficients[1::2])])
    phase = g.Sub(z, math.pi / 4)
    total = g.Add(g.Mul(p, g.Cos(phase)), g.Mul(g.Mul(q, inverse), g.Sin(phase)))
    low = g.Div(total, g.Mul(g.Sqrt(g.Sqrt(below)), math.sqrt(math.pi)))
    value = g.Where(g.Greater(x, 2.0), high, g.Where(g.Less(x, -8.0), low, near))
    value = g.Where(g.Greater(x, 104.0), number(g, 0.0), value)
    return g.Where(g.IsInf(x), number(g, math.nan), value)


_OPERATORS: dict[str, tuple[str, Callable[[Builder, Tensor], Tensor]]] = {
    "special_bessel_j0": ("self", j_double(0)),
    "special_bessel_j1": ("self", j_double(1)),
    "special_bessel_y0": ("self", y_double(0)),
    "special_bessel_y1": ("self", y_double(1)),
    "i0": ("self", i_double(0, scaled=False)),
    "special_i0": ("self", i_double(0, scaled=False)),
    "special_i0e": ("self", i_double(0, scaled=True)),
    "special_i1": ("self", i_double(1, scaled=False)),
    "special_i1e": ("self", i_double(1, scaled=True)),
    "special_modified_bessel_i0": ("self", i_double(0, scaled=False)),
    "special_modified_bessel_i1": ("self", i_double(1, scaled=False)),
    "special_modified_bessel_k0": ("self", k_double(0, scaled=False)),
    "special_modified_bessel_k1": ("self", k_double(1, scaled=False)),
    "special_scaled_modified_bessel_k0": ("x", k_double(0, scaled=True)),
    "special_scaled_modified_bessel_k1": ("x", k_double(1, scaled=True)),
    "special_spherical_bessel_j0": ("x", spherical_j0),
    "special_airy_ai": ("x", airy_ai),
}


def _register(name: str, parameter: str, compute: Callable[[Builder, Tensor], Tensor]) -> None:
    schema = f"aten::{name}(Tensor {parameter}) -> Tensor"
    if parameter == "self":

        @symbolic(schema)
        def of_self(g: Builder, self: Tensor) -> Tensor:
            return in_doubles(g, compute, self)

    else:

        @symbolic(schema)
        def of_x(g: Builder, x: Tensor) -> Tensor:
            return in_doubles(g, compute, x)


for _name, (_parameter, _compute) in _OPERATORS.items():
    _register(_name, _parameter, _compute)
