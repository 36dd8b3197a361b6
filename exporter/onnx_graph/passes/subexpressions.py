"""Equal nodes with equal inputs."""

from __future__ import annotations

from collections.abc import Hashable

import onnx_ir as ir

from exporter.onnx_graph.node_keys import node_key

__all__ = ["CommonSubexpressionPass"]

Seen = dict[Hashable, ir.Node]


class CommonSubexpressionPass(ir.passes.InPlacePass):
    """Keep one of the nodes that have the same operator, inputs and attributes.

    A body sees the nodes that come before it in the graphs around it. Nodes with bodies, with large
    tensors as attributes, or with random results are left alone, and so are those whose results
    are outputs of a graph.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Walk the graph in order, bodies where their node is."""
        return ir.passes.PassResult(model, _merge(model.graph, [{}]))


def _merge(graph: ir.Graph, scopes: list[Seen]) -> bool:
    modified = False
    for node in graph:
        bodies = [
            body
            for attribute in node.attributes.values()
            if attribute.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
            for body in (
                [attribute.as_graph()]
                if attribute.type == ir.AttributeType.GRAPH
                else attribute.as_graphs()
            )
        ]
        for body in bodies:
            modified |= _merge(body, [*scopes, {}])
        key = None if bodies else node_key(node)
        if key is None:
            continue
        earlier = next((s[key] for s in scopes if key in s), None)
        if earlier is None:
            scopes[-1][key] = node
        elif not any(o.is_graph_output() for o in node.outputs):
            for old, new in zip(node.outputs, earlier.outputs, strict=True):
                old.replace_all_uses_with(new)
            graph.remove(node, safe=True)
            modified = True
    return modified
