"""The model's outputs: the program's result flattened in order, with a name for each tensor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx_ir as ir

from exporter.conversion.numbers import as_tensor
from exporter.conversion.objects import (
    ChoiceValue,
    DictValue,
    ListValue,
    NamedTuple,
    ObjectValue,
    OptionalValue,
    Value,
    type_name,
)
from exporter.conversion.runtime_lists import sequence
from exporter.conversion.signature import mark_complex
from exporter.conversion.tensors import TensorRef
from exporter.errors import InputError, UnsupportedError
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.complex_numbers import is_complex
from exporter.onnx_graph.values import Tensor, is_number

__all__ = ["Outputs", "flatten"]


def flatten(g: Builder, value: Value, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """(name, tensor) of each tensor and number in a result, depth-first; None and strings drop out.

    A field's name is its own, at the top level; below, it is joined to what holds it by a dot.
    """
    if value is None or isinstance(value, str):
        return
    if isinstance(value, TensorRef):
        yield name or "output", value.read(g)
    elif isinstance(value, Tensor):
        yield name or "output", value
    elif is_number(value):
        yield name or "output", as_tensor(g, value)
    elif isinstance(value, NamedTuple):
        for field, item in value.fields.items():
            yield from flatten(g, item, f"{name}.{field}" if name else field)
    elif isinstance(value, DictValue):
        for key, item in value.items.items():
            yield from flatten(g, item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, ListValue) and value.runtime is not None:
        yield name or "output", sequence(g, value.runtime).value
    elif isinstance(value, (tuple, ListValue)):
        items = value if isinstance(value, tuple) else value.items
        for i, item in enumerate(items):
            yield from flatten(g, item, f"{name}.{i}" if name else f"output_{i}")
    elif isinstance(value, OptionalValue):
        raise UnsupportedError("an output whose presence is only known at run time")
    elif isinstance(value, ChoiceValue):
        what = " or ".join(repr(o) if isinstance(o, str) else type_name(o) for o in value.options)
        raise UnsupportedError(f"an output that is {what}, depending on the data")
    elif isinstance(value, ObjectValue):
        raise UnsupportedError(f"an output of the class {value.type.name}")
    else:
        raise UnsupportedError(f"an output of the type {type(value).__name__}")


class Outputs:
    """Makes the graph's outputs."""

    def __init__(self, g: Builder, names: Sequence[str] | None) -> None:
        self._g = g
        self._given = list(names or ())
        self.values: list[ir.Value] = []

    def add_all(self, result: Value) -> None:
        """The program's result; fewer names than outputs are allowed, more are an error."""
        found = list(flatten(self._g, result))
        if len(self._given) > len(found):
            raise InputError(
                f"{len(self._given)} output_names for {len(found)} outputs: "
                f"{', '.join(name for name, _ in found)}"
            )
        for i, (name, tensor) in enumerate(found):
            self.add(self._given[i] if i < len(self._given) else name, tensor)

    def add(self, name: str, tensor: Tensor) -> None:
        """One output; it is a node's output of its own, under this name."""
        value = self._g.value(tensor)
        if value.producer() is None or value in self.values or value not in self._g.scope.values:
            value = self._g.passed(tensor)
        self.rename(value, name)
        if is_complex(tensor.dtype):
            mark_complex(value, tensor.dtype)
        self.values.append(value)

    def rename(self, value: ir.Value, name: str) -> None:
        """Give a value its public name."""
        if value.name != name:
            value.name = self._g.unique(name, out=True)
