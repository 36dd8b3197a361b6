"""Infers what a graph leaves out: the types of values, the overloads, the default arguments.

Only `ts2onnx inspect --graph` needs this, to print a graph as TorchScript would. The conversion
has the values themselves. So nothing here changes the graph: what is inferred is kept beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

from exporter.archive import Device, EnumMember, TensorData
from exporter.errors import ScriptError
from exporter.torchscript.graph import MISSING, Block, Function, Graph, Node, Value
from exporter.torchscript.overloads import bound_inputs, join, resolve, substituted
from exporter.torchscript.program import Program
from exporter.torchscript.schema import Schema
from exporter.torchscript.schemas import schemas_of
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
    StrType,
    TensorType,
    TupleType,
    Type,
)

__all__ = ["IMPLICIT_CONVERSIONS", "Inference", "infer", "type_of_constant"]


class Inference:
    """What was inferred about one graph.

    `types` has every value's type as far as it is known. `inputs` are the inputs of a node with
    the default arguments, in the schema's order; the constants that this needed are in
    `constants`. `kinds` are kinds that only the types tell: a subscript of a tuple is a
    `prim::TupleIndex`. `aliases` are values that TorchScript has no node for.
    """

    def __init__(self) -> None:
        self.types: dict[Value, Type] = {}
        self.inputs: dict[Node, list[Value]] = {}
        self.schemas: dict[Node, Schema] = {}
        self.kinds: dict[Node, str] = {}
        self.constants: list[Node] = []
        self.aliases: dict[Value, Value] = {}
        self.constant_values: dict[tuple[Type, str], Value] = {}

    def resolved(self, value: Value) -> Value:
        """The value that stands for `value`."""
        while value in self.aliases:
            value = self.aliases[value]
        return value

    def constant(self, value: object, declared: Type | None = None) -> Value:
        """A constant for a default argument. Only a list's declared type says more than it does."""
        constant_type = type_of_constant(value)
        if isinstance(value, list) and isinstance(declared, ListType):
            constant_type = ListType(declared.element)
        key = (constant_type, repr(value))
        if key not in self.constant_values:
            node = Node("prim::Constant", attributes={"value": value})
            result = Value("constant", constant_type, node)
            node.outputs.append(result)
            self.constants.append(node)
            self.constant_values[key] = result
            self.types[result] = constant_type
        return self.constant_values[key]


def infer(graph: Graph, program: Program) -> Inference:
    """Infer the types of a graph of `program`."""
    inference = Inference()
    for node in graph.block.nodes:
        if node.kind == "prim::Constant":
            value = node.attributes["value"]
            key = (type_of_constant(value), repr(value))
            inference.constant_values.setdefault(key, node.outputs[0])
    _Walk(program, inference).block(graph.block)
    return inference


def type_of_constant(value: object) -> Type:
    """The type of a Python value that the code holds as a constant."""
    match value:
        case None:
            return NoneType_()
        case bool():
            return BoolType()
        case int():
            return IntType()
        case float():
            return FloatType()
        case complex():
            return ComplexType()
        case str():
            return StrType()
        case TensorData():
            return TensorType()
        case Device():
            return DeviceType()
        case EnumMember():
            return ClassRef(value.type_name)
        case tuple():
            return TupleType(tuple(map(type_of_constant, value)))
        case list():
            return ListType(join(map(type_of_constant, value)) or TensorType())
        case dict():
            keys = join(map(type_of_constant, value)) or StrType()
            return DictType(keys, join(map(type_of_constant, value.values())) or TensorType())
    return AnyType()


# What an `annotate` of a tensor turns into: the only conversions that TorchScript does unasked.
IMPLICIT_CONVERSIONS: dict[Type, str] = {
    IntType(): "aten::IntImplicit",
    FloatType(): "aten::FloatImplicit",
    ComplexType(): "aten::ComplexImplicit",
    NumberType(): "aten::ScalarImplicit",
}

_TOLIST_ELEMENTS: dict[Type, int] = {
    IntType(): 0,
    FloatType(): 1,
    BoolType(): 2,
    ComplexType(): 3,
}


class _Walk:
    """One pass over the nodes, in order: inputs are typed before they are used."""

    def __init__(self, program: Program, inference: Inference) -> None:
        self._program = program
        self._inference = inference
        self._types = inference.types

    def block(self, block: Block) -> None:
        for value in block.inputs:
            if value.type is not None:
                self._types[value] = value.type
        for node in block.nodes:
            self._node(node)

    def _type(self, value: Value) -> Type:
        return self._types.get(self._inference.resolved(value)) or value.type or AnyType()

    def _set(self, node: Node, *types: Type | None) -> None:
        for output, inferred in zip(node.outputs, types, strict=False):
            self._types[output] = output.type or inferred or AnyType()

    def _node(self, node: Node) -> None:
        match node.kind:
            case "prim::If":
                self._if(node)
            case "prim::Loop":
                self._loop(node)
            case "prim::Constant":
                self._set(node, type_of_constant(node.attributes["value"]))
            case "prim::GetAttr":
                self._set(node, self._attribute(node))
            case "prim::CallMethod":
                self._call_method(node)
            case "prim::CallFunction":
                self._call(node, self._program.function(str(node.attributes["name"])), 0)
            case "prim::CreateObject" | "prim::NamedTupleConstruct" | "prim::EnumMember":
                self._set(node, ClassRef(str(node.attributes["name"])))
            case "prim::TupleConstruct":
                self._set(node, TupleType(tuple(map(self._type, node.inputs))))
            case "prim::ListConstruct":
                self._set(node, ListType(join(map(self._type, node.inputs)) or TensorType()))
            case "prim::DictConstruct":
                keys = join(map(self._type, node.inputs[::2])) or StrType()
                values = join(map(self._type, node.inputs[1::2])) or TensorType()
                self._set(node, DictType(keys, values))
            case "prim::TupleUnpack":
                self._unpack(node)
            case "aten::Generator":
                self._set(node, GeneratorType())
            case "prim::annotate":
                self._annotate(node)
            case "prim::tolist":
                self._tolist(node)
            case "prim::isinstance" | "prim::HasAttr":
                self._set(node, BoolType())
            case "prim::Enter":
                self._enter(node)
            case "prim::fork" | "prim::awaitable":
                self.block(node.blocks[0])
                name = "Future" if node.kind == "prim::fork" else "Await"
                self._set(node, GenericType(name, (self._type(node.blocks[0].outputs[0]),)))
            case "aten::__getitem__" if isinstance(self._type(node.inputs[0]), TupleType):
                self._tuple_index(node)
            case "aten::slice" if isinstance(self._type(node.inputs[0]), TupleType):
                self._tuple_slice(node)
            case _:
                self._operator(node)

    def _if(self, node: Node) -> None:
        for block in node.blocks:
            self.block(block)
        first, second = (block.outputs for block in node.blocks)
        self._set(
            node,
            *(join(map(self._type, pair)) for pair in zip(first, second, strict=True)),
        )

    def _loop(self, node: Node) -> None:
        """Carried values have the type they start with, unless the body widens it."""
        body = node.blocks[0]
        carried = body.inputs[1:]
        self._types[body.inputs[0]] = IntType()
        for value, initial in zip(carried, node.inputs[2:], strict=True):
            self._types[value] = self._type(initial)
        self.block(body)
        for value, result in zip(carried, body.outputs[1:], strict=True):
            self._types[value] = join([self._type(value), self._type(result)]) or AnyType()
        self._set(node, *(self._types[value] for value in carried))

    def _attribute(self, node: Node) -> Type | None:
        owner = self._type(node.inputs[0])
        if not isinstance(owner, ClassRef):
            return None
        try:
            attributes = self._program.class_type(owner.name).attributes
        except ScriptError:  # a class written in C++ has no code record
            return None
        return attributes.get(str(node.attributes["name"]))

    def _call_method(self, node: Node) -> None:
        owner = self._type(node.inputs[0])
        if isinstance(owner, ClassRef):
            try:
                function = self._program.method(owner.name, str(node.attributes["name"]))
            except ScriptError:
                self._set(node, None)
            else:
                self._call(node, function, 0)
        else:
            self._set(node, None)

    def _call(self, node: Node, function: Function, skip: int) -> None:
        """A call of the program's own code: the arguments that were left out, the result."""
        count = len(node.inputs) - len(node.keywords)
        inputs = node.inputs[:count]
        given = dict(zip(node.keywords, node.inputs[count:], strict=True))
        for parameter in function.parameters[skip + count :]:
            if parameter.name in given:
                inputs.append(given[parameter.name])
            elif parameter.default is not MISSING:
                inputs.append(self._inference.constant(parameter.default))
        self._inference.inputs[node] = inputs
        self._set(node, function.return_type)

    def _unpack(self, node: Node) -> None:
        packed = self._type(node.inputs[0])
        if isinstance(packed, TupleType):
            self._set(node, *packed.elements)
        elif isinstance(packed, ListType):
            self._inference.kinds[node] = "prim::ListUnpack"
            self._set(node, *[packed.element] * len(node.outputs))
        elif isinstance(packed, ClassRef) and self._program.has_class(packed.name):
            self._set(node, *self._program.class_type(packed.name).attributes.values())
        else:
            self._set(node, *[None] * len(node.outputs))

    def _annotate(self, node: Node) -> None:
        declared = node.outputs[0].type
        source = node.inputs[0]
        if self._type(source) == TensorType() and declared in IMPLICIT_CONVERSIONS:
            self._inference.kinds[node] = IMPLICIT_CONVERSIONS[declared]
            self._set(node, declared)
            return
        self._inference.aliases[node.outputs[0]] = source
        self._set(node, declared)

    def _tolist(self, node: Node) -> None:
        """TorchScript keeps the number of dimensions and the kind of element as inputs."""
        element: Type = node.outputs[0].type or AnyType()
        depth = 0
        while isinstance(element, ListType):
            element = element.element
            depth += 1
        code = _TOLIST_ELEMENTS.get(element, 0)
        constants = [self._inference.constant(number) for number in (depth, code)]
        self._inference.inputs[node] = [node.inputs[0], *constants]
        self._set(node, node.outputs[0].type)

    def _enter(self, node: Node) -> None:
        manager = self._type(node.inputs[0])
        result: Type | None = None
        if isinstance(manager, ClassRef) and self._program.has_class(manager.name):
            result = self._program.method(manager.name, "__enter__").return_type
        self._set(node, result)

    def _tuple_index(self, node: Node) -> None:
        packed = self._type(node.inputs[0])
        index = _known(node.inputs[1])
        self._inference.kinds[node] = "prim::TupleIndex"
        if isinstance(packed, TupleType) and isinstance(index, int):
            self._set(node, packed.elements[index])
        else:
            self._set(node, None)

    def _tuple_slice(self, node: Node) -> None:
        packed = self._type(node.inputs[0])
        bounds = [_known(value) for value in node.inputs[1:]]
        self._inference.kinds[node] = "prim::TupleSlice"
        if isinstance(packed, TupleType):
            self._set(node, TupleType(packed.elements[slice(*bounds)]))

    def _operator(self, node: Node) -> None:
        """An operator with schemas: the first that takes the arguments, as TorchScript tries."""
        for output in node.outputs:
            if output.type is not None:  # prim::unchecked_cast and prim::Uninitialized
                self._types[output] = output.type
                return
        found = resolve(schemas_of(node.kind), list(map(self._type, node.inputs)), node.keywords)
        if found is None:
            self._set(node, *[None] * len(node.outputs))
            return
        schema, bindings = found
        self._inference.schemas[node] = schema
        if not schema.is_vararg:
            self._inference.inputs[node] = bound_inputs(schema, node, self._inference.constant)
        self._set(node, *self._results(node, schema, bindings))

    def _results(
        self, node: Node, schema: Schema, bindings: dict[str, Type]
    ) -> Sequence[Type | None]:
        results = [substituted(result.type, bindings) for result in schema.returns]
        if len(results) == len(node.outputs) or not node.outputs:
            return results
        if len(node.outputs) == 1:
            return [TupleType(tuple(results))] if results else [NoneType_()]
        return [None] * len(node.outputs)


def _known(value: Value) -> int | None:
    """The integer that a constant holds, None where it is None or no constant."""
    if value.node is None or value.node.kind != "prim::Constant":
        return None
    constant = value.node.attributes["value"]
    return constant if isinstance(constant, int) else None
