"""Finishing a model: the graph as an `onnx_ir.Model`, and writing it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import onnx_ir as ir

from exporter import __version__
from exporter.errors import InputError
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.passes import optimize

__all__ = ["finish", "is_device", "place_of", "weight_bytes", "write"]

# A protobuf message holds at most 2 GiB; what is not weights needs room as well.
LARGEST_MESSAGE = int(1.8 * (1 << 30))
# Smaller tensors stay in the message beside external data: shapes and scalars are read from there.
SMALLEST_EXTERNAL = 1024

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


def weight_bytes(model: ir.Model) -> int:
    """The size of all tensors that a message would have to hold."""
    return sum(
        value.const_value.nbytes
        for graph in model.graphs()
        for value in graph.initializers.values()
        if value.const_value is not None and not isinstance(value.const_value, ir.ExternalTensor)
    )


def _message(model: ir.Model, when_copied: Callable[[], None] | None) -> bytes:
    proto = ir.serde.serialize_model(model)
    if when_copied is not None:
        when_copied()
    data: bytes = proto.SerializeToString()
    return data


def place_of(target: str | os.PathLike[str]) -> Path:
    """The file itself where a link is given: it is written, and the link stays."""
    path = Path(target)
    return path.resolve() if path.is_symlink() and not is_device(path) else path


def is_device(path: Path) -> bool:
    """Whether this takes bytes and is no file: a device or a pipe, which must not be replaced."""
    return path.exists() and not path.is_file() and not path.is_dir()


def write(
    model: ir.Model,
    target: str | os.PathLike[str] | BinaryIO,
    *,
    external_data: bool | str = "auto",
    when_copied: Callable[[], None] | None = None,
) -> list[Path]:
    """Write a model to a path or a binary file; the files that were written.

    External data goes into `NAME.data` beside the model: where it is asked for, or where the model
    is too large for one message. The files appear when they are complete, made in a folder beside
    their place: a failed write leaves what was there before. Devices and pipes are written to.
    `when_copied` is called as soon as the
    message holds the weights, and their source may be let go.
    """
    external = weight_bytes(model) > LARGEST_MESSAGE if external_data == "auto" else external_data
    if not isinstance(target, (str, os.PathLike)):
        if external:
            raise InputError("external data needs a path: a file object has no place beside it")
        target.write(_message(model, when_copied))
        return []
    path = place_of(target)
    if is_device(path):
        if external:
            raise InputError(f"external data needs a folder: there is none beside {path}")
        path.write_bytes(_message(model, when_copied))
        return [path]
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        made = Path(folder) / path.name
        if external:
            ir.save(
                model,
                made,
                format="protobuf",
                external_data=f"{path.name}.data",
                size_threshold_bytes=SMALLEST_EXTERNAL,
            )
        else:
            made.write_bytes(_message(model, when_copied))
        # The weights first: a model is never there without them.
        written = [p for p in (made.with_name(f"{path.name}.data"), made) if p.exists()]
        for file in written:
            file.replace(path.parent / file.name)
    return [path.parent / file.name for file in reversed(written)]
