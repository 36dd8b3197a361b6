"""`If` and `Loop` nodes from staged bodies, with what the opsets differ in.

Sequences may cross the border of a body from opset 13 on. A `Loop` must carry something below
opset 11. And before opset 11 the shape inference of `If` wants both branches to have one rank,
and takes a dim that only one of them knows for the dim of both: there such an output goes through
a `Reshape` to its own shape, read in a way that inference can't follow. Dtypes younger than the
opset's `If`, `Loop` and `Scan` (bfloat16 below 16) cross the border in a wider one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import onnx_ir as ir

from exporter.errors import UnsupportedError
from exporter.onnx_graph.call import Branches
from exporter.onnx_graph.complex_numbers import is_complex
from exporter.onnx_graph.kernels import detour
from exporter.onnx_graph.shapes import OutputType
from exporter.onnx_graph.signatures import require_dtype, signature

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder
    from exporter.onnx_graph.scope import Scope
    from exporter.onnx_graph.values import Tensor

__all__ = ["border_dtype", "branch_output", "emit_if", "emit_loop", "takes_sequences"]


def border_dtype(g: Builder, op_type: str, dtype: ir.DataType) -> ir.DataType:
    """The dtype in which tensors cross the border of a body: their own, if the opset lets it."""
    target = signature(op_type, g.opset)
    if is_complex(dtype) or target is None:
        return dtype
    return detour(target, "V", dtype, g.opset) or dtype


def emit_if(
    g: Builder,
    condition: Tensor,
    then: tuple[Scope, Sequence[Tensor]],
    other: tuple[Scope, Sequence[Tensor]],
    types: Sequence[OutputType],
) -> list[Tensor]:
    """An `If` whose branches are staged scopes and the tensors that they give, of these types."""
    _check_sequences(g, "If", types)
    outside = [t.dtype if t.is_sequence else border_dtype(g, "If", t.dtype) for t in types]
    graphs, sides = [], []
    for scope, tensors in (then, other):
        with g.inside(scope):
            given = [g.cast(t, dtype) for t, dtype in zip(tensors, outside, strict=True)]
            graphs.append(g.close(scope, [], given))
            sides.append((scope, given))
    attributes = {"then_branch": graphs[0], "else_branch": graphs[1]}
    crossing = [replace(t, dtype=dtype) for t, dtype in zip(types, outside, strict=True)]
    results = g.emit("If", [g.value(condition)], attributes, crossing)
    made = Branches(condition, sides, crossing)
    g.steps.update((r.value, (made, results)) for r in results if r.value is not None)
    return [g.cast(r, t.dtype) for r, t in zip(results, types, strict=True)]


def emit_loop(
    g: Builder,
    trips: Tensor | None,
    condition: Tensor | None,
    carried: Sequence[Tensor],
    body: tuple[Scope, Sequence[ir.Value], Sequence[Tensor]],
    types: Sequence[OutputType],
) -> list[Tensor]:
    """A `Loop` whose body is a staged scope, its inputs and its outputs.

    The body takes the trip's number, the condition and what is carried; it gives the condition,
    what is carried on, and the scan outputs. `types` are those of the loop's outputs.
    """
    _check_sequences(g, "Loop", types)
    scope, inputs, outputs = body
    target = signature("Loop", g.opset)
    for t in types:
        if target is not None and not is_complex(t.dtype):
            require_dtype(target, "V", t.dtype, g.opset)
    start = [g.value(t) for t in carried]
    idle = not start and g.opset < 11
    if idle:
        zero = g.constant(0)
        start = [g.value(zero)]
        passed = ir.Value(
            name=g.unique("idle", out=True),
            type=ir.TensorType(ir.DataType.INT64),
            shape=ir.Shape([]),
        )
        with g.inside(scope):
            same = g.typed(passed, OutputType.of(zero), "idle")
        inputs, outputs = [*inputs, passed], [outputs[0], same, *outputs[1:]]
        types = [OutputType.of(zero), *types]
    elif not start and condition is None:
        # Without inputs of its own the node would end in an absent one, which is not legal.
        condition = g.constant(True)
    with g.inside(scope):
        graph = g.close(scope, inputs, outputs)
    first = [None if t is None else g.value(t) for t in (trips, condition)]
    results = g.emit("Loop", [*first, *start], {"body": graph}, types)
    return results[1:] if idle else results


def takes_sequences(g: Builder) -> bool:
    """Whether a sequence may be what a `Loop` carries, or a branch gives."""
    return g.opset >= 13


def _check_sequences(g: Builder, op_type: str, types: Sequence[OutputType]) -> None:
    if not takes_sequences(g) and any(t.is_sequence for t in types):
        raise UnsupportedError(
            f"opset {g.opset} lets no sequence (a list of run-time length) out of {op_type}; "
            "opset 13 does"
        )


def branch_output(g: Builder, tensor: Tensor, joined: OutputType) -> Tensor:
    """A branch's tensor, to be an output of the joined type."""
    open_shape = joined.shape is None or None in joined.shape
    if g.opset >= 11 or not open_shape or joined.is_sequence:
        return tensor
    value = g.value(tensor)
    shape = OutputType(g.constant([0]).dtype, (None,))
    (size,) = g.emit("Shape", [value], {}, [shape])
    # All dims plus one are above zero, so these are the indices of all dims: a list whose length,
    # the rank, inference doesn't know.
    above = g.emit("Add", [g.value(size), g.value(g.constant([1]))], {}, [shape])[0]
    places = g.emit("NonZero", [g.value(above)], {}, [OutputType(shape.dtype, (1, None))])[0]
    flat = g.emit("Squeeze", [g.value(places)], {"axes": [0]}, [shape])[0]
    same = g.emit("Gather", [g.value(size), g.value(flat)], {"axis": 0}, [shape])[0]
    hidden = OutputType(tensor.dtype, joined.shape)
    return g.emit("Reshape", [value, g.value(same)], {}, [hidden])[0]
