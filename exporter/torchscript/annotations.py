"""Reads the type annotations of archive code: `Optional[List[int]]`, `__torch__.model.Pair`."""

from __future__ import annotations

import ast

from exporter.errors import ScriptError
from exporter.torchscript.types import (
    AnyType,
    BoolType,
    ClassRef,
    ComplexType,
    DeviceType,
    DictType,
    FloatType,
    GeneratorType,
    GenericType,
    IntType,
    ListType,
    NoneType_,
    NumberType,
    OpaqueType,
    OptionalType,
    StrType,
    TensorType,
    TupleType,
    Type,
    UnionType,
)

__all__ = ["annotation", "dotted_name"]

_SIMPLE: dict[str, Type] = {
    "Tensor": TensorType(),
    "int": IntType(),
    "float": FloatType(),
    "bool": BoolType(),
    "str": StrType(),
    "complex": ComplexType(),
    "number": NumberType(),
    "Scalar": NumberType(),
    "NoneType": NoneType_(),
    "None": NoneType_(),
    "Device": DeviceType(),
    "Any": AnyType(),
    "Generator": GeneratorType(),
    "SymInt": IntType(),
    "SymFloat": FloatType(),
    "SymBool": BoolType(),
}


# Constructors that take a certain number of types.
_FIXED = ("List", "Dict", "Optional", "Final")


def dotted_name(expression: ast.expr) -> str | None:
    """The text of `a.b.c`, or None for an expression that is something else."""
    parts: list[str] = []
    while isinstance(expression, ast.Attribute):
        parts.append(expression.attr)
        expression = expression.value
    if not isinstance(expression, ast.Name):
        return None
    parts.append(expression.id)
    return ".".join(reversed(parts))


def annotation(expression: ast.expr) -> Type:
    """The type that an annotation says."""
    if isinstance(expression, ast.Name):
        return _SIMPLE.get(expression.id) or OpaqueType(expression.id)
    if isinstance(expression, ast.Constant) and expression.value is None:
        return NoneType_()
    if isinstance(expression, ast.Subscript):
        return _parametrized(expression)
    name = dotted_name(expression)
    if name is not None:
        # `torch.Generator` and the like are printed by some versions with their module.
        return OpaqueType(name) if name.startswith("torch.") else ClassRef(name)
    raise ScriptError(f"not a type annotation: {ast.unparse(expression)}")


def _parametrized(expression: ast.Subscript) -> Type:
    constructor = dotted_name(expression.value)
    index = expression.slice
    items = index.elts if isinstance(index, ast.Tuple) else [index]
    parameters = tuple(annotation(item) for item in items)
    match constructor, parameters:
        case "List", (element,):
            return ListType(element)
        case "Dict", (key, value):
            return DictType(key, value)
        case "Tuple", _:
            return TupleType(parameters)
        case "Optional", (element,):
            return OptionalType(element)
        case "Union", _:
            return _union(parameters)
        case "Final", (element,):
            return element
        case str(), _ if constructor not in _FIXED:
            return GenericType(constructor, parameters)
    raise ScriptError(f"not a type annotation: {ast.unparse(expression)}")


def _union(members: tuple[Type, ...]) -> Type:
    """A union; of one type and None it is an Optional, as for TorchScript."""
    others = tuple(member for member in members if member != NoneType_())
    if len(others) == 1 and len(members) == 2:
        return OptionalType(others[0])
    return UnionType(members)
