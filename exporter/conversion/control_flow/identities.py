"""Which objects stay themselves where paths of the program meet, and which become a copy.

Two that are older than the branches stay what they are: a choice of the two. Of those that a trip
of a loop has made, the run keeps one, and that is one object:

    for t in range(n):
        new = Hypothesis(t)
        if best < new:
            best = new
"""

from __future__ import annotations

from dataclasses import replace

from exporter.conversion.control_flow.forms import (
    ChoiceForm,
    DictForm,
    Form,
    ListForm,
    ObjectForm,
    OptionalForm,
    Plain,
    RuntimeDictForm,
    RuntimeForm,
    TupleForm,
)
from exporter.conversion.control_flow.widening import widen
from exporter.onnx_graph.scope import Scope

__all__ = ["grounded", "settled"]

_Parts = (DictForm, TupleForm, ListForm, ObjectForm)
_Lists = (ListForm, RuntimeForm)
_Dicts = (DictForm, RuntimeDictForm)


def grounded(a: Form, b: Form, start: int, *, apart: bool) -> tuple[Form, Form]:
    """The forms, with objects that are older than the paths as what they are.

    A method called on the value afterwards changes the very object. `start` is when the paths
    parted. An object made on one path that meets an older one of its class becomes a copy, as two
    new ones do. With `apart` the same holds for lists and dicts, which are copies else.
    """
    if isinstance(a, OptionalForm) or isinstance(b, OptionalForm):
        left, right = grounded(_inner(a), _inner(b), start, apart=apart)
        return (
            OptionalForm(left) if isinstance(a, OptionalForm) else left,
            OptionalForm(right) if isinstance(b, OptionalForm) else right,
        )
    if _are_of_a_kind(a, b) and _is_older(a, start, apart) != _is_older(b, start, apart):
        return a, b
    a, b = _older_itself(a, start, apart), _older_itself(b, start, apart)
    if isinstance(a, _Parts) and type(a) is type(b) and len(a.items) == len(b.items):
        pairs = [grounded(x, y, start, apart=apart) for x, y in zip(a.items, b.items, strict=True)]
        return (
            replace(a, items=tuple(x for x, _ in pairs)),
            replace(b, items=tuple(y for _, y in pairs)),
        )
    return a, b


def _are_of_a_kind(a: Form, b: Form) -> bool:
    if isinstance(a, ObjectForm) and isinstance(b, ObjectForm):
        return a.type is b.type
    return any(isinstance(a, kind) and isinstance(b, kind) for kind in (_Lists, _Dicts))


def _is_older(form: Form, start: int, apart: bool) -> bool:
    kinds = (ObjectForm, *_Lists, *_Dicts) if apart else (ObjectForm,)
    if not isinstance(form, kinds) or form.source is None:
        return False
    return form.source.born < start


def _older_itself(form: Form, start: int, apart: bool) -> Form:
    if isinstance(form, ChoiceForm):
        return replace(form, options=tuple(_older_itself(o, start, apart) for o in form.options))
    return Plain(getattr(form, "source", None)) if _is_older(form, start, apart) else form


def settled(form: Form, start: int, outer: Scope) -> Form:
    """What a trip leaves of objects of a class, or lists, that it made and the run picks one of.

    They are as good as one: the next trip, or what is behind the loop, knows none of them by
    another name, or as its kin (`sharing`). Else each trip would add an option.
    """
    if isinstance(form, OptionalForm):
        return OptionalForm(settled(form.inner, start, outer))
    if isinstance(form, _Parts):
        return replace(form, items=tuple(settled(item, start, outer) for item in form.items))
    if not isinstance(form, ChoiceForm):
        return form
    first, *others = form.options
    if not isinstance(first, (ObjectForm, *_Lists)):
        return form
    if any(not _are_of_a_kind(first, option) for option in others):
        return form
    if any(_is_older(option, start, apart=True) for option in form.options):
        return form
    one: Form = first
    for option in others:
        one = widen(one, option, outer)
    return one


def _inner(form: Form) -> Form:
    return form.inner if isinstance(form, OptionalForm) else form
