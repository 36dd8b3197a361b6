"""Casts of casts."""

from __future__ import annotations

import onnx_ir as ir

from exporter.onnx_graph.kernels import holds_all

__all__ = ["CastChainPass"]


class CastChainPass(ir.passes.InPlacePass):
    """A Cast of a Cast becomes one, where the first holds every value of its input.

    1. back to the dtype that was there: the second is not needed
    2. to another dtype: it casts what was there

    onnxruntime (1.32) takes out the first kind as well, and wrongly where they read an input of the
    graph and a body uses the result: no such pair may be left.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Look at each Cast once; those before it have been looked at."""
        modified = False
        for node in ir.traversal.RecursiveGraphIterator(model.graph):
            if node.op_type == "Cast" and not node.domain:
                modified |= _shorten(node)
        return ir.passes.PassResult(model, modified)


def _shorten(node: ir.Node) -> bool:
    middle = node.inputs[0]
    first = middle.producer() if middle is not None else None
    if first is None or first.op_type != "Cast" or first.domain:
        return False
    source = first.inputs[0]
    if source is None or source.dtype is None or middle is None or middle.dtype is None:
        return False
    if not holds_all(source.dtype, middle.dtype):
        return False
    result = node.outputs[0]
    if result.dtype != source.dtype:
        node.replace_input_with(0, source)
    elif result.is_graph_output():
        return False
    else:
        result.replace_all_uses_with(source)
    return True
