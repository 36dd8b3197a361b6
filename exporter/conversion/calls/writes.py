"""Writes in place: a value takes on the dtype and the shape of what it is written to."""

from __future__ import annotations

from contextlib import suppress
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from exporter.conversion.values.tensors import TensorRef
from exporter.errors import RaisedError, UnsupportedError
from exporter.onnx_graph import quantized
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Shape, is_ge
from exporter.onnx_graph.values import Tensor
from symbolics.rules import can_cast

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__ = ["require_cast", "require_distinct", "retyped", "stored_as", "write"]

# These write to elements that their arguments pick.
_PICKING = ("index", "_index", "masked", "scatter", "put", "fill")
# Tensors of more elements than this are no windows of a few.
_COUNTED = 1 << 20


def require_cast(result: Tensor, target: Tensor) -> None:
    """Fail where the result is of a higher kind than what is written, as floats are of integers."""
    if not can_cast(result.dtype, target.dtype):
        raise RaisedError(
            f"a result of dtype {result.dtype.name.lower()} can't be written "
            f"in place to a tensor of {target.dtype.name.lower()}"
        )


def require_distinct(kind: str, target: TensorRef, g: Builder) -> None:
    """Fail where an operator writes all elements of a tensor, and some of them are certainly one.

    PyTorch refuses an expanded tensor (`at::assert_no_internal_overlap`). With windows it goes by
    the order in memory: an element in two windows is added to twice.
    """
    if kind.removeprefix("aten::").startswith(_PICKING):
        return
    if target.choice is not None:
        for side in (target.choice.then, target.choice.other):
            # Where the program raises if this one is picked, the other one may be.
            with suppress(RaisedError):
                require_distinct(kind, side, g)
        return
    strides, shape = target.strides, target.read(g).shape
    if not target.overlaps or strides is None or shape is None:
        return
    if any(s == 0 and is_ge(d, 2) for s, d in zip(strides, shape, strict=True)):
        raise RaisedError(f"{kind} of an expanded tensor: clone() it before it is written")
    if not all(isinstance(n, int) for n in (*strides, *shape)) or prod(shape) > _COUNTED:
        return
    places = np.zeros((), np.int64)
    for stride, size in zip(strides, shape, strict=True):
        places = np.add.outer(places, np.arange(int(size)) * int(stride))
    if len(np.unique(places)) < places.size:
        raise UnsupportedError(
            f"{kind} of a tensor with elements that are one in memory: what it gives depends on "
            "the order in which PyTorch writes them",
            ("try  clone() it before it is written",),
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
