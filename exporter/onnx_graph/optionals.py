"""ONNX Optionals: made for an output that may be absent, opened where an input may be.

Inside of the graph what may be absent is a flag and a value that nobody reads without it. Runtimes
know little of the Optional type, so it stands at the borders of the model alone, where onnxruntime
gives and takes Python's None for it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from exporter.errors import UnsupportedError
from exporter.onnx_graph.control_flow import emit_if
from exporter.onnx_graph.shapes import OutputType

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder
    from exporter.onnx_graph.values import Tensor

__all__ = ["absent_or", "opened"]

# OptionalHasElement came with 15; If lets optionals out from 16 on.
_IN, _OUT = 15, 16


def absent_or(g: Builder, present: Tensor, tensor: Tensor) -> Tensor:
    """An Optional that holds the tensor or sequence if `present`, and nothing otherwise."""
    if g.opset < _OUT:
        raise UnsupportedError(
            f"an output that is absent on some paths is an ONNX Optional, which opset {g.opset} "
            f"does not let out of a branch; opset {_OUT} does"
        )
    held = OutputType.of(tensor)
    made = replace(held, is_optional=True)
    nothing = ir.AttrTypeProto("type", ir.TypeAndShape(held.ir_type(), None))
    with g.body("given") as given:
        full = g.emit("Optional", [g.value(tensor)], {}, [made])
    with g.body("none") as none:
        empty = g.emit("Optional", [], {"type": nothing}, [made])
    return emit_if(g, present, (given, full), (none, empty), [made])[0]


def opened(g: Builder, value: ir.Value, held: OutputType) -> tuple[Tensor, Tensor]:
    """Whether an Optional holds something, and that; or a value in its place, dims being 0."""
    if g.opset < _IN:
        raise UnsupportedError(
            f"{value.name} may be None, which is an ONNX Optional: "
            f"opset {g.opset} has none, opset {_IN} has"
        )
    present = g.emit("OptionalHasElement", [value], {}, [OutputType(ir.DataType.BOOL, ())])[0]
    with g.body("given") as given:
        content = g.emit("OptionalGetElement", [value], {}, [held])
    with g.body("none") as none:
        if held.is_sequence:
            placeholder = g.SequenceEmpty(dtype=held.dtype)
        else:
            assert held.shape is not None
            zero = g.constant(np.zeros((), held.dtype.numpy()))
            placeholder = g.Expand(zero, [0 if d is None else d for d in held.shape])
    taken = emit_if(g, present, (given, content), (none, [placeholder]), [held])[0]
    return present, taken
