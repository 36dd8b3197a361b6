"""Identity nodes that nothing needs."""

from __future__ import annotations

import onnx_ir as ir

__all__ = ["IdentityPass"]


class IdentityPass(ir.passes.InPlacePass):
    """Remove `y = Identity(x)`.

    1. y is no output of a graph: whoever uses it uses x
    2. y is, and x is made by a node of the same graph and no output itself: x takes y's place and
       name
    3. else the Identity stays, for a graph must return values of its own, each once
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Visit each Identity of the graph and its bodies."""
        modified = False
        for node in list(ir.traversal.RecursiveGraphIterator(model.graph)):
            if node.op_type == "Identity" and not node.domain:
                modified |= _remove(node)
        return ir.passes.PassResult(model, modified)


def _remove(node: ir.Node) -> bool:
    source, result, graph = node.inputs[0], node.outputs[0], node.graph
    if source is None or graph is None:
        return False
    if result.is_graph_output():
        producer = source.producer()
        if producer is None or producer.graph is not graph or source.is_graph_output():
            return False
        name, shape, kind = result.name, result.shape, result.type
        result.replace_all_uses_with(source, replace_graph_outputs=True)
        graph.remove(node, safe=True)
        source.name = name
        source.shape, source.type = shape or source.shape, kind or source.type
        return True
    result.replace_all_uses_with(source)
    graph.remove(node, safe=True)
    return True
