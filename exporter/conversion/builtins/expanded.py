"""Operators on lists of tensors whose results are views of the items, or the items themselves.

Their schemas call them copies, so the views are taken here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.conversion.builtins.builtin import builtin
from exporter.conversion.calls.operators import call_operator
from exporter.conversion.values.objects import ListValue, Value
from exporter.onnx_graph.shape_rules import broadcast
from exporter.onnx_graph.symbolic import Dim
from exporter.torchscript.types import IntType, TensorType

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__: list[str] = []


@builtin("aten::broadcast_tensors")
def broadcast_tensors(interpreter: Interpreter, tensors: Value) -> Value:
    """Each tensor itself where it has the common shape already, else expanded to it."""
    if not isinstance(tensors, ListValue) or tensors.runtime is not None:
        return NotImplemented
    shapes = [item.read(interpreter.g).shape for item in tensors.items]
    wanted = broadcast(*shapes)
    if wanted is None or None in wanted:
        copies = call_operator(interpreter, "aten::broadcast_tensors", [tensors], {})
        for item, copy in zip(tensors.items, copies.items, strict=True):
            for cell in item.cells():
                copy.cell.descend(cell, interpreter.journal)
        return copies
    size = [d for d in wanted if d is not None]
    results = [
        item if shape == wanted else _expanded(interpreter, item, size)
        for item, shape in zip(tensors.items, shapes, strict=True)
    ]
    return ListValue(results, TensorType())


@builtin("aten::meshgrid")
def meshgrid(interpreter: Interpreter, tensors: Value, *, indexing: Value = "ij") -> Value:
    """Each vector along a dim of its own, expanded along those of the others.

    With "xy" the first two change places before, and their results after.
    """
    if not isinstance(tensors, ListValue) or tensors.runtime is not None:
        return NotImplemented
    items = list(tensors.items)
    shapes = [item.read(interpreter.g).shape for item in items]
    if any(shape is None or len(shape) > 1 for shape in shapes):
        return NotImplemented
    swapped = indexing == "xy" and len(items) > 1
    if swapped:
        items[:2], shapes[:2] = items[1::-1], shapes[1::-1]
    sizes: list[Dim] = [shape[0] if shape else 1 for shape in shapes]
    results = []
    for i, item in enumerate(items):
        along = ListValue([d if k == i else 1 for k, d in enumerate(sizes)], IntType())
        vector = interpreter.call("aten::view", [item, along], {})
        results.append(_expanded(interpreter, vector, sizes))
    if swapped:
        results[:2] = results[1::-1]
    return ListValue(results, TensorType())


def _of_each(name: str) -> None:
    def run(interpreter: Interpreter, tensors: Value) -> Value:
        if not isinstance(tensors, ListValue) or tensors.runtime is not None:
            return NotImplemented
        results = [call_operator(interpreter, name, [item], {}) for item in tensors.items]
        return ListValue(results, TensorType())

    builtin(name)(run)


for _name in ("aten::atleast_1d", "aten::atleast_2d", "aten::atleast_3d"):
    _of_each(_name)


def _expanded(interpreter: Interpreter, tensor: Value, size: list[Dim]) -> Value:
    return interpreter.call("aten::expand", [tensor, ListValue(list(size), IntType())], {})
