"""Lists of strings whose length is only known at run time: of each string its number in a table.

    names.append("a" if c else "b")         numbers.append(0 if c else 1), of the table ("a", "b")

ONNX has next to no operators on strings, but the strings of a program are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import onnx_ir as ir

from exporter.conversion.runtime_lists.kinds import texts_of
from exporter.conversion.values.objects import ChoiceValue, ListValue, Value, type_name
from exporter.conversion.values.options import picked_from, renumbered
from exporter.conversion.values.runtime_contents import RuntimeTexts
from exporter.errors import RaisedError, UnsupportedError
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter
    from exporter.onnx_graph.builder import Builder

__all__ = ["held_as", "in_order", "item", "joined", "number_of", "table_of", "with_texts"]

_INT64 = ir.DataType.INT64


def table_of(items: Iterable[Value]) -> tuple[str, ...]:
    """All strings that some items may be."""
    found: dict[str, None] = {}
    for one in items:
        texts = texts_of(one)
        if not texts:
            raise UnsupportedError(
                f"a {type_name(one)} in a list of strings of run-time length, which can hold "
                "strings that are known when the model is made"
            )
        found.update(dict.fromkeys(texts))
    return tuple(found)


def held_as(g: Builder, items: Sequence[Value]) -> RuntimeTexts:
    """Strings as such a list."""
    texts = table_of(items)
    numbers = [number_of(g, one, texts) for one in items]
    return RuntimeTexts(texts, g.constant(numbers, _INT64))


def number_of(g: Builder, one: Value, texts: tuple[str, ...]) -> Value:
    """The number of a string; -1 if a table does not have it."""
    if isinstance(one, ChoiceValue):
        places = [_place(text, texts) for text in one.options]
        return g.integer(renumbered(g, one, places))
    return _place(one, texts)


def _place(text: str, texts: tuple[str, ...]) -> int:
    return texts.index(text) if text in texts else -1


def with_texts(g: Builder, self: RuntimeTexts, texts: tuple[str, ...]) -> RuntimeTexts:
    """The list by a table that has all its strings."""
    if texts[: len(self.texts)] == self.texts:
        return RuntimeTexts(texts, self.value)
    numbers = g.constant([texts.index(text) for text in self.texts], _INT64)
    return RuntimeTexts(texts, g.Gather(numbers, self.value))


def joined(interpreter: Interpreter, parts: Sequence[ListValue]) -> list[RuntimeTexts]:
    """Lists of strings by one table."""
    g = interpreter.g
    found = [_held(g, part) for part in parts]
    texts = tuple(dict.fromkeys(text for one in found for text in one.texts))
    return [with_texts(g, one, texts) for one in found]


def _held(g: Builder, part: ListValue) -> RuntimeTexts:
    if part.runtime is None:
        return held_as(g, part.items)
    assert isinstance(part.runtime, RuntimeTexts)
    return part.runtime


def in_order(g: Builder, self: RuntimeTexts) -> RuntimeTexts:
    """The list by a table in which a greater string has a greater number."""
    return with_texts(g, self, tuple(sorted(self.texts)))


def item(g: Builder, self: RuntimeTexts, number: Tensor) -> Value:
    """The string of a number."""
    if not self.texts:
        raise RaisedError("an index into an empty list")
    return picked_from(g.integer(number), self.texts)
