"""The `prim::` nodes: constants, attributes, calls, containers, types, exceptions.

Each is a function `(interpreter, node, environment) -> the outputs' values`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from exporter.archive import ScriptObject, TensorData
from exporter.conversion.builtins import numbers
from exporter.conversion.builtins.tolist import tolist
from exporter.conversion.calls.operators import item
from exporter.conversion.control_flow import branches, choices, loops
from exporter.conversion.runtime_lists import kinds, runtime_lists
from exporter.conversion.values.constants import packed_object, tensor_from_archive
from exporter.conversion.values.objects import (
    UNINITIALIZED,
    BoundMethod,
    ChoiceValue,
    Device,
    DictValue,
    EnumMember,
    FunctionValue,
    ListValue,
    NamedTuple,
    ObjectValue,
    OptionalValue,
    Value,
    type_name,
)
from exporter.conversion.values.runtime_contents import RuntimeList, TensorRows
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import RaisedError, UnsupportedError
from exporter.onnx_graph.symbolic import SymInt
from exporter.onnx_graph.values import SymBool, SymComplex, SymFloat
from exporter.torchscript.types import (
    AnyType,
    BoolType,
    ClassRef,
    ComplexType,
    DeviceType,
    DictType,
    FloatType,
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

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Environment, Interpreter
    from exporter.torchscript.graph import Node

__all__ = ["PRIMS", "prim"]

Handler = Callable[..., Sequence[Value]]
F = TypeVar("F", bound=Handler)
PRIMS: dict[str, Handler] = {}


def prim(*kinds: str) -> Callable[[F], F]:
    """Register the handler of `prim::` nodes."""

    def register(function: F) -> F:
        for kind in kinds:
            PRIMS[kind] = function
        return function

    return register


def _arguments(
    node: Node, environment: Environment, skip: int = 0
) -> tuple[list[Value], Mapping[str, Value]]:
    values = [environment[v] for v in node.inputs]
    split = len(values) - len(node.keywords)
    return values[skip:split], dict(zip(node.keywords, values[split:], strict=True))


@prim("prim::Constant")
def constant(interpreter: Interpreter, node: Node, environment: Environment) -> Sequence[Value]:
    """A literal, or a tensor or object of `CONSTANTS`."""
    value = node.attributes.get("value")
    if isinstance(value, TensorData):
        constant_tensor = tensor_from_archive(interpreter.g, value, None)
        # PyTorch marks the 0-d tensors of a program's code as wrapped numbers.
        tensor = constant_tensor.read(interpreter.g)
        tensor.is_number = tensor.shape == ()
        return [constant_tensor]
    if isinstance(value, ScriptObject):
        # What `torch.jit.freeze` makes of an attribute.
        return [packed_object(interpreter.g, value, "CONSTANTS")]
    return [interpreter.literal(value)]


@prim("prim::GetAttr")
def get_attribute(
    interpreter: Interpreter, node: Node, environment: Environment
) -> Sequence[Value]:
    """`object.name`: an attribute, a constant of the class, a field, a method."""
    owner = environment[node.inputs[0]]
    name: Any = node.attributes["name"]
    return [attribute(interpreter, owner, name)]


def attribute(interpreter: Interpreter, owner: Value, name: str) -> Value:
    """The value of `owner.name`."""
    if isinstance(owner, OptionalValue):
        owner = owner.value
    if isinstance(owner, ChoiceValue):
        result = choices.choose(interpreter, owner, lambda o: attribute(interpreter, o, name))
        if result is not NotImplemented:
            return result
        return choices.each_way(interpreter, owner, lambda o: [attribute(interpreter, o, name)])[0]
    if isinstance(owner, NamedTuple):
        return owner.fields[name]
    if isinstance(owner, EnumMember):
        return owner.value if name == "value" else _member_name(interpreter, owner)
    if isinstance(owner, TensorRef):
        return interpreter.builtin(f"prim::{name}", owner)
    if not isinstance(owner, ObjectValue):
        raise UnsupportedError(f"a {type_name(owner)} has no attribute {name}")
    if name in owner.attributes:
        return owner.attributes[name]
    if name in owner.type.constants:
        return interpreter.literal(owner.type.constants[name])
    if name in owner.type.methods:
        return BoundMethod(owner, name)
    raise UnsupportedError(f"{owner.type.name} has no attribute {name}")


def _member_name(interpreter: Interpreter, member: EnumMember) -> str:
    members = interpreter.program.class_type(member.type_name).members
    return next(name for name, value in members.items() if value == member.value)


@prim("prim::HasAttr")
def has_attribute(
    interpreter: Interpreter, node: Node, environment: Environment
) -> Sequence[Value]:
    """`hasattr(object, name)`."""
    owner = environment[node.inputs[0]]
    name: Any = node.attributes["name"]
    held = isinstance(owner, ObjectValue)
    return [held and (name in owner.attributes or name in owner.type.attributes)]


@prim("prim::SetAttr")
def set_attribute(
    interpreter: Interpreter, node: Node, environment: Environment
) -> Sequence[Value]:
    """`object.name = value`."""
    name: Any = node.attributes["name"]
    value = environment[node.inputs[1]]

    def set_on(owner: Value) -> Sequence[Value]:
        if not isinstance(owner, ObjectValue):
            raise UnsupportedError(f"setting an attribute of a {type_name(owner)}")
        interpreter.journal.touch(owner)
        owner.attributes[name] = value
        return []

    return choices.each_way(interpreter, environment[node.inputs[0]], set_on)


@prim("prim::CallMethod")
def call_method(interpreter: Interpreter, node: Node, environment: Environment) -> Sequence[Value]:
    """`object.name(...)`."""
    owner = environment[node.inputs[0]]
    args, kwargs = _arguments(node, environment, 1)
    name: Any = node.attributes["name"]
    if isinstance(owner, ChoiceValue):
        owner = owner.here()
    if isinstance(owner, ObjectValue) and name in owner.type.methods:
        return interpreter.spread(node, interpreter.call_method(owner, name, args, kwargs))
    if isinstance(owner, ObjectValue) and name in owner.attributes:
        callee = owner.attributes[name]
        return interpreter.spread(node, interpreter.call_value(callee, args, kwargs))
    if isinstance(owner, (str, ListValue, DictValue, TensorRef)):
        return interpreter.spread(node, interpreter.call(f"aten::{name}", [owner, *args], kwargs))
    return interpreter.spread(node, interpreter.call_method(owner, name, args, kwargs))


@prim("prim::CallFunction")
def call_function(
    interpreter: Interpreter, node: Node, environment: Environment
) -> Sequence[Value]:
    """A call of a free function of the archive."""
    args, kwargs = _arguments(node, environment)
    name: Any = node.attributes["name"]
    function = interpreter.program.function(name)
    return interpreter.spread(node, interpreter.run_function(function, args, kwargs))


@prim("prim::CallValue")
def call_value(interpreter: Interpreter, node: Node, environment: Environment) -> Sequence[Value]:
    """A call of a function held as a value."""
    callee = environment[node.inputs[0]]
    args, kwargs = _arguments(node, environment, 1)
    return interpreter.spread(node, interpreter.call_value(callee, args, kwargs))


@prim("prim::Function")
def function_value(
    interpreter: Interpreter, node: Node, environment: Environment
) -> Sequence[Value]:
    """A function of the archive as a value."""
    name: Any = node.attributes["name"]
    return [FunctionValue(interpreter.program.function(name))]


@prim("prim::CreateObject")
def create_object(
    interpreter: Interpreter, node: Node, environment: Environment
) -> Sequence[Value]:
    """A new instance of a script class; `__init__` is a call of its own."""
    name: Any = node.attributes["name"]
    return [ObjectValue(interpreter.program.class_type(name), {})]


@prim("prim::NamedTupleConstruct")
def named_tuple(interpreter: Interpreter, node: Node, environment: Environment) -> Sequence[Value]:
    """A named tuple; fields that are left out have defaults."""
    name: Any = node.attributes["name"]
    declared = interpreter.program.class_type(name)
    args, kwargs = _arguments(node, environment)
    fields: dict[str, Value] = dict(zip(declared.attributes, args, strict=False))
    for field in list(declared.attributes)[len(args) :]:
        if field in kwargs:
            fields[field] = kwargs[field]
        else:
            fields[field] = interpreter.literal(declared.defaults[field])
    return [NamedTuple(name, fields)]


@prim("prim::EnumMember")
def enum_member(interpreter: Interpreter, node: Node, environment: Environment) -> Sequence[Value]:
    """A member of an enum class."""
    name: Any = node.attributes["name"]
    member: Any = node.attributes["member"]
    return [EnumMember(name, interpreter.program.class_type(name).members[member])]


# ---------------------------------------------------------------- containers


@prim("prim::TupleConstruct")
def tuple_construct(
    interpreter: Interpreter, node: Node, environment: Environment
) -> Sequence[Value]:
    """A tuple."""
    return [tuple(environment[v] for v in node.inputs)]


@prim("prim::ListConstruct")
def list_construct(
    interpreter: Interpreter, node: Node, environment: Environment
) -> Sequence[Value]:
    """A list."""
    declared = node.outputs[0].type if node.outputs else None
    if isinstance(declared, OptionalType):
        declared = declared.element
    element = declared.element if isinstance(declared, ListType) else None
    items = [environment[v] for v in node.inputs]
    return [ListValue(items, element or kinds.type_of(items))]


@prim("prim::DictConstruct")
def dict_construct(
    interpreter: Interpreter, node: Node, environment: Environment
) -> Sequence[Value]:
    """A dict from keys and values in turn."""
    values = [environment[v] for v in node.inputs]
    declared = node.outputs[0].type if node.outputs else None
    if isinstance(declared, OptionalType):
        declared = declared.element
    made = DictValue({}, declared if isinstance(declared, DictType) else None)
    for key, value in zip(values[::2], values[1::2], strict=True):
        interpreter.builtin("aten::_set_item", made, key, value)
    return [made]


@prim("prim::TupleUnpack", "prim::ListUnpack")
def unpack(interpreter: Interpreter, node: Node, environment: Environment) -> Sequence[Value]:
    """The items of a tuple or list: as many as there are variables."""
    value = environment[node.inputs[0]]
    if isinstance(value, OptionalValue):
        value = value.value
    if isinstance(value, ListValue) and value.runtime is not None:
        return _unpacked(interpreter, node, value.runtime)
    found = interpreter.items(value)
    if len(found) != len(node.outputs):
        raise UnsupportedError(
            f"{len(found)} values to unpack where {len(node.outputs)} are wanted"
        )
    return found


def _unpacked(interpreter: Interpreter, node: Node, runtime: RuntimeList) -> Sequence[Value]:
    """The items of a list of run-time length, which must have as many as are wanted."""
    count = len(node.outputs)
    if numbers.equal(interpreter, runtime_lists.length(interpreter.g, runtime), count) is not True:
        message = f"the list does not have {count} items to unpack"
        interpreter.preconditions.append(branches.precondition(node, message))
    if isinstance(runtime, TensorRows) and runtime.unpacked is not None:
        return interpreter.items(runtime.unpacked(count))
    return [runtime_lists.get(interpreter, runtime, i) for i in range(count)]


# ---------------------------------------------------------------- types


@prim("prim::annotate")
def annotate(interpreter: Interpreter, node: Node, environment: Environment) -> Sequence[Value]:
    """`annotate(T, x)`: the value itself, but for tensors where a number is wanted."""
    value = environment[node.inputs[0]]
    declared: Any = node.attributes["type"]
    if isinstance(value, TensorRef):
        if isinstance(declared, (IntType, FloatType, BoolType)):
            return [item(interpreter, value, declared)]
        if isinstance(declared, (NumberType, ComplexType)):
            return [item(interpreter, value)]
    if isinstance(value, ListValue) and isinstance(declared, ListType) and not value.element_type:
        value.element_type = declared.element
    if isinstance(value, DictValue) and isinstance(declared, DictType) and value.type is None:
        value.type = declared
    return [value]


@prim("prim::unchecked_cast", "prim::unchecked_unwrap_optional")
def unchecked_cast(
    interpreter: Interpreter, node: Node, environment: Environment
) -> Sequence[Value]:
    """A value whose type the program has tested."""
    value = environment[node.inputs[0]]
    if isinstance(value, OptionalValue):
        value = value.value
    declared: Any = node.attributes.get("type")
    if isinstance(value, ChoiceValue) and declared is not None:
        others = {i for i, o in enumerate(value.options) if not fits(interpreter, o, declared)}
        if len(others) < len(value.options):
            value = replace(value, ruled_out=value.ruled_out | others)
        value = value.here()
    return [value]


@prim("aten::_unwrap_optional")
def unwrap_optional(
    interpreter: Interpreter, node: Node, environment: Environment
) -> Sequence[Value]:
    """A value that must not be None."""
    value = environment[node.inputs[0]]
    if value is None:
        raise RaisedError("unwrapping None")
    return [value.value if isinstance(value, OptionalValue) else value]


@prim("prim::Uninitialized")
def uninitialized(
    interpreter: Interpreter, node: Node, environment: Environment
) -> Sequence[Value]:
    """A value that no path reads."""
    return [UNINITIALIZED]


@prim("prim::isinstance")
def is_instance(interpreter: Interpreter, node: Node, environment: Environment) -> Sequence[Value]:
    """`isinstance(x, T)`."""
    value = environment[node.inputs[0]]
    types: Any = node.attributes["types"]
    if isinstance(value, OptionalValue):
        inside = any(fits(interpreter, value.value, t) for t in types)
        absent = any(fits(interpreter, None, t) for t in types)
        if inside == absent:
            return [inside]
        present = value.present
        return [present if inside else numbers.logical_not(interpreter, present)]
    if isinstance(value, ChoiceValue):
        asked = partial(_fits_any, interpreter, types)
        return [choices.choose(interpreter, value, asked)]
    return [_fits_any(interpreter, types, value)]


def _fits_any(interpreter: Interpreter, types: Sequence[Type], value: Value) -> bool:
    return any(fits(interpreter, value, t) for t in types)


def fits(interpreter: Interpreter, value: Value, declared: Type) -> bool:
    """Whether a value is of a type."""
    if isinstance(declared, AnyType):
        return True
    if isinstance(declared, OptionalType):
        return value is None or fits(interpreter, value, declared.element)
    if isinstance(declared, UnionType):
        return any(fits(interpreter, value, t) for t in declared.members)
    if isinstance(declared, ListType):
        if not isinstance(value, ListValue):
            return False
        if isinstance(value.element_type, _OF_SEVERAL_TYPES):
            return value.element_type == declared.element
        if value.items:
            return fits(interpreter, value.items[0], declared.element)
        return value.element_type is None or value.element_type == declared.element
    if isinstance(declared, DictType):
        return isinstance(value, DictValue) and _is_dict_of(interpreter, value, declared)
    if isinstance(declared, TupleType):
        if isinstance(value, NamedTuple):
            value = value.values
        return (
            isinstance(value, tuple)
            and len(value) == len(declared.elements)
            and all(map(lambda v, t: fits(interpreter, v, t), value, declared.elements))
        )
    if isinstance(declared, OpaqueType) and declared.word in ("list", "tuple"):
        # `isinstance(x, list)` asks for lists of anything.
        return isinstance(value, ListValue if declared.word == "list" else (tuple, NamedTuple))
    if isinstance(declared, ClassRef):
        names = (
            value.type.name if isinstance(value, ObjectValue) else None,
            value.type_name if isinstance(value, (NamedTuple, EnumMember)) else None,
        )
        return declared.name in names
    classes = _CLASSES.get(type(declared))
    if classes is None:
        return False
    if isinstance(value, (bool, SymBool)):
        return bool in classes
    return isinstance(value, classes)


# What is in a list or dict of these does not tell its type.
_OF_SEVERAL_TYPES = (AnyType, OptionalType, UnionType)


def _is_dict_of(interpreter: Interpreter, value: DictValue, declared: DictType) -> bool:
    """Whether a dict is of a type: by what it holds, unless that does not tell."""
    if value.type is not None and (
        value.runtime is not None
        or not value.items
        or isinstance(value.type.value, _OF_SEVERAL_TYPES)
    ):
        return value.type == declared
    return all(
        fits(interpreter, k, declared.key) and fits(interpreter, v, declared.value)
        for k, v in value.items.items()
    )


_CLASSES: dict[type[Type], tuple[type, ...]] = {
    TensorType: (TensorRef,),
    IntType: (int, SymInt),
    FloatType: (float, SymFloat),
    BoolType: (bool, SymBool),
    StrType: (str,),
    ComplexType: (complex, SymComplex),
    NumberType: (bool, int, float, complex, SymInt, SymFloat, SymComplex),
    NoneType_: (type(None),),
    DeviceType: (Device,),
}


@prim("prim::tolist")
def to_list(interpreter: Interpreter, node: Node, environment: Environment) -> Sequence[Value]:
    """`tensor.tolist()`, for tensors of a known size, or 1-D ones as a run-time list."""
    declared: Any = node.attributes.get("type")
    return [tolist(interpreter, environment[node.inputs[0]], declared)]


# ---------------------------------------------------------------- effects and control flow


@prim("prim::RaiseException")
def raise_exception(
    interpreter: Interpreter, node: Node, environment: Environment
) -> Sequence[Value]:
    """`raise`; where it is only one branch of an `If`, that branch is dropped."""
    message = environment[node.inputs[0]]
    raise RaisedError(f"{message}")


@prim(
    "prim::Print",
    "aten::warn",
    "aten::_assert_async",
    "aten::_warn",
    "aten::_assert_tensor_metadata",
)
def ignored(interpreter: Interpreter, node: Node, environment: Environment) -> Sequence[Value]:
    """Printing and warnings have no place in a graph."""
    return [None] * len(node.outputs)


@prim("prim::fork", "prim::awaitable")
def fork(interpreter: Interpreter, node: Node, environment: Environment) -> Sequence[Value]:
    """A task of its own: it runs here and now, so that what is waited for is its result."""
    return interpreter.run_block(node.blocks[0], environment)


@prim("aten::wait", "prim::awaitable_wait")
def wait(interpreter: Interpreter, node: Node, environment: Environment) -> Sequence[Value]:
    """The result of a task."""
    return [environment[node.inputs[0]]]


@prim("prim::TracedModuleForward")
def traced_module(
    interpreter: Interpreter, node: Node, environment: Environment
) -> Sequence[Value]:
    """What a trace ran in a module."""
    path, function = str(node.attributes["path"]), str(node.attributes["function"])
    interpreter.run_within(path, function, node.blocks[0], environment)
    return []


@prim("prim::If")
def branch(interpreter: Interpreter, node: Node, environment: Environment) -> Sequence[Value]:
    """A branch: taken if its condition is known, else an ONNX `If`."""
    condition = numbers.truth(interpreter, environment[node.inputs[0]])
    if isinstance(condition, SymBool):
        return branches.stage(interpreter, node, environment, condition)
    return interpreter.run_block(node.blocks[0 if condition else 1], environment)


@prim("prim::Loop")
def loop(interpreter: Interpreter, node: Node, environment: Environment) -> Sequence[Value]:
    """A loop: unrolled if its course is known and it is small, else an ONNX `Loop`."""
    return loops.run(interpreter, node, environment)
