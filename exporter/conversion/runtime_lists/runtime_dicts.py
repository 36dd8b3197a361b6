"""Dicts of which only the run tells what keys they have: a list of keys and one of values.

    counts[k] = 1           place = keys.index(k), or k and 1 are appended

ONNX has no dicts. Both lists are of run-time length, so keys are numbers or strings, and values are
what such a list can hold (`kinds`, `tuple_lists`, `nested_lists`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.conversion.control_flow import branches
from exporter.conversion.runtime_lists import list_edits, nested_lists, runtime_lists
from exporter.conversion.runtime_lists.dict_forms import pairs
from exporter.conversion.values.objects import DictValue, Home, ListValue, NamedTuple, Value
from exporter.conversion.values.runtime_contents import (
    RuntimeList,
    RuntimeLists,
    RuntimeTexts,
    RuntimeTuples,
)
from exporter.errors import UnsupportedError
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import SymBool
from exporter.torchscript.types import Type

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.conversion.interpreter import Interpreter

__all__ = [
    "as_result",
    "convert",
    "entry",
    "first_popped",
    "has_key",
    "keys",
    "popped",
    "set_entry",
    "values",
]


def keys(self: DictValue) -> ListValue:
    """The keys as a list."""
    return _column(self, 0, None if self.type is None else self.type.key)


def values(self: DictValue) -> ListValue:
    """The values as a list."""
    return _column(self, 1, None if self.type is None else self.type.value)


def _column(self: DictValue, number: int, element: Type | None) -> ListValue:
    if self.runtime is not None:
        return ListValue.holding(self.runtime.columns[number], element)
    return ListValue([pair[number] for pair in self.items.items()], element)


def convert(interpreter: Interpreter, self: DictValue, *more: tuple[Value, Value]) -> RuntimeTuples:
    """Hold a dict's items, and more of them, as those of one of run-time keys."""
    if self.runtime is None:
        held = pairs(self)
        runtime = runtime_lists.convert(
            interpreter, ListValue([*held.items, *more], held.element_type)
        )
        assert isinstance(runtime, RuntimeTuples)
        interpreter.journal.touch(self)
        self.runtime = runtime
    assert self.runtime is not None
    return self.runtime


# ---------------------------------------------------------------- by key


def has_key(interpreter: Interpreter, self: DictValue, key: Value) -> bool | SymBool:
    """`key in self`."""
    return interpreter.builtin("aten::__contains__", keys(self), key)  # type: ignore[no-any-return]


def _place(interpreter: Interpreter, self: DictValue, key: Value) -> Dim:
    """Where a key is; the model fails where it is not there."""
    return interpreter.builtin("aten::index", keys(self), key)  # type: ignore[no-any-return]


def entry(interpreter: Interpreter, self: DictValue, key: Value) -> Value:
    """`self[key]`."""
    assert self.runtime is not None
    place = _place(interpreter, self, key)
    column = self.runtime.columns[1]
    item = runtime_lists.get(interpreter, column, place)
    if isinstance(column, RuntimeLists):
        item.home = Home(self, place, self.runtime)
    return item


def set_entry(
    interpreter: Interpreter, self: DictValue, key: Value, value: Value, found: bool | SymBool
) -> None:
    """`self[key] = value`; `found` says whether the key is there."""
    if found is False and self.runtime is None:
        convert(interpreter, self, (key, value))
        return
    names, held = convert(interpreter, self).columns

    def put(column: RuntimeList, item: Value) -> RuntimeList:
        nonlocal names

        def replaced() -> list[Value]:
            place = _place(interpreter, self, key)
            changed = list_edits.set_at(interpreter, column, place, item)
            return [ListValue.holding(names), ListValue.holding(changed)]

        def added() -> list[Value]:
            pair = zip((names, column), (key, item), strict=True)
            return [ListValue.holding(list_edits.append(interpreter, c, new)) for c, new in pair]

        after = _either(interpreter, found, replaced, added)
        names = after[0].runtime
        return after[1].runtime  # type: ignore[no-any-return]

    if isinstance(held, RuntimeLists):
        held = nested_lists.add(interpreter, held, value, put)
    else:
        held = put(held, value)
    interpreter.journal.touch(self)
    self.runtime = RuntimeTuples([names, held])


def popped(interpreter: Interpreter, self: DictValue, key: Value, *default: Value) -> Value:
    """`self.pop(key)`, or the default where it is not there."""

    def take() -> list[Value]:
        runtime = convert(interpreter, self)
        item, left = list_edits.taken(interpreter, runtime, _place(interpreter, self, key))
        interpreter.journal.touch(self)
        self.runtime = _as_tuples(left)
        return [item[1]]

    if not default:
        return take()[0]
    convert(interpreter, self)
    found = has_key(interpreter, self, key)
    return _either(interpreter, found, take, lambda: [default[0]])[0]


def first_popped(interpreter: Interpreter, self: DictValue) -> Value:
    """Remove and return the first pair; the model fails where there is none."""
    runtime = convert(interpreter, self)
    item, left = list_edits.taken(interpreter, runtime, 0)
    interpreter.journal.touch(self)
    self.runtime = _as_tuples(left)
    return item


def _either(
    interpreter: Interpreter,
    found: bool | SymBool,
    then: Callable[[], list[Value]],
    other: Callable[[], list[Value]],
) -> list[Value]:
    if isinstance(found, SymBool):
        known = interpreter.facts.assumed(found.condition)
        found = found if known is None else known
    if isinstance(found, bool):
        return then() if found else other()
    return list(branches.stage_runs(interpreter, found, then, other))


def _as_tuples(runtime: RuntimeList) -> RuntimeTuples:
    assert isinstance(runtime, RuntimeTuples)
    return runtime


# ---------------------------------------------------------------- as a result


def as_result(interpreter: Interpreter, value: Value) -> Value:
    """A result with each dict of run-time keys as one of known keys.

    Strings that may be keys are the keys, each with a value that may be None.
    """
    if isinstance(value, NamedTuple):
        fields = {k: as_result(interpreter, v) for k, v in value.fields.items()}
        return NamedTuple(value.type_name, fields)
    if isinstance(value, tuple):
        return tuple(as_result(interpreter, v) for v in value)
    if isinstance(value, ListValue) and value.runtime is None:
        return ListValue([as_result(interpreter, v) for v in value.items], value.element_type)
    if not isinstance(value, DictValue):
        return value
    if value.runtime is None:
        return DictValue({k: as_result(interpreter, v) for k, v in value.items.items()})
    names = value.runtime.columns[0]
    if not isinstance(names, RuntimeTexts):
        raise UnsupportedError(
            "a result that is a dict of which only the run tells what numbers its keys are",
            ("try  return two lists: list(d.keys()), list(d.values())",),
        )
    return DictValue({k: interpreter.builtin("aten::get", value, k) for k in names.texts})
