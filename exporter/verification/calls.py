"""How a call of the program and the inputs of its ONNX model answer to each other.

The model's inputs are the tensors and numbers in the arguments, flattened in order. A `CallPlan`
remembers where each belongs, so that arrays for the inputs can be given to the program as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from exporter.archive import Archive, TensorData
from exporter.conversion.overloads import method_for
from exporter.conversion.signature import TensorSpec
from exporter.errors import InputError
from exporter.torchscript.program import Program
from exporter.torchscript.types import (
    BoolType,
    FloatType,
    IntType,
    NoneType_,
    OptionalType,
    TensorType,
    Type,
)
from exporter.verification.samples import Array, array_for

__all__ = ["CallPlan"]

_NUMBERS: tuple[tuple[type[Type], bool | int | float], ...] = (
    (BoolType, False),
    (IntType, 0),
    (FloatType, 0.0),
)


@dataclass(frozen=True)
class _Leaf:
    """The place of an input; a number is passed as one where the program declares it so."""

    index: int
    is_number: bool


class CallPlan:
    """The program's arguments with a place for each input of the model."""

    def __init__(self) -> None:
        self.examples: list[Array] = []
        """An array for each input: the example's own values, or made-up ones for a spec."""
        self.method = ""
        """The name of the overload, where the method has several."""
        self._arguments: dict[str, Any] = {}

    @classmethod
    def of(
        cls,
        archive: Archive,
        method: str,
        args: Sequence[object] | None,
        kwargs: Mapping[str, object],
        constants: Mapping[str, object],
    ) -> CallPlan:
        """Plan the calls of a method, by the arguments that it was converted with."""
        program = Program(archive.code, archive.constants, archive.source_ranges)
        if args is None and not kwargs:
            args = archive.traced_inputs.get(method)
        given = list(args or ())
        declared = program.class_type(archive.root.type_name)
        function = method_for(declared, method, given, kwargs, archive.name)
        parameters = function.parameters[1:]
        plan = cls()
        if method not in declared.methods:
            plan.method = function.name.rpartition(".")[2]
        for position, parameter in enumerate(parameters):
            kind = parameter.type
            if isinstance(kind, OptionalType):
                kind = kind.element
            name = parameter.name
            if name in constants:
                plan._arguments[name] = constants[name]
            elif position < len(given):
                plan._arguments[name] = plan._template(given[position], kind)
            elif name in kwargs:
                plan._arguments[name] = plan._template(kwargs[name], kind)
            elif not parameter.has_default and not isinstance(
                parameter.type, (OptionalType, NoneType_)
            ):
                for number, sample in _NUMBERS:
                    if isinstance(kind, number):
                        plan._arguments[name] = plan._leaf(np.asarray(sample), True)
        return plan

    def _leaf(self, example: Array, is_number: bool) -> _Leaf:
        self.examples.append(example)
        return _Leaf(len(self.examples) - 1, is_number)

    def _template(self, value: object, declared: Type | None) -> Any:
        if isinstance(value, TensorData):
            return self._leaf(array_for(value.dtype.name.lower(), value.shape), False)
        if isinstance(value, TensorSpec):
            number = isinstance(declared, (BoolType, IntType, FloatType))
            return self._leaf(array_for(value.dtype, value.shape, len(self.examples)), number)
        if isinstance(value, (np.ndarray, np.generic)):
            return self._leaf(np.asarray(value), False)
        if isinstance(value, (bool, int, float)):
            tensor = isinstance(declared, TensorType)
            kind = np.float32 if tensor and isinstance(value, float) else None
            if isinstance(declared, FloatType):
                value = float(value)
            return self._leaf(np.asarray(value, kind), not tensor)
        if isinstance(value, Mapping):
            return {key: self._template(item, None) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            # A named tuple is passed as a plain one, which TorchScript takes for it.
            items = [self._template(item, None) for item in value]
            return items if isinstance(value, list) else tuple(items)
        return value

    def use(self, names: Sequence[str], arrays: Mapping[str, Array] | Sequence[Array]) -> None:
        """Take these for the examples: by the inputs' names, or in order."""
        if not isinstance(arrays, Mapping):
            if len(arrays) > len(names):
                raise InputError(f"{len(arrays)} arrays for {len(names)} inputs")
            arrays = dict(zip(names, arrays, strict=False))
        for name, array in arrays.items():
            if name not in names:
                raise InputError(f"the model has no input {name}", (f"it has: {', '.join(names)}",))
            self.examples[names.index(name)] = array

    def arguments(self, inputs: Sequence[Array]) -> dict[str, Any]:
        """The program's arguments by name, holding these arrays in place of the examples."""
        return {name: _filled(value, inputs) for name, value in self._arguments.items()}


def _filled(value: Any, inputs: Sequence[Array]) -> Any:
    if isinstance(value, _Leaf):
        array = inputs[value.index]
        return array.item() if value.is_number else array
    if isinstance(value, (list, tuple)):
        return type(value)(_filled(item, inputs) for item in value)
    if isinstance(value, dict):
        return {key: _filled(item, inputs) for key, item in value.items()}
    return value
