"""Which lists, dicts and objects may be one another after paths of the program met.

    kept = first if c else second       # one of the two; here it is a list of its own, joined
    kept.append(x)                      # which changes one of the others, too

A container that is joined is a new one, but in the program it is one of those that it was joined
from. Such containers are *kin*. While none of them changes all is well; asking one after another
was changed is an error instead of a guess. (Tensors have the like in `aliasing`.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from exporter.conversion.control_flow.forms import (
    DictForm,
    Form,
    ListForm,
    ObjectForm,
    OptionalForm,
    RuntimeForm,
    TupleForm,
)
from exporter.conversion.values.aliasing import Position
from exporter.conversion.values.journal import Container, Mutable
from exporter.conversion.values.objects import (
    DictValue,
    ListValue,
    NamedTuple,
    ObjectValue,
    OptionalValue,
    Value,
)

__all__ = ["LoopKin", "relate"]

_PARTS = (TupleForm, ListForm, DictForm, ObjectForm)


def relate(value: Value, forms: Iterable[Form], start: int) -> None:
    """Make a joined value kin of the containers that the paths had there, part by part.

    `start` is when the paths parted: what is younger is out of sight now.
    """
    for form in forms:
        for made, source in _met(value, form, start):
            if source.born < start <= made.born:
                made.relate(source)


def _met(value: Value, form: Form, start: int) -> Iterator[tuple[Container, Container]]:
    if isinstance(value, OptionalValue):
        value = value.value
    if isinstance(form, OptionalForm):
        form = form.inner
    if isinstance(value, Container) and value.born >= start:
        source = getattr(form, "source", None)
        if isinstance(source, Container):
            yield value, source
    if isinstance(form, RuntimeForm) or not isinstance(form, _PARTS):
        return
    inner = _items(value, start)
    if len(inner) == len(form.items):
        for item, item_form in zip(inner, form.items, strict=True):
            yield from _met(item, item_form, start)


def _items(value: Value, start: int) -> Sequence[Value]:
    """The parts of a tuple, or of a container that was made by the join."""
    if isinstance(value, NamedTuple):
        return value.values
    if isinstance(value, tuple):
        return value
    if not isinstance(value, Container) or value.born < start:
        return ()
    if isinstance(value, ListValue):
        return value.items
    if isinstance(value, DictValue):
        return list(value.items.values())
    return list(value.attributes.values()) if isinstance(value, ObjectValue) else ()


class LoopKin:
    """What the containers that a loop carries may be: the initial ones, or what a trip left."""

    def __init__(self, start: int) -> None:
        self._start = start
        self._forms: dict[Position, list[Form]] = {}

    def note(self, forms: Mapping[int, Form] | Mapping[Mutable, Form]) -> None:
        """Add what a path gives for each position."""
        for position, form in forms.items():
            self._forms.setdefault(position, []).append(form)

    def apply(self, values: dict[Position, Value]) -> None:
        """Relate the values that stand for the carried ones."""
        for position, value in values.items():
            relate(value, self._forms.get(position, ()), self._start)
