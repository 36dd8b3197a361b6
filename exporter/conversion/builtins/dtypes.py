"""Builtins that ask which dtype comes of others. All is known: nothing is left in the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.conversion.builtins.builtin import builtin
from exporter.conversion.values.objects import OptionalValue, Value
from exporter.conversion.values.tensors import TensorRef
from symbolics.rules import category, common_dtype, onnx_dtype, result_type, scalar_type

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__: list[str] = []


@builtin("aten::result_type")
def type_of_result(interpreter: Interpreter, a: Value, b: Value) -> Value:
    """The dtype that arithmetic on two tensors or numbers gives."""
    operands = [v.value if isinstance(v, OptionalValue) else v for v in (a, b)]
    tensors = [v.read(interpreter.g) if isinstance(v, TensorRef) else v for v in operands]
    return scalar_type(result_type(*tensors))


@builtin("aten::promote_types")
def promoted(interpreter: Interpreter, type1: Value, type2: Value) -> Value:
    """The smallest dtype that holds what two others do."""
    return scalar_type(common_dtype(onnx_dtype(type1), onnx_dtype(type2)))


@builtin("aten::can_cast")
def can_cast(interpreter: Interpreter, from_: Value, to: Value) -> Value:
    """Whether no dtype of a lower kind is wanted, bool < int < float < complex."""
    return category(onnx_dtype(from_)) <= category(onnx_dtype(to))
