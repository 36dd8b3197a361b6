"""What a list of run-time length can hold: tensors, numbers of one kind, or strings."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from exporter.conversion.values.objects import ChoiceValue, Value, kind_of_number
from exporter.conversion.values.tensors import TensorRef
from exporter.torchscript.types import BoolType, FloatType, IntType, StrType, TensorType, Type

__all__ = ["DTYPES", "ELEMENTS", "TYPES", "kind_of", "texts_of"]

DTYPES = {"int": ir.DataType.INT64, "float": ir.DataType.DOUBLE, "bool": ir.DataType.BOOL}
"""The dtype of a list of numbers as a tensor."""
ELEMENTS = {**DTYPES, "str": ir.DataType.INT64}
"""That of what is held as one tensor: also of strings, by their numbers in a table of them."""
TYPES: dict[str, Type] = {
    "tensor": TensorType(),
    "int": IntType(),
    "float": FloatType(),
    "bool": BoolType(),
    "str": StrType(),
}
_KINDS: dict[type, str] = {type(type_): kind for kind, type_ in TYPES.items()}


def kind_of(items: Sequence[Value], element: Type | None) -> str | None:
    """The kind of run-time list that can hold these items; None if there is none, or no telling."""
    for item in items:
        if isinstance(item, TensorRef):
            return "tensor"
        if texts_of(item):
            return "str"
        kind = kind_of_number(item)
        return kind if kind in DTYPES else None
    return _KINDS.get(type(element))


def texts_of(item: Value) -> tuple[str, ...]:
    """The strings that an item may be; none if it is something else, or they are not known."""
    options = item.options if isinstance(item, ChoiceValue) else (item,)
    return options if all(type(option) is str for option in options) else ()
