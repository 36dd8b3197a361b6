"""Outputs of an `If` whose branches differ in shape, at opsets where inference forbids that.

Before opset 11 the shape inference of `If` wants both branches to have one rank and takes a dim that
only one of them knows for the dim of both. There such an output goes through a `Reshape` to its own
shape, read in a way that inference can't follow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.onnx_graph.shapes import OutputType

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder
    from exporter.onnx_graph.values import Tensor

__all__ = ["branch_output"]


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
