"""The model's inputs: what the parameters get (`arguments.py`) -> graph inputs and program values.

A list of tensors of run-time length is an ONNX Sequence, one of numbers a 1-D tensor. What may be
None is an ONNX Optional: its content is taken out once, under an `If`, and a value that nobody
reads stands where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

from exporter.conversion.boundary.arguments import (
    Argument,
    Constant,
    DictNode,
    Leaf,
    ListNode,
    RecordNode,
)
from exporter.conversion.boundary.specs import SequenceSpec, TensorSpec
from exporter.conversion.runtime_lists.kinds import DTYPES, TYPES
from exporter.conversion.values.objects import (
    DictValue,
    ListValue,
    NamedTuple,
    OptionalValue,
    Value,
)
from exporter.conversion.values.runtime_contents import RuntimeList
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import InputError, UnsupportedError
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.complex_numbers import from_real, is_complex, part_dtype
from exporter.onnx_graph.optionals import opened
from exporter.onnx_graph.shapes import OutputType
from exporter.onnx_graph.symbolic import Dim, SymInt
from exporter.onnx_graph.values import SymBool, SymFloat, Tensor

__all__ = ["DynamicAxes", "Inputs", "mark_complex"]

DynamicAxes = Mapping[str, Mapping[int, str]]

_Dims: TypeAlias = "list[int | str] | None"


def mark_complex(value: ir.Value, dtype: ir.DataType) -> None:
    """Note of an input or output that it stands for a complex tensor, and say so in the file."""
    value.meta["complex"] = True
    value.doc_string = f"{dtype.name.lower()}: the real and the imaginary part along the last dim"


class Inputs:
    """Makes graph inputs; `values` are those of the model, in order."""

    def __init__(self, g: Builder, names: Sequence[str] | None, dynamic_axes: DynamicAxes) -> None:
        self._g = g
        self._given = list(names or ())
        self._dynamic = dynamic_axes
        self._dims: dict[str, SymInt] = {}
        self.values: list[ir.Value] = []

    @property
    def names(self) -> list[str]:
        """The inputs' names."""
        return [str(v.name) for v in self.values]

    def value(self, argument: Argument) -> Value:
        """What the program gets for an argument, with graph inputs for its leaves."""
        if isinstance(argument, Leaf):
            return self._leaf(argument)
        if isinstance(argument, Constant):
            given = argument.value
            is_array = isinstance(given, np.ndarray)
            return TensorRef.fresh(self._g.constant(given)) if is_array else given
        if isinstance(argument, DictNode):
            return DictValue({key: self.value(item) for key, item in argument.items.items()})
        if isinstance(argument, RecordNode):
            fields = {name: self.value(item) for name, item in argument.fields.items()}
            return NamedTuple(argument.type_name, fields)
        items = [self.value(item) for item in argument.items]
        return (
            ListValue(items, argument.element) if isinstance(argument, ListNode) else tuple(items)
        )

    def _leaf(self, leaf: Leaf) -> Value:
        name, content = self._name(leaf.name), leaf.content
        dtype, dims = content.onnx_dtype, self._declared(name, content)
        is_sequence = leaf.kind == "tensor" and isinstance(content, SequenceSpec)
        if leaf.is_optional:
            present, tensor = self._optional(name, dtype, dims, is_sequence=is_sequence)
            return OptionalValue(present, self._taken(leaf, tensor, dims))
        if is_sequence:
            return self._taken(leaf, self.add_sequence(name, dtype, dims), dims)
        return self._taken(leaf, self.add(name, dtype, dims), dims)

    def _declared(self, name: str, content: TensorSpec | SequenceSpec) -> _Dims:
        """The dims of an input, or of a list's items, with those that were declared dynamic."""
        dims = None if content.shape is None else list(content.shape)
        for axis, label in self._dynamic.get(name, {}).items():
            if dims is None:
                raise InputError(
                    f"dynamic_axes: {name} has no declared shape, so any axis may vary"
                )
            if not -len(dims) <= axis < len(dims):
                raise InputError(
                    f"dynamic_axes: {name} has {len(dims)} dims, so there is no axis {axis}"
                )
            if axis < 0 and axis + len(dims) in self._dynamic[name]:
                raise InputError(
                    f"dynamic_axes: {axis + len(dims)} and {axis} are one axis of {name}"
                )
            dims[axis] = label
        return dims

    def _taken(self, leaf: Leaf, tensor: Tensor, dims: _Dims) -> Value:
        """The tensor or sequence as the kind of value that the program is declared to get."""
        g, kind = self._g, leaf.kind
        if isinstance(leaf.content, SequenceSpec):
            made = ListValue([], TYPES[kind])
            if kind == "tensor":
                shape = None
                if dims is not None:
                    shape = tuple(d if isinstance(d, int) else None for d in dims)
                made.runtime = RuntimeList(kind, tensor, shape)
                return made
            tensor = g.cast(tensor, DTYPES[kind])
            length = tensor.require_shape()[0]
            if not isinstance(length, int):
                made.runtime = RuntimeList(kind, tensor)
                return made
            return ListValue(
                [self._number(kind, g.Gather(tensor, i)) for i in range(length)], TYPES[kind]
            )
        if kind == "tensor":
            return TensorRef.fresh(tensor)
        return self._number(kind, g.cast(tensor, DTYPES[kind]))

    def _number(self, kind: str, tensor: Tensor) -> Value:
        if kind == "int":
            return self._g.integer(tensor)
        return SymBool(tensor) if kind == "bool" else SymFloat(tensor)

    def _name(self, default: str) -> str:
        """The name given for the next input, or its own."""
        index = len(self.values)
        return self._given[index] if index < len(self._given) else default

    # ------------------------------------------------------------ graph inputs

    def add(self, name: str, dtype: ir.DataType, shape: Sequence[int | str] | None) -> Tensor:
        """A new graph input; dims that are strings are symbols, shared by name."""
        if is_complex(dtype):
            # ONNX has no kernels for complex numbers: the input is real, with a last dim of 2.
            pair = self.add(name, part_dtype(dtype), None if shape is None else [*shape, 2])
            mark_complex(self.values[-1], dtype)
            return from_real(pair)
        value = self._new(name, ir.TensorType(dtype))
        tensor = Tensor(dtype, None, value=value, scope=self._g.scope)
        if shape is not None:
            dims: list[Dim] = []
            for axis, dim in enumerate(shape):
                dims.append(dim if isinstance(dim, int) else self._symbol(dim, tensor, axis))
            tensor.shape = tuple(dims)
            value.shape = ir.Shape(list(shape))
        return tensor

    def _new(self, name: str, type_: ir.TypeProtocol) -> ir.Value:
        if name in self.names:
            raise InputError(f"two inputs are called {name!r}")
        value = ir.Value(name=self._g.unique(name, out=True), type=type_)
        self.values.append(value)
        return value

    def add_sequence(self, name: str, dtype: ir.DataType, dims: _Dims) -> Tensor:
        """A sequence of tensors.

        A dim that has a name may vary in it, so the name is not written: runtimes take the dims of
        one name to be of one size.
        """
        if self._g.opset < 11:
            raise UnsupportedError(
                f"{name} is a list of run-time length, which is an ONNX Sequence: "
                f"opset {self._g.opset} has none, opset 11 has"
            )
        _no_complex(name, dtype, "a list of run-time length")
        value = self._new(name, ir.SequenceType(ir.TensorType(dtype)))
        value.shape = _unnamed(dims)
        return Tensor(dtype, None, value=value, scope=self._g.scope)

    def _optional(
        self, name: str, dtype: ir.DataType, dims: _Dims, *, is_sequence: bool
    ) -> tuple[SymBool, Tensor]:
        """Whether an optional input is there, and what it holds or a value in its place."""
        _no_complex(name, dtype, "an input that may be None")
        if not is_sequence and dims is None:
            raise InputError(f"the input {name} may be None: its number of dims must be declared")
        inner: ir.TypeProtocol = ir.TensorType(dtype)
        value = self._new(name, ir.OptionalType(ir.SequenceType(inner) if is_sequence else inner))
        shape: tuple[Dim | None, ...] | None = None
        if is_sequence or dims is None:
            value.shape = _unnamed(dims)
        else:
            value.shape = ir.Shape(dims)
            # A name that no tensor has had yet says nothing: it can't be read where this is None.
            shape = tuple(d if isinstance(d, int) else self._dims.get(d) for d in dims)
        present, held = opened(self._g, value, OutputType(dtype, shape, is_sequence))
        return SymBool(present), held

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


def _no_complex(name: str, dtype: ir.DataType, what: str) -> None:
    if is_complex(dtype):
        raise UnsupportedError(f"the input {name}: {what}, of complex tensors")


def _unnamed(dims: _Dims) -> ir.Shape | None:
    return None if dims is None else ir.Shape([d if isinstance(d, int) else None for d in dims])
