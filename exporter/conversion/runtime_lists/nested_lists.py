"""Lists of lists of numbers whose length is only known at run time: a list of 1-D tensors.

    groups.append([a, b])           rows.append(tensor([a, b]))

A list that is taken out is made anew from its tensor, though in the program it is the very list
that was put in. So all that were put in or taken out are kin (`sharing`), by way of the `member`
that stands for them: once one of them changes, what the others hold can't be told. The list that it
was taken from is told what it holds now, as `groups[-1].append(x)` asks (`Home`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from exporter.conversion.runtime_lists.kinds import DTYPES, TYPES, kind_of
from exporter.conversion.values.journal import Container
from exporter.conversion.values.objects import ListValue, Value, type_name
from exporter.conversion.values.runtime_contents import RuntimeList, RuntimeLists
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import UnsupportedError
from exporter.torchscript.types import ListType, TensorType, Type

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__ = ["add", "held_as", "item", "item_kind", "joined", "kind_of_lists", "rows_of"]


def item_kind(values: ListValue) -> str | None:
    """The numbers that the lists in a list hold; None if it is not known to hold such lists."""
    if not all(isinstance(held, ListValue) for held in values.items):
        return None
    return kind_of_lists(map(_kind, values.items), values.element_type)


def kind_of_lists(kinds: Iterable[str | None], element: Type | None) -> str | None:
    """What lists hold of which some have a kind, and all the declared type; None for no numbers."""
    found = {kind for kind in kinds if kind is not None}
    if not found and isinstance(element, ListType):
        found = {str(kind_of([], element.element))}
    return found.pop() if len(found) == 1 and found <= DTYPES.keys() else None


def _kind(self: ListValue) -> str | None:
    if self.runtime is not None:
        return self.runtime.kind
    return kind_of(self.items, self.element_type)


# ---------------------------------------------------------------- putting in


def rows_of(interpreter: Interpreter, values: ListValue, kind: str) -> ListValue:
    """The lists in a list as tensors."""
    return ListValue([_row(interpreter, held, kind) for held in values.items], TensorType())


def held_as(values: ListValue, rows: RuntimeList, kind: str) -> RuntimeLists:
    """The lists in a list of known length, as the tensors that stand for them."""
    result = RuntimeLists(rows, kind)
    for held in values.items:
        _admit(result, held)
    return result


def add(
    interpreter: Interpreter,
    self: RuntimeLists,
    new: Value,
    run: Callable[[RuntimeList, Value], RuntimeList],
) -> RuntimeLists:
    """The lists after another one was put in."""
    result = self.with_columns([run(self.rows, _row(interpreter, new, self.item_kind))])
    _admit(result, new)
    return result


def joined(
    interpreter: Interpreter,
    parts: Sequence[ListValue],
    kind: str,
    run: Callable[[Sequence[ListValue]], RuntimeList],
) -> RuntimeLists:
    """The lists of several lists."""
    rows = [
        ListValue.holding(part.runtime.rows)
        if isinstance(part.runtime, RuntimeLists)
        else rows_of(interpreter, part, kind)
        for part in parts
    ]
    result = RuntimeLists(run(rows), kind)
    for part in parts:
        for held in part.items if part.runtime is None else part.runtime.members():
            _admit(result, held)
    return result


def _row(interpreter: Interpreter, self: Value, kind: str) -> TensorRef:
    """A list of numbers as a tensor that a list of tensors can hold."""
    if not isinstance(self, ListValue) or (_kind(self) or kind) != kind:
        raise UnsupportedError(
            f"a {type_name(self)} in a list of lists of {kind}s of run-time length"
        )
    g = interpreter.g
    if self.runtime is not None:
        return TensorRef.fresh(self.runtime.value)
    return TensorRef.fresh(g.cast(g.constant(self.items, DTYPES[kind]), DTYPES[kind]))


def _admit(self: RuntimeLists, new: ListValue) -> None:
    """Note that a list is one of these; two of them may be one where it is kin of another."""
    known = _family(self.member)
    if not known.isdisjoint(_family(new)):
        self.shared = True
    for relative in _family(new):
        self.member.relate(relative)


def _family(self: Container) -> set[Container]:
    return {self, *self.kin}


# ---------------------------------------------------------------- taking out


def item(interpreter: Interpreter, self: RuntimeLists, row: TensorRef) -> ListValue:
    """The list that a tensor stands for."""
    g, kind = interpreter.g, self.item_kind
    # An empty list tells no shape, but numbers are held in one dim.
    numbers = g.assume(row.read(g), (None,))
    found = ListValue.holding(RuntimeList(kind, numbers), TYPES[kind])
    for relative in _family(self.member):
        found.relate(relative)
    return found
