"""Polynomials, and the error function of doubles and its complement as quotients of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import onnx_ir as ir

from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

__all__ = ["erf_double", "erf_within_one", "erfc_double", "horner", "scaled_tail"]

DOUBLE = ir.DataType.DOUBLE

# Rational approximations of erf within 1, and of exp(x * x) * erfc(x) from 1 to 8 and beyond; they
# are those of W. J. Cody's kind in the Cephes library (S. L. Moshier), good to the last digits.
ERF = (
    (9.604973739870516, 90.02601972038427, 2232.005345946843, 7003.325141128051,
     55592.30130103949),
    (1.0, 33.56171416475031, 521.3579497801527, 4594.323829709801, 22629.000061389095,
     49267.39426086359),
)  # fmt: skip
ERFC_NEAR = (
    (2.461969814735305e-10, 0.5641895648310689, 7.463210564422699, 48.63719709856814,
     196.5208329560771, 526.4451949954773, 934.5285271719576, 1027.5518868951572,
     557.5353353693994),
    (1.0, 13.228195115474499, 86.70721408859897, 354.9377788878199, 975.7085017432055,
     1823.9091668790973, 2246.3376081871097, 1656.6630919416134, 557.5353408177277),
)  # fmt: skip
ERFC_FAR = (
    (0.5641895835477551, 1.275366707599781, 5.019050422511805, 6.160210979930536,
     7.4097426995044895, 2.9788666537210022),
    (1.0, 2.2605286322011726, 9.396035249380015, 12.048953980809666, 17.08144507475659,
     9.608968090632859, 3.369076451000815),
)  # fmt: skip


def horner(g: Builder, x: Tensor, coefficients: Sequence[float]) -> Tensor:
    """A polynomial, the coefficient of its highest power first."""
    result = g.constant(coefficients[0], x.dtype)
    for coefficient in coefficients[1:]:
        result = g.Add(g.Mul(result, x), coefficient)
    return result


def rational(g: Builder, x: Tensor, parts: tuple[Sequence[float], Sequence[float]]) -> Tensor:
    """A quotient of two polynomials."""
    return g.Div(horner(g, x, parts[0]), horner(g, x, parts[1]))  # type: ignore[no-any-return]


def erf_within_one(g: Builder, x: Tensor) -> Tensor:
    """The error function for |x| <= 1."""
    return g.Mul(x, rational(g, g.Mul(x, x), ERF))  # type: ignore[no-any-return]


def scaled_tail(g: Builder, x: Tensor) -> Tensor:
    """exp(x * x) * erfc(x) for x >= 1."""
    near = rational(g, g.Min(x, 8.0), ERFC_NEAR)
    far = rational(g, g.Min(x, 1e30), ERFC_FAR)
    return g.Where(g.Less(x, 8.0), near, far)  # type: ignore[no-any-return]


def erfc_double(g: Builder, x: Tensor) -> Tensor:
    """1 - erf(x), exact in its tail too."""
    size = g.Abs(x)
    tail = g.Mul(g.Exp(g.Neg(g.Mul(size, size))), scaled_tail(g, size))
    tail = g.Where(g.Less(x, 0.0), g.Sub(g.constant(2.0, DOUBLE), tail), tail)
    small = g.Sub(g.constant(1.0, DOUBLE), erf_within_one(g, x))
    return g.Where(g.Less(size, 1.0), small, tail)  # type: ignore[no-any-return]


def erf_double(g: Builder, x: Tensor) -> Tensor:
    """The error function."""
    rest = g.Sub(g.constant(1.0, DOUBLE), erfc_double(g, x))
    return g.Where(g.Less(g.Abs(x), 1.0), erf_within_one(g, x), rest)  # type: ignore[no-any-return]
