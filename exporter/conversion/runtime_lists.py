"""Lists whose length is only known at run time.

A list of tensors is an ONNX Sequence, a list of numbers a 1-D tensor. Sequences hold one dtype;
lists of lists, tuples or objects of run-time length do not exist in ONNX.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import onnx_ir as ir

from exporter.conversion.objects import ListValue, RuntimeList, TensorRows, Value, type_name
from exporter.conversion.tensors import Cell, TensorRef, View
from exporter.errors import UnsupportedError
from exporter.onnx_graph.shapes import PartialShape
from exporter.onnx_graph.symbolic import Dim, SymInt, is_ge
from exporter.onnx_graph.values import SymBool, SymFloat, Tensor, is_number
from exporter.torchscript.types import BoolType, FloatType, IntType, TensorType, Type

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter
    from exporter.onnx_graph.builder import Builder

__all__ = [
    "append", "common_shape", "concatenate", "contains", "convert", "descend", "empty", "frozen",
    "get", "insert", "joined",
    "kind_of", "overlap",
    "length", "remove_at", "repeat", "reverse", "rows", "sequence", "set_at", "slice_of", "total",
]  # fmt: skip

_DTYPES = {"int": ir.DataType.INT64, "float": ir.DataType.DOUBLE, "bool": ir.DataType.BOOL}
_KINDS: dict[type, str] = {
    TensorType: "tensor",
    IntType: "int",
    FloatType: "float",
    BoolType: "bool",
}
_LARGEST = 2**63 - 1


def kind_of(items: Sequence[Value], element: Type | None) -> str | None:
    """The kind of run-time list that can hold these items; None if there is none, or no telling."""
    for item in items:
        if isinstance(item, TensorRef):
            return "tensor"
        if isinstance(item, (bool, SymBool)):
            return "bool"
        if isinstance(item, (int, SymInt)):
            return "int"
        if isinstance(item, (float, SymFloat)):
            return "float"
        return None
    return _KINDS.get(type(element))


def convert(interpreter: Interpreter, values: ListValue, kind: str | None = None) -> RuntimeList:
    """A list as a run-time list."""
    if values.runtime is not None:
        return values.runtime
    g = interpreter.g
    kind = kind or kind_of(values.items, values.element_type)
    if kind is None:
        what = type_name(values.items[0]) if values.items else values.element_type
        raise UnsupportedError(f"a list of {what} whose length is only known at run time")
    if kind != "tensor":
        if not values.items:
            return RuntimeList(kind, g.constant([], _DTYPES[kind]))
        return RuntimeList(kind, g.cast(g.constant(values.items, _DTYPES[kind]), _DTYPES[kind]))
    tensors = [_read(interpreter, i) for i in values.items]
    if not tensors:
        return RuntimeList(kind, g.SequenceEmpty())
    shape: PartialShape = tensors[0].shape
    for tensor in tensors[1:]:
        shape = common_shape(shape, tensor.shape)
    made = g.SequenceConstruct(*tensors)
    return _made(interpreter, made, shape, *values.items)


def _made(
    interpreter: Interpreter, value: Tensor, shape: PartialShape, *sources: RuntimeList | TensorRef
) -> RuntimeList:
    """A sequence, tied to what its tensors come from."""
    result = RuntimeList("tensor", value, shape)
    _descend(interpreter, result, sources)
    return result


def descend(interpreter: Interpreter, self: RuntimeList, before: ListValue) -> None:
    """Tie a list that has grown out of another to what that one holds."""
    _descend(interpreter, self, before.items if before.runtime is None else [before.runtime])


def _descend(
    interpreter: Interpreter, self: RuntimeList, sources: Sequence[RuntimeList | TensorRef]
) -> None:
    families = [{s.cell, *s.cell.twins} for s in sources]
    inherited = any(isinstance(s, RuntimeList) and s.shared for s in sources)
    self.shared = self.shared or inherited or overlap(families)
    for source in sources:
        self.cell.descend(source.cell, interpreter.journal)


def overlap(families: Sequence[set[Cell]]) -> bool:
    """Whether two of several sets of cells have one in common."""
    return sum(map(len, families)) > len(set().union(*families))


def rows(interpreter: Interpreter, ref: TensorRef, dim: int) -> ListValue:
    """The slices of a tensor along a dim of a size that is only known at run time."""
    tensor = ref.read(interpreter.g)
    shape = tensor.require_shape()
    rest = shape[:dim] + shape[dim + 1 :]
    result = ListValue([], TensorType())
    result.runtime = TensorRows("tensor", tensor, rest, ref, dim)
    return result


def sequence(g: Builder, self: RuntimeList) -> RuntimeList:
    """As an ONNX Sequence of its own."""
    if not isinstance(self, TensorRows):
        return self
    assert self.ref is not None
    split = g.SplitToSequence(self.ref.read(g), axis=self.dim, keepdims=0)
    return RuntimeList("tensor", split, self.shape)


def frozen(g: Builder, self: RuntimeList) -> RuntimeList:
    """As it is now, with a cell of its own."""
    if isinstance(self, TensorRows):
        ref = TensorRef.fresh(self.ref.read(g), dense=False)
        return TensorRows("tensor", self.value, self.shape, ref, self.dim)
    copy = RuntimeList(self.kind, self.value, self.shape)
    copy.shared = self.shared
    return copy


def common_shape(a: PartialShape, b: PartialShape) -> PartialShape:
    """What two shapes have in common."""
    if a is None or b is None or len(a) != len(b):
        return None
    return tuple(x if x == y else None for x, y in zip(a, b, strict=True))


def joined(interpreter: Interpreter, self: RuntimeList, dim: int, *, new_dim: bool) -> Tensor:
    """`torch.stack` (a new dim) or `torch.cat` of a list of tensors."""
    g = interpreter.g
    if isinstance(self, TensorRows):
        return _joined_rows(interpreter, self, dim, new_dim=new_dim)
    source = sequence(interpreter.g, self)
    shape: list[Dim | None] | None = None
    if source.shape is not None:
        shape = list(source.shape)
        rank = len(shape) + new_dim
        dim = dim % max(rank, 1)
        if new_dim:
            shape.insert(dim, None)
        elif shape:
            shape[dim] = None
    result = g.ConcatFromSequence(source.value, axis=dim, new_axis=int(new_dim))
    return g.assume(result, None if shape is None else tuple(shape))


def _joined_rows(interpreter: Interpreter, self: TensorRows, dim: int, *, new_dim: bool) -> Tensor:
    """Slices put together again: a transposition, and for `cat` two dims that become one."""
    g = interpreter.g
    assert self.ref is not None
    tensor = self.ref.read(g)
    shape = tensor.require_shape()
    rank = len(shape)
    if not new_dim and rank == 1:
        raise UnsupportedError("zero-dimensional tensors cannot be concatenated")
    target = dim % (rank if new_dim else rank - 1)
    order = [d for d in range(rank) if d != self.dim]
    order.insert(target, self.dim)
    if order != list(range(rank)):
        tensor = g.Transpose(tensor, perm=order)
        shape = tensor.require_shape()
    if new_dim:
        return tensor
    merged = shape[target] * shape[target + 1]
    return g.reshape(tensor, [*shape[:target], merged, *shape[target + 2 :]])


def empty(interpreter: Interpreter, dtype: ir.DataType) -> RuntimeList:
    """An empty list of tensors of a dtype."""
    return RuntimeList("tensor", interpreter.g.SequenceEmpty(dtype=dtype))


def _read(interpreter: Interpreter, item: Value) -> Tensor:
    if not isinstance(item, TensorRef):
        raise UnsupportedError(f"a {type_name(item)} in a list of tensors of run-time length")
    return item.read(interpreter.g)


def _element(interpreter: Interpreter, self: RuntimeList, item: Value) -> Tensor:
    """An item as a 1-D tensor of length 1."""
    if not is_number(item):
        raise UnsupportedError(f"a {type_name(item)} in a list of {self.kind}s of run-time length")
    g = interpreter.g
    return g.reshape(g.constant(item, _DTYPES[self.kind]), [1])


def length(interpreter: Interpreter, self: RuntimeList) -> Dim:
    """The number of items."""
    g = interpreter.g
    if self.kind != "tensor":
        return self.value.require_shape()[0]
    if isinstance(self, TensorRows):
        return self.value.require_shape()[self.dim]
    return g.integer(g.SequenceLength(self.value))


def get(interpreter: Interpreter, self: RuntimeList, index: Dim) -> Value:
    """The item at an index, negative from the end."""
    g = interpreter.g
    if self.kind == "tensor" and self.shared:
        # Not a view of the list: another item may be the same tensor.
        return _one_of_shared(interpreter, self, index)
    if isinstance(self, TensorRows):
        return interpreter.call("aten::select", [self.ref, self.dim, index], {})
    if self.kind == "tensor":
        return _item(self, g.constant(index, ir.DataType.INT64))
    found = g.Gather(self.value, index)
    if self.kind == "int":
        return g.integer(found)
    return SymBool(found) if self.kind == "bool" else SymFloat(found)


def _one_of_shared(interpreter: Interpreter, self: RuntimeList, index: Dim) -> TensorRef:
    g = interpreter.g
    position = g.constant(index, ir.DataType.INT64)
    if isinstance(self, TensorRows):
        found = interpreter.call("aten::select", [self.ref, self.dim, index], {}).read(g)
    else:
        found = _item(self, position).read(g)
    result = TensorRef.fresh(found, dense=False)
    result.cell.descend(self.cell, interpreter.journal)
    return result


def _item(self: RuntimeList, position: Tensor) -> TensorRef:
    """An item of a sequence, as a view: writing to it replaces it in the sequence."""

    def take(g: Builder, value: Tensor) -> Tensor:
        return g.assume(g.SequenceAt(value, position), self.shape)

    def put(g: Builder, value: Tensor, new: Tensor) -> Tensor:
        return _replaced(g, value, position, new)

    return TensorRef(self.cell, TensorRef(self.cell), View(take, put))


def append(interpreter: Interpreter, self: RuntimeList, item: Value) -> RuntimeList:
    """With an item at the end."""
    g = interpreter.g
    if self.kind == "tensor":
        tensor = _read(interpreter, item)
        shape = common_shape(self.shape, tensor.shape)
        longer = g.SequenceInsert(sequence(g, self).value, tensor)
        return _made(interpreter, longer, shape, self, item)
    return RuntimeList(self.kind, g.Concat(self.value, _element(interpreter, self, item), axis=0))


def insert(interpreter: Interpreter, self: RuntimeList, index: Dim, item: Value) -> RuntimeList:
    """With an item before an index."""
    g = interpreter.g
    if self.kind == "tensor":
        position = g.constant(index, ir.DataType.INT64)
        tensor = _read(interpreter, item)
        shape = common_shape(self.shape, tensor.shape)
        longer = g.SequenceInsert(sequence(g, self).value, tensor, position)
        return _made(interpreter, longer, shape, self, item)
    parts = [
        slice_of(interpreter, self, None, index, 1).value,
        _element(interpreter, self, item),
        slice_of(interpreter, self, index, None, 1).value,
    ]
    return RuntimeList(self.kind, g.Concat(*parts, axis=0))


def remove_at(interpreter: Interpreter, self: RuntimeList, index: Dim) -> RuntimeList:
    """Without the item at an index."""
    g = interpreter.g
    if self.kind == "tensor":
        erased = g.SequenceErase(sequence(g, self).value, g.constant(index, ir.DataType.INT64))
        return _made(interpreter, erased, self.shape, self)
    if isinstance(index, int) and index == -1:
        return slice_of(interpreter, self, None, -1, 1)
    parts = [
        slice_of(interpreter, self, None, index, 1).value,
        slice_of(interpreter, self, index + 1, None, 1).value,
    ]
    return RuntimeList(self.kind, g.Concat(*parts, axis=0))


def set_at(interpreter: Interpreter, self: RuntimeList, index: Dim, item: Value) -> RuntimeList:
    """With another item at an index."""
    g = interpreter.g
    if self.kind == "tensor":
        position = g.constant(index, ir.DataType.INT64)
        tensor = _read(interpreter, item)
        shape = common_shape(self.shape, tensor.shape)
        replaced = _replaced(g, sequence(g, self).value, position, tensor)
        return _made(interpreter, replaced, shape, self, item)
    where = g.reshape(g.constant(index, ir.DataType.INT64), [1])
    element = _element(interpreter, self, item)
    return RuntimeList(self.kind, g.ScatterElements(self.value, where, element, axis=0))


def _replaced(g: Builder, value: Tensor, position: Tensor, tensor: Tensor) -> Tensor:
    """A sequence with another tensor at a position, which may count from the end."""
    low = position.elements[0] if position.elements is not None else None
    if low is None or is_ge(low, 0) is not True:
        # After erasing, a position counted from the end would be another one.
        from_end = g.Add(position, g.SequenceLength(value))
        position = g.Where(g.Less(position, 0), from_end, position)
    return g.SequenceInsert(g.SequenceErase(value, position), tensor, position)  # type: ignore[no-any-return]


def slice_of(
    interpreter: Interpreter,
    self: RuntimeList,
    start: Dim | None,
    end: Dim | None,
    step: Dim | None,
) -> RuntimeList:
    """`self[start:end:step]`."""
    g = interpreter.g
    if self.kind == "tensor":
        raise UnsupportedError("a slice of a list of tensors of run-time length")
    low = 0 if start is None else start
    high = _LARGEST if end is None else end
    sliced = g.Slice(self.value, [low], [high], [0], [1 if step is None else step])
    return RuntimeList(self.kind, sliced)


def reverse(interpreter: Interpreter, self: RuntimeList) -> RuntimeList:
    """The items in reverse order."""
    if self.kind == "tensor":
        raise UnsupportedError("reversing a list of tensors of run-time length")
    sliced = interpreter.g.Slice(self.value, [-1], [-_LARGEST - 1], [0], [-1])
    return RuntimeList(self.kind, sliced)


def concatenate(interpreter: Interpreter, self: RuntimeList, other: RuntimeList) -> RuntimeList:
    """The items of one list after those of another."""
    if self.kind == "tensor":
        raise UnsupportedError("joining two lists of tensors of run-time length")
    return RuntimeList(self.kind, interpreter.g.Concat(self.value, other.value, axis=0))


def repeat(interpreter: Interpreter, self: RuntimeList, count: Dim) -> RuntimeList:
    """`self * count`."""
    if self.kind == "tensor":
        raise UnsupportedError("repeating a list of tensors a run-time number of times")
    g = interpreter.g
    times = g.Max(g.constant(count, ir.DataType.INT64), 0)
    return RuntimeList(self.kind, g.Tile(self.value, g.reshape(times, [1])))


def total(interpreter: Interpreter, self: RuntimeList) -> Value:
    """The sum of a list of numbers."""
    g = interpreter.g
    summed = g.ReduceSum(self.value, keepdims=False)
    return g.integer(summed) if self.kind == "int" else SymFloat(summed)


def contains(interpreter: Interpreter, self: RuntimeList, item: Value) -> SymBool:
    """Whether a list of numbers has one that is equal."""
    if self.kind == "tensor":
        raise UnsupportedError("looking for a tensor in a list of run-time length")
    g = interpreter.g
    equal = g.cast(g.Equal(self.value, g.constant(item, _DTYPES[self.kind])), ir.DataType.INT64)
    return SymBool(g.Greater(g.ReduceSum(equal, keepdims=False), 0))
