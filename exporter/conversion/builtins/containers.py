"""Builtins on lists, dicts and tuples.

Contents are Python values, so nearly all of this just runs. A list whose length is only known at
run time holds its contents as one ONNX value (`RuntimeList`), and its methods emit Sequence
operators or operators on 1-D tensors (`runtime_lists`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from exporter.conversion.builtins import dicts, list_contents
from exporter.conversion.builtins.builtin import builtin
from exporter.conversion.builtins.list_changes import changes_list
from exporter.conversion.builtins.list_contents import index_of
from exporter.conversion.builtins.numbers import equal, logical_not
from exporter.conversion.builtins.string_methods import as_bytes, as_text
from exporter.conversion.builtins.strings import joined_text, unknown_text
from exporter.conversion.control_flow import choices, either
from exporter.conversion.runtime_lists import kinds, list_edits, runtime_lists
from exporter.conversion.values import options
from exporter.conversion.values.objects import (
    DictValue,
    Home,
    ListValue,
    NamedTuple,
    ObjectValue,
    OptionalValue,
    Value,
)
from exporter.conversion.values.runtime_contents import RuntimeLists
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import RaisedError, UnsupportedError
from exporter.onnx_graph.symbolic import SymInt, sym_max
from exporter.onnx_graph.values import SymBool, is_number

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter


def _refined(value: Value) -> Value:
    return value.value if isinstance(value, OptionalValue) else value


def is_runtime(value: Value) -> bool:
    """Whether this is a list of run-time length."""
    return isinstance(value, ListValue) and value.runtime is not None


@builtin("aten::len")
def length(interpreter: Interpreter, self: Value) -> Value:
    """The number of items; of a tensor the size of dim 0."""
    self = _refined(self)
    if isinstance(self, ListValue):
        if self.runtime is not None:
            return runtime_lists.length(interpreter.g, self.runtime)
        return len(self.items)
    if isinstance(self, DictValue):
        if self.runtime is not None:
            return runtime_lists.length(interpreter.g, self.runtime)
        return len(self.items)
    if isinstance(self, (tuple, str)):
        return len(as_bytes(self) if isinstance(self, str) else self)
    if isinstance(self, TensorRef):
        return interpreter.builtin("aten::size", self, 0)
    if isinstance(self, ObjectValue):
        return interpreter.call_method(self, "__len__", [])
    return NotImplemented


@builtin("aten::__getitem__", "prim::TupleIndex")
def get_item(interpreter: Interpreter, self: Value, key: Value) -> Value:
    """An item of a list, tuple, string or dict."""
    self = _refined(self)
    if isinstance(self, DictValue):
        return dicts.entry(interpreter, self, key)
    if isinstance(self, NamedTuple):
        self = self.values
    if isinstance(self, ListValue):
        if self.runtime is not None:
            item = runtime_lists.get(interpreter, self.runtime, key)
            if isinstance(self.runtime, RuntimeLists):
                item.home = Home(self, key, self.runtime)
            return item
        if isinstance(key, SymInt):
            if kinds.kind_of(self.items, self.element_type) in (None, "str"):
                return _any_item(interpreter, self.items, key)
            if _is_placed(interpreter, self):
                return either.item_at(interpreter, self.items, key)
            return runtime_lists.get(interpreter, runtime_lists.convert(interpreter, self), key)
        return self.items[_index(key, len(self.items))]
    if isinstance(self, str) and not self.isascii():
        self = _single_bytes(self)
    if isinstance(self, (tuple, str)):
        if isinstance(key, SymInt):
            return _any_item(interpreter, self, key)
        return self[_index(key, len(self))]
    if isinstance(self, TensorRef):
        return interpreter.call("aten::select", [self, 0, key], {})
    if isinstance(self, ObjectValue):
        return _submodule(interpreter, self, key)
    return NotImplemented


def _single_bytes(self: str) -> tuple[str, ...]:
    """The bytes of a string, each as one."""
    return tuple(as_text(bytes([byte])) for byte in as_bytes(self))


def _any_item(interpreter: Interpreter, items: Sequence[Value], key: SymInt) -> Value:
    """An item of what no run-time list can hold (objects, tuples, lists), or that is known."""
    item = options.item_at(interpreter, key, items)
    return choices.each_way(interpreter, item, lambda option: [option])[0]


def _is_placed(interpreter: Interpreter, self: ListValue, *items: Value) -> bool:
    """Whether it is told apart which tensor of a list is at an index of run time."""
    if not interpreter.places or self.runtime is not None:
        return False
    held = (*self.items, *items)
    return 0 < len(held) <= either.MOST_PLACES and all(isinstance(i, TensorRef) for i in held)


def _submodule(interpreter: Interpreter, self: ObjectValue, key: Value) -> Value:
    """An item of a ModuleDict or ModuleList as an interface; of a script class what it says.

    A negative index counts from the end as in Python; TorchScript itself refuses it there.
    """
    if "__getitem__" in self.type.methods:
        return interpreter.call_method(self, "__getitem__", [key])
    if isinstance(key, SymInt):
        modules = [m for name, m in self.attributes.items() if name.isdecimal()]
        return options.item_at(interpreter, key, modules)
    if isinstance(key, int):
        modules = [m for name, m in self.attributes.items() if name.isdecimal()]
        return modules[_index(key, len(modules))]
    if key not in self.attributes:
        raise RaisedError(f"there is no module {key!r}")
    return self.attributes[key]


def _index(key: Value, count: int) -> int:
    if isinstance(key, SymInt):
        raise UnsupportedError("an index that is only known at run time, into a tuple or a string")
    if not -count <= key < count:
        raise RaisedError(f"list index {key} is out of range for {count} items")
    return int(key)


@changes_list("aten::_set_item", "aten::__setitem__")
def set_item(interpreter: Interpreter, self: Value, key: Value, value: Value) -> Value:
    """`self[key] = value` of a list or dict."""
    self = _refined(self)
    if isinstance(self, DictValue):
        dicts.set_entry(interpreter, self, key, value)
        return self
    opaque = kinds.kind_of([value], None) in (None, "str")
    if self.runtime is None and isinstance(key, SymInt) and opaque:
        return _set_any_item(interpreter, self, key, value)
    interpreter.journal.touch(self)
    if isinstance(key, SymInt) and _is_placed(interpreter, self, value):
        self.items = either.with_item(interpreter, self.items, key, value)
    elif self.runtime is not None or isinstance(key, SymInt):
        self.runtime = list_edits.set_at(
            interpreter, runtime_lists.convert(interpreter, self), key, value
        )
        self.items = []
    else:
        self.items[_index(key, len(self.items))] = value
    return self


def _set_any_item(interpreter: Interpreter, self: ListValue, key: SymInt, value: Value) -> Value:
    """`self[key] = value` of a list that is no run-time list."""

    def set_at(index: int) -> None:
        self.items[index] = value

    position = options.item_at(interpreter, key, range(len(self.items)))
    _with_each(interpreter, self, position, set_at)
    return self


def _needs_each_way(self: ListValue, index: Value) -> bool:
    """Whether an index is of the run, and the items are nothing that a run-time list can hold."""
    if not isinstance(index, SymInt) or self.growing is not None:
        return False
    return bool(self.items) and not runtime_lists.is_convertible(self)


def _with_each(
    interpreter: Interpreter, self: ListValue, position: Value, change: Callable[[int], Value]
) -> Value:
    """Change a list at the place that the run picks; what the change gives."""

    def run(index: Value) -> Sequence[Value]:
        interpreter.journal.touch(self)
        return [change(index)]

    return choices.each_way(interpreter, position, run)[0]


@changes_list("aten::append")
def append(interpreter: Interpreter, self: ListValue, item: Value) -> Value:
    """Add an item at the end."""
    self = _refined(self)
    interpreter.journal.touch(self)
    if self.growing is not None:
        self.growing.append(item)
    elif self.runtime is not None:
        self.runtime = list_edits.append(interpreter, self.runtime, item)
    else:
        self.items.append(item)
    return self


@changes_list("aten::extend")
def extend(interpreter: Interpreter, self: ListValue, other: Value) -> Value:
    """Add all items of another list."""
    interpreter.journal.touch(self)
    if self.growing is None and self.runtime is None and not is_runtime(other):
        self.items.extend(list(interpreter.items(other)))
    elif not is_runtime(other):
        for item in list(interpreter.items(other)):
            append(interpreter, self, item)
    else:
        self.runtime = list_edits.concatenate(interpreter, [self, other])
        self.items = []
    return None


@builtin("aten::add_")
def add_in_place(
    interpreter: Interpreter, self: Value, other: Value, *rest: Value, **kw: Value
) -> Value:
    """`list += list`."""
    if not isinstance(self, ListValue) or rest or kw:
        return NotImplemented
    extend(interpreter, self, other)
    return self


@changes_list("aten::mul_")
def multiply_in_place(interpreter: Interpreter, self: Value, count: Value) -> Value:
    """`list *= n`."""
    if not isinstance(self, ListValue):
        return NotImplemented
    repetition = repeated(interpreter, self, count)
    interpreter.journal.touch(self)
    self.items, self.runtime = repetition.items, repetition.runtime
    return self


def concatenated(interpreter: Interpreter, self: Value, other: Value) -> Value:
    """`list + list`, `tuple + tuple`."""
    if isinstance(self, ListValue):
        if self.runtime is None and not is_runtime(other):
            return ListValue([*self.items, *interpreter.items(other)], self.element_type)
        joined = list_edits.concatenate(interpreter, [self, other])
        return ListValue.holding(joined, self.element_type)
    return joined_text([self, other]) if isinstance(self, str) else self + other


def repeated(interpreter: Interpreter, self: ListValue, count: Value) -> ListValue:
    """`list * n`."""
    if isinstance(count, SymInt) or self.runtime is not None:
        return ListValue.holding(list_edits.repeat(interpreter, self, count), self.element_type)
    return ListValue(self.items * count, self.element_type)


@changes_list("aten::insert")
def insert(interpreter: Interpreter, self: ListValue, index: Value, item: Value) -> Value:
    """Put an item before an index."""
    if _needs_each_way(self, index):
        position = list_edits.insertion_point(interpreter, index, len(self.items))
        _with_each(interpreter, self, position, lambda known: self.items.insert(known, item))
        return None
    interpreter.journal.touch(self)
    if self.runtime is not None or isinstance(index, SymInt):
        runtime = runtime_lists.convert(interpreter, self)
        self.runtime, self.items = list_edits.insert(interpreter, runtime, index, item), []
    else:
        self.items.insert(index, item)
    return None


@changes_list("aten::pop")
def pop(interpreter: Interpreter, self: Value, index: Value = -1, *default: Value) -> Value:
    """Remove and return an item of a list, or of a dict by key."""
    if isinstance(self, ListValue) and _needs_each_way(self, index):
        position = options.item_at(interpreter, index, range(len(self.items)))
        return _with_each(interpreter, self, position, lambda known: self.items.pop(known))
    if isinstance(self, DictValue):
        return dicts.popped(interpreter, self, index, *default)
    interpreter.journal.touch(self)
    if self.runtime is not None or isinstance(index, SymInt):
        runtime = runtime_lists.convert(interpreter, self)
        item, self.runtime = list_edits.taken(interpreter, runtime, index)
        self.items = []
        return item
    return self.items.pop(_index(index, len(self.items)))


@changes_list("aten::clear")
def clear(interpreter: Interpreter, self: Value) -> Value:
    """Remove all items."""
    interpreter.journal.touch(self)
    if isinstance(self, DictValue):
        self.items = {}
    else:
        self.items, self.runtime = [], None
    return None


@changes_list("aten::reverse")
def reverse(interpreter: Interpreter, self: ListValue) -> Value:
    """Reverse in place."""
    interpreter.journal.touch(self)
    if self.runtime is not None:
        self.runtime = list_edits.reverse(interpreter, self.runtime)
    else:
        self.items.reverse()
    return None


@builtin("aten::Delete")
def delete(interpreter: Interpreter, self: Value, key: Value) -> Value:
    """`del d[key]`, `del l[i]`."""
    pop(interpreter, self, key)
    return None


@builtin("aten::remove")
def remove(interpreter: Interpreter, self: ListValue, item: Value) -> Value:
    """Remove the first equal item."""
    pop(interpreter, self, index_of(interpreter, self, item))
    return None


def containers_equal(interpreter: Interpreter, a: Value, b: Value) -> Value:
    """Equality of lists, tuples and dicts, item by item."""
    if isinstance(a, DictValue) and isinstance(b, DictValue):
        if list(a.items) != list(b.items):
            return False
        pairs = [(a.items[k], b.items[k]) for k in a.items]
    elif is_runtime(a) or is_runtime(b):
        return list_contents.equal(interpreter, a, b)
    else:
        lists = (ListValue, tuple, NamedTuple)
        if not (isinstance(a, lists) and isinstance(b, lists)):
            return NotImplemented
        left, right = interpreter.items(a), interpreter.items(b)
        if len(left) != len(right):
            return False
        pairs = list(zip(left, right, strict=True))
    result: bool | SymBool = True
    for x, y in pairs:
        result = interpreter.builtin("aten::__and__", result, interpreter.equal(x, y))
        if result is False:
            break
    return result


@builtin("aten::list", "aten::copy", "aten::Size")
def copy(interpreter: Interpreter, self: Value) -> Value:
    """A shallow copy; of a string the list of its characters."""
    if isinstance(self, DictValue):
        return self.alike()
    if isinstance(self, str):
        return ListValue(list(_single_bytes(self)))
    if isinstance(self, TensorRef):
        return NotImplemented
    if is_runtime(self):
        return ListValue.holding(self.runtime, self.element_type)
    return ListValue(list(interpreter.items(self)), getattr(self, "element_type", None))


@builtin("aten::slice")
def slice_list(
    interpreter: Interpreter,
    self: Value,
    start: Value = None,
    end: Value = None,
    step: Value = 1,
    *rest: Value,
    **kw: Value,
) -> Value:
    """`list[a:b:c]`, `str[a:b]`, `tuple[a:b]`. Of a tensor: the operator."""
    if isinstance(self, str):
        if any(isinstance(v, SymInt) for v in (start, end, step)):
            raise unknown_text("a slice of a string with bounds")
        return as_text(as_bytes(self)[_bound(start) : _bound(end) : step])
    if isinstance(self, tuple):
        return self[_bound(start) : _bound(end) : step]
    if not isinstance(self, ListValue):
        return NotImplemented
    if self.runtime is not None or any(isinstance(v, SymInt) for v in (start, end, step)):
        runtime = runtime_lists.convert(interpreter, self)
        sliced = list_edits.slice_of(interpreter, runtime, start, end, step)
        return ListValue.holding(sliced, self.element_type)
    return ListValue(self.items[_bound(start) : _bound(end) : step], self.element_type)


def _bound(value: Value) -> int | None:
    return None if value is None else int(value)


# ---------------------------------------------------------------- iteration


@builtin("aten::__range_length")
def range_length(interpreter: Interpreter, low: Value, high: Value, step: Value) -> Value:
    """How many numbers `range(low, high, step)` has."""
    if isinstance(step, int):
        if step == 0:
            raise RaisedError("range() with step 0")
        distance = (high - low + step - 1) // step if step > 0 else (low - high - step - 1) // -step
        return sym_max(distance, 0)
    # The quotient rounded up, whatever sign the step will have.
    return sym_max(-((low - high) // step), 0)


@builtin("aten::__derive_index")
def derive_index(interpreter: Interpreter, index: Value, start: Value, step: Value) -> Value:
    """The number at a position of a range."""
    return start + index * step


@builtin("aten::__is__")
def identical(interpreter: Interpreter, a: Value, b: Value) -> Value:
    """`a is b`; with None it asks for presence."""
    for optional, other in ((a, b), (b, a)):
        if isinstance(optional, OptionalValue):
            if other is None:
                return logical_not(interpreter, optional.present)
            raise UnsupportedError("`is` on a value whose presence is only known at run time")
    if a is None or b is None:
        return a is b
    if is_number(a) and is_number(b):
        return equal(interpreter, a, b)
    return a is b or (isinstance(a, str) and a == b)


@builtin("aten::__isnot__")
def not_identical(interpreter: Interpreter, a: Value, b: Value) -> Value:
    """`a is not b`."""
    return logical_not(interpreter, identical(interpreter, a, b))


__all__ = ["concatenated", "containers_equal", "is_runtime", "repeated"]
