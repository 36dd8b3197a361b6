"""Lists of run-time length that become others: longer, shorter, in another order.

What is only picked from a list stays a set of views where it was one (`TensorRows`): the positions
are picked, and a write to an item still reaches the tensor. Otherwise the result is a new ONNX
value, tied to what its items come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import onnx_ir as ir

from exporter.conversion.calls.writes import retyped
from exporter.conversion.runtime_lists import (
    kinds,
    nested_lists,
    runtime_lists,
    text_lists,
    tuple_lists,
)
from exporter.conversion.runtime_lists.runtime_lists import (
    common_shape,
    convert,
    element,
    length,
    made,
    read_item,
    sequence,
)
from exporter.conversion.runtime_lists.tuple_lists import by_column, with_item
from exporter.conversion.values import options
from exporter.conversion.values.objects import ListValue, Value
from exporter.conversion.values.runtime_contents import (
    RuntimeList,
    RuntimeLists,
    RuntimeTexts,
    RuntimeTuples,
    TensorRows,
)
from exporter.conversion.values.tensors import TensorRef
from exporter.onnx_graph.sequences import built
from exporter.onnx_graph.shapes import PartialShape
from exporter.onnx_graph.symbolic import Dim, SymInt, is_ge
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter
    from exporter.onnx_graph.builder import Builder

__all__ = [
    "append",
    "concatenate",
    "insert",
    "insertion_point",
    "picked",
    "repeat",
    "reverse",
    "set_at",
    "slice_of",
    "taken",
]

_LARGEST = 2**63 - 1
_INT64 = ir.DataType.INT64


# ---------------------------------------------------------------- picking


def positions(g: Builder, self: RuntimeList) -> Tensor:
    """The numbers of all items, in order."""
    return g.Range(g.constant(0, _INT64), g.scalar(length(g, self)), g.constant(1, _INT64))  # type: ignore[no-any-return]


def picked(
    interpreter: Interpreter, self: RuntimeList, where: Tensor, *, distinct: bool = True
) -> RuntimeList:
    """The items at positions, which count from 0; `distinct` if none comes twice."""
    if isinstance(self, RuntimeTuples):
        return by_column(self, lambda c: picked(interpreter, c, where, distinct=distinct))
    g = interpreter.g
    if self.kind != "tensor":
        return self.with_value(g.Gather(self.value, where))
    if isinstance(self, TensorRows):
        starts = where if self.starts is None else g.Gather(self.starts, where)
        ends = None if self.ends is None else g.Gather(self.ends, where)
        repeats = self.repeats or not distinct
        return TensorRows(
            self.ref, self.dim, self.value, starts, ends, shared=self.shared, repeats=repeats
        )
    source = self.value

    def item(index: Tensor) -> Tensor:
        return g.SequenceAt(source, g.Gather(where, index))  # type: ignore[no-any-return]

    count = where.require_shape()[0]
    chosen = made(
        interpreter, built(g, g.SequenceEmpty(dtype=source.dtype), count, item), self.shape, self
    )
    chosen.shared = chosen.shared or not distinct
    return chosen


def slice_of(
    interpreter: Interpreter,
    self: RuntimeList,
    start: Dim | None,
    end: Dim | None,
    step: Dim,
) -> RuntimeList:
    """`self[start:end:step]`."""
    if isinstance(self, RuntimeTuples):
        return by_column(self, lambda c: slice_of(interpreter, c, start, end, step))
    g = interpreter.g
    forward = is_ge(step, 1) is True
    if forward and step == 1 and start is None and end is None:
        return self
    if isinstance(self, TensorRows) and self.starts is None and forward:
        part = interpreter.call("aten::slice", [self.ref, self.dim, start, end, step], {})
        return TensorRows(part, self.dim, part.read(g), shared=self.shared)
    low, high = _bounds(g, start, end, step)

    def sliced(vector: Tensor) -> Tensor:
        return g.Slice(vector, low, high, [0], [step])  # type: ignore[no-any-return]

    if self.kind != "tensor":
        return self.with_value(sliced(self.value))
    return picked(interpreter, self, sliced(positions(g, self)))


def _bounds(g: Builder, start: Dim | None, end: Dim | None, step: Dim) -> tuple[Tensor, Tensor]:
    """Where a slice starts and ends; an open end depends on the direction."""
    upwards, downwards = (0, _LARGEST), (_LARGEST, -_LARGEST - 1)
    if isinstance(step, SymInt):
        ahead = g.Greater(g.scalar(step), g.constant(0, _INT64))
        defaults = [
            g.reshape(g.Where(ahead, g.constant(up, _INT64), g.constant(down, _INT64)), [1])
            for up, down in zip(upwards, downwards, strict=True)
        ]
    else:
        defaults = [g.constant([v], _INT64) for v in (upwards if step > 0 else downwards)]
    given = (start, end)
    low, high = (
        d if v is None else g.constant([v], _INT64) for v, d in zip(given, defaults, strict=True)
    )
    return low, high


def reverse(interpreter: Interpreter, self: RuntimeList) -> RuntimeList:
    """The items in reverse order."""
    return slice_of(interpreter, self, None, None, -1)


def repeat(interpreter: Interpreter, self: ListValue, count: Dim) -> RuntimeList:
    """`self * count`."""
    g = interpreter.g
    times = g.reshape(g.Max(g.constant(count, _INT64), 0), [1])
    rows = self.runtime is None and kinds.kind_of(self.items, None) == "tensor"
    one = (_of_one_shape(interpreter, [self]) if rows else None) or convert(interpreter, self)
    if isinstance(one, RuntimeTuples):
        return by_column(one, lambda c: repeat(interpreter, ListValue.holding(c), count))
    if one.kind != "tensor":
        return one.with_value(g.Tile(one.value, times))
    where = g.Tile(positions(g, one), times)
    return picked(interpreter, one, where, distinct=False)


def _position(g: Builder, self: RuntimeList, index: Dim) -> Dim:
    """An index that may count from the end as one that counts from 0."""
    if is_ge(index, 0) is True:
        return index
    from_end = index + length(g, self)
    if isinstance(index, int):
        return from_end
    position = g.scalar(index)
    return g.integer(g.Where(g.Less(position, 0), g.scalar(from_end), position))


def _without(interpreter: Interpreter, self: RuntimeList, index: Dim) -> RuntimeList:
    """Numbers, or parts of a tensor, without the one at an index; an error if there is none."""
    g = interpreter.g
    count = length(g, self)
    if index in (0, -1) and is_ge(count, 1) is True:
        start, end = (1, None) if index == 0 else (None, -1)
        return slice_of(interpreter, self, start, end, 1)
    vector = self.value if self.kind != "tensor" else positions(g, self)
    place = g.reshape(g.constant(index, _INT64), [1])
    all_of_them = g.Expand(g.constant([True]), [count])
    stays = g.ScatterElements(all_of_them, place, g.constant([False]), axis=0)
    left = retyped(g, g.Compress(vector, stays, axis=0), (count - 1,))
    return self.with_value(left) if self.kind != "tensor" else picked(interpreter, self, left)


def taken(interpreter: Interpreter, self: RuntimeList, index: Dim) -> tuple[Value, RuntimeList]:
    """The item at an index and the list without it."""
    if isinstance(self, RuntimeTuples):
        parts = [taken(interpreter, column, index) for column in self.columns]
        item = tuple_lists.rejoined(interpreter, self, [part for part, _ in parts])
        return item, self.with_columns([left for _, left in parts])
    g = interpreter.g
    if self.kind != "tensor" or isinstance(self, TensorRows):
        item = runtime_lists.get(interpreter, self, index)
        if isinstance(item, TensorRef):
            item.remade = ""  # the list holds it no more
        return item, _without(interpreter, self, index)
    position = g.constant(index, _INT64)
    item = TensorRef.fresh(g.assume(g.SequenceAt(self.value, position), self.shape), dense=False)
    left = g.SequenceErase(self.value, position)
    erased = RuntimeList("tensor", left, self.shape, shared=self.shared)
    # What remains holds the item only if an item may have been in the list twice.
    related = [self.cell, *self.cell.twins]
    for cell in (item.cell, erased.cell):
        for twin in related:
            cell.pair(twin, interpreter.journal)
        if self.overlaps:
            cell.overlap(interpreter.journal)
    if self.shared:
        item.cell.pair(erased.cell, interpreter.journal)
    return item, erased


# ---------------------------------------------------------------- putting in


def append(interpreter: Interpreter, self: RuntimeList, item: Value) -> RuntimeList:
    """With an item at the end."""
    if isinstance(self, RuntimeTuples):
        return with_item(interpreter, self, item, partial(append, interpreter))
    g = interpreter.g
    if self.kind != "tensor":
        self = _admitting(g, self, item)
        return self.with_value(g.Concat(self.value, element(interpreter, self, item), axis=0))
    return concatenate(interpreter, [ListValue.holding(self), ListValue([item])])


def insert(interpreter: Interpreter, self: RuntimeList, index: Dim, item: Value) -> RuntimeList:
    """With an item before an index; what is out of range is the start or the end."""
    if isinstance(self, RuntimeTuples):
        return with_item(
            interpreter, self, item, lambda c, part: insert(interpreter, c, index, part)
        )
    g = interpreter.g
    if self.kind != "tensor":
        self = _admitting(g, self, item)
        before = slice_of(interpreter, self, None, index, 1).value
        after = slice_of(interpreter, self, index, None, 1).value
        new = element(interpreter, self, item)
        return self.with_value(g.Concat(before, new, after, axis=0))
    tensor = read_item(interpreter, item)
    if index == 0:
        return concatenate(interpreter, [ListValue([item]), ListValue.holding(self)])
    if _is_another_row(self, tensor):
        left = ListValue.holding(slice_of(interpreter, self, None, index, 1))
        right = ListValue.holding(slice_of(interpreter, self, index, None, 1))
        result = concatenate(interpreter, [left, ListValue([item]), right])
        # The two parts are of one tensor, but no item is in both.
        result.shared = self.may_repeat or runtime_lists.overlap([self, item])
        return result
    held = sequence(g, self).value
    count = g.SequenceLength(held)
    position = g.constant(_position(g, self, index), _INT64)
    position = g.Min(g.Max(position, 0), count)
    shape = common_shape(self.shape, tensor.shape)
    return made(interpreter, g.SequenceInsert(held, tensor, position), shape, self, item)


def insertion_point(interpreter: Interpreter, index: SymInt, count: int) -> Value:
    """Before which of so many items `insert` puts one: a choice of their numbers and `count`."""
    g = interpreter.g
    number = g.scalar(index)
    from_start = g.Where(g.Less(number, 0), g.Add(number, count), number)
    position = g.integer(g.Min(g.Max(from_start, 0), count))
    return options.picked_from(position, range(count + 1))


def set_at(interpreter: Interpreter, self: RuntimeList, index: Dim, item: Value) -> RuntimeList:
    """With another item at an index."""
    if isinstance(self, RuntimeTuples):
        return with_item(
            interpreter, self, item, lambda c, part: set_at(interpreter, c, index, part)
        )
    g = interpreter.g
    if self.kind != "tensor":
        self = _admitting(g, self, item)
        where = g.reshape(g.constant(index, _INT64), [1])
        new = element(interpreter, self, item)
        return self.with_value(g.ScatterElements(self.value, where, new, axis=0))
    tensor = read_item(interpreter, item)
    if _is_another_row(self, tensor):
        rows = TensorRef.fresh(runtime_lists.in_rows(g, ListValue.holding(self)))
        given = [rows, TensorRef.fresh(tensor), 0, index]
        written = interpreter.call("aten::select_scatter", given, {})
        result = TensorRows(written, 0, written.read(g))
        runtime_lists.tie_to_sources(interpreter, result, [self, item])
        return result
    position = g.constant(index, _INT64)
    shape = common_shape(self.shape, tensor.shape)
    changed = runtime_lists.replaced(g, sequence(g, self).value, position, tensor)
    return made(interpreter, changed, shape, self, item)


def _admitting(g: Builder, self: RuntimeList, item: Value) -> RuntimeList:
    """The list with an item among those that it may hold: strings have a table of them."""
    if not isinstance(self, RuntimeTexts):
        return self
    texts = text_lists.table_of([item])
    return text_lists.with_texts(g, self, tuple(dict.fromkeys((*self.texts, *texts))))


def _is_another_row(self: RuntimeList, tensor: Tensor) -> bool:
    """Whether a tensor has the shape and dtype of those that are the rows of one."""
    if not isinstance(self, TensorRows) or self.ends is not None:
        return False
    return tensor.shape == self.shape and tensor.dtype == self.value.dtype


# ---------------------------------------------------------------- joining


def concatenate(interpreter: Interpreter, parts: Sequence[ListValue]) -> RuntimeList:
    """The items of several lists, at least one of which is of run-time length."""
    g = interpreter.g
    first = next(p.runtime for p in parts if p.runtime is not None)
    if isinstance(first, RuntimeLists):
        kind = first.item_kind
        return nested_lists.joined(
            interpreter, parts, kind, lambda rows: concatenate(interpreter, rows)
        )
    if isinstance(first, RuntimeTuples):
        columns = [
            concatenate(interpreter, [tuple_lists.column(interpreter, p, k, None) for p in parts])
            for k in range(len(first.columns))
        ]
        return first.with_columns(columns)
    kind = first.kind
    parts = [p for p in parts if p.runtime is not None or p.items]
    if len(parts) == 1:
        return convert(interpreter, parts[0], kind)
    if isinstance(first, RuntimeTexts):
        texts = text_lists.joined(interpreter, parts)
        return texts[0].with_value(g.Concat(*[t.value for t in texts], axis=0))
    if kind != "tensor":
        values = [convert(interpreter, p, kind).value for p in parts]
        return RuntimeList(kind, g.Concat(*values, axis=0))
    return (
        _of_one_tensor(g, parts)
        or _of_one_shape(interpreter, parts)
        or _in_sequence(interpreter, parts)
    )


def _of_one_tensor(g: Builder, parts: Sequence[ListValue]) -> RuntimeList | None:
    """Parts of the same tensor, along the same dim, are views of it together, too."""
    found = [p.runtime for p in parts if isinstance(p.runtime, TensorRows)]
    first = found[0] if found else None
    if first is None or len(found) < len(parts) or any(f.shared for f in found):
        return None
    if any(
        f.ref is not first.ref or f.dim != first.dim or (f.ends is None) != (first.ends is None)
        for f in found
    ):
        return None
    starts = [positions(g, f) if f.starts is None else f.starts for f in found]
    ends = [f.ends for f in found if f.ends is not None]
    return TensorRows(
        first.ref,
        first.dim,
        first.value,
        g.Concat(*starts, axis=0),
        g.Concat(*ends, axis=0) if ends else None,
        repeats=True,
    )


def _of_one_shape(interpreter: Interpreter, parts: Sequence[ListValue]) -> RuntimeList | None:
    """Items of one shape that lie in tensors: those tensors behind each other."""
    g = interpreter.g
    shapes: set[PartialShape] = set()
    dtypes = set()
    for part in parts:
        if part.runtime is not None:
            if not isinstance(part.runtime, TensorRows) or part.runtime.ends is not None:
                return None
            shapes.add(part.runtime.shape)
            dtypes.add(part.runtime.value.dtype)
        for item in () if part.runtime is not None else part.items:
            tensor = read_item(interpreter, item)
            shapes.add(tensor.shape)
            dtypes.add(tensor.dtype)
    shape = shapes.pop()
    if shapes or len(dtypes) > 1 or shape is None:
        return None
    rows: list[Tensor] = []
    sources: list[RuntimeList | TensorRef] = []
    for part in parts:
        rows.append(runtime_lists.in_rows(g, part))
        sources += part.items if part.runtime is None else [part.runtime]
    joined = g.Concat(*rows, axis=0)
    result = TensorRows(TensorRef.fresh(joined), 0, joined)
    runtime_lists.tie_to_sources(interpreter, result, sources)
    return result


def _in_sequence(interpreter: Interpreter, parts: Sequence[ListValue]) -> RuntimeList:
    """All in one Sequence: the longest way, a Loop for each further list of run-time length."""
    g = interpreter.g
    base = next(i for i, p in enumerate(parts) if p.runtime is not None)
    sources: list[RuntimeList | TensorRef] = []
    shapes: list[PartialShape] = []
    result = sequence(g, convert(interpreter, parts[base])).value
    place = 0
    for i, part in enumerate(parts):
        if part.runtime is None:
            for item in part.items:
                tensor = read_item(interpreter, item)
                at = [g.constant(place, _INT64)] if i < base else []
                result = g.SequenceInsert(result, tensor, *at)
                place += 1
                shapes.append(tensor.shape)
            sources += part.items
            continue
        sources.append(part.runtime)
        shapes.append(part.runtime.shape)
        if i > base:
            result = _followed(g, result, part.runtime)
    shape = shapes[0]
    for other in shapes[1:]:
        shape = common_shape(shape, other)
    return made(interpreter, result, shape, *sources)


def _followed(g: Builder, start: Tensor, other: RuntimeList) -> Tensor:
    source = sequence(g, other).value

    def item(index: Tensor) -> Tensor:
        return g.SequenceAt(source, index)  # type: ignore[no-any-return]

    return built(g, start, g.integer(g.SequenceLength(source)), item)
