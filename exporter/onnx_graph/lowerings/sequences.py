"""Sequences: what onnxruntime has no kernel for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx_ir as ir

from exporter.onnx_graph.kernels import kernel_dtypes
from exporter.onnx_graph.lowerings.registry import ALWAYS, lowering
from exporter.onnx_graph.sequences import built
from exporter.onnx_graph.signatures import signature
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder


@lowering("SplitToSequence", before=ALWAYS)
def split_to_sequence(
    g: Builder, input: Tensor, split: Tensor | None = None, *, axis: int = 0, keepdims: int = 1
) -> Tensor:
    """Onnxruntime splits few dtypes; a sequence of another can't be cast, so its items are."""
    declared = signature("SplitToSequence", g.opset)
    runs = kernel_dtypes(declared, "T") if declared is not None else None
    if runs is None or input.dtype in runs:
        return g.native("SplitToSequence", input, split, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]
    wide = g.SplitToSequence(g.cast(input, ir.DataType.INT64), split, axis=axis, keepdims=keepdims)

    def item(index: Tensor) -> Tensor:
        return g.cast(g.SequenceAt(wide, index), input.dtype)

    start = g.SequenceEmpty(dtype=input.dtype)
    return built(g, start, g.integer(g.SequenceLength(wide)), item)
