"""TorchScript's types, as values that compare by what they say.

They print as PyTorch's IR prints them: `Tensor`, `int[]`, `(Tensor, int)`, `Dict(str, Tensor)`,
`Tensor?`, `__torch__.programs.Pair`. Two notations are read into them: the Python annotations of
archive code (`annotations.py`) and the operator schemas of ATen (`schema.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "Type",
    "SimpleType",
    "TensorType",
    "IntType",
    "FloatType",
    "BoolType",
    "StrType",
    "ComplexType",
    "NumberType",
    "NoneType_",
    "DeviceType",
    "AnyType",
    "GeneratorType",
    "EnumerationType",
    "OpaqueType",
    "TypeVariable",
    "ListType",
    "DictType",
    "TupleType",
    "OptionalType",
    "UnionType",
    "ClassRef",
    "GenericType",
]


@dataclass(frozen=True)
class Type:
    """Base of all types."""


class SimpleType(Type):
    """A type without parameters; the class is the type, and all its instances are equal."""

    word = ""

    def __str__(self) -> str:
        return self.word


class TensorType(SimpleType):
    """A tensor of any dtype and shape."""

    word = "Tensor"


class IntType(SimpleType):
    """A 64-bit integer. ATen's `SymInt` is read as this one."""

    word = "int"


class FloatType(SimpleType):
    """A double."""

    word = "float"


class BoolType(SimpleType):
    """A bool."""

    word = "bool"


class StrType(SimpleType):
    """A string."""

    word = "str"


class ComplexType(SimpleType):
    """A complex number of two doubles."""

    word = "complex"


class NumberType(SimpleType):
    """An int, a float, a bool or a complex number. Annotations call it `number`."""

    word = "Scalar"


class NoneType_(SimpleType):  # noqa: N801  "NoneType" alone reads as Python's own
    """The type of None."""

    word = "NoneType"


class DeviceType(SimpleType):
    """A device such as `cpu` or `cuda:1`."""

    word = "Device"


class AnyType(SimpleType):
    """A value of which nothing is declared."""

    word = "Any"


class GeneratorType(SimpleType):
    """The state of a random number generator."""

    word = "Generator"


@dataclass(frozen=True)
class EnumerationType(Type):
    """One of ATen's enumerations, held as an int: `ScalarType`, `Layout`, `MemoryFormat`."""

    word: str

    def __str__(self) -> str:
        return self.word


@dataclass(frozen=True)
class OpaqueType(Type):
    """A type of which only the name is known: `Capsule`, `Storage`, `Stream`, `QScheme`, ..."""

    word: str

    def __str__(self) -> str:
        return self.word


@dataclass(frozen=True)
class TypeVariable(Type):
    """A variable of a generic schema: the `t` of `aten::append.t(t[](a!) self, t(c -> *) el)`."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class ListType(Type):
    """A list. A schema's `int[2]` has a size, and then takes a lone `int` for all elements."""

    element: Type
    size: int | None = None

    def __str__(self) -> str:
        return f"{self.element}[{'' if self.size is None else self.size}]"


@dataclass(frozen=True)
class DictType(Type):
    """A dict, ordered by insertion."""

    key: Type
    value: Type

    def __str__(self) -> str:
        return f"Dict({self.key}, {self.value})"


@dataclass(frozen=True)
class TupleType(Type):
    """A tuple of known length."""

    elements: tuple[Type, ...]

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.elements))})"


@dataclass(frozen=True)
class OptionalType(Type):
    """A value or None."""

    element: Type

    def __str__(self) -> str:
        return f"{self.element}?"


@dataclass(frozen=True)
class UnionType(Type):
    """One of several types."""

    members: tuple[Type, ...]

    def __str__(self) -> str:
        return f"Union({', '.join(map(str, self.members))})"


@dataclass(frozen=True)
class ClassRef(Type):
    """A module, script class, named tuple, enum or interface, by its qualified name."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class GenericType(Type):
    """`Future(T)`, `RRef(T)`, `Await(T)` and whatever else takes parameters."""

    name: str
    parameters: tuple[Type, ...]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.parameters))})"
