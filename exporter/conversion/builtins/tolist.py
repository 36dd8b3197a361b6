"""`tensor.tolist()`: nested lists of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx_ir as ir

from exporter.conversion.calls.operators import item
from exporter.conversion.values.objects import ListValue, Value
from exporter.conversion.values.runtime_contents import RuntimeList, RuntimeLists, TensorRows
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import UnsupportedError
from exporter.onnx_graph.values import Tensor
from exporter.torchscript.types import ListType, Type

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__ = ["tolist"]


def tolist(interpreter: Interpreter, self: TensorRef, declared: Type | None) -> Value:
    """The elements as a number, a list, or lists of lists; a 1-D tensor may have any length."""
    tensor = self.read(interpreter.g)
    shape = tensor.require_shape()
    if tensor.array is not None:
        return _known(tensor.array.tolist(), declared)
    if not shape:
        return item(interpreter, self)
    element = declared.element if isinstance(declared, ListType) else None
    if tensor.static_shape is not None:
        count = tensor.static_shape[0]
        rows = [interpreter.call("aten::select", [self, 0, i], {}) for i in range(count)]
        return ListValue([tolist(interpreter, row, element) for row in rows], element)
    if len(shape) > 2:
        raise UnsupportedError(
            f"tolist() of a tensor of {len(shape)} dims whose sizes are only known at run time: "
            "ONNX has no lists of lists of lists; index the tensor instead"
        )
    found = _numbers(interpreter, tensor)
    if len(shape) == 2:
        found = RuntimeLists(TensorRows(TensorRef.fresh(found.value), 0, found.value), found.kind)
    return ListValue.holding(found, element)


def _known(value: object, declared: Type | None) -> Value:
    if not isinstance(value, list):
        return value
    element = declared.element if isinstance(declared, ListType) else None
    return ListValue([_known(v, element) for v in value], element)


def _numbers(interpreter: Interpreter, tensor: Tensor) -> RuntimeList:
    g = interpreter.g
    if tensor.dtype == ir.DataType.BOOL:
        return RuntimeList("bool", tensor)
    if tensor.dtype.is_integer():
        return RuntimeList("int", g.cast(tensor, ir.DataType.INT64))
    return RuntimeList("float", g.cast(tensor, ir.DataType.DOUBLE))
