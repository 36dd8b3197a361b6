"""Builtins that change a list in place, also one that was taken from another list.

    groups[-1].append(x)

A list of run-time length holds its lists as tensors (`nested_lists`): the changed one is put back.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING

from exporter.conversion.builtins.builtin import builtin
from exporter.conversion.runtime_lists import nested_lists
from exporter.conversion.runtime_lists.list_edits import set_at
from exporter.conversion.values.objects import DictValue, Home, ListValue, Value
from exporter.conversion.values.runtime_contents import RuntimeLists, RuntimeTuples

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__ = ["changes_list"]


def changes_list(*names: str) -> Callable[[Callable[..., Value]], Callable[..., Value]]:
    """Register a builtin that may change the list that it is given first."""

    def register(function: Callable[..., Value]) -> Callable[..., Value]:
        @wraps(function)
        def run(interpreter: Interpreter, self: Value, *args: Value, **kwargs: Value) -> Value:
            result = function(interpreter, self, *args, **kwargs)
            if isinstance(self, ListValue) and self.home is not None:
                _put_back(interpreter, self, self.home)
            return result

        return builtin(*names)(run)

    return register


def _put_back(interpreter: Interpreter, self: ListValue, home: Home) -> None:
    """Put a list back to where it was taken from, if that has not changed since.

    If it has, or if two of its lists may be one, it is lost (`Container`).
    """
    owner, held = home.owner, home.contents
    keys, before = held.columns if isinstance(owner, DictValue) else (None, held)
    assert isinstance(before, RuntimeLists)
    self.home = None
    if owner.lost is not None or owner.stored is not held or before.may_repeat:
        return
    # What stood for its lists is lost: another member stands for them now.
    lists = nested_lists.add(
        interpreter,
        RuntimeLists(before.rows, before.item_kind),
        self,
        lambda rows, row: set_at(interpreter, rows, home.index, row),
    )
    held = lists if keys is None else RuntimeTuples([keys, lists])
    interpreter.journal.touch(owner)
    owner.runtime = held
    self.home = Home(owner, home.index, held)
