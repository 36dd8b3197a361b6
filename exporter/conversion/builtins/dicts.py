"""Builtins on dicts alone; `containers` has what they share with lists (length, items).

Which of their keys is asked for may be up to the run. Where it is also up to the run what keys
there are, `runtime_dicts` has the rest.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from exporter.conversion.builtins.builtin import builtin
from exporter.conversion.builtins.numbers import as_tensor, equal
from exporter.conversion.control_flow import branches, choices
from exporter.conversion.runtime_lists import runtime_dicts
from exporter.conversion.runtime_lists.dict_forms import pairs
from exporter.conversion.values import options
from exporter.conversion.values.objects import DictValue, Value
from exporter.errors import RaisedError
from exporter.onnx_graph.symbolic import Dim, SymInt, is_ge
from exporter.onnx_graph.values import SymBool, SymScalar, is_number

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__ = ["entry", "has_key", "popped", "set_entry"]


def _is_of_run_time(self: DictValue, key: Value) -> bool:
    """Whether a key is a number of the run, and those of the dict are numbers."""
    return isinstance(key, (SymInt, SymScalar)) and all(map(is_number, self.items))


def _is_unknown(interpreter: Interpreter, self: DictValue, key: Value) -> bool:
    """Whether a dict of run-time keys is needed, by those that it has or a key of the run."""
    if self.runtime is not None:
        return True
    return interpreter.keys and _is_of_run_time(self, key)


def _place(interpreter: Interpreter, self: DictValue, key: Value) -> Dim:
    """Where a key of the run is among the known ones; the model fails where it is none of them."""
    g = interpreter.g
    known = g.constant(np.array(list(self.items)))
    found = g.NonZero(g.Equal(known, as_tensor(g, key, known.dtype)))
    return g.integer(g.Gather(found, g.constant(0), axis=1))


def entry(interpreter: Interpreter, self: DictValue, key: Value) -> Value:
    """`self[key]`."""
    if self.runtime is not None:
        return runtime_dicts.entry(interpreter, self, key)
    if _is_of_run_time(self, key):
        if not self.items:
            raise RaisedError("the dict is empty")
        picked = options.picked_from(_place(interpreter, self, key), list(self.items.values()))
        item = choices.each_way(interpreter, picked, lambda option: [option])[0]
        found = has_key(interpreter, self, key)
        if isinstance(found, SymBool):
            interpreter.facts.assume(found.condition, holds=True)
        return item
    key = interpreter.dict_key(key)
    if key not in self.items:
        raise RaisedError(f"the dict has no key {key!r}")
    return self.items[key]


def has_key(interpreter: Interpreter, self: DictValue, key: Value) -> bool | SymBool:
    """`key in self`."""
    if self.runtime is not None:
        return runtime_dicts.has_key(interpreter, self, key)
    if not _is_of_run_time(self, key):
        return interpreter.dict_key(key) in self.items
    if _is_in_range(self, key):
        return True
    found: Value = False
    for known in self.items:
        found = interpreter.builtin("aten::__or__", found, equal(interpreter, known, key))
    return found  # type: ignore[no-any-return]


def _is_in_range(self: DictValue, key: Value) -> bool:
    """Whether a key of the run lies between two integers with all between them among the keys."""
    keys = [known for known in self.items if type(known) is int]
    if not isinstance(key, SymInt) or not keys or len(keys) < len(self.items):
        return False
    low, high = min(keys), max(keys)
    if high - low + 1 > len(keys):
        return False
    return is_ge(key, low) is True and is_ge(high, key) is True


def _is_entered(interpreter: Interpreter, self: DictValue, key: Value) -> bool:
    """Whether a key of the run is one of the dict's, by what the program asked before."""
    if not _is_of_run_time(self, key):
        return False
    found = has_key(interpreter, self, key)
    if isinstance(found, SymBool):
        return interpreter.facts.assumed(found.condition) is True
    return found


def set_entry(interpreter: Interpreter, self: DictValue, key: Value, value: Value) -> None:
    """`self[key] = value`. The dict keeps its known keys where it is known that none is new."""
    entered = self.runtime is None and _is_entered(interpreter, self, key)
    if not entered:
        if _is_unknown(interpreter, self, key):
            found = has_key(interpreter, self, key)
            runtime_dicts.set_entry(interpreter, self, key, value, found)
            return
        interpreter.journal.touch(self)
        self.items[interpreter.dict_key(key)] = value
        return
    written = {}
    for known, before in self.items.items():
        chosen = equal(interpreter, known, key)
        written[known] = branches.stage_runs(
            interpreter, chosen, lambda: [value], partial(_alone, before)
        )[0]
    interpreter.journal.touch(self)
    self.items.update(written)


def _alone(item: Value) -> list[Value]:
    return [item]


def popped(interpreter: Interpreter, self: DictValue, key: Value, *default: Value) -> Value:
    """Remove a key and return its value, or a default where it is not there."""
    if _is_unknown(interpreter, self, key):
        return runtime_dicts.popped(interpreter, self, key, *default)
    interpreter.journal.touch(self)
    key = interpreter.dict_key(key)
    if key not in self.items and not default:
        raise RaisedError(f"the dict has no key {key!r}")
    return self.items.pop(key, *default)


@builtin("aten::dict")
def make_dict(interpreter: Interpreter, self: Value = None) -> Value:
    """`dict(pairs)`, or a copy of a dict."""
    if isinstance(self, DictValue):
        return self.alike()
    made = DictValue({})
    for pair in interpreter.items(self) if self is not None else []:
        set_entry(interpreter, made, *interpreter.items(pair))
    return made


@builtin("aten::keys")
def keys(interpreter: Interpreter, self: DictValue) -> Value:
    """The keys as a list."""
    return runtime_dicts.keys(self)


@builtin("aten::values")
def values(interpreter: Interpreter, self: Value) -> Value:
    """The values as a list."""
    return runtime_dicts.values(self) if isinstance(self, DictValue) else NotImplemented


@builtin("aten::items")
def items(interpreter: Interpreter, self: DictValue) -> Value:
    """Pairs of key and value as a list."""
    return pairs(self)


@builtin("aten::get")
def get(interpreter: Interpreter, self: DictValue, key: Value, default: Value = None) -> Value:
    """The value of a key, or a default."""
    return branches.stage_runs(
        interpreter,
        has_key(interpreter, self, key),
        lambda: [entry(interpreter, self, key)],
        lambda: [default],
    )[0]


@builtin("aten::setdefault")
def setdefault(interpreter: Interpreter, self: DictValue, key: Value, default: Value) -> Value:
    """The value of a key, entered if it is missing."""

    def enter() -> list[Value]:
        set_entry(interpreter, self, key, default)
        return [default]

    return branches.stage_runs(
        interpreter,
        has_key(interpreter, self, key),
        lambda: [entry(interpreter, self, key)],
        enter,
    )[0]


@builtin("aten::update")
def update(interpreter: Interpreter, self: DictValue, other: DictValue) -> Value:
    """Enter all items of another dict."""
    if self.runtime is None and not self.items:
        interpreter.journal.touch(self)
        self.fill(other.alike().contents())
        return None
    for key, value in list(other.items.items()):
        set_entry(interpreter, self, key, value)
    return None


@builtin("aten::popitem")
def popitem(interpreter: Interpreter, self: DictValue) -> Value:
    """Remove and return the first item: Python's would be the last."""
    if self.runtime is not None:
        return runtime_dicts.first_popped(interpreter, self)
    interpreter.journal.touch(self)
    if not self.items:
        raise RaisedError("popitem() of an empty dict")
    key = next(iter(self.items))
    return key, self.items.pop(key)
