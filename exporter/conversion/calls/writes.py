"""Writes in place: a value takes on the dtype and the shape of what it is written to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from exporter.conversion.values.tensors import TensorRef
from exporter.errors import RaisedError
from exporter.onnx_graph import quantized
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Shape
from exporter.onnx_graph.values import Tensor
from symbolics.rules import can_cast

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__ = ["require_cast", "retyped", "stored_as", "write"]


def require_cast(result: Tensor, target: Tensor) -> None:
    """Fail where the result is of a higher kind than what is written, as floats are of integers."""
    if not can_cast(result.dtype, target.dtype):
        raise RaisedError(
            f"a result of dtype {result.dtype.name.lower()} can't be written "
            f"in place to a tensor of {target.dtype.name.lower()}"
        )


def write(interpreter: Interpreter, target: TensorRef, value: Tensor) -> None:
    """Write to a tensor in place: the value takes on its dtype and shape."""
    g = interpreter.g
    old = target.read(g)
    value = stored_as(g, value, old)
    if value.rank is not None and old.rank is not None and value.rank > old.rank:
        raise RaisedError(
            f"a result with {value.rank} dims is written in place to a tensor with {old.rank}"
        )
    if value.shape != old.shape:
        if value.rank is not None and old.rank is not None and value.rank < old.rank:
            value = g.Expand(value, g.shape(old))
        elif value.array is not None and old.static_shape is not None:
            value = g.constant(np.broadcast_to(value.array, old.static_shape).copy())
        if value.rank is None and old.shape is not None:
            value = g.assume(value, old.shape)
        elif value.rank == old.rank and value.array is None and value.quantization is None:
            # In-place results have the shape of what they are written to.
            value = retyped(g, value, old.shape)
    target.write(g, interpreter.journal, value)


def retyped(g: Builder, value: Tensor, shape: Shape | None) -> Tensor:
    """A tensor of which more is known than its operator tells: it has this shape."""
    scope = value.scope if value.value is not None else g.scope
    return Tensor(value.dtype, shape, value=g.value(value), scope=scope)


def stored_as(g: Builder, value: Tensor, old: Tensor) -> Tensor:
    """A value as it is written over another: in its dtype, quantized if that is.

    A quantized value brings its own scale and zero point, as in PyTorch.
    """
    if old.quantization is not None and value.quantization is None:
        return quantized.requantized(g, g.cast(value, ir.DataType.FLOAT), old)
    if value.quantization is not None and old.quantization is None:
        value = quantized.dequantized(g, value)
    return g.cast(value, old.dtype)
