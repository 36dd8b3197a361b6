"""What functions of one number are of complex numbers: rules for the ONNX operators' names.

The symbolics of `pointwise` and `arithmetic` call `g.Exp(x)` whatever the dtype; where x is complex
the builder comes here (exporter.onnx_graph.complex_numbers). Definitions by real functions of the
parts follow C99, as PyTorch's do; where PyTorch has no such function of complex numbers, neither
is there a rule.
"""

from __future__ import annotations

from typing import Any

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.complex_numbers import complex_rule, make, parts
from exporter.onnx_graph.complex_rules import common
from exporter.onnx_graph.values import Tensor
from symbolics.elementwise.arithmetic import atan2, hypot, negative_sign

__all__: list[str] = []


@complex_rule("Abs")
def absolute(g: Builder, x: Tensor) -> Tensor:
    """The distance from 0, a real number."""
    return hypot(g, *parts(g, x))


@complex_rule("Exp")
def exp(g: Builder, x: Tensor) -> Tensor:
    """e^a (cos b + i sin b); without an imaginary part just e^a."""
    a, b = parts(g, x)
    size = g.Exp(a)
    sine = g.Where(g.Equal(b, 0), b, g.Mul(size, g.Sin(b)))
    return make(g, g.Mul(size, g.Cos(b)), sine)


@complex_rule("Log")
def log(g: Builder, x: Tensor) -> Tensor:
    """The logarithm of the absolute value, and the angle."""
    a, b = parts(g, x)
    return make(g, g.Log(hypot(g, a, b)), atan2(g, b, a))


@complex_rule("Sqrt")
def sqrt(g: Builder, x: Tensor) -> Tensor:
    """The root with a real part that is not negative.

    The larger part of the root is a sum of what is not negative, the smaller one a quotient, so
    that no digits are lost.
    """
    a, b = parts(g, x)
    large = g.Sqrt(g.Mul(g.Add(hypot(g, a, b), g.Abs(a)), 0.5))
    zero = g.Equal(large, 0)
    small = g.Div(b, g.Mul(g.Where(zero, g.constant(1, a.dtype), large), 2))
    right = g.GreaterOrEqual(a, 0)
    signed = g.Where(negative_sign(g, b), g.Neg(large), large)
    return make(g, g.Where(right, large, g.Abs(small)), g.Where(right, small, signed))


@complex_rule("Sin")
def sin(g: Builder, x: Tensor) -> Tensor:
    """sin a cosh b + i cos a sinh b."""
    a, b = parts(g, x)
    return make(g, g.Mul(g.Sin(a), g.Cosh(b)), g.Mul(g.Cos(a), g.Sinh(b)))


@complex_rule("Cos")
def cos(g: Builder, x: Tensor) -> Tensor:
    """cos a cosh b - i sin a sinh b."""
    a, b = parts(g, x)
    return make(g, g.Mul(g.Cos(a), g.Cosh(b)), g.Neg(g.Mul(g.Sin(a), g.Sinh(b))))


@complex_rule("Sinh")
def sinh(g: Builder, x: Tensor) -> Tensor:
    """sinh a cos b + i cosh a sin b."""
    a, b = parts(g, x)
    return make(g, g.Mul(g.Sinh(a), g.Cos(b)), g.Mul(g.Cosh(a), g.Sin(b)))


@complex_rule("Cosh")
def cosh(g: Builder, x: Tensor) -> Tensor:
    """cosh a cos b + i sinh a sin b."""
    a, b = parts(g, x)
    return make(g, g.Mul(g.Cosh(a), g.Cos(b)), g.Mul(g.Sinh(a), g.Sin(b)))


@complex_rule("Tanh")
def tanh(g: Builder, x: Tensor) -> Tensor:
    """With t = tan b: (tanh a (1 + t^2) + i t (1 - tanh^2 a)) / (1 + (t tanh a)^2).

    1 - tanh^2 is written by the exponential, which keeps its digits where tanh is near 1.
    """
    a, b = parts(g, x)
    return make(g, *_tanh(g, a, b))


@complex_rule("Tan")
def tan(g: Builder, x: Tensor) -> Tensor:
    """-i tanh(i x)."""
    a, b = parts(g, x)
    real, imaginary = _tanh(g, g.Neg(b), a)
    return make(g, imaginary, g.Neg(real))


def _tanh(g: Builder, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    # With e = exp(-2|a|): sinh 2a = (1 - e^2) / 2e and so on, all divided by cosh 2a + cos 2b.
    decay = g.Exp(g.Mul(g.Abs(a), -2))
    square = g.Mul(decay, decay)
    cosine, sine = g.Cos(g.Mul(b, 2)), g.Sin(g.Mul(b, 2))
    divisor = g.Add(g.Add(square, 1), g.Mul(g.Mul(decay, 2), cosine))
    real = g.Mul(g.Sign(a), g.Div(g.Sub(1, square), divisor))
    return real, g.Div(g.Mul(g.Mul(decay, 2), sine), divisor)


@complex_rule("Sigmoid")
def sigmoid(g: Builder, x: Tensor) -> Tensor:
    """1 / (1 + exp(-x))."""
    return g.Div(1, g.Add(g.Exp(g.Neg(x)), 1))


@complex_rule("Pow")
def pow(g: Builder, base: Any, exponent: Any) -> Tensor:
    """exp(exponent * log(base)); small whole exponents by products, 0 to any power but 0 is 0."""
    base, exponent = common(g, base, exponent)
    known = exponent.array
    if known is not None and known.size == 1 and known.reshape(-1)[0] in _WHOLE:
        return _whole_power(g, base, int(known.reshape(-1)[0].real), exponent)
    power = g.Exp(g.Mul(exponent, g.Log(base)))
    zero = g.Where(g.Equal(exponent, 0), g.constant(1, base.dtype), g.constant(0, base.dtype))
    return g.Where(g.Equal(base, 0), zero, power)


_WHOLE = tuple(range(-4, 5))


def _whole_power(g: Builder, base: Tensor, power: int, shaped: Tensor) -> Tensor:
    """A product of as many factors; it has the shape that both operands give together."""
    result = base
    for _ in range(abs(power) - 1):
        result = g.Mul(result, base)
    if power == 0:
        result = g.Expand(g.constant(1, base.dtype), g.shape(base))
    elif power < 0:
        result = g.Reciprocal(result)
    return result if shaped.is_scalar else g.Expand(result, g.shape(shaped))


@complex_rule("Sign")
def sign(g: Builder, x: Tensor) -> Tensor:
    """The number on the unit circle at the same angle; 0 for 0."""
    a, b = parts(g, x)
    size = hypot(g, a, b)
    zero = g.Equal(size, 0)
    divisor = g.Where(zero, g.constant(1, size.dtype), size)
    return make(g, g.Div(a, divisor), g.Div(b, divisor))


@complex_rule("Asinh")
def asinh(g: Builder, x: Tensor) -> Tensor:
    """By the real functions of the roots of x + i and x - i (Kahan)."""
    a, b = parts(g, x)
    real, imaginary = _asin(g, g.Neg(b), a)
    return make(g, imaginary, g.Neg(real))


@complex_rule("Asin")
def asin(g: Builder, x: Tensor) -> Tensor:
    """Kahan's: atan2(a, Re(sqrt(1 - x) sqrt(1 + x))) + i asinh(Im(conj sqrt(1 - x) sqrt(1 + x)))."""
    return make(g, *_asin(g, *parts(g, x)))


def _asin(g: Builder, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    lr, li = parts(g, sqrt(g, make(g, g.Sub(1, a), g.Neg(b))))
    rr, ri = parts(g, sqrt(g, make(g, g.Add(a, 1), b)))
    real = atan2(g, a, g.Sub(g.Mul(lr, rr), g.Mul(li, ri)))
    return real, g.Asinh(g.Sub(g.Mul(lr, ri), g.Mul(li, rr)))


@complex_rule("Acos")
def acos(g: Builder, x: Tensor) -> Tensor:
    """Kahan's: 2 atan2(Re sqrt(1 - x), Re sqrt(1 + x)) + i asinh(Im(conj sqrt(1 + x) sqrt(1 - x)))."""
    return make(g, *_acos(g, *parts(g, x)))


def _acos(g: Builder, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    lr, li = parts(g, sqrt(g, make(g, g.Sub(1, a), g.Neg(b))))
    rr, ri = parts(g, sqrt(g, make(g, g.Add(a, 1), b)))
    real = g.Mul(atan2(g, lr, rr), 2)
    return real, g.Asinh(g.Sub(g.Mul(rr, li), g.Mul(ri, lr)))


@complex_rule("Acosh")
def acosh(g: Builder, x: Tensor) -> Tensor:
    """Kahan's: asinh(Re(conj sqrt(x - 1) sqrt(x + 1))) + 2 i atan2(Im sqrt(x - 1), Re sqrt(x + 1))."""
    a, b = parts(g, x)
    lr, li = parts(g, sqrt(g, make(g, g.Sub(a, 1), b)))
    rr, ri = parts(g, sqrt(g, make(g, g.Add(a, 1), b)))
    real = g.Asinh(g.Add(g.Mul(lr, rr), g.Mul(li, ri)))
    return make(g, real, g.Mul(atan2(g, li, rr), 2))


@complex_rule("Atanh")
def atanh(g: Builder, x: Tensor) -> Tensor:
    """Of the distances from -1 and 1, and the angle between them."""
    return make(g, *_atanh(g, *parts(g, x)))


@complex_rule("Atan")
def atan(g: Builder, x: Tensor) -> Tensor:
    """-i atanh(i x)."""
    a, b = parts(g, x)
    real, imaginary = _atanh(g, g.Neg(b), a)
    return make(g, imaginary, g.Neg(real))


def _atanh(g: Builder, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    square = g.Mul(b, b)
    near, far = g.Sub(1, a), g.Add(a, 1)
    ratio = g.Div(g.Add(g.Mul(far, far), square), g.Add(g.Mul(near, near), square))
    real = g.Mul(g.Log(ratio), 0.25)
    turned = g.Sub(g.Mul(near, far), square)
    return real, g.Mul(atan2(g, g.Mul(b, 2), turned), 0.5)
