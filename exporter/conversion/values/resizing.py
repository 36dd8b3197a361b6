"""Tensors of which the size or the storage is changed in place: `resize_`, `set_`, `out=`.

    y.resize_([2])      # the first elements of y's storage, row by row

A resized tensor is a strided view of its storage, so a smaller tensor can grow back. One that grows
past the end of its storage makes that longer. What the new memory holds is undefined in PyTorch;
here it is zeros, as `torch.empty` gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from exporter.conversion.values.objects import ListValue, Value
from exporter.conversion.values.storage import offset_of, owner_of
from exporter.conversion.values.tensors import TensorRef, dense_strides
from exporter.errors import UnsupportedError
from exporter.onnx_graph.symbolic import Dim, Shape, is_ge, sym_max
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
    else:
        view = _first_of_storage(interpreter, ref, shape, size)
    before = ref.cell
    ref.become(view, interpreter.journal)
    if ref.cell is not before:
        # A handle that a block left behind may still stand for the storage as it was.
        ref.cell.descend(before, interpreter.journal)


def _equal(interpreter: Interpreter, shape: Shape, size: Sequence[Dim]) -> Value:
    return interpreter.containers_equal(ListValue(list(shape)), ListValue(list(size)))


def _first_of_storage(
    interpreter: Interpreter, ref: TensorRef, shape: Shape, size: Shape
) -> TensorRef:
    """The view of the elements of the storage from the tensor's first one on."""
    origin = ref.origin()
    owner = owner_of(origin)
    offset = offset_of(interpreter, origin)
    fits = is_ge(prod(shape), prod(size)) is True and origin.is_contiguous(interpreter.g) is True
    room = prod(owner.read(interpreter.g).require_shape()) - offset
    if not fits and (enough := is_ge(room, prod(size))) is not True:
        if enough is False or owner.cell.born >= interpreter.journal.frames[-1].start:
            _lengthen(interpreter, owner, sym_max(prod(size) - room, 0))
        else:
            # A block can't give a tensor from outside another storage. Reading past the end of
            # this one fails at run time.
            interpreter.preconditions.append(
                "resize_ in a branch or loop to more elements than the tensor's storage holds"
            )
    return _strided(interpreter, origin, size, offset)


def _strided(
    interpreter: Interpreter, ref: TensorRef, size: Shape, storage_offset: Dim
) -> TensorRef:
    """The elements of the storage from an offset on, row by row."""
    strides = list(dense_strides(size))
    view = interpreter.builtin("aten::as_strided", ref, list(size), strides, storage_offset)
    assert isinstance(view, TensorRef)
    view.strides = tuple(strides)
    return view


def _lengthen(interpreter: Interpreter, owner: TensorRef, more: Dim) -> None:
    """Put a storage of that many more elements in the place of the one that a tensor owns.

    The tensor is a view of it from then on, and so are the views that hang on the tensor.
    """
    shape = owner.read(interpreter.g).require_shape()
    parts = [
        interpreter.builtin("aten::flatten", owner),
        interpreter.builtin("aten::new_zeros", owner, ListValue([more])),
    ]
    longer = interpreter.builtin("aten::cat", ListValue(parts))
    owner.move_to(_strided(interpreter, longer, shape, 0), interpreter.journal)


def replace_contents(interpreter: Interpreter, target: TensorRef, value: Tensor) -> None:
    """Write a result to `out`, which takes on its shape in its storage."""
    g = interpreter.g
    old = target.read(g).shape
    alone = target.base is None and not target.has_views
    if not alone and old is not None and value.shape is not None:
        same = _equal(interpreter, old, value.shape)
        if same is False or (same is not True and target.is_contiguous(g) is True):
            resize(interpreter, target, value.shape)
    target.write(g, interpreter.journal, value)
    if target.base is None and value.shape is not None:
        target.strides = TensorRef.fresh(value).strides
