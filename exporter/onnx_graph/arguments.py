"""Arguments of a call, as the nodes of the target opset want them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from exporter.errors import RaisedError, UnsupportedError
from exporter.onnx_graph.signatures import Signature
from exporter.onnx_graph.values import SymScalar, Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

__all__ = [
    "count_from_front",
    "ir_attribute",
    "natural_dtype",
    "plain_attribute",
    "reduced_from_front",
    "require_one_dtype",
]

# Operators whose arguments PyTorch never promotes: it refuses them where their dtypes differ.
_OF_ONE_DTYPE = frozenset(("MatMul", "Gemm", "Conv", "ConvTranspose"))


def require_one_dtype(op_type: str, args: Sequence[object]) -> None:
    """Fail where the tensors of a product are of several dtypes: an example that does not fit."""
    if op_type not in _OF_ONE_DTYPE:
        return
    dtypes = dict.fromkeys(arg.dtype.name.lower() for arg in args if isinstance(arg, Tensor))
    if len(dtypes) > 1:
        raise RaisedError(
            f"{op_type} of tensors of dtypes {' and '.join(dtypes)}, which must be one"
        )


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


def reduced_from_front(
    g: Builder, op_type: str, args: Sequence[object], arguments: Mapping[str, object]
) -> dict[str, object]:
    """The named arguments of a reduction, with axes that count from the front.

    onnxruntime 1.31 forgets the axes that count from the end where the input is empty. Where the
    number of dims is not known they are computed, from the opset on that takes them as an input.
    """
    result = dict(arguments)
    data = args[0] if args and isinstance(args[0], Tensor) else None
    rank = None if data is None else data.rank
    axes = result.get("axes")
    if data is not None and data.shape is None and isinstance(axes, (list, tuple)):
        if min(axes, default=0) < 0 and g.opset >= (13 if op_type == "ReduceSum" else 18):
            computed = g.Add(g.Size(g.Shape(data)), list(axes))
            from_end = np.less(axes, 0)
            result["axes"] = computed if from_end.all() else g.Where(from_end, computed, list(axes))
        return result
    for name in ("axis", "axes"):
        axes = result.get(name)
        if not rank or axes is None:
            continue
        if isinstance(axes, (list, tuple)):
            result[name] = [a % rank for a in axes]
        elif isinstance(axes, int):
            result[name] = axes % rank
    return result


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


def plain_attribute(opset: int, signature: Signature, name: str, value: object) -> Any:
    """An attribute's value as plain data; what is only known at run time is an error."""
    if isinstance(value, Tensor):
        value = value.array if value.array is not None else value.elements
        if value is None:
            raise UnsupportedError(f"{signature.op_type} needs a constant {name} at opset {opset}")
    kind = signature.attributes[name]
    if kind == ir.AttributeType.INT and isinstance(value, (list, tuple)) and len(value) == 1:
        value = value[0]
    if isinstance(value, np.ndarray) and kind != ir.AttributeType.TENSOR:
        value = value.tolist()
    if kind == ir.AttributeType.INT:
        if isinstance(value, (list, tuple)) and len(value) == 1:
            # An input of one element, such as the k of TopK, was a plain number before.
            value = value[0]
        return int(value)  # type: ignore[call-overload]
    if kind == ir.AttributeType.FLOAT:
        return float(value)  # type: ignore[arg-type]
    if kind == ir.AttributeType.INTS:
        values = value if isinstance(value, (list, tuple)) else [value]
        return [int(v) for v in values]  # type: ignore[arg-type]
    if kind == ir.AttributeType.FLOATS:
        return [float(v) for v in value]  # type: ignore[attr-defined]
    return value
