"""The model's outputs: the program's result flattened in order, with a name for each tensor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from exporter.conversion.boundary.signature import mark_complex
from exporter.conversion.builtins.numbers import as_tensor
from exporter.conversion.runtime_lists.runtime_lists import sequence
from exporter.conversion.values.objects import (
    ChoiceValue,
    Device,
    DictValue,
    EnumMember,
    ListValue,
    NamedTuple,
    ObjectValue,
    OptionalValue,
    Value,
    type_name,
)
from exporter.conversion.values.runtime_contents import RuntimeLists
from exporter.conversion.values.tensors import SharedMemoryError, TensorRef
from exporter.errors import InputError, UnsupportedError
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.complex_numbers import is_complex
from exporter.onnx_graph.optionals import absent_or
from exporter.onnx_graph.values import SymBool, Tensor, is_number

__all__ = ["Outputs", "part_name"]


@dataclass(frozen=True)
class _Part:
    """A part of a result that is no container, there if all of `present` hold."""

    name: str
    value: Value
    present: tuple[SymBool, ...]

    @property
    def is_constant(self) -> bool:
        """Whether it is known and no tensor or number."""
        return self.value is None or isinstance(self.value, (str, Device, EnumMember))

    def tensor(self, g: Builder) -> Tensor:
        """As a value of the graph."""
        try:
            found = _tensor(g, self.name, self.value)
        except SharedMemoryError as error:
            error.notes.insert(0, f"in   the output {self.name}")
            raise
        if not self.present:
            return found
        present = self.present[0].tensor
        for other in self.present[1:]:
            present = g.And(present, other.tensor)
        return absent_or(g, present, found)


def part_name(holder: str, key: object) -> str:
    """The name of a part by its field, key or position, joined by a dot to what holds it.

    At the top level a field or key stands alone, and a number has a word before it.
    """
    if holder:
        return f"{holder}.{key}"
    return f"output_{key}" if isinstance(key, int) else str(key)


def _parts(value: Value, name: str = "", present: tuple[SymBool, ...] = ()) -> Iterator[_Part]:
    """The parts of a result, depth-first."""
    if isinstance(value, OptionalValue):
        yield from _parts(value.value, name, (*present, value.present))
        return
    items: Iterable[tuple[object, Value]]
    if isinstance(value, NamedTuple):
        items = value.fields.items()
    elif isinstance(value, DictValue):
        items = value.items.items()
    elif isinstance(value, tuple) or (isinstance(value, ListValue) and value.runtime is None):
        numbered = value if isinstance(value, tuple) else value.items
        items = enumerate(numbered)
    else:
        yield _Part(name or "output", value, present)
        return
    for key, item in items:
        yield from _parts(item, part_name(name, key), present)


def _tensor(g: Builder, name: str, value: Value) -> Tensor:
    if isinstance(value, TensorRef):
        return value.read(g)
    if is_number(value):
        return as_tensor(g, value)
    if isinstance(value, ListValue) and value.runtime is not None:
        runtime = value.runtime
        if runtime.kind == "str":
            raise UnsupportedError(f"the output {name} is a list of strings of run-time length")
        rows = runtime.rows if isinstance(runtime, RuntimeLists) else runtime
        return sequence(g, rows).value
    if isinstance(value, ObjectValue):
        raise UnsupportedError(
            f"the output {name} is an object of the class "
            f"{value.type.name.rpartition('.')[2]}: return the tensors that it holds"
        )
    if isinstance(value, ChoiceValue):
        what = " or ".join(repr(o) if isinstance(o, str) else type_name(o) for o in value.options)
        raise UnsupportedError(f"the output {name} is {what}, depending on the data")
    raise UnsupportedError(
        f"the output {name} is of the type {type_name(value)}, which no ONNX model can give"
    )


def _text(value: str | Device | EnumMember) -> str:
    if isinstance(value, EnumMember):
        return f"{value.type_name.rpartition('.')[2]}({value.value!r})"
    return f"the device {value.name}" if isinstance(value, Device) else repr(value)


class Outputs:
    """Makes the graph's outputs."""

    def __init__(
        self, g: Builder, names: Sequence[str] | None, own_names: Sequence[str] = ()
    ) -> None:
        self._g = g
        self._given = list(names or ())
        self._own = own_names
        self.values: list[ir.Value] = []
        self.notes: list[str] = []
        """What of the result the model does not give."""

    def add_all(self, result: Value) -> None:
        """The program's result; fewer names than outputs are allowed, more are an error."""
        parts = list(_parts(result))
        found = [part for part in parts if not part.is_constant]
        if len(self._given) > len(found):
            raise InputError(
                f"{len(self._given)} output_names for {len(found)} outputs: "
                f"{', '.join(part.name for part in found) or 'none'}"
            )
        own = self._own if len(self._own) == len(found) else [part.name for part in found]
        names = [*self._given, *own[len(self._given) :]]
        for name, part in zip(names, found, strict=True):
            self.add(name, part.tensor(self._g))
        for part in parts:
            if part.is_constant and part.value is not None:
                self.notes.append(
                    f"{part.name} is always {_text(part.value)}, which is no output of the model"
                )

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
