"""Where paths of the program meet: one value out of several that a variable may have.

Both branches of an `If`, and the start and the end of a loop's body, give values for the same
variable. A *form* (`forms`) says what a value is, and `widening` finds the form of two. Here
`tensors_of` takes a value apart by a form, and `rebuild` makes a value of that form from tensors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from exporter.conversion.builtins import numbers
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
from exporter.conversion.control_flow.quantized_forms import quantized_form
from exporter.conversion.runtime_lists import dict_forms, list_forms
from exporter.conversion.values.objects import (
    UNINITIALIZED,
    ChoiceValue,
    DictValue,
    ListValue,
    NamedTuple,
    ObjectValue,
    OptionalValue,
    Value,
    type_name,
)
from exporter.conversion.values.options import picked_from, renumbered
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import UnsupportedError
from exporter.onnx_graph.control_flow import branch_output, emit_if
from exporter.onnx_graph.shapes import OutputType
from exporter.onnx_graph.values import SymBool, SymComplex, SymFloat, Tensor

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter
    from exporter.onnx_graph.builder import Builder

__all__ = ["output_types", "parts", "rebuild", "tensors_of"]


# ---------------------------------------------------------------- taking apart


_DTYPES = {
    "int": ir.DataType.INT64,
    "float": ir.DataType.DOUBLE,
    "bool": ir.DataType.BOOL,
    "complex": ir.DataType.COMPLEX128,
}
_NUMBERS = {"float": SymFloat, "bool": SymBool, "complex": SymComplex}


def tensors_of(interpreter: Interpreter, value: Value, form: Form) -> Iterator[Tensor]:
    """The tensors that make a value of this form, in order; emits what is missing."""
    g = interpreter.g
    if isinstance(form, Plain):
        return
    if value is UNINITIALIZED:
        yield from _placeholder(interpreter, form)
    elif isinstance(form, OptionalForm):
        if value is None:
            yield g.constant(False)
            yield from _placeholder(interpreter, form.inner)
        elif isinstance(value, OptionalValue):
            yield value.present.tensor
            yield from tensors_of(interpreter, value.value, form.inner)
        else:
            yield g.constant(True)
            yield from tensors_of(interpreter, value, form.inner)
    elif isinstance(form, ChoiceForm):
        yield from _parts_of_choice(interpreter, value, form)
    elif isinstance(value, ChoiceValue):
        yield from _of_picked(interpreter, value, form, value.left())
    elif isinstance(form, NumberForm):
        yield numbers.as_tensor(g, value, _DTYPES[form.kind])
    elif isinstance(form, TensorForm):
        yield value.read(g) if isinstance(value, TensorRef) else value
    elif isinstance(form, HandleForm):
        yield from either.place_tensors(interpreter, value, form.home)
        if form.has_own:
            yield value.read(g)
    elif isinstance(form, QuantizedForm):
        yield from form.tensors(g, value.read(g) if isinstance(value, TensorRef) else value)
    elif isinstance(form, RuntimeForm):
        yield from list_forms.tensors_of(interpreter, value, form)
    elif isinstance(form, RuntimeDictForm):
        yield from dict_forms.tensors_of(interpreter, value, form)
    else:
        for item, inner in zip(parts(value), form.items, strict=True):
            yield from tensors_of(interpreter, item, inner)


def _parts_of_choice(interpreter: Interpreter, value: Value, form: ChoiceForm) -> Iterator[Tensor]:
    """The number of the option, and the tensors of each; placeholders for what is not picked."""
    g = interpreter.g
    held: dict[int, Value] = {}
    if isinstance(value, ChoiceValue):
        places: list[int] = []
        for option in value.options:
            places.append(_place(g, form, option, places))
        held = dict(zip(places, value.options, strict=True))
        yield renumbered(g, value, places)
    else:
        place = _place(g, form, value)
        held = {place: value}
        yield g.constant(place, _DTYPES["int"])
    for i, option in enumerate(form.options):
        if i in held:
            yield from tensors_of(interpreter, held[i], option)
        else:
            yield from _placeholder(interpreter, option)


def _of_picked(
    interpreter: Interpreter, choice: ChoiceValue, form: Form, left: Sequence[int]
) -> Sequence[Tensor]:
    """The tensors of the option that the run picks of those left, where all have one form."""
    g, (first, *others) = interpreter.g, left
    if not others:
        return list(tensors_of(interpreter, choice.options[first], form))
    types = list(output_types(form))
    sides = []
    for name, numbered in (("then", [first]), ("else", others)):
        with g.body(name) as scope:
            given = _of_picked(interpreter, choice, form, numbered)
            outputs = [branch_output(g, t, type_) for t, type_ in zip(given, types, strict=True)]
        sides.append((scope, outputs))
    number = renumbered(g, choice, range(len(choice.options)))
    return emit_if(g, g.Equal(number, first), sides[0], sides[1], types)


def _place(g: Builder, form: ChoiceForm, value: Value, taken: Sequence[int] = ()) -> int:
    """Which option a value is, not a `taken` one: rather the very value than one like it."""
    free = [i for i in range(len(form.options)) if i not in taken]
    for i in sorted(free, key=lambda i: not isinstance(form.options[i], Plain)):
        if _is_of(g, value, form.options[i]):
            return i
    raise UnsupportedError(f"more of {type_name(value)} to pick one of than the other path has")


def _is_built(value: Value, form: Form) -> bool:
    """Whether objects are of the form's class, and lists of its length, all the way down."""
    if isinstance(value, ChoiceValue):
        return all(_is_built(value.options[i], form) for i in value.left())
    if isinstance(form, (ListForm, DictForm)):
        kind = ListValue if isinstance(form, ListForm) else DictValue
        if not isinstance(value, kind) or value.runtime is not None:
            return False
    elif isinstance(form, ObjectForm):
        if not isinstance(value, ObjectValue) or value.type is not form.type:
            return False
    elif not isinstance(form, TupleForm):
        return True
    inner = parts(value)
    return len(inner) == len(form.items) and all(map(_is_built, inner, form.items))


def _is_of(g: Builder, value: Value, form: Form) -> bool:
    if isinstance(form, Plain):
        return form.same(Plain(value))
    if isinstance(form, NumberForm):
        return number_kind(Plain(value)) == form.kind
    kind = tensor_form(form)
    if kind is not None:
        tensor = value.read(g) if isinstance(value, TensorRef) else value
        same = isinstance(tensor, Tensor) and tensor.dtype == kind.dtype
        return same and tensor.quantization is None
    if isinstance(form, QuantizedForm):
        tensor = value.read(g) if isinstance(value, TensorRef) else value
        if not isinstance(tensor, Tensor) or tensor.quantization is None:
            return False
        return form.fits(quantized_form(tensor, tensor))
    if isinstance(form, TupleForm):
        name = value.type_name if isinstance(value, NamedTuple) else None
        same = isinstance(value, (tuple, NamedTuple)) and name == form.type_name
        return same and _is_built(value, form)
    if isinstance(form, DictForm):
        return _is_built(value, form) and tuple(value.items) == form.keys
    if isinstance(form, RuntimeDictForm):
        return isinstance(value, DictValue)
    if isinstance(form, RuntimeForm):
        return isinstance(value, ListValue)
    return _is_built(value, form)


def parts(value: Value) -> list[Value]:
    """The items of a container that a form describes one by one."""
    if isinstance(value, NamedTuple):
        return list(value.values)
    if isinstance(value, ListValue):
        return value.items
    if isinstance(value, DictValue):
        return list(value.items.values())
    if isinstance(value, ObjectValue):
        return list(value.attributes.values())
    return list(value)


def _placeholder(interpreter: Interpreter, form: Form) -> Iterator[Tensor]:
    """Tensors that stand for a value nobody reads."""
    g = interpreter.g
    if isinstance(form, NumberForm):
        yield g.constant(np.zeros((), _DTYPES[form.kind].numpy()))
    elif isinstance(form, QuantizedForm):
        for dtype, shape in form.parts:
            yield from _placeholder(interpreter, TensorForm(dtype, shape))
    elif isinstance(form, TensorForm):
        dims = [0 if d is None else d for d in form.shape or (0,)] if form.shape != () else []
        zero = g.constant(np.zeros((), form.dtype.numpy()))
        yield g.Expand(zero, dims) if dims else zero
    elif isinstance(form, RuntimeForm):
        yield from list_forms.tensors_of(interpreter, UNINITIALIZED, form)
    elif isinstance(form, RuntimeDictForm):
        yield from dict_forms.tensors_of(interpreter, UNINITIALIZED, form)
    elif isinstance(form, OptionalForm):
        yield g.constant(False)
        yield from _placeholder(interpreter, form.inner)
    elif isinstance(form, ChoiceForm):
        yield g.constant(0, _DTYPES["int"])
        for option in form.options:
            yield from _placeholder(interpreter, option)
    elif isinstance(form, HandleForm):
        yield from either.placeholders(interpreter, form.home)
        if form.has_own:
            yield from _placeholder(interpreter, form.value)
    elif not isinstance(form, Plain):
        for inner in form.items:
            yield from _placeholder(interpreter, inner)


# ---------------------------------------------------------------- making values


def output_types(form: Form) -> Iterator[OutputType]:
    """The types of the tensors that make a value of this form."""
    if isinstance(form, Plain):
        return
    if isinstance(form, NumberForm):
        yield OutputType(_DTYPES[form.kind], ())
    elif isinstance(form, TensorForm):
        yield OutputType(form.dtype, form.shape)
    elif isinstance(form, QuantizedForm):
        yield from (OutputType(dtype, shape) for dtype, shape in form.parts)
    elif isinstance(form, (RuntimeForm, RuntimeDictForm)):
        held = form if isinstance(form, RuntimeForm) else form.pairs
        yield from list_forms.output_types(held)
    elif isinstance(form, OptionalForm):
        yield OutputType(ir.DataType.BOOL, ())
        yield from output_types(form.inner)
    elif isinstance(form, ChoiceForm):
        yield OutputType(_DTYPES["int"], ())
        for option in form.options:
            yield from output_types(option)
    elif isinstance(form, HandleForm):
        yield from either.place_types(form.home)
        if form.has_own:
            yield from output_types(form.value)
    else:
        for inner in form.items:
            yield from output_types(inner)


def rebuild(interpreter: Interpreter, form: Form, tensors: Iterator[Tensor]) -> Value:
    """A value of this form from its tensors."""
    g = interpreter.g
    if isinstance(form, Plain):
        return form.value
    if isinstance(form, NumberForm):
        tensor = next(tensors)
        if form.kind == "int":
            return g.integer(tensor)
        return _NUMBERS[form.kind](tensor)
    if isinstance(form, TensorForm):
        tensor = next(tensors)
        tensor.possible = form.possible
        return TensorRef.fresh(tensor, dense=form.dense)
    if isinstance(form, QuantizedForm):
        return TensorRef.fresh(form.made([next(tensors) for _ in form.parts]), dense=False)
    if isinstance(form, RuntimeForm):
        return list_forms.rebuilt(form, tensors)
    if isinstance(form, RuntimeDictForm):
        return dict_forms.rebuilt(form, tensors)
    if isinstance(form, OptionalForm):
        present = SymBool(next(tensors))
        return OptionalValue(present, rebuild(interpreter, form.inner, tensors))
    if isinstance(form, ChoiceForm):
        picked = g.integer(next(tensors))
        options = tuple(rebuild(interpreter, option, tensors) for option in form.options)
        return picked_from(picked, options)
    if isinstance(form, HandleForm):
        return either.rebuilt(interpreter, form.home, tensors, form.value)
    items = [rebuild(interpreter, inner, tensors) for inner in form.items]
    if isinstance(form, TupleForm):
        if form.type_name is not None:
            return NamedTuple(form.type_name, dict(zip(form.fields, items, strict=True)))
        return tuple(items)
    if isinstance(form, ListForm):
        return ListValue(items, form.element_type)
    if isinstance(form, DictForm):
        return DictValue(dict(zip(form.keys, items, strict=True)), form.type)
    return ObjectValue(form.type, dict(zip(form.keys, items, strict=True)))
