"""Which function of a module a method's name means.

TorchScript saves the overloads of a method as `forward__0`, `forward__1`, ... and has no `forward`
then (`nn.LSTM` takes a tensor or a packed sequence). The arguments decide which one it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from exporter.archive import TensorData
from exporter.conversion.signature import TensorSpec
from exporter.errors import InputError
from exporter.torchscript.graph import ClassType, Function
from exporter.torchscript.types import (
    BoolType,
    ClassRef,
    DictType,
    FloatType,
    IntType,
    ListType,
    OptionalType,
    TensorType,
    TupleType,
    Type,
)

__all__ = ["method_for"]


def method_for(
    declared: ClassType,
    method: str,
    args: Sequence[object],
    kwargs: Mapping[str, object],
    where: str,
) -> Function:
    """The method of that name, or the one overload of it that takes the arguments."""
    if method in declared.methods:
        return declared.methods[method]
    prefix = f"{method}__"
    overloads = {
        name: function
        for name, function in declared.methods.items()
        if name.startswith(prefix) and name.removeprefix(prefix).isdecimal()
    }
    if not overloads:
        known = ", ".join(declared.methods) or "none"
        raise InputError(f"{where} has no method {method!r}; its methods: {known}")
    fitting = [f for f in overloads.values() if _takes(f, args, kwargs)]
    if len(fitting) == 1:
        return fitting[0]
    listed = tuple(
        f"{name}({', '.join(f'{p.type} {p.name}' for p in function.parameters[1:])})"
        for name, function in overloads.items()
    )
    what = "several overloads" if fitting else "no overload"
    raise InputError(
        f"{what} of {method!r} in {where} can take these arguments; say which one is meant", listed
    )


def _takes(function: Function, args: Sequence[object], kwargs: Mapping[str, object]) -> bool:
    parameters = function.parameters[1:]
    if len(args) > len(parameters) or not set(kwargs) <= {p.name for p in parameters}:
        return False
    given = dict(zip((p.name for p in parameters), args, strict=False)) | dict(kwargs)
    return all(p.name not in given or _fits(p.type, given[p.name]) for p in parameters) and all(
        p.name in given or p.has_default for p in parameters
    )


def _fits(kind: Type, value: object) -> bool:
    """Whether an argument can be of this type; types not listed here take anything."""
    if isinstance(kind, OptionalType):
        return value is None or _fits(kind.element, value)
    tensor = isinstance(value, (np.ndarray, np.generic, TensorSpec, TensorData))
    if isinstance(kind, TensorType):
        return tensor or isinstance(value, (bool, int, float))
    if isinstance(kind, (BoolType, IntType, FloatType)):
        return tensor or isinstance(value, (bool, int, float))
    if isinstance(kind, TupleType):
        return (
            isinstance(value, (tuple, list))
            and len(value) == len(kind.elements)
            and all(map(_fits, kind.elements, value))
        )
    if isinstance(kind, ListType):
        return isinstance(value, (tuple, list)) and all(_fits(kind.element, v) for v in value)
    if isinstance(kind, DictType):
        return isinstance(value, Mapping)
    if isinstance(kind, ClassRef):
        return isinstance(value, (tuple, list))
    return True
