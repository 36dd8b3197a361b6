"""The model's inputs: arguments as the user gave them -> graph inputs and values of the program.

Nested tuples, lists and dicts are flattened in order; None is absent, strings are part of the
program. Numbers are run-time inputs unless they are bound. Default names are the arguments' own:
`x`, `batch.image`, `state.0`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from exporter.conversion.objects import DictValue, ListValue, NamedTuple, Value
from exporter.conversion.tensors import TensorRef
from exporter.errors import InputError
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.complex_numbers import from_real, is_complex, part_dtype
from exporter.onnx_graph.symbolic import Dim, SymInt
from exporter.onnx_graph.values import SymBool, SymFloat, Tensor
from exporter.torchscript.program import Program
from exporter.torchscript.types import (
    ClassRef,
    DictType,
    FloatType,
    ListType,
    OptionalType,
    TensorType,
    TupleType,
    Type,
)

__all__ = ["DynamicAxes", "Inputs", "TensorSpec", "mark_complex"]

DynamicAxes = Mapping[str, Mapping[int, str]]


@dataclass(frozen=True)
class TensorSpec:
    """An input by dtype and shape: `TensorSpec("float32", ("batch", 3, 224, 224))`.

    A dim that is a string is dynamic and carries that name; the same name means the same size.
    """

    dtype: str
    shape: tuple[int | str, ...]

    @property
    def onnx_dtype(self) -> ir.DataType:
        """The dtype; an `InputError` if there is none of that name."""
        names = {"float32": "FLOAT", "float64": "DOUBLE", "half": "FLOAT16", "long": "INT64"}
        name = names.get(self.dtype, self.dtype.upper())
        try:
            return ir.DataType[name]
        except KeyError:
            raise InputError(f"there is no dtype {self.dtype!r}") from None


def mark_complex(value: ir.Value, dtype: ir.DataType) -> None:
    """Note of an input or output that it stands for a complex tensor, and say so in the file."""
    value.meta["complex"] = True
    value.doc_string = f"{dtype.name.lower()}: the real and the imaginary part along the last dim"


class Inputs:
    """Makes graph inputs; `values` are those of the model, in order."""

    def __init__(
        self,
        g: Builder,
        program: Program,
        names: Sequence[str] | None,
        dynamic_axes: DynamicAxes,
    ) -> None:
        self._g = g
        self._program = program
        self._given = list(names or ())
        self._dynamic = dynamic_axes
        self._dims: dict[str, SymInt] = {}
        self.values: list[ir.Value] = []

    @property
    def names(self) -> list[str]:
        """The inputs' names."""
        return [str(v.name) for v in self.values]

    def argument(self, name: str, declared: Type, given: object) -> Value:
        """The value of a parameter, with graph inputs for the tensors and numbers in it."""
        if isinstance(declared, OptionalType):
            declared = declared.element
        if given is None or isinstance(given, str):
            return given
        if isinstance(given, (np.ndarray, np.generic, TensorSpec)):
            return TensorRef.fresh(self._tensor(name, given))
        if isinstance(given, (bool, int, float)):
            if isinstance(declared, TensorType):
                kind = np.float32 if isinstance(given, float) else None
                return TensorRef.fresh(self._tensor(name, np.asarray(given, kind)))
            return self.number(name, float(given) if isinstance(declared, FloatType) else given)
        if isinstance(given, (list, tuple)):
            return self._sequence(name, declared, given)
        if isinstance(given, Mapping):
            inner = declared.value if isinstance(declared, DictType) else TensorType()
            return DictValue({k: self.argument(f"{name}.{k}", inner, v) for k, v in given.items()})
        raise InputError(f"argument {name}: a {type(given).__name__} can't be an input")

    def _sequence(self, name: str, declared: Type, given: Sequence[object]) -> Value:
        if isinstance(declared, ClassRef):
            fields = self._program.class_type(declared.name).attributes
            return NamedTuple(
                declared.name,
                {
                    field: self.argument(f"{name}.{field}", fields[field], v)
                    for field, v in zip(fields, given, strict=True)
                },
            )
        if isinstance(declared, TupleType):
            return tuple(
                self.argument(f"{name}.{i}", t, v)
                for i, (t, v) in enumerate(zip(declared.elements, given, strict=True))
            )
        element = declared.element if isinstance(declared, ListType) else TensorType()
        items = [self.argument(f"{name}.{i}", element, v) for i, v in enumerate(given)]
        return ListValue(items, element)

    def number(self, name: str, sample: bool | int | float) -> Value:
        """A number that is an input: a 0-d int64, double or bool."""
        dtype = (
            ir.DataType.BOOL
            if isinstance(sample, bool)
            else ir.DataType.INT64
            if isinstance(sample, int)
            else ir.DataType.DOUBLE
        )
        tensor = self.add(self._name(name), dtype, ())
        if dtype == ir.DataType.INT64:
            return self._g.integer(tensor)
        return SymBool(tensor) if dtype == ir.DataType.BOOL else SymFloat(tensor)

    def _tensor(self, name: str, given: np.ndarray | np.generic | TensorSpec) -> Tensor:
        name = self._name(name)
        if isinstance(given, TensorSpec):
            dtype: ir.DataType = given.onnx_dtype
            shape: list[int | str] = list(given.shape)
        else:
            dtype, shape = ir.DataType.from_numpy(given.dtype), list(given.shape)
        for axis, label in self._dynamic.get(name, {}).items():
            if not -len(shape) <= axis < len(shape):
                raise InputError(
                    f"dynamic_axes: {name} has {len(shape)} dims, so there is no axis {axis}"
                )
            shape[axis] = label
        return self.add(name, dtype, shape)

    def _name(self, default: str) -> str:
        """The name given for the next input, or its own."""
        index = len(self.values)
        return self._given[index] if index < len(self._given) else default

    def add(self, name: str, dtype: ir.DataType, shape: Sequence[int | str] | None) -> Tensor:
        """A new graph input; dims that are strings are symbols, shared by name."""
        if name in self.names:
            raise InputError(f"two inputs are called {name!r}")
        if is_complex(dtype):
            # ONNX has no kernels for complex numbers: the input is real, with a last dim of 2.
            pair = self.add(name, part_dtype(dtype), None if shape is None else [*shape, 2])
            mark_complex(self.values[-1], dtype)
            return from_real(pair)
        value = ir.Value(name=self._g.unique(name, out=True), type=ir.TensorType(dtype))
        tensor = Tensor(dtype, None, value=value, scope=self._g.scope)
        if shape is not None:
            dims: list[Dim] = []
            for axis, dim in enumerate(shape):
                dims.append(dim if isinstance(dim, int) else self._symbol(dim, tensor, axis))
            tensor.shape = tuple(dims)
            value.shape = ir.Shape(list(shape))
        self.values.append(value)
        return tensor

    def _symbol(self, label: str, tensor: Tensor, axis: int) -> SymInt:
        known = self._dims.get(label)
        if known is None:
            self._dims[label] = known = self._g.symbol(label, tensor, axis)
            declared = known.as_symbol()
            assert declared is not None
            declared.declared = True
        else:
            symbol = known.as_symbol()
            assert symbol is not None
            symbol.sources.append((tensor, axis))
        return known
