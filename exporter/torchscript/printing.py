"""Prints graphs as `print(module.graph)` does in PyTorch.

    graph(%self : __torch__.M,
          %x : Tensor):
      %0 : int = prim::Constant[value=1]() # model.py:7:19
      %y : Tensor = aten::add(%x, %x, %0) # model.py:7:15
      return (%y)

Names differ: PyTorch numbers what it creates while it reads the archive.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from exporter.archive import Device, EnumMember, TensorData
from exporter.errors import ScriptError
from exporter.torchscript.graph import Block, Graph, Node, Value
from exporter.torchscript.inference import IMPLICIT_CONVERSIONS, Inference, infer
from exporter.torchscript.program import Program
from exporter.torchscript.types import (
    AnyType,
    ClassRef,
    DictType,
    GenericType,
    ListType,
    OptionalType,
    TensorType,
    TupleType,
    Type,
    UnionType,
)

__all__ = ["format_graph", "format_type"]


def format_graph(graph: Graph, program: Program) -> str:
    """The graph as text, types, overloads' default arguments and source lines included."""
    return _GraphPrinter(program, infer(graph, program)).format(graph)


def format_type(declared: Type, program: Program) -> str:
    """A type as the IR prints it, which tells enums, interfaces and named tuples from classes."""
    match declared:
        case ClassRef(name):
            return _format_class(name, program)
        case ListType(element):
            return f"{format_type(element, program)}[]"
        case OptionalType(element):
            return f"{format_type(element, program)}?"
        case DictType(key, value):
            return f"Dict({format_type(key, program)}, {format_type(value, program)})"
        case TupleType(elements):
            return f"({', '.join(format_type(element, program) for element in elements)})"
        case UnionType(members):
            return f"Union({', '.join(format_type(member, program) for member in members)})"
        case GenericType(name, parameters):
            return f"{name}[{', '.join(format_type(part, program) for part in parameters)}]"
    return str(declared)


def _format_class(name: str, program: Program) -> str:
    try:
        kind = program.class_type(name).kind
    except ScriptError:  # a class written in C++ has no code record
        return name
    if kind == "enum":
        return f"Enum<{name}>"
    if kind == "interface":
        return f"InterfaceType<{name.rpartition('.')[2]}>"
    if kind == "namedtuple":
        fields = program.class_type(name).attributes.items()
        described = (f"{field} : {format_type(declared, program)}" for field, declared in fields)
        return f"NamedTuple({', '.join(described)})"
    return name


# Names that the lowering or PyTorch's own printer made up.
_MADE_UP = re.compile(r"(constant|result|_\d+)(\.\d+)?")

# Attributes that the type of the result says already.
_SILENT = {
    "prim::CreateObject",
    "prim::NamedTupleConstruct",
    "prim::unchecked_cast",
    "prim::Uninitialized",
    "prim::CallFunction",
    "prim::tolist",
}


class _GraphPrinter:
    def __init__(self, program: Program, inference: Inference) -> None:
        self._program = program
        self._inference = inference
        self._names: dict[Value, str] = {}
        self._made_up = 0
        self._lines: list[str] = []
        self._functions: dict[str, Value] = {}

    def format(self, graph: Graph) -> str:
        parameters = ",\n      ".join(map(self._declared, graph.block.inputs))
        self._lines.append(f"graph({parameters}):")
        for node in self._inference.constants:
            self._node(node, 1)
        self._function_constants(graph)
        for node in graph.block.nodes:
            self._node(node, 1)
        self._lines.append(f"  return ({self._list(graph.block.outputs)})")
        return "\n".join(self._lines) + "\n"

    def _function_constants(self, graph: Graph) -> None:
        """Functions are constants for PyTorch, and the first input of their calls."""
        for node in graph.walk():
            name = str(node.attributes.get("name"))
            if node.kind == "prim::CallFunction" and name not in self._functions:
                value = self._functions[name] = Value("constant")
                base = name.rpartition(".")[2]
                self._lines.append(
                    f'  {self._name(value)} : Function = prim::Constant[name="{base}"]()'
                )

    def _name(self, value: Value) -> str:
        value = self._inference.resolved(value)
        if value not in self._names:
            if _MADE_UP.fullmatch(value.name):
                self._names[value] = f"%{self._made_up}"
                self._made_up += 1
            else:
                self._names[value] = f"%{value.name}"
        return self._names[value]

    def _list(self, values: Iterable[Value]) -> str:
        return ", ".join(map(self._name, values))

    def _declared(self, value: Value) -> str:
        inferred = self._inference.types.get(value) or value.type or AnyType()
        return f"{self._name(value)} : {format_type(inferred, self._program)}"

    def _node(self, node: Node, level: int) -> None:
        if node.outputs and node.outputs[0] in self._inference.aliases:
            return
        indent = "  " * level
        outputs = ", ".join(map(self._declared, self._outputs(node)))
        source = node.source
        place = f" # {source.filename}:{source.line}:{source.column}" if source is not None else ""
        self._lines.append(f"{indent}{outputs} = {self._operation(node)}{place}")
        for index, block in enumerate(node.blocks):
            self._block(block, index, level + 1)

    def _outputs(self, node: Node) -> list[Value]:
        """The outputs, and for a context manager the result that PyTorch gives it a name for."""
        if node.outputs or node.kind not in ("prim::Enter", "prim::Exit"):
            return node.outputs
        result = Value("result", TensorType())
        manager = self._inference.types.get(node.inputs[0])
        if node.kind == "prim::Enter" and isinstance(manager, ClassRef):
            result.type = self._program.method(manager.name, "__enter__").return_type
        return [result]

    def _block(self, block: Block, index: int, level: int) -> None:
        indent = "  " * level
        inputs = ", ".join(map(self._declared, block.inputs))
        self._lines.append(f"{indent}block{index}({inputs}):")
        for node in block.nodes:
            self._node(node, level + 1)
        self._lines.append(f"{indent}  -> ({self._list(block.outputs)})")

    def _operation(self, node: Node) -> str:
        """The kind, the attributes and the inputs."""
        kind = self._inference.kinds.get(node, node.kind)
        inputs: Sequence[Value] = self._inference.inputs.get(node, node.inputs)
        if kind == "prim::EnumMember":
            member = f"{node.attributes['name']}.{node.attributes['member']}"
            return f"prim::Constant[value={member}]()"
        if kind == "aten::device" and len(inputs) == 1:
            device = inputs[0].node
            if device is not None and device.kind == "prim::Constant":
                return f"prim::Constant{self._attributes(device)}()"
        if kind == "prim::NamedTupleConstruct":
            kind = "prim::TupleConstruct"
        if kind == "prim::CallFunction":
            inputs = [self._functions[str(node.attributes["name"])], *inputs]
        silent = node.kind in _SILENT or kind in IMPLICIT_CONVERSIONS.values()
        attributes = "" if silent else self._attributes(node)
        return f"{kind}{attributes}({self._list(inputs)})"

    def _attributes(self, node: Node) -> str:
        if node.kind == "prim::Constant":
            value = node.attributes["value"]
            if value is None:
                return ""
            if value == [] and isinstance(node.outputs[0].type, ListType):
                return f"[value=annotate(List[{node.outputs[0].type.element}], [])]"
            return f"[value={format_constant(value)}]"
        if not node.attributes:
            return ""
        described = (f"{name}={self._attribute(value)}" for name, value in node.attributes.items())
        return f"[{', '.join(described)}]"

    def _attribute(self, value: object) -> str:
        if isinstance(value, tuple):
            return f"[{', '.join(map(self._attribute, value))}]"
        if isinstance(value, Type):
            return format_type(value, self._program)
        return format_constant(value)


_ESCAPES = {
    "\\": "\\\\",
    "'": "\\'",
    '"': '\\"',
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


def format_constant(value: object) -> str:
    """A constant as the IR prints it: bools are 0 and 1, floats have 17 digits."""
    match value:
        case bool():
            return str(int(value))
        case float():
            return _format_float(value)
        case complex():
            sign = "-" if str(value.imag).startswith("-") else "+"
            return f"{_format_float(value.real)}{sign}{_format_float(abs(value.imag))}j"
        case str():
            return f'"{"".join(_ESCAPES.get(letter, letter) for letter in value)}"'
        case tuple():
            return f"({', '.join(map(format_constant, value))})"
        case list():
            return f"[{', '.join(map(format_constant, value))}]"
        case dict():
            pairs = (f"{format_constant(k)}: {format_constant(v)}" for k, v in value.items())
            return f"{{{', '.join(pairs)}}}"
        case None:
            return "None"
        case TensorData():
            return "<Tensor>"
        case Device():
            return f'"{value.name}"'
        case EnumMember():
            return f"{value.type_name}({format_constant(value.value)})"
    return str(value)


def _format_float(value: float) -> str:
    text = f"{value:.17g}"
    return f"{text}." if text.lstrip("-").isdigit() else text
