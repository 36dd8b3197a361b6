"""The form of a value that has one of two: what paths of the program have in common there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from exporter.conversion.control_flow import either
from exporter.conversion.control_flow.forms import (
    ChoiceForm,
    DictForm,
    Form,
    HandleForm,
    ListForm,
    NumberForm,
    ObjectForm,
    OptionalForm,
    Plain,
    QuantizedForm,
    RuntimeDictForm,
    RuntimeForm,
    TensorForm,
    TupleForm,
    number_kind,
    tensor_form,
)
from exporter.conversion.control_flow.visible import (
    OpenShape,
    PossibleShapes,
    visible_dim,
    visible_shape,
)
from exporter.conversion.runtime_lists import dict_forms, list_forms
from exporter.conversion.values.objects import (
    UNINITIALIZED,
)
from exporter.errors import UnsupportedError
from exporter.onnx_graph.scope import Scope
from exporter.onnx_graph.symbolic import Dim, SymInt
from exporter.onnx_graph.values import SymScalar

if TYPE_CHECKING:
    pass

__all__ = ["apart", "placed", "widen"]

# More shapes than this are as good as any shape.
MOST_SHAPES = 4
# A value that may be one of more than these is no program anybody writes.
MOST_OPTIONS = 256


def widen(a: Form, b: Form, outer: Scope) -> Form:
    """The form of values that have the form `a` on one path and `b` on the other.

    `outer` is the graph in which the paths meet: what is only visible on one of them can't be part
    of the result.
    """
    identical = _identical(a, b)
    if identical is not None:
        return identical
    ways = ((a, b), (b, a))
    for one, other in ways:
        if isinstance(one, Plain) and one.value is UNINITIALIZED:
            return _visible(other, outer)
    for one, other in ways:
        if isinstance(one, Plain) and one.value is None:
            return OptionalForm(_visible(_inner(other), outer))
    if isinstance(a, OptionalForm) or isinstance(b, OptionalForm):
        return OptionalForm(widen(_inner(a), _inner(b), outer))
    a, b = _with_others(a, b), _with_others(b, a)
    if isinstance(a, (TensorForm, HandleForm)) and isinstance(b, (TensorForm, HandleForm)):
        return _widen_handles(a, b, outer)
    if isinstance(a, QuantizedForm) and isinstance(b, QuantizedForm) and a.fits(b):
        return a.with_shape(_widen_shapes(a.shape, b.shape, outer), b)
    kinds = number_kind(a), number_kind(b)
    if None not in kinds:
        if "float" in kinds:
            return NumberForm("float")
        if kinds[0] == kinds[1]:
            return NumberForm(str(kinds[0]))
    if isinstance(a, TupleForm) and isinstance(b, TupleForm) and len(a.items) == len(b.items):
        items = tuple(widen(x, y, outer) for x, y in zip(a.items, b.items, strict=True))
        return replace(a, items=items)
    if isinstance(a, (ListForm, RuntimeForm)) and isinstance(b, (ListForm, RuntimeForm)):
        return _widen_lists(a, b, outer)
    if isinstance(a, (DictForm, RuntimeDictForm)) and isinstance(b, (DictForm, RuntimeDictForm)):
        return _widen_dicts(a, b, outer)
    if (
        isinstance(a, ObjectForm)
        and isinstance(b, ObjectForm)
        and a.type is b.type
        and a.keys == b.keys
    ):
        items = tuple(widen(x, y, outer) for x, y in zip(a.items, b.items, strict=True))
        return ObjectForm(a.type, a.keys, items)
    return _choice(a, b, outer)


def placed(form: Form, outer: Scope) -> Form:
    """A form with the tensors of tuples as names of where they are, if that is known."""
    if isinstance(form, TensorForm) and form.home is not None:
        return _widen_handles(form, form, outer)
    if isinstance(form, TupleForm):
        return replace(form, items=tuple(placed(item, outer) for item in form.items))
    return form


def apart(a: Form, b: Form) -> tuple[Form, Form]:
    """The forms of what is declared a Union: there an int stays one where it meets a float."""
    if {number_kind(a), number_kind(b)} == {"int", "float"}:
        return ChoiceForm((a,)), ChoiceForm((b,))
    return a, b


def _choice(a: Form, b: Form, outer: Scope) -> ChoiceForm:
    """One of the options of either; those that can travel as one are one option.

    Two options of one path are never one: each goes where `_place` puts its value.
    """
    options = [_visible(option, outer) for option in _options(a)]
    free = list(range(len(options)))
    for form in _options(b):
        place = next((i for i in free if _alike(options[i], form)), None)
        if place is None:
            options.append(_visible(form, outer))
        else:
            options[place] = widen(options[place], form, outer)
            free.remove(place)
    if len(options) > MOST_OPTIONS:
        raise UnsupportedError(f"a value that is one of more than {MOST_OPTIONS} things")
    return ChoiceForm(tuple(options))


def _options(form: Form) -> tuple[Form, ...]:
    return form.options if isinstance(form, ChoiceForm) else (form,)


def _alike(a: Form, b: Form) -> bool:
    """Whether two forms have a common one that is no choice."""
    kinds = number_kind(a), number_kind(b)
    if kinds != (None, None):
        return kinds[0] == kinds[1]
    if isinstance(a, Plain) and isinstance(b, Plain):
        return a.same(b)
    tensors = tensor_form(a), tensor_form(b)
    if tensors[0] is not None and tensors[1] is not None:
        return tensors[0].dtype == tensors[1].dtype
    if isinstance(a, QuantizedForm) and isinstance(b, QuantizedForm):
        return a.fits(b)
    if isinstance(a, TupleForm) and isinstance(b, TupleForm):
        return a.type_name == b.type_name and len(a.items) == len(b.items)
    if isinstance(a, DictForm) and isinstance(b, DictForm):
        return a.keys == b.keys
    if isinstance(a, RuntimeDictForm) and isinstance(b, RuntimeDictForm):
        return True
    if isinstance(a, ObjectForm) and isinstance(b, ObjectForm):
        return a.type is b.type and a.keys == b.keys
    lists = (ListForm, RuntimeForm)
    return isinstance(a, lists) and isinstance(b, lists)


def _inner(form: Form) -> Form:
    return form.inner if isinstance(form, OptionalForm) else form


def _identical(a: Form, b: Form) -> Form | None:
    """The value itself where both are the very same one."""
    if isinstance(a, Plain) and isinstance(b, Plain) and a.same(b):
        return a
    source = getattr(a, "source", None)
    if source is not None and source is getattr(b, "source", None):
        tensor = a if isinstance(a, TensorForm) else None
        return None if _has_home(a) and _has_home(b) else Plain(source, tensor)
    for one, other in ((a, b), (b, a)):
        source = getattr(other, "source", None)
        if isinstance(one, Plain) and source is not None and one.value is source:
            return one
    return None


def _visible(form: Form, outer: Scope) -> Form:
    """A form without what is only visible in a body: dims that are read there."""
    if isinstance(form, HandleForm) or (isinstance(form, TensorForm) and form.home is not None):
        return _widen_handles(form, form, outer)
    if isinstance(form, TensorForm):
        if form.shape is None:
            return TensorForm(form.dtype, None, possible=_visible_shapes(form.possible, outer))
        shape = visible_shape(form.shape, outer)
        return TensorForm(form.dtype, shape, dense=form.dense)
    if isinstance(form, QuantizedForm):
        return form.with_shape(visible_shape(form.shape, outer))
    if isinstance(form, Plain) and isinstance(form.value, (SymInt, SymScalar)):
        kind = number_kind(form)
        return NumberForm(str(kind))
    if isinstance(form, (TupleForm, ListForm, DictForm, ObjectForm)):
        items = tuple(_visible(i, outer) for i in form.items)
        if isinstance(form, TupleForm):
            return replace(form, items=items)
        return replace(form, items=items, source=None)
    if isinstance(form, RuntimeForm):
        return _visible_list(form, outer)
    if isinstance(form, RuntimeDictForm):
        return replace(form, pairs=_visible_list(form.pairs, outer), source=None)
    if isinstance(form, OptionalForm):
        return OptionalForm(_visible(form.inner, outer))
    if isinstance(form, ChoiceForm):
        return ChoiceForm(tuple(_visible(option, outer) for option in form.options))
    return form


def _visible_list(form: RuntimeForm, outer: Scope) -> RuntimeForm:
    shape = form.shape
    if shape is not None:
        shape = tuple(visible_dim(d, outer) for d in shape)
    stacked = form.stacked and shape is not None and None not in shape
    columns = tuple(_visible_list(column, outer) for column in form.columns)
    return replace(form, shape=shape, source=None, stacked=stacked, columns=columns)


def _visible_shapes(possible: PossibleShapes, outer: Scope) -> PossibleShapes:
    if possible is None:
        return None
    return tuple(tuple(visible_dim(d, outer) for d in shape) for shape in possible)


def _either(a: TensorForm, b: TensorForm, outer: Scope) -> PossibleShapes:
    """The shapes that one of two tensors may have, one for each number of dims."""
    shapes: dict[int, tuple[Dim | None, ...]] = {}
    for form in (a, b):
        own = form.possible if form.shape is None else (form.shape,)
        if own is None:
            return None
        for shape in own:
            met = shapes.get(len(shape), shape)
            shapes[len(shape)] = tuple(
                visible_dim(x, outer) if x == y else None for x, y in zip(met, shape, strict=True)
            )
    return tuple(shapes.values()) if len(shapes) <= MOST_SHAPES else None


def _with_others(form: Form, other: Form) -> Form:
    """A tensor that was the same on all paths so far as one of several, where it meets another."""
    if isinstance(form, Plain) and form.tensor is not None and tensor_form(other) is not None:
        return form.tensor
    return form


def _has_home(form: Form) -> bool:
    return isinstance(form, TensorForm) and form.home is not None


def _widen_handles(
    a: TensorForm | HandleForm, b: TensorForm | HandleForm, outer: Scope
) -> TensorForm | HandleForm:
    """Tensors by where they are, if that is known of both, else by value."""
    values = [form.value if isinstance(form, HandleForm) else form for form in (a, b)]
    value = _widen_tensors(values[0], values[1], outer)
    if a.home is None or b.home is None:
        return value
    places = either.joined_places(a.home.places, b.home.places, outer)
    if len(places) > either.MOST_PLACES or places == (either.OWN,):
        return value
    return HandleForm(either.Home(places, a.home.outside), value)


def _widen_tensors(a: TensorForm, b: TensorForm, outer: Scope) -> TensorForm:
    if a.dtype != b.dtype:
        raise UnsupportedError(
            f"a tensor that is {a.dtype.name} or {b.dtype.name}, depending on the data; "
            "an ONNX value has one dtype"
        )
    shape = _widen_shapes(a.shape, b.shape, outer)
    if shape is None:
        return TensorForm(a.dtype, None, possible=_either(a, b, outer))
    return TensorForm(a.dtype, shape, dense=a.dense and b.dense)


def _widen_shapes(a: OpenShape, b: OpenShape, outer: Scope) -> OpenShape:
    """What two shapes have in common; None where they have another number of dims."""
    if a is None or b is None or len(a) != len(b):
        return None
    return tuple(visible_dim(x, outer) if x == y else None for x, y in zip(a, b, strict=True))


def _widen_lists(a: ListForm | RuntimeForm, b: ListForm | RuntimeForm, outer: Scope) -> Form:
    if isinstance(a, ListForm) and isinstance(b, ListForm) and len(a.items) == len(b.items):
        items = tuple(widen(x, y, outer) for x, y in zip(a.items, b.items, strict=True))
        element, shared = a.element_type or b.element_type, a.shared or b.shared
        return replace(a, items=items, element_type=element, source=None, shared=shared)
    return _visible(list_forms.met(a, b), outer)


def _widen_dicts(
    a: DictForm | RuntimeDictForm, b: DictForm | RuntimeDictForm, outer: Scope
) -> Form:
    if isinstance(a, DictForm) and isinstance(b, DictForm) and a.keys == b.keys:
        items = tuple(widen(x, y, outer) for x, y in zip(a.items, b.items, strict=True))
        shared = a.shared or b.shared
        return replace(a, items=items, source=None, type=a.type or b.type, shared=shared)
    return _visible(dict_forms.met(a, b), outer)
