"""When two nodes, or the computations that lead to two values, are the same."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import onnx_ir as ir

from exporter.onnx_graph.signatures import NOT_DETERMINISTIC

__all__ = ["computation_key", "node_key"]

# Attributes and constants of more bytes are not looked into.
MOST_BYTES = 1024
# As many steps back as `int(lengths.max())` and its kin are long.
MOST_STEPS = 6


def node_key(node: ir.Node, inputs: Sequence[Hashable] | None = None) -> Hashable | None:
    """Equal for nodes with the same operator, inputs and attributes; None where that can't be told.

    `inputs` stand for the node's own. Nodes with bodies, with large tensors as attributes, or with
    random results have no key.
    """
    if node.op_type in NOT_DETERMINISTIC and not node.domain:
        return None
    attributes = []
    for name, attribute in sorted(node.attributes.items()):
        value = attribute.value
        if attribute.type == ir.AttributeType.TENSOR:
            if value.nbytes > MOST_BYTES:
                return None
            value = (value.dtype, tuple(value.shape), value.tobytes())
        elif attribute.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS):
            return None
        elif isinstance(value, (list, tuple)):
            value = tuple(value)
        elif attribute.type in (ir.AttributeType.TYPE_PROTO, ir.AttributeType.TYPE_PROTOS):
            return None  # an empty Optional, which has no inputs that could be the same
        attributes.append((name, attribute.type, value))
    given = tuple(node.inputs) if inputs is None else tuple(inputs)
    return node.op_identifier(), len(node.outputs), given, tuple(attributes)


def computation_key(value: ir.Value | None, steps: int = MOST_STEPS) -> Hashable:
    """Equal for values that are computed in the same way from the same values."""
    if value is None:
        return None
    constant = value.const_value
    if constant is not None and constant.nbytes <= MOST_BYTES:
        return constant.dtype, tuple(constant.shape), constant.tobytes()
    node = value.producer()
    if node is None or not steps:
        return value
    key = node_key(node, [computation_key(i, steps - 1) for i in node.inputs])
    return value if key is None else (key, value.index())
