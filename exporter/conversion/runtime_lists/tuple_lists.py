"""Lists of tuples whose length is only known at run time: a list for each place in the tuples.

    pairs.append((x, n))        tensors.append(x), numbers.append(n)

ONNX has no sequences of tuples. What is done with such a list is done with each of its columns;
tuples don't change, so nothing tells the difference. Lists of lists have one column, of what
`nested_lists` makes of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from exporter.conversion.runtime_lists import nested_lists
from exporter.conversion.values.objects import ListValue, NamedTuple, Value, type_name
from exporter.conversion.values.runtime_contents import RuntimeList, RuntimeLists, RuntimeTuples
from exporter.errors import UnsupportedError
from exporter.torchscript.types import TupleType, Type

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__ = ["by_column", "column", "column_types", "places_of", "rejoined", "with_item"]


def by_column(self: RuntimeTuples, run: Callable[[RuntimeList], RuntimeList]) -> RuntimeTuples:
    """The tuples after something was done with each column."""
    return self.with_columns([run(column) for column in self.columns])


def with_item(
    interpreter: Interpreter,
    self: RuntimeTuples,
    item: Value,
    run: Callable[[RuntimeList, Value], RuntimeList],
) -> RuntimeTuples:
    """The tuples after a tuple was put into the list: its parts into the columns."""
    if isinstance(self, RuntimeLists):
        return nested_lists.add(interpreter, self, item, run)
    parts = places_of(item)
    if parts is None or len(parts) != len(self.columns):
        raise UnsupportedError(
            f"a {type_name(item)} in a list of tuples whose length is only known at run time"
        )
    return self.with_columns(
        [run(column, part) for column, part in zip(self.columns, parts, strict=True)]
    )


def rejoined(interpreter: Interpreter, self: RuntimeTuples, parts: Sequence[Value]) -> Value:
    """The tuple that has these parts."""
    if isinstance(self, RuntimeLists):
        return nested_lists.item(interpreter, self, parts[0])
    if self.type_name is None:
        return tuple(parts)
    return NamedTuple(self.type_name, dict(zip(self.fields, parts, strict=True)))


def places_of(item: Value) -> tuple[Value, ...] | None:
    """The parts of a tuple; None if it is none."""
    if isinstance(item, NamedTuple):
        return item.values
    return item if isinstance(item, tuple) else None


def column(
    interpreter: Interpreter,
    values: ListValue,
    number: int,
    element: Type | None,
    item_kind: str | None = None,
) -> ListValue:
    """One place of all tuples of a list, as a list; of lists of numbers what they are held as."""
    if isinstance(values.runtime, RuntimeTuples):
        return ListValue.holding(values.runtime.columns[number], element)
    if item_kind is not None:
        return nested_lists.rows_of(interpreter, values, item_kind)
    found = [places_of(item) for item in values.items]
    return ListValue([parts[number] for parts in found if parts is not None], element)


def column_types(element: Type | None, count: int) -> Sequence[Type | None]:
    """What is declared of each place of the tuples."""
    if isinstance(element, TupleType) and len(element.elements) == count:
        return element.elements
    return [None] * count
