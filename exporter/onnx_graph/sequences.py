"""ONNX Sequences whose length is only known at run time: what takes a `Loop` over their items.

    built(g, start, n, item)     start with item(0), ..., item(n - 1) behind it
    cast(g, sequence, dtype)     the items in another dtype
    filtered(g, sequence, keep)  the items for which keep(item) holds
    mapped(g, n, step)           step(0), ..., step(n - 1), stacked: one tensor for each result

Outer tensors and sequences are just used in the functions. A sequence may leave a `Loop` from
opset 13 on; the results of `mapped` are tensors, so it works at all opsets that have sequences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import onnx_ir as ir

from exporter.onnx_graph.control_flow import emit_loop
from exporter.onnx_graph.shapes import OutputType
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

__all__ = ["built", "cast", "filtered", "mapped"]


def built(g: Builder, start: Tensor, trips: Dim, item: Callable[[Tensor], Tensor]) -> Tensor:
    """A sequence with more items at the end; `item` gives the one of a trip, by its number."""
    if isinstance(trips, int) and trips <= 1:
        return g.SequenceInsert(start, item(g.constant(0))) if trips == 1 else start
    type_ = OutputType(start.dtype, None, is_sequence=True)
    with g.body("loop") as scope:
        trip, index = g.body_input("trip", OutputType(ir.DataType.INT64, ()))
        going, condition = g.body_input("condition", OutputType(ir.DataType.BOOL, ()))
        held, sequence = g.body_input("items", type_)
        longer = g.SequenceInsert(sequence, item(index))
    body = (scope, [trip, going, held], [condition, longer])
    return emit_loop(g, g.scalar(trips), None, [start], body, [type_])[0]


def cast(g: Builder, self: Tensor, dtype: ir.DataType) -> Tensor:
    """A sequence with its items in another dtype."""

    def item(index: Tensor) -> Tensor:
        return g.cast(g.SequenceAt(self, index), dtype)

    return built(g, g.SequenceEmpty(dtype=dtype), g.integer(g.SequenceLength(self)), item)


def filtered(g: Builder, self: Tensor, keep: Callable[[Tensor], Tensor]) -> Tensor:
    """The items for which a bool holds that is computed of them, in order."""
    count = g.integer(g.SequenceLength(self))
    (kept,) = mapped(g, count, lambda index: [keep(g.SequenceAt(self, index))])
    places = g.Compress(g.Range(0, g.scalar(count), 1), kept, axis=0)

    def item(index: Tensor) -> Tensor:
        return g.SequenceAt(self, g.Gather(places, index))  # type: ignore[no-any-return]

    return built(g, g.SequenceEmpty(dtype=self.dtype), g.size(places, 0), item)


def mapped(g: Builder, trips: Dim, step: Callable[[Tensor], Sequence[Tensor]]) -> list[Tensor]:
    """The results of all trips, of one shape each, with the trips as a first dim.

    Of no trips onnxruntime gives dims of 0 where it does not know them.
    """
    with g.body("loop") as scope:
        trip, index = g.body_input("trip", OutputType(ir.DataType.INT64, ()))
        going, condition = g.body_input("condition", OutputType(ir.DataType.BOOL, ()))
        results = list(step(index))
    types = [OutputType(r.dtype, (None, *_outer_shape(g, r))) for r in results]
    return emit_loop(
        g, g.scalar(trips), None, [], (scope, [trip, going], [condition, *results]), types
    )


def _outer_shape(g: Builder, result: Tensor) -> tuple[Dim | None, ...]:
    """The dims of a result that can be read outside of the body, too."""
    return tuple(dim if g.scope.reads(dim) else None for dim in result.require_shape())
