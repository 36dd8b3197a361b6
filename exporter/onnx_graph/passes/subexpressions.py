"""Equal nodes with equal inputs."""

from __future__ import annotations

from collections.abc import Hashable

import onnx_ir as ir

from exporter.onnx_graph.signatures import NOT_DETERMINISTIC

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
        key = None if bodies else _key(node)
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


def _key(node: ir.Node) -> Hashable | None:
    if node.op_type in NOT_DETERMINISTIC and not node.domain:
        return None
    attributes = []
    for name, attribute in sorted(node.attributes.items()):
        value = attribute.value
        if attribute.type == ir.AttributeType.TENSOR:
            if value.nbytes > 1024:
                return None
            value = (value.dtype, tuple(value.shape), value.tobytes())
        elif isinstance(value, (list, tuple)):
            value = tuple(value)
        elif attribute.type in (ir.AttributeType.TYPE_PROTO, ir.AttributeType.TYPE_PROTOS):
            return None  # an empty Optional, which has no inputs that could be the same
        attributes.append((name, attribute.type, value))
    return node.op_identifier(), len(node.outputs), tuple(node.inputs), tuple(attributes)
