"""Reads the graph of a trace, as the archive of it would be read.

A trace calls operators on tensors and on lists of them, one after the other. Scripted functions
that the traced module called are written out in their place, with their branches and loops. What
else a graph of PyTorch's may hold (calls, objects) comes from scripted code, too; there PyTorch
writes the program as code and we read that.

Operators get what PyTorch writes in code: arguments at the end that have the default value are left
out, and what a schema takes by keyword is passed so.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import torch

from exporter.archive.source_ranges import SourceRange, traced_range
from exporter.live.arrays import to_arrays
from exporter.live.objects import LiveTensors, NotPlainError
from exporter.torchscript.annotations import annotation
from exporter.torchscript.graph import Block, Graph, Node, Parameter, Value
from exporter.torchscript.schema import parse_schema
from exporter.torchscript.types import ClassRef, Type

__all__ = ["GraphReader"]

# Kinds of nodes that are not called by name in code, but for those of `aten`: all of a trace's own.
_CONTAINERS = {
    "prim::ListConstruct": "prim::ListConstruct",
    "prim::TupleConstruct": "prim::TupleConstruct",
    "prim::DictConstruct": "prim::DictConstruct",
    "prim::ListUnpack": "prim::TupleUnpack",
    "prim::TupleUnpack": "prim::TupleUnpack",
}
_OPERATORS = ("prim::NumToTensor", "prim::device", "prim::dtype")
# Of scripted functions: what has its result's type with it, and what is called by name.
_OF_A_TYPE = ("prim::unchecked_cast", "prim::Uninitialized")
_SCRIPTED = ("prim::RaiseException", "prim::TupleIndex", "prim::min", "prim::max")
# Tensors where an operator takes a number: in code the number's type is stated.
_STATED = ("aten::ScalarImplicit", "aten::FloatImplicit", "aten::IntImplicit")
# Operators that code writes as something else.
_WRITTEN_OTHERWISE = frozenset(
    f"aten::{name}"
    for name in (
        *("ComplexImplicit", "BoolImplicit", "_unwrap_optional"),
        *("hash", "sorted", "wait", "grad", "backward"),
    )
)
_SCALARS = (type(None), bool, int, float, complex, str)
_UNKNOWN = object()


class _Trace:
    """Where the nodes of a trace came from, by their number."""

    def __init__(self, graph: torch._C.Graph) -> None:
        # Nodes live as long as their graph.
        self._graph = graph
        self.nodes: list[torch._C.Node] = []

    def source_at(self, offset: int) -> SourceRange | None:
        """The innermost line of the user's that called the operator."""
        text = self.nodes[offset].sourceRange()
        return traced_range(text) or _scripted_range(text)

    def described(self, offset: int) -> str:
        """The node, as PyTorch prints it."""
        return str(self.nodes[offset]).strip()


_PLACE = re.compile(r'  File "(?P<file>.+)", line (?P<line>\d+)')


def _scripted_range(text: str) -> SourceRange | None:
    """The place in a scripted function that PyTorch shows: its lines, with a mark below one."""
    lines = text.splitlines()
    place = _PLACE.fullmatch(lines[0]) if lines else None
    marks = [i for i, line in enumerate(lines) if line.strip().startswith("~")]
    if place is None or not marks:
        return None
    mark = marks[0]
    return SourceRange(
        place["file"], int(place["line"]), lines[mark].index("~"), lines[mark - 1].strip()
    )


class GraphReader:
    """Reads one graph. `scopes` tells, for what the tracer noted, path and class of the module."""

    def __init__(self, graph: torch._C.Graph, scopes: Mapping[str, tuple[str, str]]) -> None:
        self._graph = graph
        self._scopes = scopes
        self._trace = _Trace(graph)
        self._block = Block()
        self._values: dict[int, Value] = {}
        self._constants: dict[object, Value] = {}
        self._constant_nodes: list[Node] = []
        self._known: dict[int, object] = {}
        self._tensors = LiveTensors()
        # The values of the trace itself, if there are others.
        self._traced: set[int] | None = None

    def read(
        self, name: str, owner: str, places: Sequence[tuple[str, ...]], names: Sequence[str]
    ) -> tuple[list[Parameter], Type, Graph]:
        """The parameters, the result's type and the body of a method of the class `owner`.

        The graph's first inputs are the attributes at `places`, the others the arguments `names`.
        """
        inputs = list(self._graph.inputs())
        module = Value("self", ClassRef(owner))
        parameters = [Parameter("self", ClassRef(owner))]
        self._block.inputs.append(module)
        self._attributes(module, inputs[: len(places)], places)
        for given, argument in zip(inputs[len(places) :], names, strict=True):
            value = self._values[given.unique()] = Value(argument, _type(given))
            self._block.inputs.append(value)
            parameters.append(Parameter(argument, value.type or ClassRef(owner)))
        self._write_out_calls()
        self._nodes(self._graph)
        outputs = list(self._graph.outputs())
        self._block.outputs = [self._values[output.unique()] for output in outputs]
        if len(outputs) != 1:
            raise NotPlainError("a trace with several results")
        self._block.nodes[:0] = self._constant_nodes
        return parameters, _type(outputs[0]), Graph(name, self._block)

    def _attributes(
        self, module: Value, inputs: Sequence[torch._C.Value], places: Sequence[tuple[str, ...]]
    ) -> None:
        """Take those attributes from the module that the trace uses."""
        taken: dict[tuple[str, ...], Value] = {(): module}

        def taken_from(place: tuple[str, ...]) -> Value:
            if place not in taken:
                node = Node("prim::GetAttr", [taken_from(place[:-1])], (), {"name": place[-1]})
                self._block.nodes.append(node)
                taken[place] = _output(node, ".".join(place))
            return taken[place]

        for given, place in zip(inputs, places, strict=True):
            if given.uses():
                self._values[given.unique()] = taken_from(place)

    def _write_out_calls(self) -> None:
        """Put what scripted functions run in the place of their calls."""
        if self._graph.findNode("prim::CallFunction") is not None:
            self._traced = {o.unique() for node in self._graph.nodes() for o in node.outputs()}
            torch._C._jit_pass_inline(self._graph)

    def _is_written_out(self, node: torch._C.Node) -> bool:
        """Whether a scripted function ran this, in the module that called the function."""
        if self._traced is None:
            return False
        return not node.outputsSize() or node.outputsAt(0).unique() not in self._traced

    def _nodes(self, graph: torch._C.Graph | torch._C.Block, inner: Block | None = None) -> None:
        """Read the nodes; those that ran in a module lie in a block of their own.

        The nodes of a branch or a loop all go to the `inner` block.
        """
        scope, block = "", inner or self._block
        for node in graph.nodes():
            kind = node.kind()
            if kind == "prim::Constant":
                self._constant(node)
                continue
            within = scope if self._is_written_out(node) else node.scopeName()
            if within != scope and inner is None:
                scope, block = within, self._block
                found = self._scopes.get(within.rpartition("/")[2])
                if found is not None:
                    path, name = found
                    region = Node(
                        "prim::TracedModuleForward",
                        attributes={"path": path, "function": f"{name}.forward"},
                    )
                    block = Block()
                    region.blocks.append(block)
                    self._block.nodes.append(region)
            if kind in ("prim::If", "prim::Loop"):
                block.nodes.append(self._control_flow(kind, node))
            else:
                block.nodes.append(self._node(kind, node))

    def _control_flow(self, kind: str, node: torch._C.Node) -> Node:
        """Read a branch or a loop of a scripted function."""
        given = [self._values[node.inputsAt(i).unique()] for i in range(node.inputsSize())]
        read = Node(kind, given, record=self._trace, offset=len(self._trace.nodes))
        self._trace.nodes.append(node)
        for inner in node.blocks():
            block = Block()
            read.blocks.append(block)
            for value in inner.inputs():
                found = self._values[value.unique()] = Value(value.debugName(), _type(value))
                block.inputs.append(found)
            self._nodes(inner, block)
            block.outputs = [self._values[value.unique()] for value in inner.outputs()]
        for output in map(node.outputsAt, range(node.outputsSize())):
            made = self._values[output.unique()] = _output(read, output.debugName())
            made.type = _type(output)
        return read

    def _node(self, kind: str, node: torch._C.Node) -> Node:
        # `inputs()` and `outputs()` are iterators that take ten times as long.
        given = [node.inputsAt(i) for i in range(node.inputsSize())]
        keywords: tuple[str, ...] = ()
        stated = None
        if kind in _CONTAINERS:
            read_kind = _CONTAINERS[kind]
            if kind in ("prim::ListConstruct", "prim::DictConstruct"):
                text = node.output().type().annotation_str
                stated = _annotation(text) if not given or "Optional[" in text else None
        elif kind in _STATED:
            read_kind = "prim::annotate"
            stated = _type(node.output())
        elif kind in _OF_A_TYPE:
            read_kind, stated = kind, _type(node.output())
        elif kind in _WRITTEN_OTHERWISE or (
            kind.startswith("prim::") and kind not in (*_OPERATORS, *_SCRIPTED)
        ):
            raise NotPlainError(f"a {kind} in a trace")
        else:
            read_kind = kind
            given, keywords = self._arguments(node, given)
        values = self._values
        read = Node(
            read_kind,
            [values[value.unique()] for value in given],
            keywords,
            {"type": stated} if kind in (*_STATED, *_OF_A_TYPE) else None,
            self._trace,
            len(self._trace.nodes),
        )
        self._trace.nodes.append(node)
        for output in map(node.outputsAt, range(node.outputsSize())):
            values[output.unique()] = _output(read, str(output.unique()))
        if stated is not None:
            read.outputs[0].type = stated
        return read

    def _arguments(
        self, node: torch._C.Node, given: list[torch._C.Value]
    ) -> tuple[list[torch._C.Value], tuple[str, ...]]:
        form = _form(node.schema())
        if form is None or len(given) > len(form):
            return given, ()
        last = len(given)
        outs = 0
        while last and form[last - 1].is_out:
            last, outs = last - 1, outs + 1
        end = last
        while end and form[end - 1].has_default:
            default = form[end - 1].default
            value = self._known.get(given[end - 1].unique(), _UNKNOWN)
            if type(value) is not type(default) or value != default:
                break
            end -= 1
        kept = [*range(end), *range(last, last + outs)]
        keywords = tuple(form[i].name for i in kept if form[i].keyword_only)
        return [given[i] for i in kept], keywords

    def _constant(self, node: torch._C.Node) -> None:
        output = node.output()
        if output.type().kind() == "FunctionType":
            return  # its calls are written out
        value: Any = output.toIValue()
        if type(value) in _SCALARS:
            self._known[output.unique()] = value
            self._values[output.unique()] = self._scalar(value, node)
            return
        if isinstance(value, torch.Tensor):
            value = self._tensors.data(value)
        elif isinstance(value, torch.device):
            value = to_arrays(value)
        elif not (isinstance(value, list) and all(type(item) in _SCALARS for item in value)):
            raise NotPlainError(f"a constant of the type {type(value).__name__}")
        self._values[output.unique()] = self._made_constant(value, node)

    def _scalar(self, value: object, node: torch._C.Node) -> Value:
        """A constant that equal ones share, where 0, 0.0, -0.0 and False are not equal."""
        key = (type(value), repr(value) if type(value) in (float, complex) else value)
        found = self._constants.get(key)
        if found is None:
            found = self._constants[key] = self._made_constant(value, node)
        return found

    def _made_constant(self, value: object, node: torch._C.Node) -> Value:
        read = Node(
            "prim::Constant",
            attributes={"value": value},
            record=self._trace,
            offset=len(self._trace.nodes),
        )
        self._trace.nodes.append(node)
        self._constant_nodes.append(read)
        return _output(read, "constant")


def _output(node: Node, name: str) -> Value:
    value = Value(name, None, node)
    node.outputs.append(value)
    return value


class _Argument(NamedTuple):
    name: str
    keyword_only: bool
    is_out: bool
    has_default: bool
    default: object


@cache
def _form(schema: str) -> tuple[_Argument, ...] | None:
    """What a schema tells of its arguments; None for an operator that has none or takes any."""
    if schema == "(no schema)":
        return None
    parsed = parse_schema(schema)
    if parsed.is_vararg:
        return None
    return tuple(
        _Argument(a.name, a.keyword_only, a.keyword_only and a.is_write, a.has_default, a.default)
        for a in parsed.arguments
    )


def _type(value: torch._C.Value) -> Type:
    return _annotation(value.type().annotation_str)


@cache
def _annotation(text: str) -> Type:
    return annotation(ast.parse(text, mode="eval").body)
