"""Arguments of a call, as the nodes of the target opset want them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from exporter.onnx_graph.values import SymScalar, Tensor

__all__ = ["count_from_front", "ir_attribute", "natural_dtype"]


def count_from_front(
    op_type: str, inputs: Sequence[Tensor | None], attributes: dict[str, Any]
) -> None:
    """Axes that count from the end, which most operators know from opset 11 on, from the front."""
    rank = inputs[0].rank if inputs and inputs[0] is not None else None
    if rank is None or op_type == "OneHot":
        return
    if attributes.get("axis", 0) < 0:
        attributes["axis"] += rank
    axes = attributes.get("axes")
    if axes and min(axes) < 0:
        span = rank + len(axes) if op_type == "Unsqueeze" else rank
        attributes["axes"] = [a + span if a < 0 else a for a in axes]


def natural_dtype(
    value: object, legal: frozenset[ir.DataType], first: ir.DataType | None
) -> ir.DataType:
    """The dtype of a Python value for a type variable that no tensor binds."""
    if len(legal) == 1:
        return next(iter(legal))
    if isinstance(value, np.ndarray):
        return ir.DataType.from_numpy(value.dtype)
    integral = ir.DataType.INT64 in legal and ir.DataType.FLOAT not in legal
    if first is not None and first in legal and not integral:
        return first
    sample = value
    while isinstance(sample, (list, tuple)):
        sample = sample[0] if sample else 0
    if isinstance(sample, (Tensor, SymScalar)):
        return sample.dtype
    if isinstance(sample, bool):
        return ir.DataType.BOOL if ir.DataType.BOOL in legal else ir.DataType.INT64
    return ir.DataType.FLOAT if isinstance(sample, float) else ir.DataType.INT64


def ir_attribute(name: str, value: Any, kind: ir.AttributeType | None) -> ir.Attr:
    """Plain data as an attribute of a kind; where no schema tells the kind, of its own."""
    if isinstance(value, ir.Attr):
        return value
    if isinstance(value, ir.Graph):
        return ir.AttrGraph(name, value)
    if kind == ir.AttributeType.TENSOR or isinstance(value, np.ndarray):
        tensor = value if not isinstance(value, np.ndarray) else ir.Tensor(value)
        return ir.AttrTensor(name, tensor)
    if kind is not None:
        if kind == ir.AttributeType.STRING and isinstance(value, bytes):
            value = value.decode()
        return ir.Attr(name, kind, value)
    converted = ir.convenience.convert_attributes({name: value})
    return converted[0]
