"""Builtins on dicts alone; `containers` has what they share with lists (length, items, pop)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.conversion.builtin import builtin
from exporter.conversion.objects import DictValue, ListValue, Value

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__: list[str] = []


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
