"""Finishing a model: the graph as an `onnx_ir.Model`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx_ir as ir

from exporter import __version__
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.passes import optimize

__all__ = ["finish"]

# The IR version of the first ONNX release with each opset: what runtimes that know the opset read.
# Later ones only bring dtypes that no opset here needs.
_IR_VERSIONS = {9: 4, 10: 5, 11: 6, 12: 7, 15: 8, 19: 9, 21: 10, 23: 11}


def ir_version(opset: int) -> int:
    """The oldest IR version that goes with an opset."""
    return max(version for first, version in _IR_VERSIONS.items() if first <= opset)


def finish(
    builder: Builder,
    inputs: Sequence[ir.Value],
    outputs: Sequence[ir.Value],
    *,
    graph_name: str = "main",
    metadata: Mapping[str, str] | None = None,
    export_params: bool = True,
    keep_initializers_as_inputs: bool = False,
    source_locations: bool = False,
    fold_weights: bool = True,
) -> ir.Model:
    """The builder's main graph as a model, after all passes.

    Without `export_params` the weights become inputs, to be given at run time. With
    `keep_initializers_as_inputs` they are inputs that have a default. `source_locations` writes
    where each node comes from into its doc string. `fold_weights` lets passes change weights.
    """
    graph = ir.Graph(
        inputs,
        outputs,
        nodes=builder.scope.nodes,
        initializers=list(builder.initializers.values()),
        name=graph_name,
        opset_imports={"": builder.opset, **builder.domains},
    )
    model = ir.Model(
        graph,
        ir_version=ir_version(builder.opset),
        producer_name="ts2onnx",
        producer_version=__version__,
    )
    model.metadata_props.update(metadata or {})
    _detach_discarded(graph)
    replaceable = keep_initializers_as_inputs or not export_params
    optimize(model, fold_weights=fold_weights and not replaceable)
    if replaceable:
        for name, value in list(graph.initializers.items()):
            if name not in builder.parameters:
                continue
            if not export_params:
                del graph.initializers[name]
                value.const_value = None
            graph.inputs.append(value)
    if source_locations:
        for node in ir.traversal.RecursiveGraphIterator(graph):
            node.doc_string = _location(node)
    return model


def _detach_discarded(graph: ir.Graph) -> None:
    """Let nodes that are in no graph go: bodies that were staged and given up still use values."""
    live = set(ir.traversal.RecursiveGraphIterator(graph))
    values = [*graph.inputs, *graph.initializers.values()]
    values += [output for node in live for output in node.outputs]
    for value in values:
        for node, index in tuple(value.uses()):
            if node not in live:
                node.replace_input_with(index, None)


def _location(node: ir.Node) -> str | None:
    """Where in the user's source a node comes from, as far as the archive tells."""
    place = getattr(node.meta.get("source"), "source", None)
    if place is None:
        return None
    text = f"  {place.text.strip()}" if place.text else ""
    return f"{place.filename}:{place.line}{text}"
