"""Arithmetic on Python numbers of which some are only known at run time.

Known numbers are computed as TorchScript does (floor division and modulo round down, `round` is
half-to-even). Symbolic integers stay expressions; floats are doubles, as in Python, and become
0-d ONNX tensors.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from exporter.conversion.builtin import builtin
from exporter.conversion.objects import (
    UNINITIALIZED,
    Device,
    EnumMember,
    ListValue,
    OptionalValue,
    Value,
)
from exporter.conversion.tensors import TensorRef
from exporter.errors import UnsupportedError
from exporter.onnx_graph.conditions import And, Condition, NonNegative, Not, Or, Zero, decide
from exporter.onnx_graph.symbolic import Dim, SymInt, resolved, sym_max, sym_min
from exporter.onnx_graph.values import Number, SymBool, SymFloat, SymScalar, Tensor, is_number

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter
    from exporter.onnx_graph.builder import Builder

__all__ = ["as_tensor", "equal", "logical_not", "truth"]

INT64, DOUBLE, BOOL = ir.DataType.INT64, ir.DataType.DOUBLE, ir.DataType.BOOL


def as_tensor(g: Builder, number: Number, dtype: ir.DataType | None = None) -> Tensor:
    """A number as a 0-d tensor: int64, double, bool or complex128, or the dtype asked for."""
    if dtype is None and isinstance(number, (float, complex)):
        dtype = DOUBLE if isinstance(number, float) else ir.DataType.COMPLEX128
    return g.constant(number, dtype)


def is_known(*values: Value) -> bool:
    """Whether none of the numbers is symbolic."""
    return not any(isinstance(v, (SymInt, SymScalar)) for v in values)


def is_integral(value: Value) -> bool:
    """Whether this is an int or a bool, known or not."""
    return isinstance(value, (int, SymInt, SymBool))


def _int(g: Builder, value: Number) -> Dim:
    """A bool or int as an int."""
    if isinstance(value, SymBool):
        return g.integer(g.cast(value.tensor, INT64))
    assert isinstance(value, (int, SymInt))
    return resolved(value)


def _double(g: Builder, value: Number) -> Tensor:
    return as_tensor(g, value, DOUBLE)


def _float(g: Builder, tensor: Tensor) -> float | SymFloat:
    """A 0-d double tensor as a number."""
    return float(tensor.array.item()) if tensor.array is not None else SymFloat(tensor)


def boolean(tensor: Tensor, condition: Condition | None = None) -> bool | SymBool:
    """A 0-d bool tensor as a number; `condition` is what it stands for, where that is known."""
    if tensor.array is not None:
        return bool(tensor.array.item())
    return SymBool(tensor, condition)


Arithmetic = Callable[[Any, Any], Any]


def _arithmetic(
    name: str, compute: Arithmetic, onnx: Callable[[Builder, Tensor, Tensor], Tensor]
) -> None:
    """A binary operator that is closed over ints and over floats."""

    def run(interpreter: Interpreter, a: Value, b: Value, *rest: Value, **kwargs: Value) -> Value:
        if rest or kwargs or not (is_number(a) and is_number(b)):
            return NotImplemented
        g = interpreter.g
        if is_known(a, b):
            return compute(a, b)
        if is_integral(a) and is_integral(b):
            return compute(_int(g, a), _int(g, b))
        return _float(g, onnx(g, _double(g, a), _double(g, b)))

    builtin(name)(run)


_arithmetic("aten::add", operator.add, lambda g, a, b: g.Add(a, b))
_arithmetic("aten::sub", operator.sub, lambda g, a, b: g.Sub(a, b))
_arithmetic("aten::mul", operator.mul, lambda g, a, b: g.Mul(a, b))
_arithmetic("aten::floordiv", operator.floordiv, lambda g, a, b: g.Floor(g.Div(a, b)))
_arithmetic(
    "aten::remainder", operator.mod, lambda g, a, b: g.Sub(a, g.Mul(g.Floor(g.Div(a, b)), b))
)


@builtin("aten::div", "aten::truediv")
def divide(interpreter: Interpreter, a: Value, b: Value, *rest: Value, **kwargs: Value) -> Value:
    """True division, always a float."""
    if rest or kwargs or not (is_number(a) and is_number(b)):
        return NotImplemented
    if is_known(a, b):
        return a / b
    g = interpreter.g
    return _float(g, g.Div(_double(g, a), _double(g, b)))


@builtin("aten::floor_divide")
def floor_divide(interpreter: Interpreter, a: Value, b: Value) -> Value:
    """Floor division."""
    if not (is_number(a) and is_number(b)):
        return NotImplemented
    return interpreter.builtin("aten::floordiv", a, b)


@builtin("aten::divmod")
def quotient_and_rest(interpreter: Interpreter, a: Value, b: Value) -> Value:
    """`divmod(a, b)`."""
    floor = interpreter.builtin("aten::floordiv", a, b)
    return floor, interpreter.builtin("aten::remainder", a, b)


@builtin("aten::pow")
def power(interpreter: Interpreter, a: Value, b: Value, *rest: Value) -> Value:
    """Power, a float: TorchScript's `**` is one of two ints, too."""
    if rest or not (is_number(a) and is_number(b)):
        return NotImplemented
    if is_known(a, b):
        return a**b if isinstance(a, complex) or isinstance(b, complex) else float(a) ** b
    g = interpreter.g
    return _float(g, g.Pow(_double(g, a), _double(g, b)))


@builtin("aten::neg")
def negate(interpreter: Interpreter, a: Value) -> Value:
    """Minus."""
    if not is_number(a):
        return NotImplemented
    if isinstance(a, SymFloat):
        return SymFloat(interpreter.g.Neg(a.tensor))
    return -a if is_known(a) else -_int(interpreter.g, a)


def truth(interpreter: Interpreter, value: Value) -> bool | SymBool:
    """Python's `bool(value)` for a number or a one-element tensor."""
    if isinstance(value, OptionalValue):
        value = value.value
    if value is UNINITIALIZED:
        return False
    g = interpreter.g
    if isinstance(value, TensorRef):
        tensor = value.read(g)
        if tensor.array is not None:
            return bool(tensor.array.item())
        return boolean(g.reshape(g.cast(tensor, BOOL), []))
    if isinstance(value, SymBool):
        known = decide(value.condition, {})
        return value if known is None else known
    if isinstance(value, SymInt):
        value = resolved(value)
        if isinstance(value, int):
            return value != 0
        known = decide(Zero(value), {})
        if known is not None:
            return not known
        return boolean(g.cast(as_tensor(g, value), BOOL), Not(Zero(value)))
    if isinstance(value, SymFloat):
        return boolean(g.cast(value.tensor, BOOL))
    return bool(value)


def logical_not(interpreter: Interpreter, value: Value) -> bool | SymBool:
    """Python's `not`."""
    result = truth(interpreter, value)
    if isinstance(result, SymBool):
        return boolean(interpreter.g.Not(result.tensor), Not(result.condition))
    return not result


builtin("aten::__not__")(logical_not)


def equal(interpreter: Interpreter, a: Value, b: Value) -> bool | SymBool:
    """Python's `==` for two numbers."""
    if is_integral(a) and is_integral(b):
        x, y = _int(interpreter.g, a), _int(interpreter.g, b)
        known = decide(Zero(x - y), {})
        if known is not None:
            return known
        return _compare(interpreter, x, y, operator.eq, "Equal", Zero(x - y))
    return _compare(interpreter, a, b, operator.eq, "Equal")


def _compare(
    interpreter: Interpreter,
    a: Value,
    b: Value,
    compute: Arithmetic,
    onnx: str,
    condition: Condition | None = None,
) -> bool | SymBool:
    g = interpreter.g
    if is_known(a, b):
        return bool(compute(a, b))
    if isinstance(a, (bool, SymBool)) and isinstance(b, (bool, SymBool)):
        dtype = BOOL if onnx == "Equal" else INT64
    else:
        dtype = INT64 if is_integral(a) and is_integral(b) else DOUBLE
    return boolean(getattr(g, onnx)(as_tensor(g, a, dtype), as_tensor(g, b, dtype)), condition)


@builtin("aten::eq")
def eq(interpreter: Interpreter, a: Value, b: Value) -> Value:
    """Equality of numbers, strings, devices, enum members, lists and None."""
    if is_number(a) and is_number(b):
        return equal(interpreter, a, b)
    return _plain_equal(interpreter, a, b)


@builtin("aten::ne")
def ne(interpreter: Interpreter, a: Value, b: Value) -> Value:
    """The opposite of `eq`."""
    result = eq(interpreter, a, b)
    return NotImplemented if result is NotImplemented else logical_not(interpreter, result)


def _plain_equal(interpreter: Interpreter, a: Value, b: Value) -> Value:
    plain = (str, Device, EnumMember, type(None))
    if isinstance(a, plain) and isinstance(b, plain):
        if isinstance(a, Device) and isinstance(b, str):
            return a.name == b
        return a == b
    if isinstance(a, plain) != isinstance(b, plain) and not (is_number(a) or is_number(b)):
        return NotImplemented
    return interpreter.containers_equal(a, b)


def _ordering(
    name: str, compute: Arithmetic, onnx: str, stated: Callable[[Dim, Dim], Condition]
) -> None:
    def run(interpreter: Interpreter, a: Value, b: Value) -> Value:
        if isinstance(a, str) and isinstance(b, str):
            return compute(a, b)
        if not (is_number(a) and is_number(b)):
            return NotImplemented
        if is_integral(a) and is_integral(b) and not is_known(a, b):
            a, b = _int(interpreter.g, a), _int(interpreter.g, b)
            condition = stated(a, b)
            known = decide(condition, {})
            if known is not None:
                return known
            return _compare(interpreter, a, b, compute, onnx, condition)
        return _compare(interpreter, a, b, compute, onnx)

    builtin(name)(run)


_ordering("aten::lt", operator.lt, "Less", lambda a, b: Not(NonNegative(a - b)))
_ordering("aten::le", operator.le, "LessOrEqual", lambda a, b: NonNegative(b - a))
_ordering("aten::gt", operator.gt, "Greater", lambda a, b: Not(NonNegative(b - a)))
_ordering("aten::ge", operator.ge, "GreaterOrEqual", lambda a, b: NonNegative(a - b))


def _logical(name: str, compute: Arithmetic, onnx: str) -> None:
    def run(interpreter: Interpreter, a: Value, b: Value) -> Value:
        bools = (bool, SymBool)
        if isinstance(a, bools) and isinstance(b, bools):
            for known, other in ((a, b), (b, a)):
                # `False and x`, `True or x`: decided, and what doesn't decide is neutral.
                if isinstance(known, bool) and onnx != "Xor":
                    return known if known == (onnx == "Or") else other
            if is_known(a, b):
                return compute(a, b)
            g = interpreter.g
            return boolean(
                getattr(g, onnx)(as_tensor(g, a, BOOL), as_tensor(g, b, BOOL)),
                _combined(onnx, a, b),
            )
        if isinstance(a, int) and isinstance(b, int):
            return compute(a, b)
        if is_integral(a) and is_integral(b):
            g = interpreter.g
            emit = getattr(g, f"Bitwise{onnx}")
            return g.integer(emit(as_tensor(g, a, INT64), as_tensor(g, b, INT64)))
        return NotImplemented

    builtin(name)(run)


def _combined(onnx: str, a: Value, b: Value) -> Condition | None:
    """What `a and b` or `a or b` stands for, where at least one of them is understood."""
    left, right = (v.condition if isinstance(v, SymBool) else None for v in (a, b))
    if onnx == "Xor" or (left is None and right is None):
        return None
    return And(left, right) if onnx == "And" else Or(left, right)


_logical("aten::__and__", operator.and_, "And")
_logical("aten::__or__", operator.or_, "Or")
_logical("aten::__xor__", operator.xor, "Xor")


@builtin("aten::__lshift__")
def left_shift(interpreter: Interpreter, a: Value, b: Value) -> Value:
    """Shift of ints."""
    if isinstance(b, int) and is_integral(a):
        return _int(interpreter.g, a) * (1 << b)
    return NotImplemented


@builtin("aten::__rshift__")
def right_shift(interpreter: Interpreter, a: Value, b: Value) -> Value:
    """Arithmetic shift of ints."""
    if isinstance(b, int) and is_integral(a):
        return _int(interpreter.g, a) // (1 << b)
    return NotImplemented


@builtin("aten::bitwise_not")
def invert(interpreter: Interpreter, a: Value) -> Value:
    """`~` of an int."""
    return -1 - _int(interpreter.g, a) if is_integral(a) else NotImplemented


def extreme(interpreter: Interpreter, name: str, *args: Value) -> Value:
    """`min` or `max` of numbers, or of a list of them."""
    items: list[Value] = list(args)
    if len(args) == 1 and isinstance(args[0], ListValue):
        items = interpreter.items(args[0])
    if not items or not all(is_number(i) for i in items):
        return NotImplemented
    smallest = name == "min"
    if is_known(*items):
        return min(items) if smallest else max(items)
    g = interpreter.g
    if all(is_integral(i) for i in items):
        whole = [_int(g, i) for i in items]
        return sym_min(*whole) if smallest else sym_max(*whole)
    wide = [_double(g, i) for i in items]
    return _float(g, g.Min(*wide) if smallest else g.Max(*wide))


@builtin("prim::abs", "aten::abs")
def absolute(interpreter: Interpreter, a: Value) -> Value:
    """Absolute value."""
    if not is_number(a):
        return NotImplemented
    g = interpreter.g
    if is_known(a):
        return abs(a)
    if isinstance(a, SymFloat):
        return SymFloat(g.Abs(a.tensor))
    value = _int(g, a)
    return sym_max(value, -value)


@builtin("aten::Int", "aten::IntImplicit")
def to_int(interpreter: Interpreter, a: Value) -> Value:
    """`int(x)`: floats truncate, strings are parsed, tensors hold one element."""
    if isinstance(a, OptionalValue):
        a = a.value
    g = interpreter.g
    if isinstance(a, TensorRef):
        tensor = a.read(g)
        if tensor.array is not None:
            return int(tensor.array.item())
        return g.integer(tensor)
    if isinstance(a, SymFloat):
        return g.integer(g.Cast(a.tensor, to=INT64))
    if isinstance(a, SymBool):
        return _int(g, a)
    return a if isinstance(a, SymInt) else int(a)


@builtin("aten::Float", "aten::FloatImplicit")
def to_float(interpreter: Interpreter, a: Value) -> Value:
    """`float(x)`."""
    if isinstance(a, OptionalValue):
        a = a.value
    g = interpreter.g
    if isinstance(a, TensorRef):
        return _float(g, g.cast(g.reshape(a.read(g), []), DOUBLE))
    if isinstance(a, SymFloat):
        return a
    return float(a) if is_known(a) else _float(g, _double(g, a))


builtin("aten::Bool")(truth)


@builtin("aten::Complex")
def to_complex(interpreter: Interpreter, a: Value, b: Value = 0) -> Value:
    """`complex(x)` of known numbers."""
    if is_number(a) and is_number(b) and is_known(a, b):
        return complex(a, b)
    raise UnsupportedError("a complex number that is only known at run time has no counterpart")


@builtin("aten::ScalarImplicit")
def to_scalar(interpreter: Interpreter, a: Value) -> Value:
    """The element of a 0-d tensor as a number."""
    return interpreter.builtin("aten::item", a)


def _unary(
    name: str, compute: Callable[[float], float], onnx: str | Callable[[Builder, Tensor], Tensor]
) -> None:
    """A function of `math`, that gives a float."""

    def run(interpreter: Interpreter, a: Value) -> Value:
        if not is_number(a):
            return NotImplemented
        if is_known(a):
            return compute(a)
        g = interpreter.g
        value = _double(g, a)
        return _float(g, getattr(g, onnx)(value) if isinstance(onnx, str) else onnx(g, value))

    builtin(f"aten::{name}")(run)


for _name, _onnx in {
    "sqrt": "Sqrt", "exp": "Exp", "log": "Log", "sin": "Sin", "cos": "Cos", "tan": "Tan",
    "asin": "Asin", "acos": "Acos", "atan": "Atan", "sinh": "Sinh", "cosh": "Cosh",
    "tanh": "Tanh", "asinh": "Asinh", "acosh": "Acosh", "atanh": "Atanh", "erf": "Erf",
}.items():  # fmt: skip
    _unary(_name, getattr(math, _name), _onnx)
_unary("log2", math.log2, lambda g, x: g.Div(g.Log(x), math.log(2)))
_unary("log10", math.log10, lambda g, x: g.Div(g.Log(x), math.log(10)))
_unary("log1p", math.log1p, lambda g, x: g.Log(g.Add(x, 1.0)))
_unary("expm1", math.expm1, lambda g, x: g.Sub(g.Exp(x), 1.0))
_unary("degrees", math.degrees, lambda g, x: g.Mul(x, 180 / math.pi))
_unary("radians", math.radians, lambda g, x: g.Mul(x, math.pi / 180))
_unary("gamma", math.gamma, "Gamma")
_unary("lgamma", math.lgamma, "Lgamma")


def _rounding(name: str, compute: Callable[[float], int], onnx: str) -> None:
    def run(interpreter: Interpreter, a: Value) -> Value:
        if not is_number(a):
            return NotImplemented
        if is_known(a):
            return compute(a)
        if is_integral(a):
            return _int(interpreter.g, a)
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
        return float(round(a))
    if isinstance(a, SymFloat):
        return SymFloat(interpreter.g.Round(a.tensor))
    return _float(interpreter.g, _double(interpreter.g, a))


@builtin("aten::trunc")
def truncate(interpreter: Interpreter, a: Value) -> Value:
    """Towards zero, as an int."""
    if not is_number(a):
        return NotImplemented
    return to_int(interpreter, a)


@builtin("aten::isnan")
def is_nan(interpreter: Interpreter, a: Value) -> Value:
    """`math.isnan`."""
    if not is_number(a):
        return NotImplemented
    if isinstance(a, SymFloat):
        return boolean(interpreter.g.IsNaN(a.tensor))
    return is_known(a) and a != a


@builtin("aten::isinf")
def is_inf(interpreter: Interpreter, a: Value) -> Value:
    """`math.isinf`."""
    if not is_number(a):
        return NotImplemented
    if isinstance(a, SymFloat):
        return boolean(interpreter.g.IsInf(a.tensor))
    return is_known(a) and math.isinf(a)


@builtin("aten::isfinite")
def is_finite(interpreter: Interpreter, a: Value) -> Value:
    """`math.isfinite`."""
    if not is_number(a):
        return NotImplemented
    if isinstance(a, SymFloat):
        g = interpreter.g
        return boolean(g.Not(g.Or(g.IsNaN(a.tensor), g.IsInf(a.tensor))))
    return not is_known(a) or math.isfinite(a)


def _binary_math(name: str, compute: Callable[[float, float], float]) -> None:
    def run(interpreter: Interpreter, a: Value, b: Value) -> Value:
        if not (is_number(a) and is_number(b)):
            return NotImplemented
        if not is_known(a, b):
            raise UnsupportedError(f"math.{name} of numbers only known at run time")
        return compute(a, b)

    builtin(f"aten::{name}")(run)


for _name in ("atan2", "copysign", "fmod", "ldexp", "gcd"):
    _binary_math(_name, getattr(math, _name))
