"""Arithmetic that changes nothing."""

from __future__ import annotations

import math
from typing import TypeGuard

import onnx_ir as ir

__all__ = ["NeutralOperandPass"]

# The operand that changes nothing, and whether it may stand on the left as well. For floats, adding
# 0.0 and subtracting -0.0 do change something: they make 0.0 of -0.0.
_NEUTRAL = {"Add": (0, True), "Sub": (0, False), "Mul": (1, True), "Div": (1, False)}


class NeutralOperandPass(ir.passes.InPlacePass):
    """Whoever uses x + 0, x - 0, x * 1 or x / 1 uses x.

    Between two Casts such a node hides that nothing is cast. onnxruntime (1.32) takes it out as
    well, and then the Casts; where they read an input of the graph and a body uses the result,
    nothing is left for the body to read.

    1. the operand is an initializer of one element, and no input of the graph
    2. it has no more dims than x, and the result is not an output of a graph
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Visit each of these nodes in the graph and its bodies."""
        modified = False
        for node in list(ir.traversal.RecursiveGraphIterator(model.graph)):
            if node.op_type in _NEUTRAL and not node.domain:
                modified |= _bypass(node)
        return ir.passes.PassResult(model, modified)


def _bypass(node: ir.Node) -> bool:
    neutral, commutes = _NEUTRAL[node.op_type]
    result = node.outputs[0]
    if result.is_graph_output():
        return False
    for kept, operand in ((0, 1), (1, 0)) if commutes else ((0, 1),):
        x, other = node.inputs[kept], node.inputs[operand]
        if x is not None and _is_constant(other, neutral, node.op_type) and _fits(other, x):
            result.replace_all_uses_with(x)
            return True
    return False


def _is_constant(value: ir.Value | None, number: int, op_type: str) -> TypeGuard[ir.Value]:
    tensor = None if value is None or value.is_graph_input() else value.const_value
    if tensor is None or tensor.size != 1:
        return False
    element = tensor.numpy().item()
    if isinstance(element, float) and (op_type == "Add" or math.copysign(1, element) < 0):
        return False
    return bool(element == number)


def _fits(constant: ir.Value, x: ir.Value) -> bool:
    """Whether broadcasting with a constant of one element leaves x its dims."""
    dims = 0 if x.shape is None else len(x.shape)
    return constant.shape is not None and len(constant.shape) <= dims
