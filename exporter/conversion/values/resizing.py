"""Tensors of which the size or the storage is changed in place: `resize_`, `set_`, `out=`.

    y.resize_([2])      # the first elements of y's storage, row by row

A resized tensor is a strided view of its storage, so a smaller tensor can grow back. What memory
holds that was never written is undefined: a tensor that grows past its storage is refused, unless
nothing was in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from exporter.conversion.values.objects import ListValue, Value
from exporter.conversion.values.storage import offset_of, owner_of
from exporter.conversion.values.tensors import TensorRef, dense_strides
from exporter.errors import UnsupportedError
from exporter.onnx_graph.symbolic import Dim, Shape, is_ge
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__ = ["become", "replace_contents", "resize"]


def become(interpreter: Interpreter, ref: TensorRef, other: TensorRef) -> None:
    """Let a handle be another tensor; its views stay where they are."""
    ref.origin()
    ref.become(other, interpreter.journal)


def resize(interpreter: Interpreter, ref: TensorRef, size: Shape) -> None:
    """Let a tensor see the elements of its storage from its first one on, in this shape.

    Where that is the shape that it has it stays as it is, however its elements lie.
    """
    g = interpreter.g
    if ref.choice is not None:
        ref.choice.each(lambda one: resize(interpreter, one, size))
        return
    shape = ref.read(g).require_shape()
    same = _equal(interpreter, shape, size)
    if same is True:
        return
    contiguous = ref.is_contiguous(g) is True
    if same is not False and not contiguous:
        raise UnsupportedError(
            "resize_ of a tensor whose place in memory is not known, to a shape that may be its own"
        )
    if contiguous and prod(shape) == prod(size):
        view = interpreter.builtin("aten::view", ref.origin(), ListValue(list(size)))
    elif prod(owner_of(ref).read(g).require_shape()) == 0:
        _renew(interpreter, ref, interpreter.builtin("aten::new_zeros", ref, ListValue(list(size))))
        return
    else:
        view = _first_of_storage(interpreter, ref, shape, size)
    ref.become(view, interpreter.journal)


def _equal(interpreter: Interpreter, shape: Shape, size: Sequence[Dim]) -> Value:
    return interpreter.containers_equal(ListValue(list(shape)), ListValue(list(size)))


def _first_of_storage(
    interpreter: Interpreter, ref: TensorRef, shape: Shape, size: Shape
) -> TensorRef:
    """The view of the elements of the storage from the tensor's first one on."""
    origin = ref.origin()
    offset = offset_of(interpreter, origin)
    fits = is_ge(prod(shape), prod(size)) is True and origin.is_contiguous(interpreter.g) is True
    room = prod(owner_of(origin).read(interpreter.g).require_shape()) - offset
    if not fits and (enough := is_ge(room, prod(size))) is not True:
        if enough is False:
            raise UnsupportedError(
                "resize_ to more elements than the tensor's storage holds: the contents of the new "
                "ones are undefined in PyTorch, too"
            )
        # Reading past the end fails at run time, then.
        interpreter.preconditions.append("resize_ to more elements than the tensor's storage holds")
    strides = list(dense_strides(size))
    view = interpreter.builtin("aten::as_strided", origin, list(size), strides, offset)
    assert isinstance(view, TensorRef)
    view.strides = tuple(strides)
    return view


def _renew(interpreter: Interpreter, ref: TensorRef, new: TensorRef) -> None:
    """Give a tensor a new storage, of which other views of the old one may be a part, too."""
    old = ref.cell
    become(interpreter, ref, new)
    ref.cell.descend(old, interpreter.journal)


def replace_contents(interpreter: Interpreter, target: TensorRef, value: Tensor) -> None:
    """Write a result to `out`, which takes on its shape.

    A view of a storage is resized in it; where the result doesn't fit it has a new one, and what
    else sees the old one can't be read any more, for in PyTorch that has grown with it.
    """
    g = interpreter.g
    old = target.read(g).shape
    if target.base is not None and old is not None and value.shape is not None:
        other_shape = _equal(interpreter, old, value.shape) is False
        if other_shape and is_ge(prod(old), prod(value.shape)) is not True:
            _renew(interpreter, target, TensorRef.fresh(value))
        elif other_shape:
            resize(interpreter, target, value.shape)
    target.write(g, interpreter.journal, value)
    if target.base is None and value.shape is not None:
        target.strides = TensorRef.fresh(value).strides
