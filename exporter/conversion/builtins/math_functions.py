"""Python's `math` module and `round`, of numbers of which some are only known at run time.

TorchScript calls C's functions where Python raises: the root of a negative number is NaN, the
logarithm of zero minus infinity, what is too large is infinite. What ONNX has no operator for is
computed as the tensor operator of the same name computes it, in doubles.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from exporter.conversion.builtins.builtin import builtin
from exporter.conversion.builtins.numbers import (
    as_tensor,
    boolean,
    complex_of,
    double,
    float_of,
    integer,
    is_integral,
    is_known,
    wrapped,
)
from exporter.conversion.values.objects import Value
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import RaisedError, UnsupportedError
from exporter.onnx_graph.values import SymComplex, SymFloat, Tensor, is_number

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter
    from exporter.onnx_graph.builder import Builder

INT64, DOUBLE = ir.DataType.INT64, ir.DataType.DOUBLE


def _as_in_c(compute: Callable[..., float], at_pole: float = math.nan) -> Callable[..., float]:
    """A function of `math` that gives NaN or infinity instead of raising."""

    def run(*values: float) -> float:
        try:
            return compute(*values)
        except ValueError:
            return at_pole if values[0] == 0 else math.nan
        except OverflowError:
            return math.inf

    return run


def _unary(
    name: str,
    compute: Callable[..., float],
    onnx: str | Callable[[Builder, Tensor], Tensor] | None = None,
) -> None:
    """A function that gives a float; without `onnx` it is that of the tensor operator."""

    def run(interpreter: Interpreter, a: Value, *rest: Value) -> Value:
        if rest or not is_number(a):
            return NotImplemented
        if isinstance(a, complex):
            return getattr(cmath, name)(a)
        if is_known(a):
            return compute(a)
        g = interpreter.g
        if isinstance(a, SymComplex):
            found = interpreter.call(f"aten::{name}", [TensorRef.fresh(a.tensor)], {})
            return complex_of(found.read(g))
        value = double(g, a)
        if onnx is None:
            return _of_tensors(interpreter, f"aten::{name}", value)
        return float_of(g, getattr(g, onnx)(value) if isinstance(onnx, str) else onnx(g, value))

    builtin(f"aten::{name}")(run)


def _of_tensors(interpreter: Interpreter, kind: str, *values: Tensor) -> Value:
    """What an operator gives for 0-d tensors, as a float."""
    result = interpreter.call(kind, [TensorRef.fresh(v) for v in values], {})
    return interpreter.builtin("aten::Float", result)


for _name, _onnx in {
    "sqrt": "Sqrt", "exp": "Exp", "sin": "Sin", "cos": "Cos", "tan": "Tan",
    "asin": "Asin", "acos": "Acos", "atan": "Atan", "sinh": "Sinh", "cosh": "Cosh",
    "tanh": "Tanh", "asinh": "Asinh", "acosh": "Acosh", "atanh": "Atanh",
}.items():  # fmt: skip
    _unary(_name, _as_in_c(getattr(math, _name)), _onnx)
for _name in ("log2", "log10", "log1p"):
    _unary(_name, _as_in_c(getattr(math, _name), -math.inf))
for _name in ("expm1", "erf", "erfc"):
    _unary(_name, _as_in_c(getattr(math, _name)))
_unary("degrees", math.degrees, lambda g, x: g.Mul(x, 180 / math.pi))
_unary("radians", math.radians, lambda g, x: g.Mul(x, math.pi / 180))
_unary("fabs", math.fabs, "Abs")


@builtin("aten::log")
def logarithm(interpreter: Interpreter, a: Value, *base: Value) -> Value:
    """`math.log(a)`, `math.log(a, base)`."""
    if not all(map(is_number, (a, *base))) or len(base) > 1:
        return NotImplemented
    if base:
        parts = [logarithm(interpreter, v) for v in (a, *base)]
        return interpreter.builtin("aten::div", *parts)
    if isinstance(a, complex):
        return cmath.log(a)
    if is_known(a):
        return _as_in_c(math.log, -math.inf)(a)
    return float_of(interpreter.g, interpreter.g.Log(double(interpreter.g, a)))


def _log_gamma(a: float) -> float:
    return math.lgamma(a) if a > 0 or not float(a).is_integer() else math.inf


_unary("lgamma", _as_in_c(_log_gamma))


@builtin("aten::gamma")
def gamma(interpreter: Interpreter, a: Value) -> Value:
    """`math.gamma`: below zero its sign changes at each integer, where it is NaN."""
    if not is_number(a):
        return NotImplemented
    if is_known(a):
        return math.copysign(math.inf, a) if a == 0 else _as_in_c(math.gamma)(a)
    g = interpreter.g
    value = double(g, a)
    size = double(g, _of_tensors(interpreter, "aten::lgamma", value))
    floor = g.Floor(value)
    odd = g.Equal(g.Mod(floor, g.constant(2.0, DOUBLE), fmod=1), -1.0)
    negative = g.And(g.Less(value, 0.0), odd)
    result = g.Exp(size)
    result = g.Where(negative, g.Neg(result), result)
    pole = g.And(g.Less(value, 0.0), g.Equal(floor, value))
    return float_of(g, g.Where(pole, g.constant(math.nan, DOUBLE), result))


# Beyond 65 PyTorch's own overflow is of no use to anybody.
_FACTORIALS = [wrapped(math.factorial(n)) for n in range(66)]


@builtin("aten::factorial")
def factorial(interpreter: Interpreter, a: Value) -> Value:
    """`math.factorial`, which wraps beyond 20 and raises below 0."""
    count = len(_FACTORIALS)
    if isinstance(a, int):
        if a < 0:
            raise RaisedError("factorial() not defined for negative values")
        if a >= count:
            raise UnsupportedError(f"the factorial of {a}, of which no bit fits into an int")
        return _FACTORIALS[a]
    g = interpreter.g
    asked = g.scalar(integer(g, a))
    # Not from the end, but beyond it, where the model fails as the program does.
    asked = g.Where(g.Less(asked, g.constant(0, INT64)), g.constant(count, INT64), asked)
    return g.integer(g.Gather(g.constant(_FACTORIALS, INT64), asked, axis=0))


# ---------------------------------------------------------------- two arguments


def _binary(name: str, compute: Callable[[float, float], float]) -> None:
    run_known = _as_in_c(compute)

    def run(interpreter: Interpreter, a: Value, b: Value, *rest: Value, **kwargs: Value) -> Value:
        if rest or kwargs or not (is_number(a) and is_number(b)):
            return NotImplemented
        if is_known(a, b):
            return run_known(a, b)
        g = interpreter.g
        return _of_tensors(interpreter, f"aten::{name}", double(g, a), double(g, b))

    builtin(f"aten::{name}")(run)


_binary("atan2", math.atan2)
_binary("copysign", math.copysign)
_binary("fmod", math.fmod)


@builtin("aten::mathremainder")
def nearest_remainder(interpreter: Interpreter, a: Value, b: Value) -> Value:
    """`math.remainder(a, b)`: a less the nearest multiple of b, of two as near the even one.

    What is left of a after multiples of 2b is exact, and 0, 1 or 2 times b away from it.
    """
    if not (is_number(a) and is_number(b)):
        return NotImplemented
    if is_known(a, b):
        return _as_in_c(math.remainder)(a, b)
    g = interpreter.g
    x, y = double(g, a), g.Abs(double(g, b))
    left = g.Abs(g.Mod(x, g.Mul(y, 2.0), fmod=1))
    far = g.cast(g.GreaterOrEqual(left, g.Mul(y, 1.5)), DOUBLE)
    near = g.cast(g.Greater(left, g.Mul(y, 0.5)), DOUBLE)
    rest = g.Sub(left, g.Mul(y, g.Add(far, near)))
    rest = g.Where(g.Less(x, 0.0), g.Neg(rest), rest)
    whole = g.And(g.Equal(g.Abs(y), math.inf), g.Less(g.Abs(x), math.inf))
    return float_of(g, g.Where(whole, x, rest))


@builtin("aten::ldexp")
def load_exponent(interpreter: Interpreter, a: Value, b: Value) -> Value:
    """`math.ldexp(a, b)`: a * 2 ** b in two steps; neither overflows if the result does not."""
    if not (is_number(a) and is_number(b)):
        return NotImplemented
    if is_known(a, b):
        return _as_in_c(math.ldexp)(a, b)
    g = interpreter.g
    exponent = integer(g, b)
    half = exponent // 2
    result = double(g, a)
    for part in (half, exponent - half):
        result = g.Mul(result, g.Pow(g.constant(2.0, DOUBLE), double(g, part)))
    return float_of(g, result)


@builtin("aten::gcd")
def greatest_common_divisor(interpreter: Interpreter, a: Value, b: Value) -> Value:
    """`math.gcd`."""
    if not (is_integral(a) and is_integral(b)):
        return NotImplemented
    if is_known(a, b):
        return math.gcd(a, b)
    g = interpreter.g
    tensors = [TensorRef.fresh(g.scalar(integer(g, v))) for v in (a, b)]
    return interpreter.builtin("aten::Int", interpreter.call("aten::gcd", tensors, {}))


# ---------------------------------------------------------------- parts of a float


@builtin("aten::modf")
def split_at_point(interpreter: Interpreter, a: Value) -> Value:
    """`math.modf`: what is behind the point, and what before."""
    if is_known(a):
        return math.modf(a)
    g = interpreter.g
    value = double(g, a)
    whole = g.Where(g.Less(value, 0.0), g.Ceil(value), g.Floor(value))
    rest = g.Where(g.IsInf(value), g.constant(0.0, DOUBLE), g.Sub(value, whole))
    return float_of(g, rest), float_of(g, whole)


@builtin("aten::frexp")
def split_exponent(interpreter: Interpreter, a: Value, *rest: Value, **kwargs: Value) -> Value:
    """`math.frexp`: the mantissa, and the exponent as an int. Of a tensor: the operator."""
    if rest or kwargs or not is_number(a):
        return NotImplemented
    if is_known(a):
        return math.frexp(a)
    number = TensorRef.fresh(double(interpreter.g, a))
    mantissa, exponent = interpreter.items(interpreter.call("aten::frexp", [number], {}))
    return interpreter.builtin("aten::Float", mantissa), interpreter.builtin("aten::Int", exponent)


# ---------------------------------------------------------------- rounding


def _rounding(name: str, compute: Callable[[float], int], onnx: str) -> None:
    def run(interpreter: Interpreter, a: Value) -> Value:
        if not is_number(a):
            return NotImplemented
        if is_known(a):
            if not math.isfinite(a):
                raise RaisedError(f"cannot convert float {a} to integer")
            return compute(a)
        if is_integral(a):
            return integer(interpreter.g, a)
        g = interpreter.g
        return g.integer(g.Cast(getattr(g, onnx)(a.tensor), to=INT64))

    builtin(f"aten::{name}")(run)


_rounding("floor", math.floor, "Floor")
_rounding("ceil", math.ceil, "Ceil")


@builtin("aten::round")
def round_number(interpreter: Interpreter, a: Value, *digits: Value, **decimals: Value) -> Value:
    """`round(x)`: half to even; TorchScript gives a float."""
    if digits or decimals or not is_number(a):
        return NotImplemented
    if is_known(a):
        return float(np.rint(np.float64(a)))
    if isinstance(a, SymFloat):
        return SymFloat(interpreter.g.Round(a.tensor))
    return float_of(interpreter.g, double(interpreter.g, a))


@builtin("aten::trunc")
def truncate(interpreter: Interpreter, a: Value) -> Value:
    """Towards zero, as an int."""
    if not is_number(a):
        return NotImplemented
    return interpreter.builtin("aten::Int", a)


@builtin("aten::angle")
def angle(interpreter: Interpreter, a: Value) -> Value:
    """`cmath.phase`. Of a tensor: the operator."""
    if not is_number(a):
        return NotImplemented
    if is_known(a):
        return cmath.phase(a)
    g = interpreter.g
    return _of_tensors(interpreter, "aten::angle", as_tensor(g, a, ir.DataType.COMPLEX128))


@builtin("aten::isnan")
def is_nan(interpreter: Interpreter, a: Value) -> Value:
    """`math.isnan`."""
    if not is_number(a):
        return NotImplemented
    if isinstance(a, (SymFloat, SymComplex)):
        return boolean(interpreter.g.IsNaN(a.tensor))
    return is_known(a) and a != a


@builtin("aten::isinf")
def is_inf(interpreter: Interpreter, a: Value) -> Value:
    """`math.isinf`."""
    if not is_number(a):
        return NotImplemented
    if isinstance(a, (SymFloat, SymComplex)):
        return boolean(interpreter.g.IsInf(a.tensor))
    if isinstance(a, complex):
        return cmath.isinf(a)
    return is_known(a) and math.isinf(a)


@builtin("aten::isfinite")
def is_finite(interpreter: Interpreter, a: Value) -> Value:
    """`math.isfinite`."""
    if not is_number(a):
        return NotImplemented
    if isinstance(a, (SymFloat, SymComplex)):
        g = interpreter.g
        return boolean(g.Not(g.Or(g.IsNaN(a.tensor), g.IsInf(a.tensor))))
    if isinstance(a, complex):
        return cmath.isfinite(a)
    return not is_known(a) or math.isfinite(a)
