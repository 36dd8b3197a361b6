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

import numpy as np
import onnx_ir as ir

from exporter.conversion.builtins.builtin import builtin
from exporter.conversion.values.objects import (
    UNINITIALIZED,
    Device,
    EnumMember,
    ListValue,
    OptionalValue,
    Value,
)
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import RaisedError
from exporter.onnx_graph.complex_numbers import make
from exporter.onnx_graph.conditions import And, Condition, NonNegative, Not, Or, Zero, decide
from exporter.onnx_graph.symbolic import Dim, SymInt, is_ge, resolved, sym_max, sym_min
from exporter.onnx_graph.values import (
    Number,
    SymBool,
    SymComplex,
    SymFloat,
    SymScalar,
    Tensor,
    is_number,
)

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter
    from exporter.onnx_graph.builder import Builder

__all__ = [
    "as_tensor",
    "boolean",
    "complex_of",
    "double",
    "equal",
    "float_of",
    "integer",
    "is_integral",
    "is_known",
    "logical_not",
    "one_element",
    "truth",
    "wrapped",
]

INT64, DOUBLE, BOOL = ir.DataType.INT64, ir.DataType.DOUBLE, ir.DataType.BOOL
COMPLEX = ir.DataType.COMPLEX128


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


def integer(g: Builder, value: Number) -> Dim:
    """A bool or int as an int."""
    if isinstance(value, SymBool):
        return g.integer(g.cast(value.tensor, INT64))
    assert isinstance(value, (int, SymInt))
    return resolved(value)


def double(g: Builder, value: Number) -> Tensor:
    """A number as a 0-d double tensor."""
    return as_tensor(g, value, DOUBLE)


def float_of(g: Builder, tensor: Tensor) -> float | SymFloat:
    """A 0-d double tensor as a number."""
    return float(tensor.array.item()) if tensor.array is not None else SymFloat(tensor)


def complex_of(tensor: Tensor) -> complex | SymComplex:
    """A 0-d complex128 tensor as a number."""
    return complex(tensor.array.item()) if tensor.array is not None else SymComplex(tensor)


def one_element(g: Builder, ref: TensorRef) -> Tensor:
    """A tensor that is to become a number; an error if it is known to hold none or several."""
    tensor = ref.read(g)
    if any(isinstance(d, int) and d != 1 for d in tensor.shape or ()):
        raise RaisedError(f"a tensor of shape {list(tensor.require_shape())} as a number")
    return tensor


def is_complex(*values: Value) -> bool:
    """Whether one of the numbers is complex."""
    return any(isinstance(v, (complex, SymComplex)) for v in values)


def boolean(tensor: Tensor, condition: Condition | None = None) -> bool | SymBool:
    """A 0-d bool tensor as a number; `condition` is what it stands for, where that is known."""
    if tensor.array is not None:
        return bool(tensor.array.item())
    return SymBool(tensor, condition)


Arithmetic = Callable[[Any, Any], Any]


def wrapped(value: Any) -> Any:
    """A known integer as 64 bits hold it; other values as they are."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return (value + 2**63) % 2**64 - 2**63
    return value


def _arithmetic(
    name: str, compute: Arithmetic, onnx: Callable[[Builder, Tensor, Tensor], Tensor]
) -> None:
    """A binary operator that is closed over ints and over floats."""

    def run(interpreter: Interpreter, a: Value, b: Value, *rest: Value, **kwargs: Value) -> Value:
        if rest or kwargs or not (is_number(a) and is_number(b)):
            return NotImplemented
        g = interpreter.g
        if is_known(a, b):
            return wrapped(compute(a, b))
        if is_integral(a) and is_integral(b):
            return compute(integer(g, a), integer(g, b))
        if is_complex(a, b):
            return complex_of(onnx(g, as_tensor(g, a, COMPLEX), as_tensor(g, b, COMPLEX)))
        return float_of(g, onnx(g, double(g, a), double(g, b)))

    builtin(name)(run)


def _floor_quotient(a: Any, b: Any) -> Any:
    """`a // b`; of floats it is the quotient rounded down, as in C++: 1. // 0.1 is 10."""
    if isinstance(a, float) or isinstance(b, float):
        return float(np.floor(_quotient(a, b)))
    if isinstance(b, int) and b == 0:
        raise RaisedError("division by 0")
    return a // b


def _rest(a: Any, b: Any) -> Any:
    """`a % b`; of floats what C++'s fmod makes of it: NaN where the divisor is infinite."""
    if isinstance(a, float) or isinstance(b, float):
        with np.errstate(all="ignore"):
            return float(np.fmod(b + np.fmod(float(a), float(b)), float(b)))
    if isinstance(b, int) and b == 0:
        raise RaisedError("modulo by 0")
    return a % b


def _quotient(a: Any, b: Any) -> Any:
    if isinstance(a, complex) or isinstance(b, complex):
        return a / b
    with np.errstate(all="ignore"):
        return float(np.float64(a) / np.float64(b))


_arithmetic("aten::add", operator.add, lambda g, a, b: g.Add(a, b))
_arithmetic("aten::sub", operator.sub, lambda g, a, b: g.Sub(a, b))
_arithmetic("aten::mul", operator.mul, lambda g, a, b: g.Mul(a, b))
_arithmetic("aten::floordiv", _floor_quotient, lambda g, a, b: g.Floor(g.Div(a, b)))
_arithmetic(
    "aten::remainder", _rest, lambda g, a, b: g.Mod(g.Add(b, g.Mod(a, b, fmod=1)), b, fmod=1)
)


@builtin("aten::div", "aten::truediv")
def divide(interpreter: Interpreter, a: Value, b: Value, *rest: Value, **kwargs: Value) -> Value:
    """True division, always a float; by zero it is infinite or NaN."""
    if rest or kwargs or not (is_number(a) and is_number(b)):
        return NotImplemented
    if is_known(a, b):
        return _quotient(a, b)
    g = interpreter.g
    if is_complex(a, b):
        return complex_of(g.Div(as_tensor(g, a, COMPLEX), as_tensor(g, b, COMPLEX)))
    return float_of(g, g.Div(double(g, a), double(g, b)))


@builtin("aten::floor_divide")
def floor_divide(interpreter: Interpreter, a: Value, b: Value) -> Value:
    """Floor division."""
    if not (is_number(a) and is_number(b)):
        return NotImplemented
    return interpreter.builtin("aten::floordiv", a, b)


@builtin("aten::__round_to_zero_floordiv")
def truncated_quotient(interpreter: Interpreter, a: Value, b: Value) -> Value:
    """The quotient of integers without its fraction."""
    if is_ge(a, 0) and is_ge(b, 0):
        return interpreter.builtin("aten::floordiv", a, b)
    if is_known(a, b):
        quotient = _floor_quotient(abs(a), abs(b))
        return quotient if (a < 0) == (b < 0) else -quotient
    g = interpreter.g
    return g.integer(g.Div(g.constant(a), g.constant(b)))


@builtin("aten::divmod")
def quotient_and_rest(interpreter: Interpreter, a: Value, b: Value) -> Value:
    """`divmod(a, b)`; of floats by way of the rest, so that 1. and 0.1 give 9., not 10."""
    if is_integral(a) and is_integral(b):
        floor = interpreter.builtin("aten::floordiv", a, b)
        return floor, interpreter.builtin("aten::remainder", a, b)
    if is_known(a, b):
        if b == 0:
            raise RaisedError("float divmod()")
        rest = math.fmod(a, b)
        rest += b if rest and (a < 0) != (b < 0) else 0.0
        return _quotient(a - rest, b), rest
    g = interpreter.g
    x, y = double(g, a), double(g, b)
    rest = g.Mod(x, y, fmod=1)
    signs_differ = g.Xor(g.Less(x, 0.0), g.Less(y, 0.0))
    corrected = g.And(g.Not(g.Equal(rest, 0.0)), signs_differ)
    rest = g.Where(corrected, g.Add(rest, y), rest)
    return float_of(g, g.Div(g.Sub(x, rest), y)), float_of(g, rest)


@builtin("aten::pow")
def power(interpreter: Interpreter, a: Value, b: Value, *rest: Value) -> Value:
    """Power, a float: TorchScript's `**` is one of two ints, too."""
    if rest or not (is_number(a) and is_number(b)):
        return NotImplemented
    if is_known(a, b):
        if isinstance(a, complex) or isinstance(b, complex):
            return a**b
        with np.errstate(all="ignore"):
            return float(np.float64(a) ** np.float64(b))
    g = interpreter.g
    if is_complex(a, b):
        operands = [TensorRef.fresh(as_tensor(g, v, COMPLEX)) for v in (a, b)]
        return complex_of(interpreter.call("aten::pow", operands, {}).read(g))
    return float_of(g, g.Pow(double(g, a), double(g, b)))


@builtin("aten::neg")
def negate(interpreter: Interpreter, a: Value) -> Value:
    """Minus."""
    if not is_number(a):
        return NotImplemented
    if isinstance(a, SymFloat):
        return SymFloat(interpreter.g.Neg(a.tensor))
    if isinstance(a, SymComplex):
        return SymComplex(interpreter.g.Neg(a.tensor))
    return wrapped(-a) if is_known(a) else -integer(interpreter.g, a)


def truth(interpreter: Interpreter, value: Value) -> bool | SymBool:
    """Python's `bool(value)` for a number or a one-element tensor."""
    if isinstance(value, OptionalValue):
        value = value.value
    if value is UNINITIALIZED:
        return False
    g = interpreter.g
    if isinstance(value, TensorRef):
        return boolean(g.reshape(g.cast(one_element(g, value), BOOL), []))
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
        x, y = integer(interpreter.g, a), integer(interpreter.g, b)
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
        real = INT64 if is_integral(a) and is_integral(b) else DOUBLE
        dtype = COMPLEX if is_complex(a, b) else real
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
            a, b = integer(interpreter.g, a), integer(interpreter.g, b)
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


def _power_of_two(g: Builder, exponent: Value) -> Dim:
    """2 ** n for n from 0 to 62; the smallest integer for 63, as a shift gives it."""
    if isinstance(exponent, int):
        return int(wrapped(1 << exponent))
    table = g.constant([wrapped(1 << n) for n in range(64)], INT64)
    return g.integer(g.Gather(table, g.scalar(integer(g, exponent)), axis=0))


@builtin("aten::__lshift__")
def left_shift(interpreter: Interpreter, a: Value, b: Value) -> Value:
    """Shift of ints, by less than 64."""
    if not (is_integral(a) and is_integral(b)):
        return NotImplemented
    g = interpreter.g
    return wrapped(integer(g, a) * _power_of_two(g, b))


@builtin("aten::__rshift__")
def right_shift(interpreter: Interpreter, a: Value, b: Value) -> Value:
    """Arithmetic shift of ints, by less than 64: in two steps, since 2 ** 63 is no int64."""
    if not (is_integral(a) and is_integral(b)):
        return NotImplemented
    g = interpreter.g
    value, count = integer(g, a), integer(g, b)
    if isinstance(value, int) and isinstance(count, int):
        return value >> count
    half = count // 2
    return value // _power_of_two(g, half) // _power_of_two(g, count - half)


@builtin("aten::bitwise_not")
def invert(interpreter: Interpreter, a: Value) -> Value:
    """`~` of an int."""
    return -1 - integer(interpreter.g, a) if is_integral(a) else NotImplemented


def extreme(interpreter: Interpreter, name: str, *args: Value) -> Value:
    """`min` or `max` of numbers, or of a list of them."""
    items: list[Value] = list(args)
    if len(args) == 1 and isinstance(args[0], ListValue):
        items = interpreter.items(args[0])
    if not items or not all(is_number(i) for i in items):
        return NotImplemented
    compare = "aten::lt" if name == "min" else "aten::gt"
    if all(map(is_integral, items)):
        if is_known(*items):
            return min(items) if name == "min" else max(items)
        whole = [integer(interpreter.g, i) for i in items]
        return sym_min(*whole) if name == "min" else sym_max(*whole)
    if len(args) == 2:
        return _further(interpreter, compare, *args)
    found = items[0]
    for item in items[1:]:
        found = _further(interpreter, compare, item, found)
    return found


def _further(interpreter: Interpreter, compare: str, a: Value, b: Value) -> Value:
    """The second of two floats unless the first one is beyond it, as NaN never is."""
    first = interpreter.builtin(compare, a, b)
    a, b = (interpreter.builtin("aten::Float", v) for v in (a, b))
    if not isinstance(first, SymBool):
        return a if first else b
    g = interpreter.g
    return float_of(g, g.Where(first.tensor, double(g, a), double(g, b)))


@builtin("prim::abs")
def absolute_of_any(interpreter: Interpreter, a: Value) -> Value:
    """`abs(x)` of a number or a tensor."""
    return interpreter.builtin("aten::abs", a)


@builtin("aten::abs")
def absolute(interpreter: Interpreter, a: Value) -> Value:
    """Absolute value."""
    if not is_number(a):
        return NotImplemented
    g = interpreter.g
    if is_known(a):
        return wrapped(abs(a))
    if isinstance(a, SymFloat):
        return SymFloat(g.Abs(a.tensor))
    if isinstance(a, SymComplex):
        return float_of(g, interpreter.call("aten::abs", [TensorRef.fresh(a.tensor)], {}).read(g))
    value = integer(g, a)
    return sym_max(value, -value)


@builtin("aten::Int", "aten::IntImplicit")
def to_int(interpreter: Interpreter, a: Value) -> Value:
    """`int(x)`: floats truncate, strings are parsed, tensors hold one element."""
    if isinstance(a, OptionalValue):
        a = a.value
    g = interpreter.g
    if isinstance(a, TensorRef):
        tensor = one_element(g, a)
        if tensor.array is None:
            return g.integer(tensor)
        number = tensor.array.item()
        if isinstance(number, float) and not -(2.0**63) <= number < 2.0**63:
            raise RaisedError(f"{number} as an int, which overflows")
        return int(number)
    if isinstance(a, SymFloat):
        return g.integer(g.Cast(a.tensor, to=INT64))
    if isinstance(a, SymBool):
        return integer(g, a)
    if isinstance(a, float) and not -(2.0**63) <= a < 2.0**63:
        return -(2**63)  # so does a processor
    return a if isinstance(a, SymInt) else _parsed(int, a)


@builtin("aten::Float", "aten::FloatImplicit")
def to_float(interpreter: Interpreter, a: Value) -> Value:
    """`float(x)`."""
    if isinstance(a, OptionalValue):
        a = a.value
    g = interpreter.g
    if isinstance(a, TensorRef):
        return float_of(g, g.cast(g.reshape(one_element(g, a), []), DOUBLE))
    if isinstance(a, SymFloat):
        return a
    return _parsed(float, a) if is_known(a) else float_of(g, double(g, a))


def _parsed(kind: Callable[[Value], Any], value: Value) -> Any:
    """A known value as a number. Text is read as in C++: no underscore, no space behind it."""
    if not isinstance(value, str):
        return kind(value)
    try:
        number = None if "_" in value or value[-1:].isspace() else kind(value)
    except ValueError:
        number = None
    if number is None or (kind is int and number != wrapped(number)):
        raise RaisedError(f"{value!r} is no {kind.__name__}")
    return number


builtin("aten::Bool")(truth)


@builtin("aten::Complex")
def to_complex(interpreter: Interpreter, a: Value, b: Value = 0) -> Value:
    """`complex(x)`, `complex(x, y)` of numbers and of tensors with one element."""
    a, b = (interpreter.builtin("aten::item", v) if isinstance(v, TensorRef) else v for v in (a, b))
    if is_known(a, b):
        return complex(a, b)
    g = interpreter.g
    if is_complex(a):
        return a
    return complex_of(make(g, double(g, a), double(g, b)))


@builtin("aten::ScalarImplicit")
def to_scalar(interpreter: Interpreter, a: Value) -> Value:
    """The element of a 0-d tensor as a number."""
    return interpreter.builtin("aten::item", a)
