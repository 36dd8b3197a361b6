"""The IR: nodes of `prim::`, `aten::` and custom operators in blocks, in SSA form.

It is TorchScript's own IR, less what only a type checker needs. Overloads are not resolved and
default arguments not filled in; whoever runs the graph has the values at hand and does better.

Besides operators (`aten::add`, `mylib::op`, `prim::dtype`), these kinds occur:

    prim::Constant[value]()                     prim::EnumMember[name, member]()
    prim::Function[name]()                      a function used as a value
    prim::GetAttr[name](object)                 prim::SetAttr[name](object, value)
    prim::HasAttr[name](object)                 prim::CreateObject[name]()
    prim::CallMethod[name](object, ...)         prim::CallFunction[name](...)
    prim::CallValue(function, ...)              prim::NamedTupleConstruct[name](...)
    prim::TupleConstruct(...)                   prim::ListConstruct(...)
    prim::DictConstruct(key, value, ...)        prim::TupleUnpack(tuple or list) -> several
    aten::__getitem__(container, index)         aten::slice(x, start, end, step)
    prim::annotate[type](x)                     prim::unchecked_cast[type](x)
    prim::Uninitialized[type]()                 prim::isinstance[types](x)
    prim::tolist[type](tensor)                  aten::device("cpu")
    prim::If(condition), two blocks             their outputs are the node's
    prim::Loop(max trips, condition, carried...)
        its block takes (trip, carried...) and returns (condition, carried...)
    prim::fork(), prim::awaitable(), a block    its output is the result, once waited for
    prim::Enter(manager), prim::Exit(manager)   around the nodes of a `with`
    prim::RaiseException(message, class name)   the class name may be missing
    prim::TracedModuleForward[path, function](), a block
        what a trace ran in a module: its values are seen outside
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from exporter.torchscript.record import Places, SourceRange
from exporter.torchscript.types import Type

__all__ = [
    "Value",
    "Node",
    "Block",
    "Graph",
    "Parameter",
    "Function",
    "ClassType",
    "MISSING",
]


class Value:
    """What one node or block input produces; used by identity. `type` is None where unknown."""

    __slots__ = ("name", "node", "type")

    def __init__(self, name: str, type: Type | None = None, node: Node | None = None) -> None:  # noqa: A002  the IR's word
        self.name = name
        self.type = type
        self.node = node

    def __repr__(self) -> str:
        return f"%{self.name}"


class Node:
    """One operation.

    The last `len(keywords)` inputs were passed by keyword, under these names. Whether an operator
    returns one tuple or several values shows in the number of outputs, and a call that stands
    as a statement has none.
    """

    __slots__ = (
        "_offset",
        "_record",
        "attributes",
        "blocks",
        "inputs",
        "keywords",
        "kind",
        "outputs",
    )

    def __init__(
        self,
        kind: str,
        inputs: Sequence[Value] = (),
        keywords: tuple[str, ...] = (),
        attributes: dict[str, object] | None = None,
        record: Places | None = None,
        offset: int = 0,
    ) -> None:
        self.kind = kind
        self.inputs = list(inputs)
        self.keywords = keywords
        self.outputs: list[Value] = []
        self.attributes: dict[str, object] = {} if attributes is None else attributes
        self.blocks: list[Block] = []
        self._record = record
        self._offset = offset

    @property
    def source(self) -> SourceRange | None:
        """Where in the user's Python source this came from."""
        return self._record.source_at(self._offset) if self._record is not None else None

    @property
    def place(self) -> str:
        """The user's line, or the one of what it takes, or that of the archive: for messages."""
        givers = [value.node for value in self.inputs if value.node is not None]
        for source in (self.source, *(node.source for node in givers)):
            if source is not None:
                text = f"    {source.text.strip()}" if source.text else ""
                return f"{source.filename}:{source.line}{text}"
        if self._record is None:
            return repr(self)
        return self._record.described(self._offset)

    def __repr__(self) -> str:
        outputs = ", ".join(map(repr, self.outputs))
        inputs = ", ".join(map(repr, self.inputs))
        attributes = (
            f"[{', '.join(f'{name}={value!r}' for name, value in self.attributes.items())}]"
            if self.attributes
            else ""
        )
        return f"{outputs}{' = ' if outputs else ''}{self.kind}{attributes}({inputs})"


class Block:
    """A straight line of nodes with inputs and outputs."""

    __slots__ = ("inputs", "nodes", "outputs")

    def __init__(self) -> None:
        self.inputs: list[Value] = []
        self.nodes: list[Node] = []
        self.outputs: list[Value] = []

    def walk(self) -> Iterator[Node]:
        """All nodes, those of inner blocks after the node that holds them."""
        for node in self.nodes:
            yield node
            for block in node.blocks:
                yield from block.walk()


@dataclass(eq=False)
class Graph:
    """The body of a function; the block's inputs are the parameters, its outputs the results."""

    name: str
    block: Block

    def walk(self) -> Iterator[Node]:
        """All nodes of the graph."""
        return self.block.walk()


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()
"""The default of a parameter that has none."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function. The `self` of a method is one too."""

    name: str
    type: Type
    default: object = MISSING

    @property
    def has_default(self) -> bool:
        """Whether a call may leave it out."""
        return self.default is not MISSING


class Function:
    """A function or method; its graph is built when first asked for."""

    def __init__(
        self,
        name: str,
        parameters: Sequence[Parameter],
        return_type: Type,
        lower: Callable[[Function], Graph],
    ) -> None:
        self.name = name
        self.parameters = list(parameters)
        self.return_type = return_type
        self._lower = lower

    @cached_property
    def graph(self) -> Graph:
        """The body."""
        graph = self._lower(self)
        # It holds the syntax tree, which nobody needs any more.
        del self._lower
        return graph

    def __repr__(self) -> str:
        parameters = ", ".join(f"{p.type} {p.name}" for p in self.parameters)
        return f"{self.name}({parameters}) -> {self.return_type}"


@dataclass(eq=False)
class ClassType:
    """A class of the archive: its kind, its attributes in order, its methods.

    For a named tuple the attributes are the fields and `defaults` has those with a default; for
    an enum `members` has the values. `constants` are attributes whose value is part of the code.
    """

    name: str
    kind: str
    attributes: dict[str, Type] = field(default_factory=dict)
    constants: dict[str, object] = field(default_factory=dict)
    methods: dict[str, Function] = field(default_factory=dict)
    parameters: list[str] = field(default_factory=list)
    buffers: list[str] = field(default_factory=list)
    defaults: dict[str, object] = field(default_factory=dict)
    members: dict[str, object] = field(default_factory=dict)
    forward_hooks: list[str] = field(default_factory=list)
    forward_pre_hooks: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"ClassType({self.name!r}, {self.kind!r})"
