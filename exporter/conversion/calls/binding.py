"""Which overload of an operator a call means, and its arguments by name.

Archive code names no overloads; the values at hand decide. As in TorchScript, overloads are tried
first without implicit conversions, then with them (a number for a tensor, a 0-d tensor for a
number), which is done here by cost: the cheapest match wins, the earlier registered one on a tie.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from exporter.conversion.values.objects import Device, DictValue, ListValue, OptionalValue, Value
from exporter.conversion.values.tensors import TensorRef
from exporter.onnx_graph.packed_weights import PackedWeights
from exporter.onnx_graph.symbolic import SymInt
from exporter.onnx_graph.values import SymBool, SymFloat, is_number
from exporter.torchscript.types import (
    AnyType,
    BoolType,
    ClassRef,
    ComplexType,
    DeviceType,
    DictType,
    EnumerationType,
    FloatType,
    GeneratorType,
    IntType,
    ListType,
    NumberType,
    OptionalType,
    StrType,
    TensorType,
    Type,
    TypeVariable,
)

if TYPE_CHECKING:
    from exporter.torchscript.schema import Schema
    from symbolics.registry import Overload

__all__ = ["bind", "choose"]

NO_MATCH = 1000
_CONVERSION = 10


def choose(
    candidates: Sequence[Overload], args: Sequence[Value], kwargs: Mapping[str, Value]
) -> tuple[Overload, dict[str, Value]] | None:
    """The overload that the arguments fit best, and the arguments by name; None if none fits."""
    best: tuple[Overload, dict[str, Value]] | None = None
    best_cost = NO_MATCH
    for overload in candidates:
        bound, cost = bind(overload.schema, args, kwargs)
        if bound is not None and cost < best_cost:
            best, best_cost = (overload, bound), cost
            if cost == 0:
                break
    return best


def bind(
    schema: Schema, args: Sequence[Value], kwargs: Mapping[str, Value]
) -> tuple[dict[str, Value] | None, int]:
    """Arguments by name, and what implicit conversions cost; (None, _) if they don't fit."""
    positional = [a for a in schema.arguments if not a.keyword_only]
    if len(args) > len(schema.arguments):
        return None, NO_MATCH
    # Traced code passes keyword-only arguments by position where only they are left.
    order = positional + [a for a in schema.arguments if a.keyword_only]
    bound: dict[str, Value] = {}
    cost = max(0, len(args) - len(positional))
    for argument, value in zip(order, args, strict=False):
        bound[argument.name] = value
    for name, value in kwargs.items():
        if name in bound:
            return None, NO_MATCH
        bound[name] = value
    result: dict[str, Value] = {}
    for argument in schema.arguments:
        if argument.name not in bound:
            if not argument.has_default:
                return None, NO_MATCH
            result[argument.name] = argument.default
            continue
        value = bound.pop(argument.name)
        match, converted = _match(argument.type, value)
        if match >= NO_MATCH:
            if value is None and argument.has_default:
                # `layout=None` and the like, where the schema states a default.
                result[argument.name] = argument.default
                continue
            return None, NO_MATCH
        cost += match
        result[argument.name] = converted
    if bound:
        return None, NO_MATCH
    return result, cost


def _match(type: Type, value: Value) -> tuple[int, Any]:  # noqa: A002
    """The cost of passing a value for a type, and the value as it is then passed."""
    if isinstance(value, OptionalValue):
        # On the paths that get here the program has made sure that it is there.
        value = value.value
    if isinstance(type, OptionalType):
        return (0, None) if value is None else _match(type.element, value)
    if isinstance(type, TensorType):
        if isinstance(value, TensorRef):
            return 0, value
        return (_CONVERSION, value) if is_number(value) else (NO_MATCH, None)
    if isinstance(type, ListType):
        return _match_list(type, value)
    if isinstance(type, (AnyType, TypeVariable)):
        return 5, value
    if isinstance(type, EnumerationType):
        fits = isinstance(value, int) and not isinstance(value, bool)
        return (0, value) if fits else (NO_MATCH, None)
    if isinstance(type, StrType):
        return (0, value) if isinstance(value, str) else (NO_MATCH, None)
    if isinstance(type, DeviceType):
        return (0, value) if isinstance(value, (Device, str)) else (NO_MATCH, None)
    if isinstance(type, GeneratorType):
        return (0, value) if value is None else (NO_MATCH, None)
    if isinstance(type, ClassRef):
        fits = isinstance(value, PackedWeights) and value.class_name == type.name
        return (0, value) if fits else (NO_MATCH, None)
    if isinstance(type, DictType):
        return (0, value) if isinstance(value, DictValue) else (NO_MATCH, None)
    return _match_number(type, value)


def _match_number(type: Type, value: Value) -> tuple[int, Any]:  # noqa: A002
    is_bool = isinstance(value, (bool, SymBool))
    is_int = isinstance(value, (int, SymInt)) and not is_bool
    is_float = isinstance(value, (float, SymFloat))
    if isinstance(type, IntType):
        if is_int:
            return 0, value
        return (2, value) if is_bool else _implicit(value)
    if isinstance(type, FloatType):
        if is_float:
            return 0, value
        return (
            (1, float(value) if isinstance(value, int) else value) if is_int else _implicit(value)
        )
    if isinstance(type, BoolType):
        if is_bool:
            return 0, value
        return (3, value != 0) if isinstance(value, int) else _implicit(value)
    if isinstance(type, (NumberType, ComplexType)):
        return (0, value) if is_number(value) else _implicit(value)
    return NO_MATCH, None


def _implicit(value: Value) -> tuple[int, Any]:
    """A tensor where a number is wanted (`IntImplicit` and its like)."""
    return (_CONVERSION, value) if isinstance(value, TensorRef) else (NO_MATCH, None)


def _match_list(type: ListType, value: Value) -> tuple[int, Any]:  # noqa: A002
    if isinstance(value, ListValue):
        if value.runtime is not None:
            fits = (value.runtime.kind == "tensor") == isinstance(type.element, TensorType)
            return (0, value) if fits else (NO_MATCH, None)
        items: Sequence[Value] = value.items
    elif isinstance(value, (list, tuple)):
        items = value
    elif type.size is not None:
        cost, converted = _match(type.element, value)
        return cost + 1, [converted] * (1 if isinstance(type.element, TensorType) else type.size)
    else:
        return NO_MATCH, None
    total = 0
    converted_items = []
    for item in items:
        cost, converted = _match(type.element, item)
        if cost >= NO_MATCH:
            return NO_MATCH, None
        total = max(total, cost)
        converted_items.append(converted)
    return total, converted_items
