"""Builtins on lists, dicts and tuples.

Contents are Python values, so nearly all of this just runs. A list whose length is only known at
run time holds its contents as one ONNX value (`RuntimeList`), and its methods emit Sequence
operators or operators on 1-D tensors (`runtime_lists`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from exporter.conversion import choices, runtime_lists
from exporter.conversion.builtin import builtin
from exporter.conversion.numbers import equal, logical_not
from exporter.conversion.objects import (
    DictValue,
    ListValue,
    NamedTuple,
    ObjectValue,
    OptionalValue,
    Value,
)
from exporter.conversion.raising import RaisedError
from exporter.conversion.strings import joined_text
from exporter.conversion.tensors import TensorRef
from exporter.errors import UnsupportedError
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
            return runtime_lists.length(interpreter, self.runtime)
        return len(self.items)
    if isinstance(self, DictValue):
        return len(self.items)
    if isinstance(self, (tuple, str)):
        return len(self)
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
        key = interpreter.dict_key(key)
        if key not in self.items:
            raise RaisedError(f"the program raises: the dict has no key {key!r}")
        return self.items[key]
    if isinstance(self, NamedTuple):
        self = self.values
    if isinstance(self, ListValue):
        if self.runtime is not None:
            return runtime_lists.get(interpreter, self.runtime, key)
        if isinstance(key, SymInt):
            if runtime_lists.kind_of(self.items, self.element_type) is None:
                return _any_item(interpreter, self.items, key)
            return runtime_lists.get(interpreter, runtime_lists.convert(interpreter, self), key)
        return self.items[_index(key, len(self.items))]
    if isinstance(self, (tuple, str)):
        if isinstance(key, SymInt):
            return _any_item(interpreter, self, key)
        return self[_index(key, len(self))]
    if isinstance(self, TensorRef):
        return interpreter.call("aten::select", [self, 0, key], {})
    if isinstance(self, ObjectValue):
        return _submodule(interpreter, self, key)
    return NotImplemented


def _any_item(interpreter: Interpreter, items: Sequence[Value], key: SymInt) -> Value:
    """An item of what no run-time list can hold: objects, strings, tuples, lists."""
    item = choices.item_at(interpreter, key, items)
    return choices.each_way(interpreter, item, lambda option: [option])[0]


def _submodule(interpreter: Interpreter, self: ObjectValue, key: Value) -> Value:
    """An item of a ModuleDict or ModuleList as an interface; of a script class what it says.

    A negative index counts from the end as in Python; TorchScript itself refuses it there.
    """
    if "__getitem__" in self.type.methods:
        return interpreter.call_method(self, "__getitem__", [key])
    if isinstance(key, SymInt):
        modules = [m for name, m in self.attributes.items() if name.isdecimal()]
        return choices.item_at(interpreter, key, modules)
    if isinstance(key, int):
        modules = [m for name, m in self.attributes.items() if name.isdecimal()]
        return modules[_index(key, len(modules))]
    if key not in self.attributes:
        raise RaisedError(f"the program raises: there is no module {key!r}")
    return self.attributes[key]


def _index(key: Value, count: int) -> int:
    if isinstance(key, SymInt):
        raise UnsupportedError("an index that is only known at run time, into a tuple or a string")
    if not -count <= key < count:
        raise RaisedError(f"the program raises: list index {key} is out of range for {count} items")
    return int(key)


@builtin("aten::_set_item", "aten::__setitem__")
def set_item(interpreter: Interpreter, self: Value, key: Value, value: Value) -> Value:
    """`self[key] = value` of a list or dict."""
    self = _refined(self)
    interpreter.journal.touch(self)
    if isinstance(self, DictValue):
        self.items[interpreter.dict_key(key)] = value
        return self
    if self.runtime is not None or isinstance(key, SymInt):
        self.runtime = runtime_lists.set_at(
            interpreter, runtime_lists.convert(interpreter, self), key, value
        )
        self.items = []
    else:
        self.items[_index(key, len(self.items))] = value
    return self


@builtin("aten::append")
def append(interpreter: Interpreter, self: ListValue, item: Value) -> Value:
    """Add an item at the end."""
    self = _refined(self)
    interpreter.journal.touch(self)
    if self.growing is not None:
        self.growing.append(item)
    elif self.runtime is not None:
        self.runtime = runtime_lists.append(interpreter, self.runtime, item)
    else:
        self.items.append(item)
    return self


@builtin("aten::extend")
def extend(interpreter: Interpreter, self: ListValue, other: Value) -> Value:
    """Add all items of another list."""
    interpreter.journal.touch(self)
    if self.growing is None and self.runtime is None and not is_runtime(other):
        self.items.extend(list(interpreter.items(other)))
    elif not is_runtime(other):
        for item in list(interpreter.items(other)):
            append(interpreter, self, item)
    else:
        self.runtime = runtime_lists.concatenate(
            interpreter,
            runtime_lists.convert(interpreter, self),
            runtime_lists.convert(interpreter, other),
        )
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


def concatenated(interpreter: Interpreter, self: Value, other: Value) -> Value:
    """`list + list`, `tuple + tuple`."""
    if isinstance(self, ListValue):
        result = ListValue(list(self.items), self.element_type)
        result.runtime = self.runtime
        extend(interpreter, result, other)
        return result
    return joined_text([self, other]) if isinstance(self, str) else self + other


def repeated(interpreter: Interpreter, self: ListValue, count: Value) -> Value:
    """`list * n`."""
    if isinstance(count, SymInt) or self.runtime is not None:
        runtime = runtime_lists.convert(interpreter, self)
        result = ListValue([], self.element_type)
        result.runtime = runtime_lists.repeat(interpreter, runtime, count)
        return result
    return ListValue(self.items * count, self.element_type)


@builtin("aten::insert")
def insert(interpreter: Interpreter, self: ListValue, index: Value, item: Value) -> Value:
    """Put an item before an index."""
    interpreter.journal.touch(self)
    if self.runtime is not None or isinstance(index, SymInt):
        runtime = runtime_lists.convert(interpreter, self)
        self.runtime, self.items = runtime_lists.insert(interpreter, runtime, index, item), []
    else:
        self.items.insert(index, item)
    return None


@builtin("aten::pop")
def pop(interpreter: Interpreter, self: Value, index: Value = -1, *default: Value) -> Value:
    """Remove and return an item of a list, or of a dict by key."""
    interpreter.journal.touch(self)
    if isinstance(self, DictValue):
        key = interpreter.dict_key(index)
        if key not in self.items and not default:
            raise RaisedError(f"the program raises: the dict has no key {key!r}")
        return self.items.pop(key, *default)
    if self.runtime is not None or isinstance(index, SymInt):
        runtime = runtime_lists.convert(interpreter, self)
        item = runtime_lists.get(interpreter, runtime, index)
        self.runtime, self.items = runtime_lists.remove_at(interpreter, runtime, index), []
        return item
    return self.items.pop(_index(index, len(self.items)))


@builtin("aten::clear")
def clear(interpreter: Interpreter, self: Value) -> Value:
    """Remove all items."""
    interpreter.journal.touch(self)
    if isinstance(self, DictValue):
        self.items = {}
    else:
        self.items, self.runtime = [], None
    return None


@builtin("aten::reverse")
def reverse(interpreter: Interpreter, self: ListValue) -> Value:
    """Reverse in place."""
    interpreter.journal.touch(self)
    if self.runtime is not None:
        self.runtime = runtime_lists.reverse(interpreter, self.runtime)
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
    interpreter.journal.touch(self)
    if self.runtime is not None:
        raise UnsupportedError("removing an item by value from a list of run-time length")
    self.items.pop(index_of(interpreter, self, item))
    return None


@builtin("aten::index")
def index_of(interpreter: Interpreter, self: Value, item: Value, *rest: Value) -> Value:
    """The index of the first equal item of a list. Of a tensor: the operator."""
    if not isinstance(self, ListValue):
        return NotImplemented
    for i, candidate in enumerate(interpreter.items(self)):
        if _known(interpreter.equal(candidate, item)):
            return i
    raise RaisedError("the program raises: the item is not in the list")


@builtin("aten::count")
def count(interpreter: Interpreter, self: Value, item: Value, *rest: Value) -> Value:
    """How often an item occurs in a list, or a string in a string."""
    if isinstance(self, str):
        return self.count(item, *rest)
    if not isinstance(self, ListValue):
        return NotImplemented
    return sum(_known(interpreter.equal(c, item)) for c in interpreter.items(self))


def _known(value: Value) -> bool:
    if isinstance(value, SymBool):
        raise UnsupportedError("comparing list items whose values are only known at run time")
    return bool(value)


@builtin("aten::__contains__")
def contains(interpreter: Interpreter, self: Value, item: Value) -> Value:
    """`item in self`, for lists, dicts and strings."""
    self = _refined(self)
    if isinstance(self, DictValue):
        return interpreter.dict_key(item) in self.items
    if isinstance(self, str):
        return item in self
    if isinstance(self, ObjectValue):
        return interpreter.call_method(self, "__contains__", [item])
    if isinstance(self, ListValue) and self.runtime is not None:
        return runtime_lists.contains(interpreter, self.runtime, item)
    found: bool | SymBool = False
    for candidate in interpreter.items(self):
        found = interpreter.builtin("aten::__or__", found, interpreter.equal(candidate, item))
        if found is True:
            break
    return found


def containers_equal(interpreter: Interpreter, a: Value, b: Value) -> Value:
    """Equality of lists, tuples and dicts, item by item."""
    if isinstance(a, DictValue) and isinstance(b, DictValue):
        if list(a.items) != list(b.items):
            return False
        pairs = [(a.items[k], b.items[k]) for k in a.items]
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


@builtin("aten::list", "aten::copy")
def copy(interpreter: Interpreter, self: Value) -> Value:
    """A shallow copy; of a string the list of its characters."""
    if isinstance(self, DictValue):
        return DictValue(dict(self.items))
    if isinstance(self, str):
        return ListValue(list(self))
    if isinstance(self, TensorRef):
        return NotImplemented
    if is_runtime(self):
        result = ListValue([], self.element_type)
        result.runtime = self.runtime
        return result
    return ListValue(list(interpreter.items(self)), getattr(self, "element_type", None))


@builtin("aten::sort")
def sort(
    interpreter: Interpreter, self: Value, reverse: Value = False, *rest: Value, **kw: Value
) -> Value:
    """Sort a list of numbers or strings in place. Of a tensor: the operator."""
    if not isinstance(self, ListValue) or rest or kw:
        return NotImplemented
    interpreter.journal.touch(self)
    self.items = _sorted(self, reverse)
    return None


@builtin("aten::sorted")
def sorted_copy(interpreter: Interpreter, self: Value) -> Value:
    """A sorted copy."""
    return ListValue(_sorted(self, False), self.element_type)


def _sorted(self: ListValue, descending: bool) -> list[Value]:
    items = self.items
    if self.runtime is not None or not all(isinstance(i, (int, float, str)) for i in items):
        raise UnsupportedError("sorting a list whose values are only known at run time")
    return sorted(items, reverse=descending)


@builtin("aten::sum_list", "prim::sum")
def list_sum(interpreter: Interpreter, self: Value) -> Value:
    """The sum of a list of numbers."""
    total: Value = 0
    for item in interpreter.items(self):
        total = interpreter.builtin("aten::add", total, item)
    return total


@builtin("aten::sum")
def sum_of(interpreter: Interpreter, self: Value, *rest: Value, **kw: Value) -> Value:
    """`sum(list)`. Of a tensor: the operator."""
    if not isinstance(self, ListValue) or rest or kw:
        return NotImplemented
    if self.runtime is not None:
        return runtime_lists.total(interpreter, self.runtime)
    return list_sum(interpreter, self)


def _quantifier(name: str, join: str, start: bool) -> None:
    def run(interpreter: Interpreter, self: Value, *rest: Value, **kw: Value) -> Value:
        if not isinstance(self, (ListValue, tuple)) or rest or kw:
            return NotImplemented
        found: Value = start
        for item in interpreter.items(self):
            found = interpreter.builtin(join, found, interpreter.builtin("aten::Bool", item))
        return found

    builtin(name)(run)


_quantifier("aten::any", "aten::__or__", start=False)
_quantifier("aten::all", "aten::__and__", start=True)


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
        return self[_bound(start) : _bound(end) : step]
    if isinstance(self, tuple):
        return self[_bound(start) : _bound(end) : step]
    if not isinstance(self, ListValue):
        return NotImplemented
    if self.runtime is not None or isinstance(start, SymInt) or isinstance(end, SymInt):
        result = ListValue([], self.element_type)
        runtime = runtime_lists.convert(interpreter, self)
        result.runtime = runtime_lists.slice_of(interpreter, runtime, start, end, step)
        return result
    return ListValue(self.items[_bound(start) : _bound(end) : step], self.element_type)


def _bound(value: Value) -> int | None:
    return None if value is None else int(value)


@builtin("aten::unbind")
def unbind(interpreter: Interpreter, self: Value, dim: Value = 0) -> Value:
    """The slices along a dim whose size is only known at run time. Else: the operator."""
    if not isinstance(self, TensorRef):
        return NotImplemented
    shape = self.read(interpreter.g).shape
    if not shape or isinstance(shape[dim], int):
        return NotImplemented
    return runtime_lists.rows(interpreter, self, dim % len(shape))


@builtin("aten::stack")
def stack(interpreter: Interpreter, tensors: Value, dim: Value = 0, **kw: Value) -> Value:
    """`torch.stack` of a list of tensors of run-time length. Else: the operator."""
    if kw or not isinstance(tensors, ListValue) or tensors.runtime is None:
        return NotImplemented
    return TensorRef.fresh(runtime_lists.joined(interpreter, tensors.runtime, dim, new_dim=True))


@builtin("aten::cat", "aten::concat", "aten::concatenate")
def cat(interpreter: Interpreter, tensors: Value, dim: Value = 0, **kw: Value) -> Value:
    """`torch.cat` of a list of tensors of run-time length. Else: the operator."""
    if kw or not isinstance(tensors, ListValue) or tensors.runtime is None:
        return NotImplemented
    return TensorRef.fresh(runtime_lists.joined(interpreter, tensors.runtime, dim, new_dim=False))


# ---------------------------------------------------------------- dicts


@builtin("aten::dict")
def make_dict(interpreter: Interpreter, pairs: Value = None) -> Value:
    """`dict(pairs)`, or a copy of a dict."""
    if isinstance(pairs, DictValue):
        return DictValue(dict(pairs.items))
    found = [interpreter.items(p) for p in interpreter.items(pairs)] if pairs is not None else []
    return DictValue({interpreter.dict_key(k): v for k, v in found})


@builtin("aten::keys")
def keys(interpreter: Interpreter, self: DictValue) -> Value:
    """The keys as a list."""
    return ListValue(list(self.items))


@builtin("aten::values")
def values(interpreter: Interpreter, self: Value) -> Value:
    """The values as a list."""
    return ListValue(list(self.items.values())) if isinstance(self, DictValue) else NotImplemented


@builtin("aten::items")
def items(interpreter: Interpreter, self: DictValue) -> Value:
    """Pairs of key and value as a list."""
    return ListValue(list(self.items.items()))


@builtin("aten::get")
def get(interpreter: Interpreter, self: DictValue, key: Value, default: Value = None) -> Value:
    """The value of a key, or a default."""
    return self.items.get(interpreter.dict_key(key), default)


@builtin("aten::setdefault")
def setdefault(interpreter: Interpreter, self: DictValue, key: Value, default: Value) -> Value:
    """The value of a key, entered if it is missing."""
    interpreter.journal.touch(self)
    return self.items.setdefault(interpreter.dict_key(key), default)


@builtin("aten::update")
def update(interpreter: Interpreter, self: DictValue, other: DictValue) -> Value:
    """Enter all items of another dict."""
    interpreter.journal.touch(self)
    self.items.update(other.items)
    return None


@builtin("aten::popitem")
def popitem(interpreter: Interpreter, self: DictValue) -> Value:
    """Remove and return the last item."""
    interpreter.journal.touch(self)
    return self.items.popitem()


# ---------------------------------------------------------------- iteration


@builtin("aten::__range_length")
def range_length(interpreter: Interpreter, low: Value, high: Value, step: Value) -> Value:
    """How many numbers `range(low, high, step)` has."""
    if isinstance(step, int):
        if step == 0:
            raise RaisedError("the program raises: range() with step 0")
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
