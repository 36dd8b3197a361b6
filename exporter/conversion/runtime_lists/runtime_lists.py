"""Lists whose length is only known at run time: how they are held, made and read.

A list of numbers is a 1-D tensor. A list of tensors is a set of views of one tensor where it has
come from one (`TensorRows`), else an ONNX Sequence. Sequences hold one dtype; lists of objects of
run-time length do not exist in ONNX. Next door: `tuple_lists` has lists of tuples, `nested_lists`
lists of lists, `list_edits` changes lists, `list_contents` asks for items by value, `joined_lists`
makes one tensor of all, `text_lists` has lists of strings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import onnx_ir as ir

from exporter.conversion.runtime_lists import nested_lists, text_lists, tuple_lists
from exporter.conversion.runtime_lists.kinds import DTYPES, ELEMENTS, kind_of
from exporter.conversion.values.objects import (
    ListValue,
    NamedTuple,
    RunTimeKeysError,
    Value,
    type_name,
)
from exporter.conversion.values.runtime_contents import (
    RuntimeList,
    RuntimeTexts,
    RuntimeTuples,
    TensorRows,
)
from exporter.conversion.values.tensors import Cell, TensorRef, View
from exporter.errors import UnsupportedError
from exporter.onnx_graph.sequences import built
from exporter.onnx_graph.shapes import PartialShape
from exporter.onnx_graph.symbolic import Dim, is_ge
from exporter.onnx_graph.values import SymBool, SymFloat, Tensor, is_number
from exporter.torchscript.types import TensorType, TupleType

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter
    from exporter.onnx_graph.builder import Builder

__all__ = [
    "common_shape", "convert", "descend", "element", "empty", "family", "frozen", "get", "in_rows",
    "is_convertible", "length", "made", "overlap", "read_item", "replaced", "rows", "sequence",
    "stacked", "tie_to_sources",
]  # fmt: skip


def is_convertible(values: ListValue) -> bool:
    """Whether a run-time list can hold the items of a list, or does; strings only if need be."""
    if values.runtime is not None:
        return True
    places = [tuple_lists.places_of(item) for item in values.items]
    if not places or places[0] is None:
        return kind_of(values.items, values.element_type) not in (None, "str")
    columns = zip(*[parts for parts in places if parts is not None], strict=True)
    return all(is_convertible(ListValue(list(column))) for column in columns)


def convert(interpreter: Interpreter, values: ListValue, kind: str | None = None) -> RuntimeList:
    """A list as a run-time list."""
    if values.runtime is not None:
        return values.runtime
    number = nested_lists.item_kind(values)
    if number is not None:
        rows = empty(interpreter, DTYPES[number])
        if values.items:
            rows = convert(interpreter, nested_lists.rows_of(interpreter, values, number))
        return nested_lists.held_as(values, rows, number)
    tuples = _tuples(interpreter, values)
    if tuples is not None:
        return tuples
    g = interpreter.g
    kind = kind or kind_of(values.items, values.element_type)
    if kind is None or (kind == "str" and not interpreter.keys):
        what = type_name(values.items[0]) if values.items else values.element_type
        error = UnsupportedError if kind is None else RunTimeKeysError
        raise error(f"a list of {what} whose length is only known at run time")
    if kind == "str":
        return text_lists.held_as(g, values.items)
    if kind != "tensor":
        if not values.items:
            return RuntimeList(kind, g.constant([], DTYPES[kind]))
        return RuntimeList(kind, g.cast(g.constant(values.items, DTYPES[kind]), DTYPES[kind]))
    tensors = [read_item(interpreter, i) for i in values.items]
    if not tensors:
        return RuntimeList(kind, g.SequenceEmpty())
    shape: PartialShape = tensors[0].shape
    for tensor in tensors[1:]:
        shape = common_shape(shape, tensor.shape)
    sequence_ = g.SequenceConstruct(*tensors)
    return made(interpreter, sequence_, shape, *values.items)


def _tuples(interpreter: Interpreter, values: ListValue) -> RuntimeTuples | None:
    """A list of tuples as its columns; None if it is none."""
    first = values.items[0] if values.items else None
    parts = tuple_lists.places_of(first)
    element = values.element_type
    count = len(element.elements) if isinstance(element, TupleType) else 0
    if parts is not None:
        count = len(parts)
    if not count:
        return None
    types = tuple_lists.column_types(element, count)
    columns = [
        convert(interpreter, tuple_lists.column(interpreter, values, k, type_))
        for k, type_ in enumerate(types)
    ]
    if isinstance(first, NamedTuple):
        return RuntimeTuples(columns, first.type_name, list(first.fields))
    return RuntimeTuples(columns)


def made(
    interpreter: Interpreter, value: Tensor, shape: PartialShape, *sources: RuntimeList | TensorRef
) -> RuntimeList:
    """A sequence, tied to what its tensors come from."""
    result = RuntimeList("tensor", value, shape)
    tie_to_sources(interpreter, result, sources)
    return result


def descend(interpreter: Interpreter, self: RuntimeList, before: ListValue) -> None:
    """Tie a list that has grown out of another to what that one holds; numbers share no memory."""
    if self.kind != "tensor":
        return
    tie_to_sources(interpreter, self, before.items if before.runtime is None else [before.runtime])


def tie_to_sources(
    interpreter: Interpreter, self: RuntimeList, sources: Sequence[RuntimeList | TensorRef]
) -> None:
    """A list may share memory with what its items come from, two items with each other."""
    inherited = any(isinstance(s, RuntimeList) and s.may_repeat for s in sources)
    self.shared = self.shared or inherited or overlap(sources)
    for cell in dict.fromkeys(cell for source in sources for cell in source.cells()):
        self.cell.descend(cell, interpreter.journal)
    if any(source.overlaps for source in sources):
        self.cell.overlap(interpreter.journal)


def family(source: RuntimeList | TensorRef) -> set[Cell]:
    """All storages that a list or tensor may share memory with, its own included."""
    return {member for cell in source.cells() for member in (cell, *cell.twins)}


def overlap(sources: Sequence[RuntimeList | TensorRef]) -> bool:
    """Whether two of several may share memory; two that may be a third's each need not."""
    own: set[Cell] = set()
    related: set[Cell] = set()
    for source in sources:
        cells, relatives = set(source.cells()), family(source)
        if not (cells.isdisjoint(related) and relatives.isdisjoint(own)):
            return True
        own |= cells
        related |= relatives
    return False


def rows(interpreter: Interpreter, ref: TensorRef, dim: int) -> ListValue:
    """The slices of a tensor along a dim of a size that is only known at run time."""
    return ListValue.holding(
        TensorRows(ref.all_of_it(), dim, ref.read(interpreter.g)), TensorType()
    )


def stacked(g: Builder, self: TensorRows) -> Tensor:
    """Items that lie at single indices, as a tensor in which `self.dim` counts them."""
    assert self.ends is None
    tensor = self.ref.read(g)
    return tensor if self.starts is None else g.Gather(tensor, self.starts, axis=self.dim)


def in_rows(g: Builder, values: ListValue) -> Tensor:
    """The items of a list, all of one shape, as a tensor in which dim 0 counts them."""
    runtime = values.runtime
    if runtime is None:
        items = [g.Unsqueeze(item.read(g), [0]) for item in values.items]
        return items[0] if len(items) == 1 else g.Concat(*items, axis=0)  # type: ignore[no-any-return]
    assert isinstance(runtime, TensorRows)
    tensor = stacked(g, runtime)
    order = [d for d in range(tensor.require_rank()) if d != runtime.dim]
    return g.Transpose(tensor, perm=[runtime.dim, *order]) if runtime.dim else tensor


def sequence(g: Builder, self: RuntimeList) -> RuntimeList:
    """As an ONNX Sequence of its own."""
    if isinstance(self, RuntimeTuples):
        return tuple_lists.by_column(self, lambda column: sequence(g, column))
    if not isinstance(self, TensorRows):
        return self
    if self.ends is None:
        split = g.SplitToSequence(stacked(g, self), axis=self.dim, keepdims=0)
        return RuntimeList("tensor", split, self.shape)
    tensor, starts, ends = self.ref.read(g), self.starts, self.ends
    assert starts is not None
    if self.whole:
        split = g.SplitToSequence(tensor, g.Sub(ends, starts), axis=self.dim)
        return RuntimeList("tensor", split, self.shape)

    def piece(index: Tensor) -> Tensor:
        bounds = [g.reshape(g.Gather(v, index), [1]) for v in (starts, ends)]
        return g.Slice(tensor, *bounds, [self.dim])  # type: ignore[no-any-return]

    count = starts.require_shape()[0]
    found = built(g, g.SequenceEmpty(dtype=tensor.dtype), count, piece)
    return RuntimeList("tensor", found, self.shape)


def frozen(g: Builder, self: RuntimeList) -> RuntimeList:
    """As it is now, with a cell of its own."""
    if isinstance(self, RuntimeTuples):
        return tuple_lists.by_column(self, lambda column: frozen(g, column))
    if isinstance(self, TensorRows):
        tensor = self.ref.read(g)
        ref = TensorRef.fresh(tensor, dense=False)
        return TensorRows(
            ref,
            self.dim,
            tensor,
            self.starts,
            self.ends,
            whole=self.whole,
            shared=self.shared,
            repeats=self.repeats,
        )
    if self.kind != "tensor":
        return self.with_value(self.value)
    return RuntimeList(self.kind, self.value, self.shape, shared=self.shared)


def common_shape(a: PartialShape, b: PartialShape) -> PartialShape:
    """What two shapes have in common."""
    if a is None or b is None or len(a) != len(b):
        return None
    return tuple(x if x == y else None for x, y in zip(a, b, strict=True))


def empty(interpreter: Interpreter, dtype: ir.DataType) -> RuntimeList:
    """An empty list of tensors of a dtype."""
    return RuntimeList("tensor", interpreter.g.SequenceEmpty(dtype=dtype))


def element(interpreter: Interpreter, self: RuntimeList, item: Value) -> Tensor:
    """An item of a list of numbers, or of strings in its table, as a 1-D tensor of length 1."""
    if isinstance(self, RuntimeTexts):
        item = text_lists.number_of(interpreter.g, item, self.texts)
    if not is_number(item):
        raise UnsupportedError(f"a {type_name(item)} in a list of {self.kind}s of run-time length")
    g = interpreter.g
    return g.reshape(g.constant(item, ELEMENTS[self.kind]), [1])


def read_item(interpreter: Interpreter, item: Value) -> Tensor:
    """The tensor that is to be put into a list of tensors."""
    if not isinstance(item, TensorRef):
        raise UnsupportedError(f"a {type_name(item)} in a list of tensors of run-time length")
    return item.read(interpreter.g)


def length(g: Builder, self: RuntimeList) -> Dim:
    """The number of items."""
    if isinstance(self, RuntimeTuples):
        return length(g, self.columns[0])
    if self.kind != "tensor":
        return self.value.require_shape()[0]
    if isinstance(self, TensorRows):
        if self.starts is not None:
            return self.starts.require_shape()[0]
        return self.value.require_shape()[self.dim]
    return g.integer(g.SequenceLength(self.value))


def get(interpreter: Interpreter, self: RuntimeList, index: Dim) -> Value:
    """The item at an index, negative from the end."""
    if isinstance(self, RuntimeTuples):
        parts = [get(interpreter, c, index) for c in self.columns]
        return tuple_lists.rejoined(interpreter, self, parts)
    g = interpreter.g
    if self.kind != "tensor":
        found = g.Gather(self.value, index)
        if isinstance(self, RuntimeTexts):
            return text_lists.item(g, self, found)
        if self.kind == "int":
            return g.integer(found)
        return SymBool(found) if self.kind == "bool" else SymFloat(found)
    if isinstance(self, TensorRows):
        item = _part(interpreter, self, index)
    else:
        item = _item(self, g.constant(index, ir.DataType.INT64))
    if not self.shared:
        # The list shows its items' dims as they are.
        item.remade = "from a list of run-time length"
        return item
    # Not a view of the list: another item may be the same tensor.
    copy = TensorRef.fresh(item.read(g), dense=False)
    for cell in self.cells():
        copy.cell.descend(cell, interpreter.journal)
    return copy


def _part(interpreter: Interpreter, self: TensorRows, index: Dim) -> TensorRef:
    """An item as a view of the tensor that the list consists of."""
    g = interpreter.g
    start = index if self.starts is None else g.integer(g.Gather(self.starts, index))
    if self.ends is None:
        return interpreter.call("aten::select", [self.ref, self.dim, start], {})  # type: ignore[no-any-return]
    end = g.integer(g.Gather(self.ends, index))
    return interpreter.call("aten::slice", [self.ref, self.dim, start, end, 1], {})  # type: ignore[no-any-return]


def _item(self: RuntimeList, position: Tensor) -> TensorRef:
    """An item of a sequence, as a view: writing to it replaces it in the sequence."""

    def take(g: Builder, value: Tensor) -> Tensor:
        return g.assume(g.SequenceAt(value, position), self.shape)

    def put(g: Builder, value: Tensor, new: Tensor) -> Tensor:
        return replaced(g, value, position, new)

    return TensorRef(self.cell, TensorRef(self.cell), View(take, put))


def replaced(g: Builder, value: Tensor, position: Tensor, tensor: Tensor) -> Tensor:
    """A sequence with another tensor at a position, which may count from the end."""
    low = position.elements[0] if position.elements is not None else None
    if low is None or is_ge(low, 0) is not True:
        # After erasing, a position counted from the end would be another one. One before the first
        # must not become such: it is an error like one behind the last.
        count = g.SequenceLength(value)
        from_end = g.Add(position, count)
        position = g.Where(g.Less(position, 0), from_end, position)
        position = g.Where(g.Less(position, 0), count, position)
    return g.SequenceInsert(g.SequenceErase(value, position), tensor, position)  # type: ignore[no-any-return]
