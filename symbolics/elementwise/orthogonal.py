"""Orthogonal polynomials, whose degree is a tensor too: `torch.special`'s Chebyshev to Legendre.

Each is the three-term recurrence, run in a loop up to the largest degree there is; every element
keeps the value at its own degree.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import onnx_ir as ir

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.loops import loop
from exporter.onnx_graph.symbolic import sym_max
from exporter.onnx_graph.values import Number, Tensor
from symbolics.registry import symbolic
from symbolics.rules import DOUBLE, INT64, promote_float

__all__: list[str] = []

# From the value at degree 1, and (x, k, value at k, value at k - 1) -> value at k + 1.
First = Callable[[Builder, Tensor], Tensor]
Step = Callable[[Builder, Tensor, Tensor, Tensor, Tensor], Tensor]


def evaluated(
    g: Builder, x: Tensor | Number, n: Tensor | Number, first: First, step: Step, limits: dict[ir.DataType, int]
) -> Tensor:  # fmt: skip
    """The polynomials of degree n at x: 0 for a negative degree, NaN above a dtype's limit.

    That of degree 0 is 1 even at NaN.
    """
    x, n = promote_float(g, x, n)
    dtype = x.dtype
    at, degree = g.cast(x, DOUBLE), g.cast(n, INT64)
    one = g.constant(1.0, DOUBLE)
    # All states of the loop have the shape that both broadcast to.
    at = g.Add(at, g.Mul(g.cast(degree, DOUBLE), 0.0))
    value = g.Expand(one, g.shape(at))
    highest = g.Concat(g.Reshape(degree, [-1]), g.constant([0]), axis=0)
    trips = sym_max(g.integer(g.ReduceMax(highest, keepdims=False)) - 1, 0)
    start = first(g, at)

    def body(index: Tensor, states: list[Tensor]) -> list[Tensor]:
        before, current, result = states
        k = g.Add(index, 1)
        following = step(g, at, g.cast(k, DOUBLE), current, before)
        reached = g.Equal(degree, g.Add(k, 1))
        return [current, following, g.Where(reached, following, result)]

    result = g.Where(g.Equal(degree, 1), start, value)
    result = g.Where(g.Less(degree, 0), g.constant(0.0, DOUBLE), result)
    result = loop(g, trips, body, [value, start, result])[2]
    if dtype in limits:
        beyond = g.Greater(degree, limits[dtype])
        result = g.Where(beyond, g.constant(math.nan, DOUBLE), result)
    return g.cast(result, dtype)


def chebyshev(g: Builder, x: Tensor, k: Tensor, current: Tensor, before: Tensor) -> Tensor:
    """2 x p(k) - p(k - 1), for all four kinds."""
    return g.Sub(g.Mul(g.Mul(x, 2.0), current), before)


def hermite_h(g: Builder, x: Tensor, k: Tensor, current: Tensor, before: Tensor) -> Tensor:
    """2 x p(k) - 2 k p(k - 1)."""
    return g.Mul(g.Sub(g.Mul(x, current), g.Mul(k, before)), 2.0)


def hermite_he(g: Builder, x: Tensor, k: Tensor, current: Tensor, before: Tensor) -> Tensor:
    """x p(k) - k p(k - 1)."""
    return g.Sub(g.Mul(x, current), g.Mul(k, before))


def laguerre(g: Builder, x: Tensor, k: Tensor, current: Tensor, before: Tensor) -> Tensor:
    """((2 k + 1 - x) p(k) - k p(k - 1)) / (k + 1)."""
    factor = g.Sub(g.Add(g.Mul(k, 2.0), 1.0), x)
    return g.Div(g.Sub(g.Mul(factor, current), g.Mul(k, before)), g.Add(k, 1.0))


def legendre(g: Builder, x: Tensor, k: Tensor, current: Tensor, before: Tensor) -> Tensor:
    """((2 k + 1) x p(k) - k p(k - 1)) / (k + 1)."""
    factor = g.Mul(g.Add(g.Mul(k, 2.0), 1.0), x)
    return g.Div(g.Sub(g.Mul(factor, current), g.Mul(k, before)), g.Add(k, 1.0))


def linear(slope: float, offset: float) -> First:
    """slope * x + offset."""
    return lambda g, x: g.Add(g.Mul(x, slope), offset)


# Name -> (value at degree 1, step, whether x is first mapped from [0, 1] to [-1, 1]).
_POLYNOMIALS: dict[str, tuple[First, Step, bool]] = {
    "chebyshev_polynomial_t": (linear(1, 0), chebyshev, False),
    "chebyshev_polynomial_u": (linear(2, 0), chebyshev, False),
    "chebyshev_polynomial_v": (linear(2, -1), chebyshev, False),
    "chebyshev_polynomial_w": (linear(2, 1), chebyshev, False),
    "shifted_chebyshev_polynomial_t": (linear(1, 0), chebyshev, True),
    "shifted_chebyshev_polynomial_u": (linear(2, 0), chebyshev, True),
    "shifted_chebyshev_polynomial_v": (linear(2, -1), chebyshev, True),
    "shifted_chebyshev_polynomial_w": (linear(2, 1), chebyshev, True),
    "hermite_polynomial_h": (linear(2, 0), hermite_h, False),
    "hermite_polynomial_he": (linear(1, 0), hermite_he, False),
    "laguerre_polynomial_l": (linear(-1, 1), laguerre, False),
    "legendre_polynomial_p": (linear(1, 0), legendre, False),
}

# PyTorch gives NaN for Hermite polynomials of higher degrees.
_HERMITE_LIMITS = {ir.DataType.FLOAT: 128, DOUBLE: 512}


def _register(name: str, first: First, step: Step, shifted: bool) -> None:
    limits = _HERMITE_LIMITS if name.startswith("hermite") else {}
    begin, advance = first, step
    if shifted:

        def begin(g: Builder, x: Tensor) -> Tensor:
            return first(g, linear(2, -1)(g, x))

        def advance(g: Builder, x: Tensor, k: Tensor, current: Tensor, before: Tensor) -> Tensor:
            return step(g, linear(2, -1)(g, x), k, current, before)

    @symbolic(f"aten::special_{name}(Tensor x, Tensor n) -> Tensor")
    @symbolic(f"aten::special_{name}.x_scalar(Scalar x, Tensor n) -> Tensor")
    @symbolic(f"aten::special_{name}.n_scalar(Tensor x, Scalar n) -> Tensor")
    def convert(g: Builder, x: Tensor | Number, n: Tensor | Number) -> Tensor:
        return evaluated(g, x, n, begin, advance, limits)


for _name, (_first, _step, _shifted) in _POLYNOMIALS.items():
    _register(_name, _first, _step, _shifted)
