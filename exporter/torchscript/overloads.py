"""Chooses the overload of an operator by the types of the arguments, as TorchScript does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from exporter.torchscript.graph import Node, Value
from exporter.torchscript.schema import Argument, Schema
from exporter.torchscript.types import (
    AnyType,
    BoolType,
    ClassRef,
    ComplexType,
    DictType,
    EnumerationType,
    FloatType,
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
    TypeVariable,
    UnionType,
)

__all__ = ["bound_inputs", "join", "resolve", "substituted"]

_NUMBERS = (IntType(), FloatType(), ComplexType(), BoolType(), NumberType())


def resolve(
    schemas: Sequence[Schema], types: Sequence[Type], keywords: Sequence[str]
) -> tuple[Schema, dict[str, Type]] | None:
    """The first schema that takes these arguments, and what its type variables stand for.

    No argument is converted in the first round; in the second, a tensor may be taken as a number.
    """
    for converts in (False, True):
        for schema in schemas:
            bindings: dict[str, Type] = {}
            if _takes(schema, types, keywords, bindings, converts):
                return schema, bindings
    return None


def _takes(
    schema: Schema,
    types: Sequence[Type],
    keywords: Sequence[str],
    bindings: dict[str, Type],
    converts: bool,
) -> bool:
    if schema.is_vararg:
        return True
    count = len(types) - len(keywords)
    positional = [argument for argument in schema.arguments if not argument.keyword_only]
    if count > len(positional):
        return False
    given = dict(zip((argument.name for argument in positional), types[:count], strict=False))
    by_name = dict(zip(keywords, types[count:], strict=True))
    known = {argument.name for argument in schema.arguments}
    if given.keys() & by_name.keys() or not by_name.keys() <= known:
        return False
    given |= by_name
    return all(
        _accepts(argument.type, given[argument.name], bindings, converts)
        if argument.name in given
        else argument.has_default
        for argument in schema.arguments
    )


def _accepts(declared: Type, given: Type, bindings: dict[str, Type], converts: bool) -> bool:
    if declared == given or isinstance(declared, AnyType):
        return True
    match declared:
        case TypeVariable(name):
            if name not in bindings:
                bindings[name] = given
            return bindings[name] == given or isinstance(given, AnyType)
        case OptionalType(element):
            if isinstance(given, NoneType_):
                return True
            inner = given.element if isinstance(given, OptionalType) else given
            return _accepts(element, inner, bindings, converts)
        case NumberType():
            return given in _NUMBERS or (converts and given == TensorType())
        case EnumerationType():
            return isinstance(given, IntType)
        case ListType(element, size):
            if isinstance(given, ListType):
                return _accepts(element, given.element, bindings, False)
            return size is not None and _accepts(element, given, bindings, converts)
        case DictType(key, value) if isinstance(given, DictType):
            return _accepts(key, given.key, bindings, False) and _accepts(
                value, given.value, bindings, False
            )
        case TupleType(elements) if isinstance(given, TupleType):
            return len(elements) == len(given.elements) and all(
                _accepts(*pair, bindings, False)
                for pair in zip(elements, given.elements, strict=True)
            )
        case GenericType(name, parameters) if isinstance(given, GenericType):
            return name == given.name and all(
                _accepts(*pair, bindings, False)
                for pair in zip(parameters, given.parameters, strict=True)
            )
        case OpaqueType("AnyEnumType" | "AnyClassType"):
            return isinstance(given, ClassRef)
        case IntType() | FloatType() | BoolType() | ComplexType():
            return converts and given in (TensorType(), NumberType())
    # A value whose type could not be inferred may be anything, except where that would turn
    # every operator into its first overload.
    return isinstance(given, AnyType) and isinstance(declared, (TensorType, StrType))


def substituted(declared: Type, bindings: dict[str, Type]) -> Type:
    """A result's type with the type variables replaced. A result list has no fixed size."""

    def replaced(part: Type) -> Type:
        return substituted(part, bindings)

    match declared:
        case TypeVariable(name):
            return bindings.get(name, declared)
        case ListType(element):
            return ListType(replaced(element))
        case DictType(key, value):
            return DictType(replaced(key), replaced(value))
        case OptionalType(element):
            return OptionalType(replaced(element))
        case TupleType(elements):
            return TupleType(tuple(map(replaced, elements)))
        case GenericType(name, parameters):
            return GenericType(name, tuple(map(replaced, parameters)))
        case EnumerationType():
            return IntType()
    return declared


def bound_inputs(
    schema: Schema, node: Node, constant: Callable[[object, Type], Value]
) -> list[Value]:
    """The inputs of a node in the schema's order, defaults included."""
    count = len(node.inputs) - len(node.keywords)
    positional: list[Argument] = [a for a in schema.arguments if not a.keyword_only][:count]
    given = {argument.name: value for argument, value in zip(positional, node.inputs, strict=False)}
    given |= dict(zip(node.keywords, node.inputs[count:], strict=True))
    return [
        given[argument.name]
        if argument.name in given
        else constant(argument.default, argument.type)
        for argument in schema.arguments
    ]


def join(types: Iterable[Type]) -> Type | None:
    """The type that holds values of all these types; None for no types."""
    result: Type | None = None
    for other in types:
        result = other if result is None else _joined(result, other)
    return result


def _joined(first: Type, second: Type) -> Type:
    if first == second or isinstance(second, AnyType):
        return first
    if isinstance(first, AnyType):
        return second
    if isinstance(first, NoneType_):
        return second if isinstance(second, OptionalType) else OptionalType(second)
    if isinstance(second, NoneType_):
        return _joined(second, first)
    if isinstance(first, OptionalType) or isinstance(second, OptionalType):
        elements = [t.element if isinstance(t, OptionalType) else t for t in (first, second)]
        return OptionalType(_joined(*elements))
    if (
        isinstance(first, TupleType)
        and isinstance(second, TupleType)
        and len(first.elements) == len(second.elements)
    ):
        pairs = zip(first.elements, second.elements, strict=True)
        return TupleType(tuple(_joined(*pair) for pair in pairs))
    members = [*_members(first), *(t for t in _members(second) if t not in _members(first))]
    return UnionType(tuple(members))


def _members(declared: Type) -> tuple[Type, ...]:
    return declared.members if isinstance(declared, UnionType) else (declared,)
