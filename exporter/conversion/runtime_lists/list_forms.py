"""Where paths meet with lists of different lengths: forms of lists of run-time length.

    rows: items of one shape, known outside of the paths      a tensor with one dim more
    else                                                      an ONNX Sequence
    numbers                                                   a tensor with one dim

Rows may leave branches and loops at every opset, and what becomes of them (`stack`, an item) is
cheap. But a loop that appends to them copies them all in every trip, so there Sequences are used
where the opset lets them.
"""

from __future__ import annotations

from dataclasses import replace
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
    RuntimeForm,
    TupleForm,
    described,
    number_kind,
    tensor_form,
)
from exporter.conversion.control_flow.visible import OpenShape
from exporter.conversion.runtime_lists import runtime_lists
from exporter.conversion.values.objects import (
    UNINITIALIZED,
    ListValue,
    RuntimeList,
    TensorRows,
    Value,
)
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import UnsupportedError
from exporter.onnx_graph.shapes import OutputType
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__ = ["met", "output_type", "rebuilt", "tensor_of", "unstacked"]


# ---------------------------------------------------------------- meeting


def met(a: ListForm | RuntimeForm, b: ListForm | RuntimeForm) -> RuntimeForm:
    """The form of a list that has one of two forms."""
    element = a.element_type or b.element_type
    kinds = {k for k in (_kind(a), _kind(b)) if k is not None}
    if len(kinds) != 1 or not kinds <= {"tensor", "int", "float", "bool"}:
        raise UnsupportedError(
            f"a list of {_items(a, b)} whose length depends on the data; "
            "ONNX has only lists of numbers, and of tensors of one dtype"
        )
    dtypes = {d for f in (a, b) for d in _dtypes(f)}
    if len(dtypes) > 1:
        raise UnsupportedError("a list of run-time length with tensors of several dtypes")
    shapes = [s for f in (a, b) for s in _shapes(f)]
    shape = shapes[0] if shapes else None
    for other in shapes[1:]:
        shape = runtime_lists.common_shape(shape, other)
    stacked = shape is not None and None not in shape and _stacked(a) and _stacked(b)
    return RuntimeForm(
        kinds.pop(),
        dtypes.pop() if dtypes else None,
        shape,
        element,
        shared=a.shared or b.shared,
        stacked=stacked,
    )


def unstacked(form: Form) -> Form:
    """The form with Sequences for rows, also in containers."""
    if isinstance(form, RuntimeForm):
        return replace(form, stacked=False)
    if isinstance(form, OptionalForm):
        return OptionalForm(unstacked(form.inner))
    if isinstance(form, ChoiceForm):
        return ChoiceForm(tuple(map(unstacked, form.options)))
    if isinstance(form, (TupleForm, ListForm, DictForm, ObjectForm)):
        return replace(form, items=tuple(map(unstacked, form.items)))
    return form


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
    found = {"tensor" if _is_tensor(i) else number_kind(i) for i in form.items}
    if not found:
        return runtime_lists.kind_of([], form.element_type)
    return found.pop() if len(found) == 1 else "mixed"


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


def output_type(form: RuntimeForm) -> OutputType:
    """The type of the ONNX value that stands for a list."""
    if form.kind != "tensor":
        return OutputType(runtime_lists.DTYPES[form.kind], (None,))
    if form.stacked:
        return OutputType(_dtype(form), (None, *(form.shape or ())))
    return OutputType(_dtype(form), None, is_sequence=True)


def _dtype(form: RuntimeForm) -> ir.DataType:
    return form.dtype or ir.DataType.FLOAT


def tensor_of(interpreter: Interpreter, value: Value, form: RuntimeForm) -> Tensor:
    """The ONNX value that stands for a list; an empty one where nobody reads it."""
    g = interpreter.g
    if value is UNINITIALIZED or (value.runtime is None and not value.items):
        if form.kind != "tensor":
            return g.constant(np.zeros((0,), runtime_lists.DTYPES[form.kind].numpy()))
        if not form.stacked:
            return runtime_lists.empty(interpreter, _dtype(form)).value
        shape = [0, *(0 if d is None else d for d in form.shape or ())]
        if all(isinstance(d, int) for d in shape):
            return g.constant(np.zeros(shape, _dtype(form).numpy()))
        return g.Expand(g.constant(0, _dtype(form)), shape)  # type: ignore[no-any-return]
    if form.stacked:
        return runtime_lists.in_rows(g, value)
    runtime = runtime_lists.convert(interpreter, value, form.kind)
    return runtime_lists.sequence(g, runtime).value


def rebuilt(form: RuntimeForm, tensor: Tensor) -> ListValue:
    """The list that an ONNX value stands for."""
    runtime = RuntimeList(form.kind, tensor, form.shape)
    if form.stacked:
        runtime = TensorRows(TensorRef.fresh(tensor, dense=False), 0, tensor)
    runtime.shared = form.shared
    return ListValue.holding(runtime, form.element_type)
