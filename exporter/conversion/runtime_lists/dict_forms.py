"""Where paths meet with dicts of different keys: forms of dicts of run-time keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from exporter.conversion.control_flow.forms import (
    DictForm,
    ListForm,
    Plain,
    RuntimeDictForm,
    RuntimeForm,
    TupleForm,
)
from exporter.conversion.runtime_lists import list_forms
from exporter.conversion.values.objects import (
    UNINITIALIZED,
    DictValue,
    ListValue,
    RunTimeKeysError,
    Value,
)
from exporter.conversion.values.runtime_contents import RuntimeTuples
from exporter.errors import UnsupportedError
from exporter.onnx_graph.values import Tensor
from exporter.torchscript.types import DictType, TupleType

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__ = ["met", "pairs", "rebuilt", "tensors_of"]


def _pair_type(type_: DictType | None) -> TupleType | None:
    return None if type_ is None else TupleType((type_.key, type_.value))


def pairs(self: DictValue) -> ListValue:
    """The items of a dict as a list of pairs."""
    element = _pair_type(self.type)
    if self.runtime is not None:
        return ListValue.holding(self.runtime, element)
    return ListValue(list(self.items.items()), element)


def met(a: DictForm | RuntimeDictForm, b: DictForm | RuntimeDictForm) -> RuntimeDictForm:
    """The form of a dict that has one of two forms."""
    if not all(isinstance(form, RuntimeDictForm) or form.opens for form in (a, b)):
        raise RunTimeKeysError(
            "the keys of a dict depend on the data; ONNX has no dicts: enter the same keys, in "
            "the same order, on all paths"
        )
    type_ = a.type or b.type
    try:
        held = list_forms.met(_pairs(a, type_), _pairs(b, type_))
    except UnsupportedError as error:
        raise UnsupportedError(
            "the keys of a dict depend on the data; ONNX has no dicts, and no lists either for "
            f"what is in it: {error.message}",
            ("try  enter the same keys, in the same order, on all paths",),
        ) from None
    return RuntimeDictForm(held, type=type_)


def _pairs(form: DictForm | RuntimeDictForm, type_: DictType | None) -> ListForm | RuntimeForm:
    if isinstance(form, RuntimeDictForm):
        return form.pairs
    return ListForm(
        tuple(TupleForm((Plain(k), v)) for k, v in zip(form.keys, form.items, strict=True)),
        _pair_type(type_),
        shared=form.shared,
        opens=True,
    )


def tensors_of(interpreter: Interpreter, value: Value, form: RuntimeDictForm) -> Iterator[Tensor]:
    """The ONNX values that stand for a dict; empty ones where nobody reads it."""
    held = value if value is UNINITIALIZED else pairs(value)
    return list_forms.tensors_of(interpreter, held, form.pairs)


def rebuilt(form: RuntimeDictForm, tensors: Iterator[Tensor]) -> DictValue:
    """The dict that ONNX values stand for."""
    runtime = list_forms.rebuilt(form.pairs, tensors).runtime
    assert isinstance(runtime, RuntimeTuples)
    return DictValue.holding(runtime, form.type)
