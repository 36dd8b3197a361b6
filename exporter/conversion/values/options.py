"""A choice as a value: a number that the run picks, and the options that it counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import onnx_ir as ir

from exporter.conversion.values.objects import ChoiceValue, Value
from exporter.errors import RaisedError
from exporter.onnx_graph.symbolic import Dim, SymInt, is_ge
from exporter.onnx_graph.values import SymBool, Tensor

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter
    from exporter.onnx_graph.builder import Builder

__all__ = ["item_at", "picked_from", "renumbered"]

INT64 = ir.DataType.INT64


def picked_from(picked: Dim, options: Sequence[Value]) -> Value:
    """The option of this number, which is known to be in range."""
    if not isinstance(picked, SymInt):
        return options[picked]
    symbol = picked.as_symbol()
    if symbol is not None and symbol.values is None:
        symbol.lower, symbol.upper = 0, len(options) - 1
        symbol.values = tuple(range(len(options)))
    return ChoiceValue(picked, tuple(options))


def item_at(interpreter: Interpreter, index: SymInt, items: Sequence[Value]) -> Value:
    """The item at an index, which may be negative; the model fails where it is out of range."""
    g, count = interpreter.g, len(items)
    if not items:
        raise RaisedError("an index into an empty list")
    if not (is_ge(index, 0) and is_ge(count - 1, index)):
        numbered = g.constant(list(range(count)), INT64)
        index = g.symbol("index", g.Gather(numbered, g.scalar(index), axis=0), None, lower=None)
    return picked_from(index, items)


def renumbered(g: Builder, choice: ChoiceValue, places: Sequence[int]) -> Tensor:
    """The number of a choice's option in another list of options, which has it at `places`."""
    if isinstance(choice.picked, SymBool):
        first, second = (g.constant(place, INT64) for place in places)
        where: Tensor = g.Where(choice.picked.tensor, first, second)
        return where
    number = g.scalar(choice.picked)
    if list(places) == list(range(len(places))):
        return number
    renamed: Tensor = g.Gather(g.constant(list(places), INT64), number, axis=0)
    return renamed
