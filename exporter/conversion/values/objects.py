"""The values of a program that are not tensors or numbers: containers, objects, functions.

None, bool, int, float, complex and str stand for themselves, a tuple is a Python tuple. Lists,
dicts and objects have reference semantics, so they are classes here. A list whose length is only
known at run time is a `RuntimeList` (`runtime_contents`); a value whose presence is, an
`OptionalValue`; one of several that the run picks, a `ChoiceValue`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exporter.archive import Device, EnumMember
from exporter.conversion.values.journal import Container
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import UnsupportedError
from exporter.onnx_graph.conditions import Zero, decide
from exporter.onnx_graph.symbolic import SymInt
from exporter.onnx_graph.values import SymBool, SymComplex, SymFloat, Tensor

if TYPE_CHECKING:
    from exporter.conversion.values.runtime_contents import RuntimeList, RuntimeTuples
    from exporter.torchscript.graph import ClassType, Function
    from exporter.torchscript.types import DictType, Type

__all__ = [
    "UNINITIALIZED",
    "BoundMethod",
    "ChoiceValue",
    "Device",
    "DictValue",
    "EnumMember",
    "FunctionValue",
    "Home",
    "ListValue",
    "NamedTuple",
    "NotAppendOnlyError",
    "ObjectValue",
    "OptionalValue",
    "RunTimeKeysError",
    "Value",
    "kind_of_number",
    "type_name",
]

Value = Any


class _Uninitialized:
    """The value of a variable on a path that never reads it (`prim::Uninitialized`)."""

    def __repr__(self) -> str:
        return "UNINITIALIZED"


UNINITIALIZED = _Uninitialized()


class NotAppendOnlyError(UnsupportedError):
    """A list that a loop was thought to do nothing but append to was used otherwise.

    `grown` is the list; None where it is one of those of the innermost loop.
    """

    def __init__(self, message: str, grown: ListValue | None = None) -> None:
        super().__init__(message)
        self.grown = grown


class RunTimeKeysError(UnsupportedError):
    """A dict whose keys are known as yet gets others in the run."""


def _require_all(held: ListValue | DictValue) -> None:
    """Raise if it can't be told what a list or dict holds, or what the lists in it do."""
    held.require()
    if held.stored is not None:
        for member in held.stored.members():
            member.require()


class ListValue(Container):
    """A list. `runtime` holds its contents where the length is only known at run time.

    While `growing` is a list, this one stands in the body of a loop that only appends to it: what
    it held before is out of reach, and `growing` has what was appended in this trip.

    `home` says of which list it is an item, where that is of run-time length.
    """

    __slots__ = ("_items", "_runtime", "element_type", "growing", "home")

    def __init__(self, items: list[Value], element_type: Type | None = None) -> None:
        super().__init__()
        self._items = items
        self.element_type = element_type
        self._runtime: RuntimeList | None = None
        self.growing: list[Value] | None = None
        self.home: Home | None = None

    @staticmethod
    def holding(runtime: RuntimeList, element_type: Type | None = None) -> ListValue:
        """A list of run-time length."""
        made = ListValue([], element_type)
        made.runtime = runtime
        return made

    @property
    def items(self) -> list[Value]:
        """The items, where their number is known."""
        if self.growing is not None:
            raise NotAppendOnlyError("a list that grows in a loop is read in it", self)
        self.require()
        return self._items

    @items.setter
    def items(self, items: list[Value]) -> None:
        if self.growing is not None:
            raise NotAppendOnlyError("a list that grows in a loop is replaced in it", self)
        self._items = items

    @property
    def runtime(self) -> RuntimeList | None:
        """The contents, where their number is not known."""
        if self.growing is not None:
            raise NotAppendOnlyError("a list that grows in a loop is read in it", self)
        _require_all(self)
        return self._runtime

    @runtime.setter
    def runtime(self, runtime: RuntimeList | None) -> None:
        if self.growing is not None:
            raise NotAppendOnlyError("a list that grows in a loop is replaced in it", self)
        self._runtime = runtime

    @property
    def stored(self) -> RuntimeList | None:
        """`runtime`, also where it can't be told any more what the lists in it hold."""
        return self._runtime

    def contents(self) -> Any:
        """Items, run-time contents, and what was appended in a trip."""
        growing = None if self.growing is None else list(self.growing)
        return list(self._items), self._runtime, growing

    def fill(self, contents: Any) -> None:
        """Hold what `contents` gave."""
        items, self._runtime, self.growing = contents
        self._items = list(items)

    def __repr__(self) -> str:
        return f"list({self._runtime or self._items})"


@dataclass(frozen=True, eq=False)
class Home:
    """Where a list was in a list or dict, and what that held then."""

    owner: ListValue | DictValue
    index: Value
    contents: RuntimeTuples


class DictValue(Container):
    """A dict in insertion order, and its type where the program states it.

    `runtime` holds its keys and values as pairs where which keys there are is only known at run
    time.
    """

    __slots__ = ("_items", "_runtime", "type")

    def __init__(self, items: dict[Value, Value], type: DictType | None = None) -> None:  # noqa: A002
        super().__init__()
        self._items = items
        self._runtime: RuntimeTuples | None = None
        self.type = type

    @staticmethod
    def holding(runtime: RuntimeTuples, type: DictType | None = None) -> DictValue:  # noqa: A002
        """A dict of run-time keys."""
        made = DictValue({}, type)
        made._runtime = runtime
        return made

    @property
    def items(self) -> dict[Value, Value]:
        """The items, where the keys are known."""
        if self.runtime is not None:
            raise UnsupportedError(
                "a dict of which only the run tells what keys it has; ONNX has no dicts",
                ("try  enter the same keys, in the same order, on all paths",),
            )
        return self._items

    @items.setter
    def items(self, items: dict[Value, Value]) -> None:
        self._items, self._runtime = items, None

    @property
    def runtime(self) -> RuntimeTuples | None:
        """The pairs, where the keys are not known."""
        _require_all(self)
        return self._runtime

    @runtime.setter
    def runtime(self, runtime: RuntimeTuples | None) -> None:
        self._items, self._runtime = {}, runtime

    @property
    def stored(self) -> RuntimeTuples | None:
        """`runtime`, also where it can't be told any more what the values hold."""
        return self._runtime

    def alike(self) -> DictValue:
        """A dict of its own that holds the same."""
        made = DictValue(dict(self._items), self.type)
        made._runtime = self.runtime
        return made

    def contents(self) -> Any:
        """Items and run-time contents."""
        return dict(self._items), self._runtime

    def fill(self, contents: Any) -> None:
        """Hold what `contents` gave."""
        items, self._runtime = contents
        self._items = dict(items)

    def __repr__(self) -> str:
        return f"dict({self._runtime or self._items})"


class ObjectValue(Container):
    """A module or an instance of a script class; `path` is its name in the module tree."""

    __slots__ = ("_attributes", "path", "type")

    def __init__(self, type: ClassType, attributes: dict[str, Value], path: str = "") -> None:  # noqa: A002
        super().__init__()
        self.type = type
        self._attributes = attributes
        self.path = path

    @property
    def attributes(self) -> dict[str, Value]:
        """The attributes by name."""
        self.require()
        return self._attributes

    @attributes.setter
    def attributes(self, attributes: dict[str, Value]) -> None:
        self._attributes = attributes

    def contents(self) -> Any:
        """The attributes."""
        return dict(self._attributes)

    def fill(self, contents: Any) -> None:
        """Hold what `contents` gave."""
        self._attributes = dict(contents)

    def __repr__(self) -> str:
        return f"<{self.type.name}>"


@dataclass(frozen=True, eq=False)
class NamedTuple:
    """A named tuple: its class's name and the fields in order."""

    type_name: str
    fields: dict[str, Value]

    @property
    def values(self) -> tuple[Value, ...]:
        """The fields as a plain tuple."""
        return tuple(self.fields.values())


@dataclass(frozen=True, eq=False)
class OptionalValue:
    """A value that is there if `present` holds; where it isn't, `value` is a placeholder."""

    present: SymBool
    value: Value

    def here(self) -> Value:
        """What it is where the program now is: itself, or what a branch tells of it."""
        present = decide(self.present.condition, {})
        if present is None:
            return self
        return self.value if present else None


@dataclass(frozen=True, eq=False)
class ChoiceValue:
    """One of several values that don't travel as one tensor: strings, modules, objects, a Union's.

    `picked` is the number of the option, or a bool that picks the first of two if it holds.
    `ruled_out` are the options that the program has excluded by asking for the value's type.
    """

    picked: SymInt | SymBool
    options: tuple[Value, ...]
    ruled_out: frozenset[int] = frozenset()

    def left(self) -> list[int]:
        """The options that it may be where the program now is."""
        if isinstance(self.picked, SymBool):
            first = decide(self.picked.condition, {})
            possible = [i for i, known in enumerate((True, False)) if first in (None, known)]
        else:
            possible = [
                i
                for i in range(len(self.options))
                if decide(Zero(self.picked - i), {}) is not False
            ]
        return [i for i in possible if i not in self.ruled_out]

    def here(self) -> Value:
        """What it is where the program now is: itself, or the one option that is left."""
        left = self.left()
        return self.options[left[0]] if len(left) == 1 else self


@dataclass(frozen=True, eq=False)
class FunctionValue:
    """A function held as a value."""

    function: Function


@dataclass(frozen=True, eq=False)
class BoundMethod:
    """A method of an object held as a value."""

    owner: ObjectValue
    name: str


def kind_of_number(value: Value) -> str | None:
    """What TorchScript calls the type of a number; None if it is none."""
    if isinstance(value, (bool, SymBool)):
        return "bool"
    if isinstance(value, (int, SymInt)):
        return "int"
    if isinstance(value, (complex, SymComplex)):
        return "complex"
    return "float" if isinstance(value, (float, SymFloat)) else None


def type_name(value: Value) -> str:
    """What TorchScript calls the type of a value, for messages."""
    if value is None:
        return "None"
    if isinstance(value, (TensorRef, Tensor)):
        return "Tensor"
    number = kind_of_number(value)
    if number is not None:
        return number
    if isinstance(value, str):
        return "str"
    if isinstance(value, ListValue):
        inner = type_name(value.items[0]) if value.items else str(value.element_type or "")
        return f"{inner}[]"
    if isinstance(value, DictValue):
        return "dict"
    if isinstance(value, (tuple, NamedTuple)):
        items = value if isinstance(value, tuple) else value.values
        return f"({', '.join(map(type_name, items))})"
    if isinstance(value, ObjectValue):
        return value.type.name
    if isinstance(value, OptionalValue):
        return f"{type_name(value.value)}?"
    if isinstance(value, ChoiceValue):
        return " or ".join(dict.fromkeys(map(type_name, value.options)))
    if isinstance(value, EnumMember):
        return value.type_name
    return type(value).__name__
