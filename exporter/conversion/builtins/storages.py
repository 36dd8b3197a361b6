"""Tensors that are given another size, or another storage, in place: `resize_` and `set_`.

y.resize_([2])      # the first elements of y's storage, row by row
y.set_(x)           # y is x from now on, but for what is done to its dims
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.conversion.builtins.builtin import builtin
from exporter.conversion.values.objects import ListValue, Value
from exporter.conversion.values.resizing import become, resize
from exporter.conversion.values.tensors import CONTIGUOUS, TensorRef, dense_strides
from exporter.errors import RaisedError, UnsupportedError

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter


@builtin("aten::resize_")
def resize_(
    interpreter: Interpreter, self: Value, size: Value, *, memory_format: Value = None
) -> Value:
    """Another shape, for the elements that come first in the storage."""
    if memory_format not in (None, CONTIGUOUS):
        raise UnsupportedError("resize_ with a memory format: ONNX has no strides")
    resize(interpreter, self, tuple(interpreter.items(size)))
    return self


@builtin("aten::resize_as_")
def resize_as_(
    interpreter: Interpreter, self: Value, the_template: Value, *, memory_format: Value = None
) -> Value:
    """`resize_` to the shape of another tensor."""
    return resize_(
        interpreter,
        self,
        interpreter.builtin("aten::size", the_template),
        memory_format=memory_format,
    )


@builtin("aten::set_")
def set_(
    interpreter: Interpreter,
    self: Value,
    source: Value = None,
    storage_offset: Value = None,
    size: Value = None,
    stride: Value = None,
) -> Value:
    """The tensor becomes another one, or what lies in its storage; without any, an empty tensor."""
    if not isinstance(self, TensorRef):
        return NotImplemented
    if source is not None and not isinstance(source, TensorRef):
        raise UnsupportedError("set_ with a storage: ONNX has none")
    g = interpreter.g
    if source is None:
        empty = interpreter.builtin("aten::new_zeros", self, ListValue([0]))
        become(interpreter, self, empty)
        return self
    if source.read(g).dtype != self.read(g).dtype:
        raise RaisedError("set_ with a tensor of another dtype")
    if source is self and size is None:
        return self
    if self.choice is not None:
        self.choice.each(lambda ref: set_(interpreter, ref, source, storage_offset, size, stride))
        return self
    if source is not self and _leads_to(source, self):
        raise UnsupportedError("set_ with a name that may stand for the tensor itself")
    origin = self.origin()
    found = origin if source is self else source
    if size is None:
        become(interpreter, self, found.all_of_it())
        return self
    sizes = interpreter.items(size)
    steps = interpreter.items(stride) if stride is not None else []
    steps = steps or list(dense_strides(tuple(sizes)))
    view = interpreter.builtin("aten::as_strided", found, sizes, steps, storage_offset)
    become(interpreter, self, view)
    return self


def _leads_to(ref: TensorRef, wanted: TensorRef) -> bool:
    """Whether a handle hangs on one by a name for several: a view would follow its origin."""
    while ref.base is not None:
        ref = ref.base
    if ref.choice is None:
        return False
    return any(s is wanted or _leads_to(s, wanted) for s in (ref.choice.then, ref.choice.other))
