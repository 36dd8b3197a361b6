"""Functions of one tensor, element by element: rounding, signs, powers, logarithms, angles.

Two tensors are in `arithmetic`, activations of neural networks in `activation`, the functions of
mathematical physics in `special`.
"""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import onnx_ir as ir

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.complex_numbers import make, parts
from exporter.onnx_graph.values import Tensor
from symbolics.elementwise.arithmetic import negative_sign, truncated
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import (
    DOUBLE,
    FLOAT,
    INT64,
    default_float,
    is_bool,
    is_complex,
    is_float,
    promote,
)

__all__ = ["as_float", "expm1", "log1p", "sigmoid"]

# ATen's names -> the ONNX operator, and what integers become: "float" makes them float32, "same"
# keeps them, and "unchanged" leaves them alone altogether.
_ONE_TO_ONE = {
    ("abs", "absolute"): ("Abs", "same"),
    ("acos", "arccos"): ("Acos", "float"),
    ("acosh", "arccosh"): ("Acosh", "float"),
    ("asin", "arcsin"): ("Asin", "float"),
    ("asinh", "arcsinh"): ("Asinh", "float"),
    ("atan", "arctan"): ("Atan", "float"),
    ("atanh", "arctanh"): ("Atanh", "float"),
    ("ceil",): ("Ceil", "unchanged"),
    ("cos",): ("Cos", "float"),
    ("cosh",): ("Cosh", "float"),
    ("exp",): ("Exp", "float"),
    ("floor",): ("Floor", "unchanged"),
    ("log",): ("Log", "float"),
    ("neg", "negative"): ("Neg", "same"),
    ("reciprocal",): ("Reciprocal", "float"),
    ("round",): ("Round", "unchanged"),
    ("sigmoid", "special_expit"): ("Sigmoid", "float"),
    ("sin",): ("Sin", "float"),
    ("sinh",): ("Sinh", "float"),
    ("sqrt",): ("Sqrt", "float"),
    ("tan",): ("Tan", "float"),
    ("tanh",): ("Tanh", "float"),
}


def as_float(g: Builder, self: Tensor) -> Tensor:
    """Integers and bools as float32."""
    return g.cast(self, default_float(self.dtype))


def _register(names: tuple[str, ...], op_type: str, integers: str) -> None:
    def convert(g: Builder, self: Tensor) -> Tensor:
        if integers == "float":
            return g.op(op_type, as_float(g, self))
        if is_bool(self.dtype):
            if op_type == "Abs":
                return self
            raise Unsupported(f"PyTorch has no {names[0]} of bools")
        if integers == "unchanged" and not is_float(self.dtype):
            return self
        return g.op(op_type, self)

    for name in names:
        symbolic(f"aten::{name}(Tensor self) -> Tensor")(convert)


for _names, (_op_type, _integers) in _ONE_TO_ONE.items():
    _register(_names, _op_type, _integers)


def sigmoid(g: Builder, self: Tensor) -> Tensor:
    """1 / (1 + exp(-x))."""
    return g.Sigmoid(as_float(g, self))


# ---------------------------------------------------------------- signs and rounding


@symbolic("aten::sgn(Tensor self) -> Tensor")
@symbolic("aten::sign(Tensor self) -> Tensor")
def sign(g: Builder, self: Tensor) -> Tensor:
    """-1, 0 or 1; 0 for NaN, where ONNX Sign gives NaN. A bool is its own sign."""
    if is_bool(self.dtype):
        return self
    if not is_float(self.dtype):
        return g.Sign(self)
    return g.Sign(g.Where(g.IsNaN(self), g.constant(0, self.dtype), self))


@symbolic("aten::signbit(Tensor self) -> Tensor")
def signbit(g: Builder, self: Tensor) -> Tensor:
    """Whether the sign is a minus, that of -0.0 included."""
    if is_float(self.dtype):
        return negative_sign(g, self)
    return g.Xor(self, self) if is_bool(self.dtype) else g.Less(self, 0)


@symbolic("aten::positive(Tensor(a) self) -> Tensor(a)")
def positive(g: Builder, self: Tensor) -> Tensor:
    """The tensor itself; not for bools."""
    if is_bool(self.dtype):
        raise Unsupported("PyTorch has no positive of bools")
    return self


@symbolic("aten::fix(Tensor self) -> Tensor")
@symbolic("aten::trunc(Tensor self) -> Tensor")
def trunc(g: Builder, self: Tensor) -> Tensor:
    """Rounded towards zero."""
    return truncated(g, self) if is_float(self.dtype) else self


@symbolic("aten::frac(Tensor self) -> Tensor")
def frac(g: Builder, self: Tensor) -> Tensor:
    """What `trunc` cuts off."""
    return g.Sub(self, truncated(g, self))


@symbolic("aten::round.decimals(Tensor self, *, int decimals) -> Tensor")
def round_decimals(g: Builder, self: Tensor, *, decimals: int) -> Tensor:
    """Rounded half to even at a decimal, which is before the point if negative."""
    if decimals == 0 or not is_float(self.dtype):
        if decimals != 0:
            raise Unsupported(f"PyTorch does not round integers at decimals = {decimals}")
        return self if not is_float(self.dtype) else g.Round(self)
    factor = 10.0 ** abs(decimals)
    if decimals > 0:
        return g.Div(g.Round(g.Mul(self, factor)), factor)
    return g.Mul(g.Round(g.Div(self, factor)), factor)


@symbolic("aten::special_round(Tensor self, *, int decimals=0) -> Tensor")
def special_round(g: Builder, self: Tensor, *, decimals: int = 0) -> Tensor:
    """See `round_decimals`."""
    return round_decimals(g, self, decimals=decimals)


@symbolic(
    "aten::nan_to_num(Tensor self, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor"
)
def nan_to_num(
    g: Builder,
    self: Tensor,
    nan: float | None = None,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Tensor:
    """NaN and the infinities replaced: by 0 and the dtype's largest numbers, if nothing else is said."""
    if is_complex(self.dtype):
        return make(g, *(nan_to_num(g, part, nan, posinf, neginf) for part in parts(g, self)))
    if not is_float(self.dtype):
        return self
    # NumPy's own finfo does not know bfloat16.
    largest = float(ml_dtypes.finfo(self.dtype.numpy()).max)
    number = g.constant(0.0 if nan is None else nan, self.dtype)
    highest = g.constant(largest if posinf is None else posinf, self.dtype)
    lowest = g.constant(-largest if neginf is None else neginf, self.dtype)
    result = g.Where(g.Equal(self, math.inf), highest, self)
    result = g.Where(g.Equal(self, -math.inf), lowest, result)
    return g.Where(g.IsNaN(self), number, result)


# ---------------------------------------------------------------- powers and logarithms


@symbolic("aten::square(Tensor self) -> Tensor")
def square(g: Builder, self: Tensor) -> Tensor:
    """x * x; a bool becomes int64, as with the power 2."""
    if is_bool(self.dtype):
        return g.constant(self, INT64)
    return g.Pow(self, g.constant(2, self.dtype)) if is_float(self.dtype) else g.Mul(self, self)


@symbolic("aten::rsqrt(Tensor self) -> Tensor")
def rsqrt(g: Builder, self: Tensor) -> Tensor:
    """1 / sqrt(x); a division is what onnxruntime looks for in normalizations to fuse."""
    return g.Div(1.0, g.Sqrt(as_float(g, self)))


@symbolic("aten::special_exp2(Tensor self) -> Tensor")
@symbolic("aten::exp2(Tensor self) -> Tensor")
def exp2(g: Builder, self: Tensor) -> Tensor:
    """2 to the power of x."""
    self = as_float(g, self)
    return g.Pow(g.constant(2.0, self.dtype), self)


@symbolic("aten::special_expm1(Tensor self) -> Tensor")
@symbolic("aten::expm1(Tensor self) -> Tensor")
def expm1(g: Builder, self: Tensor) -> Tensor:
    """exp(x) - 1, exact near 0 too: it is tanh(x / 2) * (exp(x) + 1)."""
    self = as_float(g, self)
    result = g.Mul(g.Tanh(g.Mul(self, 0.5)), g.Add(g.Exp(self), 1))
    return g.known_as("expm1", result, self)


@symbolic("aten::special_log1p(Tensor self) -> Tensor")
@symbolic("aten::log1p(Tensor self) -> Tensor")
def log1p(g: Builder, self: Tensor) -> Tensor:
    """log(1 + x), exact near 0 too.

    With u = 1 + x rounded, log(u) * x / (u - 1) makes good what the rounding lost (Kahan).
    """
    self = as_float(g, self)
    one = g.constant(1, self.dtype)
    shifted = g.Add(self, one)
    gained = g.Sub(shifted, one)
    ratio = g.Where(g.Equal(gained, self), one, g.Div(self, gained))
    result = g.Where(g.Equal(gained, 0), self, g.Mul(g.Log(shifted), ratio))
    return g.known_as("log1p", result, self)


@symbolic("aten::log2(Tensor self) -> Tensor")
def log2(g: Builder, self: Tensor) -> Tensor:
    """The logarithm to base 2."""
    return g.Div(g.Log(as_float(g, self)), math.log(2))


@symbolic("aten::log10(Tensor self) -> Tensor")
def log10(g: Builder, self: Tensor) -> Tensor:
    """The logarithm to base 10."""
    return g.Div(g.Log(as_float(g, self)), math.log(10))


@symbolic("aten::special_logit(Tensor self, float? eps=None) -> Tensor")
@symbolic("aten::logit(Tensor self, float? eps=None) -> Tensor")
def logit(g: Builder, self: Tensor, eps: float | None = None) -> Tensor:
    """log(x / (1 - x)), x first limited to [eps, 1 - eps] if eps is given and not negative."""
    self = as_float(g, self)
    one = g.constant(1.0, self.dtype)
    if eps is not None and eps >= 0:
        low, high = g.constant(eps, self.dtype), g.Sub(one, eps)
        self = g.Min(g.Max(self, low), high)
    return g.Log(g.Div(self, g.Sub(one, self)))


# ---------------------------------------------------------------- angles


@symbolic("aten::deg2rad(Tensor self) -> Tensor")
def deg2rad(g: Builder, self: Tensor) -> Tensor:
    """Degrees as radians."""
    return g.Mul(as_float(g, self), math.pi / 180)


@symbolic("aten::rad2deg(Tensor self) -> Tensor")
def rad2deg(g: Builder, self: Tensor) -> Tensor:
    """Radians as degrees."""
    return g.Mul(as_float(g, self), 180 / math.pi)


@symbolic("aten::special_sinc(Tensor self) -> Tensor")
@symbolic("aten::sinc(Tensor self) -> Tensor")
def sinc(g: Builder, self: Tensor) -> Tensor:
    """sin(pi x) / (pi x), and 1 at 0."""
    self = as_float(g, self)
    angle = g.Mul(self, math.pi)
    zero = g.Equal(self, 0)
    one = g.constant(1, self.dtype)
    return g.Where(zero, one, g.Div(g.Sin(angle), g.Where(zero, one, angle)))


@symbolic("aten::frexp.Tensor(Tensor self) -> (Tensor mantissa, Tensor exponent)")
def frexp(g: Builder, self: Tensor) -> tuple[Tensor, Tensor]:
    """mantissa * 2 ** exponent with a mantissa in [0.5, 1).

    The logarithm to base 2 may be rounded across a power of 2: one step puts that right. Numbers
    below the smallest normal one are first scaled up.
    """
    if not is_float(self.dtype):
        raise Unsupported("PyTorch has no frexp of integers")
    if self.dtype not in (FLOAT, DOUBLE):
        mantissa, exponent = frexp(g, g.cast(self, FLOAT))
        return g.cast(mantissa, self.dtype), exponent
    tiny = float(np.finfo(self.dtype.numpy()).tiny)
    shift = 64
    plain = g.And(g.Not(g.Equal(self, 0)), g.Less(g.Abs(self), math.inf))
    small = g.And(plain, g.Less(g.Abs(self), tiny))
    number = g.Where(plain, self, g.constant(1, self.dtype))
    number = g.Where(small, g.Mul(number, 2.0**shift), number)
    exponent = g.Add(g.Floor(log2(g, g.Abs(number))), 1)
    half = g.Mul(exponent, 0.5)
    first = g.Floor(half)
    two = g.constant(2.0, self.dtype)
    mantissa = g.Div(g.Div(number, g.Pow(two, first)), g.Pow(two, g.Sub(exponent, first)))
    high, low = g.GreaterOrEqual(g.Abs(mantissa), 1), g.Less(g.Abs(mantissa), 0.5)
    mantissa = g.Where(high, g.Mul(mantissa, 0.5), g.Where(low, g.Mul(mantissa, 2), mantissa))
    exponent = g.Add(exponent, g.cast(high, self.dtype))
    exponent = g.Sub(exponent, g.cast(low, self.dtype))
    exponent = g.Where(small, g.Sub(exponent, shift), exponent)
    exponent = g.Where(plain, exponent, g.constant(0, self.dtype))
    return g.Where(plain, mantissa, self), g.cast(exponent, ir.DataType.INT32)


@symbolic("aten::nextafter(Tensor self, Tensor other) -> Tensor")
def nextafter(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """The neighbour of each number on the way to the other one.

    1. By its exponent (`frexp`) a number's distance to the neighbour away from zero is a power of
       two, read from a table, so that it is exact.
    2. Towards zero it is half of that from a power of two on, unless the numbers are subnormal.
    3. From zero the way leads to the smallest number, from infinity to the largest.
    """
    self, other = promote(g, self, other)
    if self.dtype not in (ir.DataType.FLOAT16, FLOAT, DOUBLE):
        raise Unsupported(f"nextafter of {self.dtype.name}")
    limits = np.finfo(self.dtype.numpy())
    zero, largest = g.constant(0, self.dtype), g.constant(float(limits.max), self.dtype)
    infinite = g.Equal(g.Abs(self), math.inf)
    number = g.Where(infinite, zero, self)
    mantissa, exponent = frexp(g, number)
    # A mantissa is of [0.5, 1), so the smallest normal number has the exponent minexp + 1.
    lowest = int(limits.minexp) + 1
    exponent = g.Where(g.Equal(number, 0), g.constant(lowest, INT64), g.cast(exponent, INT64))
    place = g.Max(g.Sub(exponent, lowest), 0)
    away = g.Equal(g.Greater(other, number), g.Greater(number, 0))
    shrinks = g.And(g.Equal(g.Abs(mantissa), 0.5), g.And(g.Not(away), g.Greater(place, 0)))
    place = g.Sub(place, g.cast(shrinks, INT64))
    count = int(limits.maxexp) - lowest + 1
    powers = np.ldexp(limits.dtype.type(1), np.arange(count) + lowest - 1 - limits.nmant)
    distance = g.Gather(g.constant(powers.astype(limits.dtype)), place, axis=0)
    up = g.Greater(other, self)
    stepped = g.Where(up, g.Add(number, distance), g.Sub(number, distance))
    stepped = g.Where(infinite, g.Mul(g.Sign(self), largest), stepped)
    nan = g.Or(g.IsNaN(self), g.IsNaN(other))
    found = g.Where(g.Equal(self, other), other, stepped)
    return g.Where(nan, g.constant(math.nan, self.dtype), found)
