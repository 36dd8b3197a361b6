"""ONNX Scan and Loop for symbolics and lowerings: the body is a Python function over tensors.

    rows = scan(g, step, states, inputs, axis)    # step(states, slices) -> (states, rows)
    states = loop(g, trips, step, states)         # step(index, states) -> states
    states = loop_while(g, going, step, states)   # going(states) -> bool, step(states) -> states

Outer tensors are just used inside. States keep their dtype and shape from trip to trip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import onnx_ir as ir

from exporter.onnx_graph.control_flow import border_dtype, emit_loop
from exporter.onnx_graph.shapes import OutputType
from exporter.onnx_graph.symbolic import Dim, is_ge

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder
    from exporter.onnx_graph.values import Tensor

    ScanStep = Callable[[list[Tensor], list[Tensor]], tuple[list[Tensor], list[Tensor]]]
    LoopStep = Callable[[Tensor, list[Tensor]], list[Tensor]]
    Going = Callable[[list[Tensor]], Tensor]
    Step = Callable[[list[Tensor]], list[Tensor]]

__all__ = ["loop", "loop_while", "scan"]

FEW_TRIPS = 3


def scan(
    g: Builder,
    step: ScanStep,
    states: Sequence[Tensor],
    inputs: Sequence[Tensor],
    axis: int,
) -> list[Tensor]:
    """Go along `axis` of all inputs at once; the rows that `step` returns are stacked along it.

    onnxruntime 1.31 dies of a Scan without trips, or over another axis than the first of an empty
    tensor. So the axis is moved to the front here, and where there may be no trip, an extra row
    follows the last, whose result is cut off.
    """
    rank = inputs[0].require_rank()
    axis %= rank
    length = inputs[0].require_shape()[axis]
    order = [axis, *(i for i in range(rank) if i != axis)]
    slices = [g.Transpose(t, perm=order) if axis else t for t in inputs]
    extra = not is_ge(length, 1)
    if extra:
        slices = [_with_extra_row(g, t) for t in slices]
    own, states = _at_border(g, "Scan", states)
    own_slices, slices = _at_border(g, "Scan", slices)
    with g.body("scan") as scope:
        state_values = [g.body_input("state", OutputType.of(t)) for t in states]
        slice_values = [
            g.body_input("slice", OutputType(t.dtype, t.require_shape()[1:])) for t in slices
        ]
        new_states, rows = step(_as(g, own, state_values), _as(g, own_slices, slice_values))
        new_states = _at_border(g, "Scan", new_states)[1]
        own_rows, rows = _at_border(g, "Scan", rows)
        arguments = [v for v, _ in (*state_values, *slice_values)]
        body = g.close(scope, arguments, [*new_states, *rows])
    trips = slices[0].require_shape()[0]
    types = [OutputType.of(t) for t in states]
    types += [
        OutputType(t.dtype, (trips, *(d if g.scope.reads(d) else None for d in t.require_shape())))
        for t in rows
    ]
    attributes = {"body": body, "num_scan_inputs": len(inputs)}
    values = [g.value(t) for t in (*states, *slices)]
    kinds = {"num_scan_inputs": ir.AttributeType.INT}
    results = g.emit("Scan", values, attributes, types, kinds=kinds)[len(states) :]
    results = [g.cast(t, dtype) for t, dtype in zip(results, own_rows, strict=True)]
    if extra:
        results = [g.Slice(t, [0], [-1], [0]) for t in results]
    if axis:
        back = [order.index(i) for i in range(rank)]
        results = [g.Transpose(t, perm=back) for t in results]
    return results


def _with_extra_row(g: Builder, tensor: Tensor) -> Tensor:
    row = [1, *tensor.require_shape()[1:]]
    return g.Concat(tensor, g.Expand(g.constant(0, tensor.dtype), row), axis=0)  # type: ignore[no-any-return]


def loop(g: Builder, trips: Dim, step: LoopStep, states: Sequence[Tensor]) -> list[Tensor]:
    """Do `step` as many times as `trips` says; a few known trips are written out."""
    if isinstance(trips, int) and trips <= FEW_TRIPS:
        current = list(states)
        for i in range(trips):
            current = step(g.constant(i, ir.DataType.INT64), current)
        return current
    return _loop(g, g.scalar(trips), None, lambda i, c, now: (c, step(i, now)), states)


def loop_while(g: Builder, going: Going, step: Step, states: Sequence[Tensor]) -> list[Tensor]:
    """Do `step` as long as `going` of the states, a 0-d bool, is true."""

    def both(_: Tensor, __: Tensor, now: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        new = step(now)
        return going(new), new

    return _loop(g, None, going(list(states)), both, states)


def _loop(
    g: Builder,
    trips: Tensor | None,
    first: Tensor | None,
    step: Callable[[Tensor, Tensor, list[Tensor]], tuple[Tensor, list[Tensor]]],
    states: Sequence[Tensor],
) -> list[Tensor]:
    """A Loop; `step` gives the condition to go on and the new states."""
    own, states = _at_border(g, "Loop", states)
    types = [OutputType.of(t) for t in states]
    with g.body("loop") as scope:
        trip, index = g.body_input("trip", OutputType(ir.DataType.INT64, ()))
        going, condition = g.body_input("condition", OutputType(ir.DataType.BOOL, ()))
        held = [g.body_input("state", type_) for type_ in types]
        following, new_states = step(index, condition, _as(g, own, held))
        new_states = _at_border(g, "Loop", new_states)[1]
    body = (scope, [trip, going, *(v for v, _ in held)], [following, *new_states])
    results = emit_loop(g, trips, first, states, body, types)
    return [g.cast(t, dtype) for t, dtype in zip(results, own, strict=True)]


def _at_border(
    g: Builder, op_type: str, tensors: Sequence[Tensor]
) -> tuple[list[ir.DataType], list[Tensor]]:
    """The dtypes of tensors, and the tensors in those in which they cross a body's border."""
    dtypes = [t.dtype for t in tensors]
    return dtypes, [g.cast(t, border_dtype(g, op_type, t.dtype)) for t in tensors]


def _as(
    g: Builder, dtypes: Sequence[ir.DataType], arguments: Sequence[tuple[ir.Value, Tensor]]
) -> list[Tensor]:
    """A body's arguments in their own dtypes."""
    return [g.cast(t, dtype) for dtype, (_, t) in zip(dtypes, arguments, strict=True)]
