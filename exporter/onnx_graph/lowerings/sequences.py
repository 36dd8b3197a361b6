"""Sequences: what onnxruntime has no kernel for, and that the items are of one dtype."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from exporter.errors import UnsupportedError
from exporter.onnx_graph.kernels import kernel_dtypes
from exporter.onnx_graph.lowerings.registry import ALWAYS, lowering
from exporter.onnx_graph.sequences import built
from exporter.onnx_graph.signatures import signature
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder


@lowering("SequenceConstruct", before=ALWAYS)
def sequence_construct(g: Builder, *inputs: Tensor) -> Tensor:
    """Other operators bring their inputs to one dtype; items of a list stay what they are."""
    _check_dtypes(*inputs)
    return g.native("SequenceConstruct", *inputs)  # type: ignore[no-any-return]


@lowering("SequenceInsert", before=ALWAYS)
def sequence_insert(
    g: Builder, input_sequence: Tensor, tensor: Tensor, position: Any = None
) -> Tensor:
    """The item must have the dtype of the sequence."""
    _check_dtypes(input_sequence, tensor)
    return g.native("SequenceInsert", input_sequence, tensor, position)  # type: ignore[no-any-return]


def _check_dtypes(*tensors: Tensor) -> None:
    dtypes = sorted({t.dtype.name for t in tensors})
    if len(dtypes) > 1:
        raise UnsupportedError(
            f"a list of {' and '.join(dtypes)} tensors whose length or an item's place is only "
            "known at run time; ONNX has only lists of numbers, and of tensors of one dtype"
        )


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
