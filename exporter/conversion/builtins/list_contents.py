"""Builtins that look at the items of a list: find one, compare, sort, sum.

Where the length, or the values, are only known at run time, the items are looked at together, as a
1-D tensor. PyTorch compares tensors in lists by `bool(a == b)`, so these have one element each.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import onnx_ir as ir

from exporter.conversion.builtins import dicts, numbers, string_methods
from exporter.conversion.builtins.builtin import builtin
from exporter.conversion.builtins.list_changes import changes_list
from exporter.conversion.control_flow.branches import stage_calls
from exporter.conversion.runtime_lists import text_lists
from exporter.conversion.runtime_lists.list_edits import picked
from exporter.conversion.runtime_lists.runtime_lists import convert, get, length, sequence, stacked
from exporter.conversion.values.objects import (
    ChoiceValue,
    DictValue,
    ListValue,
    NamedTuple,
    ObjectValue,
    OptionalValue,
    Value,
)
from exporter.conversion.values.runtime_contents import RuntimeList, RuntimeTexts, TensorRows
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import RaisedError, UnsupportedError
from exporter.onnx_graph.symbolic import sym_min
from exporter.onnx_graph.values import SymBool, SymFloat, Tensor

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__ = ["equal", "index_of"]

_INT64, _DOUBLE, _BOOL = ir.DataType.INT64, ir.DataType.DOUBLE, ir.DataType.BOOL
_SEVERAL = (
    "comparing the tensors of a list of run-time length, which may have several elements; "
    "PyTorch compares tensors of one element only"
)


def _vector(interpreter: Interpreter, self: RuntimeList) -> Tensor:
    """The items as a 1-D tensor."""
    if self.kind != "tensor":
        return self.value
    g = interpreter.g
    if self.shape is None or any(isinstance(d, int) and d != 1 for d in self.shape):
        raise UnsupportedError(_SEVERAL)
    count = length(g, self)
    if isinstance(self, TensorRows) and self.ends is None:
        return g.reshape(stacked(g, self), [count])
    # There must be something to concatenate: an item more, which is cut off.
    one = g.constant(0, self.value.dtype)
    extra = g.reshape(one, [1] * len(self.shape))
    longer = g.SequenceInsert(sequence(g, self).value, extra)
    joined = g.ConcatFromSequence(longer, axis=0, new_axis=int(not self.shape))
    return g.Slice(g.reshape(joined, [count + 1]), [0], [-1], [0])  # type: ignore[no-any-return]


# ---------------------------------------------------------------- looking for an item


def _matches(interpreter: Interpreter, self: ListValue, item: Value) -> list[bool] | Tensor:
    """For each item whether it is equal to another: flags, or a tensor if they are not known."""
    g = interpreter.g
    runtime = self.runtime
    if runtime is None:
        flags = [interpreter.equal(candidate, item) for candidate in self.items]
        known = [flag for flag in flags if not isinstance(flag, SymBool)]
        return known if len(known) == len(flags) else g.constant(flags, _BOOL)
    vector = _vector(interpreter, runtime)
    if isinstance(runtime, RuntimeTexts):
        item = text_lists.number_of(g, item, runtime.texts)
    if runtime.kind != "tensor":
        return g.Equal(vector, g.constant(item, vector.dtype))  # type: ignore[no-any-return]
    if not isinstance(item, TensorRef):
        raise UnsupportedError("looking for what is no tensor in a list of tensors")
    wanted = TensorRef.fresh(g.reshape(item.read(g), []))
    return interpreter.call("aten::eq", [TensorRef.fresh(vector), wanted], {}).read(g)  # type: ignore[no-any-return]


@builtin("aten::index")
def index_of(interpreter: Interpreter, self: Value, item: Value, *rest: Value) -> Value:
    """The index of the first equal item of a list, or of a string in a string.

    Of a tensor: the operator.

    Where it is only known at run time, it is an error there if no item is equal.
    """
    if isinstance(self, str):
        return string_methods.index(self, item, *rest)
    if not isinstance(self, ListValue) or rest:
        return NotImplemented
    matches = _matches(interpreter, self, item)
    if isinstance(matches, Tensor):
        g = interpreter.g
        return g.integer(g.Gather(g.reshape(g.NonZero(matches), [-1]), 0))
    if True not in matches:
        raise RaisedError("the item is not in the list")
    return matches.index(True)


@builtin("aten::count")
def count(interpreter: Interpreter, self: Value, item: Value, *rest: Value) -> Value:
    """How often an item occurs in a list, or a string in a string."""
    if isinstance(self, str):
        return string_methods.count(self, item, *rest)
    if not isinstance(self, ListValue):
        return NotImplemented
    matches = _matches(interpreter, self, item)
    if isinstance(matches, Tensor):
        return interpreter.g.integer(_number(interpreter, matches))
    return sum(matches)


@builtin("aten::__contains__")
def contains(interpreter: Interpreter, self: Value, item: Value) -> Value:
    """`item in self`, for lists, dicts and strings."""
    if isinstance(self, OptionalValue):
        self = self.value
    if isinstance(self, DictValue):
        return dicts.has_key(interpreter, self, item)
    if isinstance(self, str):
        return item in self
    if isinstance(self, ObjectValue):
        return interpreter.call_method(self, "__contains__", [item])
    if isinstance(self, ListValue) and self.runtime is not None:
        matches = _matches(interpreter, self, item)
        assert isinstance(matches, Tensor)
        return numbers.boolean(interpreter.g.Greater(_number(interpreter, matches), 0))
    found: bool | SymBool = False
    for candidate in interpreter.items(self):
        found = interpreter.builtin("aten::__or__", found, interpreter.equal(candidate, item))
        if found is True:
            break
    return found


def _number(interpreter: Interpreter, mask: Tensor) -> Tensor:
    """How many of the flags are set."""
    g = interpreter.g
    return g.ReduceSum(g.cast(mask, _INT64), keepdims=False)  # type: ignore[no-any-return]


# ---------------------------------------------------------------- comparing


def equal(interpreter: Interpreter, a: ListValue, b: ListValue) -> Value:
    """Whether two lists, at least one of run-time length, have equal items."""
    g = interpreter.g
    kind = next(v.runtime.kind for v in (a, b) if v.runtime is not None)
    if kind == "str":
        a, b = map(ListValue.holding, text_lists.joined(interpreter, [a, b]))
    one, other = convert(interpreter, a, kind), convert(interpreter, b, kind)
    sizes = length(g, one), length(g, other)
    same_length = numbers.equal(interpreter, *sizes)
    if same_length is False:
        return False
    left, right = _vector(interpreter, one), _vector(interpreter, other)
    if same_length is not True:
        shorter = sym_min(*sizes)
        left, right = (g.Slice(v, [0], [shorter], [0]) for v in (left, right))
    differ = interpreter.call("aten::ne", [TensorRef.fresh(left), TensorRef.fresh(right)], {}).read(
        g
    )
    same_items = numbers.boolean(g.Equal(_number(interpreter, differ), 0))
    return interpreter.builtin("aten::__and__", same_length, same_items)


# ---------------------------------------------------------------- order


@changes_list("aten::sort")
def sort(
    interpreter: Interpreter, self: Value, reverse: Value = False, *rest: Value, **kw: Value
) -> Value:
    """Sort a list in place. Of a tensor: the operator."""
    if not isinstance(self, ListValue) or rest or kw:
        return NotImplemented
    interpreter.journal.touch(self)
    ordered = _sorted(interpreter, self, reverse)
    self.items, self.runtime = ordered.items, ordered.runtime
    return None


@builtin("aten::sorted")
def sorted_copy(interpreter: Interpreter, self: Value) -> Value:
    """A sorted copy."""
    return _sorted(interpreter, self, False)


def _sorted(interpreter: Interpreter, self: ListValue, descending: Value) -> ListValue:
    if self.runtime is None and isinstance(descending, bool):
        items = self.items
        if not items or all(isinstance(i, (int, float, str)) for i in items):
            return ListValue(sorted(items, reverse=descending), self.element_type)
        if any(isinstance(i, (tuple, NamedTuple, ObjectValue)) for i in items):
            return ListValue(_in_order(interpreter, items, descending), self.element_type)
    runtime = convert(interpreter, self)
    if isinstance(runtime, RuntimeTexts):
        runtime = text_lists.in_order(interpreter.g, runtime)
    vector = TensorRef.fresh(_vector(interpreter, runtime))
    found = interpreter.call("aten::sort", [vector, 0, descending], {})
    values, places = interpreter.items(found)
    if runtime.kind == "tensor":
        ordered = picked(interpreter, runtime, places.read(interpreter.g))
    else:
        ordered = runtime.with_value(values.read(interpreter.g))
    if self.runtime is not None:
        return ListValue.holding(ordered, self.element_type)
    # As many as there were.
    items = [get(interpreter, ordered, i) for i in range(len(self.items))]
    return ListValue(items, self.element_type)


def _in_order(interpreter: Interpreter, items: list[Value], descending: bool) -> list[Value]:
    """Tuples, or objects that say which is less, by comparing neighbours.

    C++ keeps the order of equal items as long as there are no more than 16.
    """
    if len(items) > _MOST_SORTED:
        raise UnsupportedError(f"sorting more than {_MOST_SORTED} tuples or objects")
    ordered = list(items)
    for end in range(len(ordered) - 1, 0, -1):
        for i in range(end):
            a, b = ordered[i : i + 2]
            swap = _less(interpreter, a, b) if descending else _less(interpreter, b, a)
            if swap is True:
                ordered[i : i + 2] = b, a
            elif isinstance(swap, SymBool):
                ordered[i : i + 2] = stage_calls(
                    interpreter, swap, partial(_pair, b, a), partial(_pair, a, b)
                )
    return ordered


_MOST_SORTED = 16


def _pair(a: Value, b: Value) -> Value:
    return a, b


def _less(interpreter: Interpreter, a: Value, b: Value) -> Value:
    """Whether an item is less than another; of tuples the first difference decides."""
    if isinstance(a, (ObjectValue, ChoiceValue)):
        return interpreter.call_method(a, "__lt__", [b])
    if not isinstance(a, (tuple, NamedTuple)):
        return numbers.truth(interpreter, interpreter.builtin("aten::lt", a, b))
    less: Value = False
    pairs = zip(interpreter.items(a), interpreter.items(b), strict=True)
    for x, y in reversed(list(pairs)):
        if less is not False:
            less = interpreter.builtin("aten::__and__", interpreter.equal(x, y), less)
        less = interpreter.builtin("aten::__or__", _less(interpreter, x, y), less)
    return less


# ---------------------------------------------------------------- all items together


@builtin("aten::sum_list", "prim::sum")
def list_sum(interpreter: Interpreter, self: Value) -> Value:
    """The sum of a list of numbers; of bools an int."""
    g = interpreter.g
    if isinstance(self, ListValue) and self.runtime is not None:
        runtime = self.runtime
        if runtime.kind == "bool":
            return g.integer(_number(interpreter, runtime.value))
        summed = g.ReduceSum(runtime.value, keepdims=False)
        return g.integer(summed) if runtime.kind == "int" else SymFloat(summed)
    total: Value = 0
    for item in interpreter.items(self):
        total = interpreter.builtin("aten::add", total, item)
    return total


@builtin("aten::sum")
def sum_of(interpreter: Interpreter, self: Value, *rest: Value, **kw: Value) -> Value:
    """`sum(list)`. Of a tensor: the operator."""
    if not isinstance(self, ListValue) or rest or kw:
        return NotImplemented
    return list_sum(interpreter, self)


def _quantifier(name: str, join: str, start: bool) -> None:
    def run(interpreter: Interpreter, self: Value, *rest: Value, **kw: Value) -> Value:
        if not isinstance(self, (ListValue, tuple)) or rest or kw:
            return NotImplemented
        if isinstance(self, ListValue) and self.runtime is not None:
            flags = TensorRef.fresh(_vector(interpreter, self.runtime))
            return interpreter.builtin("aten::Bool", interpreter.call(name, [flags], {}))
        found: Value = start
        for item in interpreter.items(self):
            found = interpreter.builtin(join, found, interpreter.builtin("aten::Bool", item))
        return found

    builtin(name)(run)


_quantifier("aten::any", "aten::__or__", start=False)
_quantifier("aten::all", "aten::__and__", start=True)


def _extreme(name: str) -> None:
    def run(interpreter: Interpreter, *args: Value) -> Value:
        if len(args) == 2 and all(isinstance(a, ListValue) for a in args):
            return _extreme_list(interpreter, *args, name)
        first = args[0]
        if len(args) == 1 and isinstance(first, ListValue) and first.runtime is not None:
            return _of_numbers(interpreter, first.runtime, name)
        return numbers.extreme(interpreter, name, *args)

    builtin(f"prim::{name}", f"aten::{name}")(run)


_extreme("max")
_extreme("min")


def _of_numbers(interpreter: Interpreter, self: RuntimeList, name: str) -> Value:
    """`min` or `max` of a list of numbers.

    Of none it is an error at run time: there is no first one. NaN as the first one stays the
    result, and no later one ever is, since no comparison with it holds.
    """
    g = interpreter.g
    vector = self.value if self.kind == "float" else g.cast(self.value, _INT64)
    first = g.Gather(vector, 0)
    reduce, join = (g.ReduceMin, g.Min) if name == "min" else (g.ReduceMax, g.Max)
    if self.kind != "float":
        found = g.integer(join(reduce(vector, keepdims=False), first))
        return interpreter.builtin("aten::Bool", found) if self.kind == "bool" else found
    unknown = g.IsNaN(vector)
    far = g.constant(float("inf" if name == "min" else "-inf"), _DOUBLE)
    found = reduce(g.Where(unknown, far, vector), keepdims=False)
    return SymFloat(g.Where(g.IsNaN(first), first, found))


def _extreme_list(interpreter: Interpreter, a: ListValue, b: ListValue, name: str) -> Value:
    """`min` or `max` of two lists of numbers: the first difference decides, else the length."""
    g = interpreter.g
    left, right = convert(interpreter, a), convert(interpreter, b)
    sizes = length(g, left), length(g, right)
    shorter = sym_min(*sizes)
    # Behind the items that both have come the lengths.
    dtype = _DOUBLE if left.kind == "float" else _INT64
    keys = []
    for runtime, size in zip((left, right), sizes, strict=True):
        items = g.Slice(g.cast(runtime.value, dtype), [0], [shorter], [0])
        keys.append(g.Concat(items, g.cast(g.constant([size], _INT64), dtype), axis=0))
    differ = g.reshape(g.NonZero(g.Not(g.Equal(*keys))), [-1])
    # Equal lists: any place will do.
    place = g.Gather(g.Concat(differ, g.constant([0], _INT64), axis=0), 0)
    compare = g.Less if name == "min" else g.Greater
    chosen = numbers.boolean(compare(*[g.Gather(k, place) for k in keys]))
    if not isinstance(chosen, SymBool):
        return a if chosen else b
    return stage_calls(interpreter, chosen, lambda: a, lambda: b)
