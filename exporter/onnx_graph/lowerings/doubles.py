"""Functions of doubles for which onnxruntime has kernels of float32 alone.

Through float32 what is large would silently become infinite. Here they are made of functions that
have kernels for doubles. Where one of two formulas is not taken, it gets a harmless argument: a
gradient passes both.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from exporter.onnx_graph.lowerings.activations import celu_from_elu, gelu_from_erf
from exporter.onnx_graph.lowerings.registry import ALWAYS, lowering
from exporter.onnx_graph.polynomials import erf_double
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.onnx_graph.builder import Builder

D = ir.DataType
# From here on a^2 + 1 is a^2.
_LARGE = 1e8


def _of_doubles(*op_types: str) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Register a formula for doubles; other dtypes have the operators themselves."""

    def register(formula: Callable[..., Tensor]) -> Callable[..., Tensor]:
        for op_type in op_types:

            def run(g: Builder, x: Tensor, *, name: str = op_type, **attributes: Any) -> Tensor:
                if x.dtype == D.DOUBLE:
                    return formula(g, x, **attributes)
                return g.native(name, x, **attributes)  # type: ignore[no-any-return]

            lowering(op_type, before=ALWAYS)(run)
        return formula

    return register


def _log1p(g: Builder, y: Tensor) -> tuple[Tensor, Tensor]:
    """log(1 + y), exact where y is small, and where it is so small that 1 + y is 1.

    What is lost when 1 + y is rounded is made good by y / ((1 + y) - 1), as Kahan has shown.
    """
    total = g.Add(y, 1.0)
    tiny = g.Equal(total, 1.0)
    infinite = g.IsInf(y)
    gained = g.Where(g.Or(tiny, infinite), 1.0, g.Sub(total, 1.0))
    ratio = g.Div(g.Where(infinite, 1.0, y), gained)
    return g.Where(tiny, y, g.Mul(g.Log(total), ratio)), tiny


@_of_doubles("Cosh")
def cosh(g: Builder, x: Tensor) -> Tensor:
    """(e^a + e^-a) / 2 by the root of e^a, which overflows later."""
    root = g.Exp(g.Mul(g.Abs(x), 0.5))
    half = g.Mul(root, 0.5)
    return g.Add(g.Mul(half, root), g.Div(g.Div(0.5, root), root))  # type: ignore[no-any-return]


@_of_doubles("Sinh")
def sinh(g: Builder, x: Tensor) -> Tensor:
    """Tanh x cosh x: nothing is subtracted near 0."""
    return g.Mul(g.Tanh(x), cosh(g, x))  # type: ignore[no-any-return]


@_of_doubles("Tan")
def tan(g: Builder, x: Tensor) -> Tensor:
    """The sine by the cosine."""
    return g.Div(g.Sin(x), g.Cos(x))  # type: ignore[no-any-return]


@_of_doubles("Asinh")
def asinh(g: Builder, x: Tensor) -> Tensor:
    """log(a + sqrt(a^2 + 1)) = log1p(a + a^2 / (1 + sqrt(a^2 + 1))) of a = |x|; log 2a if large."""
    size = g.Abs(x)
    large = g.Greater(size, _LARGE)
    near = g.Where(large, 1.0, size)
    square = g.Mul(near, near)
    grown = g.Add(near, g.Div(square, g.Add(g.Sqrt(g.Add(square, 1.0)), 1.0)))
    found, tiny = _log1p(g, grown)
    far = g.Add(g.Log(g.Where(large, size, 1.0)), math.log(2))
    return g.Where(tiny, x, g.Mul(g.Sign(x), g.Where(large, far, found)))  # type: ignore[no-any-return]


@_of_doubles("Acosh")
def acosh(g: Builder, x: Tensor) -> Tensor:
    """log1p(t + sqrt t sqrt(t + 2)) of t = x - 1; log 2x if large."""
    large = g.Greater(x, _LARGE)
    above = g.Sub(g.Where(large, 2.0, x), 1.0)
    found, _ = _log1p(g, g.Add(above, g.Mul(g.Sqrt(above), g.Sqrt(g.Add(above, 2.0)))))
    far = g.Add(g.Log(g.Where(large, x, 1.0)), math.log(2))
    return g.Where(large, far, found)  # type: ignore[no-any-return]


@_of_doubles("Atanh")
def atanh(g: Builder, x: Tensor) -> Tensor:
    """(log(1 + x) - log(1 - x)) / 2."""
    return g.Mul(g.Sub(_log1p(g, x)[0], _log1p(g, g.Neg(x))[0]), 0.5)  # type: ignore[no-any-return]


@_of_doubles("Elu")
def elu(g: Builder, x: Tensor, *, alpha: float = 1.0) -> Tensor:
    """X, and alpha (e^x - 1) = alpha tanh(x / 2) (e^x + 1) below 0."""
    above = g.Greater(x, 0.0)
    below = g.Where(above, 0.0, x)
    grown = g.Mul(g.Tanh(g.Mul(below, 0.5)), g.Add(g.Exp(below), 1.0))
    return g.Where(above, x, g.Mul(grown, alpha))  # type: ignore[no-any-return]


@_of_doubles("Celu")
def celu(g: Builder, x: Tensor, *, alpha: float = 1.0) -> Tensor:
    """By an Elu."""
    return celu_from_elu(g, x, alpha=alpha)


@_of_doubles("Selu")
def selu(
    g: Builder,
    x: Tensor,
    *,
    alpha: float = 1.6732632423543772,
    gamma: float = 1.0507009873554805,
) -> Tensor:
    """Gamma times the Elu."""
    return g.Mul(elu(g, x, alpha=alpha), gamma)  # type: ignore[no-any-return]


@_of_doubles("LeakyRelu")
def leaky_relu(g: Builder, x: Tensor, *, alpha: float = 0.01) -> Tensor:
    """X, and alpha x up to 0."""
    return g.Where(g.Greater(x, 0.0), x, g.Mul(x, alpha))  # type: ignore[no-any-return]


@lowering("PRelu", before=ALWAYS)
def prelu(g: Builder, x: Tensor, slope: Tensor) -> Tensor:
    """X, and a slope times x up to 0."""
    if x.dtype != D.DOUBLE:
        return g.native("PRelu", x, slope)  # type: ignore[no-any-return]
    return g.Where(g.Greater(x, 0.0), x, g.Mul(x, slope))  # type: ignore[no-any-return]


@_of_doubles("Softplus")
def softplus(g: Builder, x: Tensor) -> Tensor:
    """log(1 + e^x) = max(x, 0) + log1p(e^-|x|).

    The first is (x + |x|) / 2, whose slope at 0 is 1/2, but for an infinity below.
    """
    near = g.Mul(g.Where(g.Less(x, -_LARGE), 0.0, x), 0.5)
    positive = g.Add(near, g.Abs(near))
    return g.Add(positive, _log1p(g, g.Exp(g.Neg(g.Abs(x))))[0])  # type: ignore[no-any-return]


@_of_doubles("Gelu")
def gelu(g: Builder, x: Tensor, *, approximate: str = "none") -> Tensor:
    """By its parts."""
    return gelu_from_erf(g, x, approximate=approximate)


@_of_doubles("Erf")
def erf(g: Builder, x: Tensor) -> Tensor:
    """By polynomials."""
    return erf_double(g, x)


@_of_doubles("HardSigmoid")
def hard_sigmoid(g: Builder, x: Tensor, *, alpha: float = 0.2, beta: float = 0.5) -> Tensor:
    """Alpha x + beta, limited to [0, 1]; unlike Clip it has no slope at the limits."""
    line = g.Add(g.Mul(x, alpha), beta)
    limited = g.Where(g.GreaterOrEqual(line, 1.0), 1.0, line)
    return g.Where(g.LessOrEqual(line, 0.0), 0.0, limited)  # type: ignore[no-any-return]


@_of_doubles("HardSwish")
def hard_swish(g: Builder, x: Tensor) -> Tensor:
    """X times the HardSigmoid of x / 6 + 1/2."""
    return g.Mul(x, hard_sigmoid(g, x, alpha=1 / 6))  # type: ignore[no-any-return]
