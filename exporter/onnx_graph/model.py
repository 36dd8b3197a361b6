"""Finishing a model: the graph as an `onnx_ir.Model`, its passes, and writing it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import BinaryIO

import onnx_ir as ir

from exporter.onnx_graph.builder import Builder

__all__ = ["finish", "write"]


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
) -> ir.Model:
    """The builder's main graph as a model."""
    graph = ir.Graph(
        inputs,
        outputs,
        nodes=builder.scope.nodes,
        initializers=list(builder.initializers.values()),
        name=graph_name,
        opset_imports={"": builder.opset, **builder.domains},
    )
    model = ir.Model(graph, ir_version=10, producer_name="ts2onnx")
    model.metadata_props.update(metadata or {})
    from onnx_ir.passes.common import RemoveUnusedNodesPass
    RemoveUnusedNodesPass()(model)
    return model


def write(model: ir.Model, path: str | os.PathLike[str] | BinaryIO, *, external_data: bool | str = "auto") -> None:
    """Write a model."""
    if hasattr(path, "write"):
        path.write(ir.serde.serialize_model(model).SerializeToString())
    else:
        ir.save(model, path)
