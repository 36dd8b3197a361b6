"""Where paths meet with lists of different lengths: forms of lists of run-time length.

    rows: items of one shape, known outside of the paths      a tensor with one dim more
    else                                                      an ONNX Sequence
    numbers                                                   a tensor with one dim

Rows may leave branches and loops at every opset, and what becomes of them (`stack`, an item) is
cheap. But a loop that appends to them copies them all in every trip, so there Sequences are used
where the opset lets them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

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
    TensorForm,
    TupleForm,
    described,
    number_kind,
    tensor_form,
)
from exporter.conversion.control_flow.visible import OpenShape
from exporter.conversion.runtime_lists import (
    kinds,
    nested_lists,
    runtime_lists,
    text_lists,
    tuple_lists,
)
from exporter.conversion.values.objects import UNINITIALIZED, ListValue, RunTimeKeysError, Value
from exporter.conversion.values.runtime_contents import (
    RuntimeList,
    RuntimeLists,
    RuntimeTexts,
    RuntimeTuples,
    TensorRows,
)
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import UnsupportedError
from exporter.onnx_graph.shapes import OutputType
from exporter.onnx_graph.values import Tensor
from exporter.torchscript.types import TupleType

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__ = ["met", "output_types", "rebuilt", "tensors_of", "unstacked"]


# ---------------------------------------------------------------- meeting


def met(a: ListForm | RuntimeForm, b: ListForm | RuntimeForm) -> RuntimeForm:
    """The form of a list that has one of two forms."""
    number = _of_lists(a) or _of_lists(b)
    if number is not None:
        return _lists_met(a, b, number)
    tuples = _of_tuples(a) or _of_tuples(b)
    if tuples is not None:
        return _tuples_met(a, b, tuples)
    element = a.element_type or b.element_type
    held = {k for k in (_kind(a), _kind(b)) if k is not None}
    if len(held) != 1 or not held <= kinds.TYPES.keys():
        raise _no_counterpart(a, b)
    if "str" in held and not all(isinstance(form, RuntimeForm) or form.opens for form in (a, b)):
        raise RunTimeKeysError(_no_counterpart(a, b).message)
    dtypes = {d for f in (a, b) for d in _dtypes(f)}
    if len(dtypes) > 1:
        raise UnsupportedError("a list of run-time length with tensors of several dtypes")
    shapes = [s for f in (a, b) for s in _shapes(f)]
    shape = shapes[0] if shapes else None
    for other in shapes[1:]:
        shape = runtime_lists.common_shape(shape, other)
    stacked = shape is not None and None not in shape and _stacked(a) and _stacked(b)
    return RuntimeForm(
        held.pop(),
        dtypes.pop() if dtypes else None,
        shape,
        element,
        shared=a.shared or b.shared,
        stacked=stacked,
        texts=tuple(dict.fromkeys(text for form in (a, b) for text in _texts(form))),
    )


@dataclass(frozen=True)
class _Tuples:
    """What tuples of a list there are: how many parts they have, and their names."""

    count: int
    names: tuple[str | None, tuple[str, ...]]


def _of_tuples(form: ListForm | RuntimeForm) -> _Tuples | None:
    """The tuples that a list holds, or is declared to hold; None if that is something else."""
    if isinstance(form, RuntimeForm):
        return _Tuples(len(form.columns), form.names) if form.columns else None
    if form.items:
        first = form.items[0]
        if not isinstance(first, TupleForm) or not first.items:
            return None
        return _Tuples(len(first.items), (first.type_name, first.fields))
    element = form.element_type
    if not isinstance(element, TupleType) or not element.elements:
        return None
    return _Tuples(len(element.elements), (None, ()))


def _of_lists(form: ListForm | RuntimeForm) -> str | None:
    """The numbers in the lists that a list holds, or is declared to; None if it holds no such."""
    if isinstance(form, RuntimeForm):
        return form.item_kind
    if not all(isinstance(item, (ListForm, RuntimeForm)) for item in form.items):
        return None
    held = [_kind(item) for item in form.items if isinstance(item, (ListForm, RuntimeForm))]
    return nested_lists.kind_of_lists(held, form.element_type)


def _lists_met(a: ListForm | RuntimeForm, b: ListForm | RuntimeForm, number: str) -> RuntimeForm:
    """The form of a list of lists of numbers: that of the tensors which stand for them."""
    rows = [_rows(form, number) for form in (a, b)]
    if rows[0] is None or rows[1] is None:
        raise _no_counterpart(a, b)
    return RuntimeForm(
        "list",
        None,
        element_type=a.element_type or b.element_type,
        columns=(met(rows[0], rows[1]),),
        item_kind=number,
    )


def _rows(form: ListForm | RuntimeForm, number: str) -> ListForm | RuntimeForm | None:
    """The tensors for the lists in a list; None if it holds others."""
    if isinstance(form, RuntimeForm):
        return form.columns[0] if form.item_kind == number else None
    if form.items and _of_lists(form) != number:
        return None
    dtype = kinds.DTYPES[number]
    shapes = [(len(i.items) if isinstance(i, ListForm) else None,) for i in form.items]
    tensors = tuple(TensorForm(dtype, shape) for shape in shapes)
    return ListForm(tensors, kinds.TYPES["tensor"], shared=_may_be_one(form.items))


def _may_be_one(items: Sequence[Form]) -> bool:
    """Whether two of several lists may be the same one."""
    sources = [getattr(item, "source", None) for item in items]
    if len(items) > 1 and None in sources:
        return True
    families = [{source, *source.kin} for source in sources if source is not None]
    return sum(map(len, families)) > len(set().union(*families))


def _no_counterpart(*forms: ListForm | RuntimeForm) -> UnsupportedError:
    return UnsupportedError(
        f"a list of {_items(*forms)} whose length depends on the data; "
        "ONNX has only lists of numbers, and of tensors of one dtype"
    )


def _tuples_met(
    a: ListForm | RuntimeForm, b: ListForm | RuntimeForm, tuples: _Tuples
) -> RuntimeForm:
    """The form of a list of tuples: its columns meet one by one."""
    columns = [_columns(form, tuples.count) for form in (a, b)]
    if columns[0] is None or columns[1] is None:
        raise _no_counterpart(a, b)
    named = next((t.names for t in map(_of_tuples, (a, b)) if t and t.names[0]), tuples.names)
    return RuntimeForm(
        "tuple",
        None,
        element_type=a.element_type or b.element_type,
        columns=tuple(met(x, y) for x, y in zip(columns[0], columns[1], strict=True)),
        names=named,
    )


def _columns(form: ListForm | RuntimeForm, count: int) -> Sequence[ListForm | RuntimeForm] | None:
    """What the tuples of a list have in each place; None if they are no such tuples."""
    if isinstance(form, RuntimeForm):
        return form.columns if len(form.columns) == count else None
    types = tuple_lists.column_types(form.element_type, count)
    found = []
    for item in form.items:
        if not isinstance(item, TupleForm) or len(item.items) != count:
            return None
        found.append(item.items)
    return [
        ListForm(tuple(parts[k] for parts in found), types[k], shared=form.shared, opens=form.opens)
        for k in range(count)
    ]


def unstacked(form: Form) -> Form:
    """The form with Sequences for rows, also in containers."""
    if isinstance(form, RuntimeForm):
        return _unstacked_list(form)
    if isinstance(form, RuntimeDictForm):
        return replace(form, pairs=_unstacked_list(form.pairs))
    if isinstance(form, OptionalForm):
        return OptionalForm(unstacked(form.inner))
    if isinstance(form, ChoiceForm):
        return ChoiceForm(tuple(map(unstacked, form.options)))
    if isinstance(form, (TupleForm, ListForm, DictForm, ObjectForm)):
        return replace(form, items=tuple(map(unstacked, form.items)))
    return form


def _unstacked_list(form: RuntimeForm) -> RuntimeForm:
    return replace(form, stacked=False, columns=tuple(map(_unstacked_list, form.columns)))


def _stacked(form: ListForm | RuntimeForm) -> bool:
    return form.stacked if isinstance(form, RuntimeForm) else True


def _shapes(form: ListForm | RuntimeForm) -> list[OpenShape]:
    if isinstance(form, RuntimeForm):
        return [form.shape]
    found = map(tensor_form, form.items)
    return [None if tensor is None else tensor.shape for tensor in found]


def _kind(form: ListForm | RuntimeForm) -> str | None:
    if isinstance(form, RuntimeForm):
        return form.kind
    found = {_kind_of_item(item) for item in form.items}
    if not found:
        return kinds.kind_of([], form.element_type)
    return found.pop() if len(found) == 1 else "mixed"


def _kind_of_item(form: Form) -> str | None:
    if _is_tensor(form):
        return "tensor"
    return "str" if _texts_of(form) else number_kind(form)


def _texts(form: ListForm | RuntimeForm) -> Sequence[str]:
    """The strings that a list may hold."""
    if isinstance(form, RuntimeForm):
        return form.texts
    return [text for item in form.items for text in _texts_of(item)]


def _texts_of(form: Form) -> tuple[str, ...]:
    """The strings that an item may be; none if it is something else."""
    if isinstance(form, ChoiceForm):
        texts = [_texts_of(option) for option in form.options]
        return tuple(text for found in texts for text in found) if all(texts) else ()
    return kinds.texts_of(form.value) if isinstance(form, Plain) else ()


def _items(*forms: ListForm | RuntimeForm) -> str:
    """What the items of lists are, for messages."""
    found = []
    for form in forms:
        if isinstance(form, RuntimeForm):
            found.append(f"{form.kind}s")
        else:
            found += [_item(item) for item in form.items]
    return " and ".join(dict.fromkeys(found)) or "unknown items"


def _item(form: Form) -> str:
    if isinstance(form, (ListForm, RuntimeForm)):
        return "lists"
    is_text = isinstance(form, Plain) and isinstance(form.value, str)
    return "strings" if is_text else described(form)


def _is_tensor(form: Form) -> bool:
    return tensor_form(form) is not None or (
        isinstance(form, Plain) and isinstance(form.value, TensorRef)
    )


def _dtypes(form: ListForm | RuntimeForm) -> list[ir.DataType]:
    if isinstance(form, RuntimeForm):
        return [] if form.dtype is None else [form.dtype]
    return [tensor.dtype for tensor in map(tensor_form, form.items) if tensor is not None]


# ---------------------------------------------------------------- as one ONNX value


def output_types(form: RuntimeForm) -> Iterator[OutputType]:
    """The types of the ONNX values that stand for a list: one, or one for each place of tuples."""
    if form.columns:
        for column in form.columns:
            yield from output_types(column)
    else:
        yield _output_type(form)


def _output_type(form: RuntimeForm) -> OutputType:
    if form.kind != "tensor":
        return OutputType(kinds.ELEMENTS[form.kind], (None,))
    if form.stacked:
        return OutputType(_dtype(form), (None, *(form.shape or ())))
    return OutputType(_dtype(form), None, is_sequence=True)


def _dtype(form: RuntimeForm) -> ir.DataType:
    return form.dtype or ir.DataType.FLOAT


def tensors_of(interpreter: Interpreter, value: Value, form: RuntimeForm) -> Iterator[Tensor]:
    """The ONNX values that stand for a list; empty ones where nobody reads it."""
    if not form.columns:
        yield _tensor_of(interpreter, value, form)
        return
    for k, column in enumerate(form.columns):
        held = value
        if value is not UNINITIALIZED:
            held = tuple_lists.column(interpreter, value, k, column.element_type, form.item_kind)
        yield from tensors_of(interpreter, held, column)


def _tensor_of(interpreter: Interpreter, value: Value, form: RuntimeForm) -> Tensor:
    g = interpreter.g
    if value is UNINITIALIZED or (value.runtime is None and not value.items):
        if form.kind != "tensor":
            return g.constant(np.zeros((0,), kinds.ELEMENTS[form.kind].numpy()))
        if not form.stacked:
            return runtime_lists.empty(interpreter, _dtype(form)).value
        shape = [0, *(0 if d is None else d for d in form.shape or ())]
        if all(isinstance(d, int) for d in shape):
            return g.constant(np.zeros(shape, _dtype(form).numpy()))
        return g.Expand(g.constant(0, _dtype(form)), shape)  # type: ignore[no-any-return]
    if form.stacked:
        return runtime_lists.in_rows(g, value)
    runtime = runtime_lists.convert(interpreter, value, form.kind)
    if isinstance(runtime, RuntimeTexts):
        return text_lists.with_texts(g, runtime, form.texts).value
    return runtime_lists.sequence(g, runtime).value


def rebuilt(form: RuntimeForm, tensors: Iterator[Tensor]) -> ListValue:
    """The list that ONNX values stand for."""
    return ListValue.holding(_rebuilt(form, tensors), form.element_type)


def _rebuilt(form: RuntimeForm, tensors: Iterator[Tensor]) -> RuntimeList:
    if form.item_kind is not None:
        return RuntimeLists(_rebuilt(form.columns[0], tensors), form.item_kind)
    if form.columns:
        return RuntimeTuples([_rebuilt(column, tensors) for column in form.columns], *form.names)
    tensor = next(tensors)
    if form.stacked:
        ref = TensorRef.fresh(tensor, dense=False)
        return TensorRows(ref, 0, tensor, shared=form.shared)
    if form.kind == "str":
        return RuntimeTexts(form.texts, tensor)
    return RuntimeList(form.kind, tensor, form.shape, shared=form.shared)
