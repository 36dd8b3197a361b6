"""What PyTorch's tracer recorded of a `torch.autograd.Function`: a graph of what `forward` ran.

The tracer notes the function as a call of Python (`prim::PythonOp`), which holds that graph, and
once more, outside it, all that ran. What a `backward` reads of it are the nodes outside.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from exporter.archive.source_ranges import traced_range
from exporter.errors import ConversionError
from exporter.torchscript.schema import parse_schema

__all__ = ["recorded_forward", "recorded_results"]


def recorded_forward(call: torch._C.Node) -> torch._C.Graph:
    """The graph to read in place of such a call; its inputs are the call's tensors, in order.

    Raises a `ConversionError` where there is none; where `forward` writes to an argument, for that
    write is in the trace already; and where several tensors are returned, for PyTorch puts the
    graph's outputs into the order in which they were made.
    """
    graph = call.g("Subgraph") if call.hasAttribute("Subgraph") else None
    if graph is None or len(list(graph.inputs())) != call.inputsSize():
        raise _refused(call, "is a call of Python that PyTorch's tracer does not see into")
    if len(list(graph.outputs())) != 1:
        raise _refused(call, "returns several tensors")
    given = {value.unique() for value in graph.inputs()}
    if any(_writes(node, given) for node in graph.nodes()):
        raise _refused(call, "writes to its arguments")
    return graph


def _refused(call: torch._C.Node, reason: str) -> ConversionError:
    name = call.pyobj().__self__.__name__
    place = traced_range(call.sourceRange())
    return ConversionError(
        f"the autograd function {name} {reason}",
        (
            *([] if place is None else [f"called at {place.filename}:{place.line}"]),
            f"call it as {name}.apply(...), not by a name that was bound to that before the export",
        ),
    )


def recorded_results(call: torch._C.Node) -> Sequence[bool] | None:
    """Which of several results are tensors; None for a single result.

    The tracer knows the dims of every tensor.
    """
    kind = call.output().type()
    if not isinstance(kind, torch._C.TupleType):
        return None
    return [
        not isinstance(element, torch._C.TensorType) or element.sizes() is not None
        for element in kind.elements()
    ]


def _writes(node: torch._C.Node, given: set[int]) -> bool:
    """Whether a node writes to one of the values in `given`; adds to them what may be views."""
    kind = node.kind()
    if kind == "prim::PythonOp":
        return bool(node.hasAttribute("inplace") and node.i("inplace"))
    if kind == "prim::Constant":
        return False
    inputs = list(node.inputs())
    if node.schema() == "(no schema)":
        shares = any(value.unique() in given for value in inputs)
    else:
        arguments = zip(parse_schema(node.schema()).arguments, inputs, strict=False)
        shared = [a for a, v in arguments if a.alias_set is not None and v.unique() in given]
        if any(argument.is_write for argument in shared):
            return True
        shares = bool(shared)
    if shares:
        given.update(value.unique() for value in node.outputs())
    return False
