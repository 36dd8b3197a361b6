"""The staged interpreter: runs the IR, computing what is known and emitting the rest as ONNX.

The walk is one loop over a block's nodes. Most of what a program does (module attributes, shapes,
containers, assertions, strings) simply runs. Tensor operators go to the symbolics; `prim::If` and
`prim::Loop` whose course is only known at run time are staged by `branches` and `loops` with this
same loop, in the body of an ONNX node.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from exporter.conversion.builtins import (  # noqa: F401
    containers,
    context_managers,
    dicts,
    dtypes,
    expanded,
    gradient_mode,
    math_functions,
    numbers,
    other_names,
    properties,
    storages,
)
from exporter.conversion.builtins.builtin import BUILTINS
from exporter.conversion.builtins.strings import OPAQUE, RunTimeText, unknown_text
from exporter.conversion.calls.earlier_meanings import Meaning
from exporter.conversion.calls.operators import item
from exporter.conversion.calls.out_arguments import out_arguments
from exporter.conversion.control_flow import branches, choices
from exporter.conversion.control_flow.facts import Facts
from exporter.conversion.control_flow.undecided import call_decided
from exporter.conversion.prims import PRIMS
from exporter.conversion.runtime_lists import joined_lists, runtime_splits  # noqa: F401
from exporter.conversion.values.journal import Journal
from exporter.conversion.values.objects import (
    UNINITIALIZED,
    BoundMethod,
    ChoiceValue,
    DictValue,
    FunctionValue,
    ListValue,
    NamedTuple,
    ObjectValue,
    OptionalValue,
    RunTimeKeysError,
    Value,
    type_name,
)
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import ConversionError, UnsupportedError
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.conditions import decide
from exporter.onnx_graph.symbolic import SymInt, resolved
from exporter.onnx_graph.values import SymBool, SymScalar, is_number
from exporter.torchscript.graph import Block, Function, Node
from exporter.torchscript.graph import Value as IrValue
from exporter.torchscript.program import Program

__all__ = ["Environment", "Interpreter", "Options"]

Environment: TypeAlias = dict[IrValue, Value]


@dataclass(frozen=True)
class Options:
    """What the user may decide about the conversion.

    A loop of a known trip count is unrolled if it has at most `unroll_trips` trips and emits at
    most `unroll_nodes` nodes; otherwise it becomes an ONNX `Loop`.
    """

    unroll_trips: int = 64
    unroll_nodes: int = 2000


@dataclass
class Frame:
    """One active call: the function's name and, in a method, the path of its module."""

    function: str
    path: str


@dataclass
class Interpreter:
    """Runs functions of a program over a builder; see the module's docstring."""

    g: Builder
    program: Program
    options: Options = field(default_factory=Options)
    journal: Journal = field(default_factory=Journal)
    frames: list[Frame] = field(default_factory=list)
    preconditions: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    # Whether names that stand for one of several tensors are told apart; see `either`.
    places: bool = False
    # Whether names that stand for one of several lists or dicts are; see `identities`.
    containers: bool = False
    # Whether dicts may have run-time keys, and lists of run-time length strings.
    keys: bool = False
    # The operators that meant something else when the archive was written.
    earlier: Mapping[str, Meaning] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start with no facts."""
        self.facts = Facts(self.g)

    @property
    def node(self) -> Node | None:
        """The node that runs."""
        return self.journal.node

    def come_to(self, node: Node | None) -> None:
        """Note which node runs: what it emits and changes is told to come from there."""
        self.journal.node = self.g.source = node

    # ------------------------------------------------------------ calls

    def run_function(
        self,
        function: Function,
        args: Sequence[Value],
        kwargs: Mapping[str, Value] | None = None,
        path: str | None = None,
    ) -> Value:
        """Call a function or method (`self` is the first argument)."""
        if path is None:
            path = self.frames[-1].path if self.frames else ""
        bound = self._parameters(function, args, kwargs or {})
        graph = function.graph
        environment: Environment = dict(zip(graph.block.inputs, bound, strict=True))
        outer_path, outer_node = self.g.module_path, self.node
        self.frames.append(Frame(function.name, path))
        self.g.module_path = path
        try:
            results = self.run_block(graph.block, environment)
        finally:
            self.frames.pop()
            self.g.module_path = outer_path
            self.come_to(outer_node)
        if not results:
            return None
        return results[0] if len(results) == 1 else tuple(results)

    def run_within(self, path: str, function: str, block: Block, environment: Environment) -> None:
        """Run what a trace ran in a module; errors say so."""
        outer_path = self.g.module_path
        self.frames.append(Frame(function, path))
        self.g.module_path = path
        try:
            self.run_block(block, environment)
        finally:
            self.frames.pop()
            self.g.module_path = outer_path

    def _parameters(
        self, function: Function, args: Sequence[Value], kwargs: Mapping[str, Value]
    ) -> list[Value]:
        bound = list(args)
        for parameter in function.parameters[len(bound) :]:
            if parameter.name in kwargs:
                bound.append(kwargs[parameter.name])
            elif parameter.has_default:
                bound.append(self.literal(parameter.default))
            else:
                raise UnsupportedError(f"{function.name} needs an argument {parameter.name!r}")
        return bound

    def call_method(
        self,
        owner: Value,
        name: str,
        args: Sequence[Value],
        kwargs: Mapping[str, Value] | None = None,
    ) -> Value:
        """Call a method of a module or script-class object."""
        if isinstance(owner, OptionalValue):
            owner = owner.value
        if isinstance(owner, ChoiceValue):
            return choices.each_way(
                self, owner, lambda option: [self.call_method(option, name, args, kwargs)]
            )[0]
        if not isinstance(owner, ObjectValue):
            raise UnsupportedError(f"a {type_name(owner)} has no method {name}")
        method = owner.type.methods.get(name)
        if method is None:
            raise UnsupportedError(f"{owner.type.name} has no method {name}")
        is_module = owner.type.kind == "module"
        return self.run_function(method, [owner, *args], kwargs, owner.path if is_module else None)

    def call_value(
        self, callee: Value, args: Sequence[Value], kwargs: Mapping[str, Value]
    ) -> Value:
        """Call a function or method held as a value."""
        if isinstance(callee, FunctionValue):
            return self.run_function(callee.function, args, kwargs)
        if isinstance(callee, BoundMethod):
            return self.call_method(callee.owner, callee.name, args, kwargs)
        if isinstance(callee, ObjectValue):
            return self.call_method(callee, "forward", args, kwargs)
        if isinstance(callee, ChoiceValue):
            return choices.each_way(
                self, callee, lambda option: [self.call_value(option, args, kwargs)]
            )[0]
        raise UnsupportedError(f"a {type_name(callee)} can't be called")

    # ------------------------------------------------------------ the loop

    def run_block(self, block: Block, environment: Environment) -> list[Value]:
        """Run the nodes of a block; returns its outputs' values."""
        around = self.node
        for node in block.nodes:
            self.run_node(node, environment)
        # What the node around the block emits for it comes from there.
        self.come_to(around)
        return [environment[v] for v in block.outputs]

    def run_node(self, node: Node, environment: Environment) -> None:
        """Run one node and bind its outputs."""
        self.come_to(node)
        try:
            results = self._results(node, environment)
        except Exception as error:
            self._locate(error, node)
            raise
        if len(results) != len(node.outputs):
            raise ConversionError(
                f"{node.kind} gives {len(results)} values where {len(node.outputs)} are wanted"
            )
        for output, result in zip(node.outputs, results, strict=True):
            environment[output] = result

    def _results(self, node: Node, environment: Environment) -> Sequence[Value]:
        prim = PRIMS.get(node.kind)
        if prim is not None:
            return prim(self, node, environment)
        values = [_known(environment[v]) for v in node.inputs]
        split = len(values) - len(node.keywords)
        args, kwargs = values[:split], dict(zip(node.keywords, values[split:], strict=True))
        meant = self.earlier.get(node.kind)
        if meant is not None:
            args, kwargs = meant(self, args, kwargs)
        return self.spread(node, self.call(node.kind, args, kwargs))

    def spread(self, node: Node, result: Value) -> Sequence[Value]:
        """A call's result as the node's outputs: one value, the items of a tuple, or none."""
        count = len(node.outputs)
        if count == 1:
            return [result]
        if count == 0:
            return []
        return self.items(result)

    def call(self, kind: str, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
        """Call an operator: a builtin if it is one for these values, else a symbolic."""
        for a in args:
            if a is UNINITIALIZED:
                # Computed on a path that never reads it: break and continue leave such flags.
                return UNINITIALIZED
            if a.__class__ is ChoiceValue:
                return choices.call(self, kind, args, kwargs)
            if a.__class__ is RunTimeText and kind not in OPAQUE:
                raise unknown_text(f"{kind} of a text, {a!r}, with values")
        function = BUILTINS.get(kind)
        if function is not None and not (kwargs and out_arguments(kind, kwargs)):
            result = function(self, *args, **kwargs)
            if result is not NotImplemented:
                return result
        if len(args) == 2 and not kwargs:
            a, b = args
            if kind == "aten::add" and isinstance(a, (ListValue, tuple, str)):
                return containers.concatenated(self, a, b)
            if kind == "aten::mul" and isinstance(a, ListValue):
                return containers.repeated(self, a, b)
            if kind == "aten::mul" and isinstance(b, ListValue):
                return containers.repeated(self, b, a)
        return call_decided(self, kind, args, kwargs)

    def builtin(self, kind: str, *args: Value) -> Value:
        """Call an operator on values, from within a builtin."""
        return self.call(kind, args, {})

    def either(
        self, condition: SymBool, then: Callable[[], Value], other: Callable[[], Value]
    ) -> Value:
        """What one of two calls gives, as the run decides."""
        return branches.stage_calls(self, condition, then, other)

    # ------------------------------------------------------------ values

    def literal(self, value: object) -> Value:
        """A default argument or constant as a value of its own."""
        if isinstance(value, list):
            return ListValue([self.literal(v) for v in value])
        if isinstance(value, dict):
            return DictValue({k: self.literal(v) for k, v in value.items()})
        if isinstance(value, tuple):
            return tuple(self.literal(v) for v in value)
        return value

    def items(self, value: Value) -> list[Value]:
        """The items of a list, tuple, or of a tensor along dim 0 (whose size must be known)."""
        if isinstance(value, OptionalValue):
            value = value.value
        if isinstance(value, NamedTuple):
            return list(value.values)
        if isinstance(value, ListValue):
            if value.runtime is not None:
                raise UnsupportedError("the items of a list whose length is only known at run time")
            return value.items
        if isinstance(value, (tuple, list, str)):
            return list(value)
        if isinstance(value, DictValue):
            return list(value.items)
        if isinstance(value, TensorRef):
            return self.items(self.call("aten::unbind", [value, 0], {}))
        raise UnsupportedError(f"a {type_name(value)} has no items")

    def dict_key(self, key: Value) -> Value:
        """A key, which must be known."""
        if isinstance(key, TensorRef):
            key = item(self, key)
        if isinstance(key, (SymInt, SymScalar, ChoiceValue, RunTimeText)):
            raise RunTimeKeysError(
                "a dict key that is only known at run time; ONNX has no dicts",
                ("try  enter all keys first, and ask `key in d` before one is set",),
            )
        return key

    def equal(self, a: Value, b: Value) -> bool | SymBool:
        """`a == b` as a bool, for items of containers."""
        if is_number(a) and is_number(b):
            return numbers.equal(self, a, b)
        if isinstance(a, TensorRef) and isinstance(b, TensorRef):
            return self.builtin("aten::equal", a, b)  # type: ignore[no-any-return]
        return self.builtin("aten::eq", a, b)  # type: ignore[no-any-return]

    def containers_equal(self, a: Value, b: Value) -> Value:
        """`a == b` for lists, tuples and dicts."""
        return containers.containers_equal(self, a, b)

    # ------------------------------------------------------------ messages

    def describe_call(self, kind: str, args: Sequence[Value], kwargs: Mapping[str, Value]) -> str:
        """An operator by its schema where PyTorch has one, else by its argument types."""
        from exporter.conversion.calls.missing import described  # noqa: PLC0415  imported where it is first needed

        return described(kind, args, kwargs)

    def _locate(self, error: Exception, node: Node) -> None:
        """Say once where in the model and in the user's source an error arose.

        Of one that is none of ours (a mistake in a symbolic) it is told below its traceback.
        """
        if getattr(error, "located", False):
            return
        error.located = True  # type: ignore[attr-defined]
        frame = self.frames[-1]
        where = frame.path or "the model itself"
        notes = [f"in   {where}  ({short_name(frame.function)})", f"at   {node.place}"]
        if isinstance(error, ConversionError):
            error.notes[:0] = notes
        elif sys.version_info >= (3, 11):
            error.add_note("\n  ".join([f"converting {node.kind}", *notes]))


def _known(value: Value) -> Value:
    """A value with what the program knows of it here: an integer, a flag, whether it is there."""
    if isinstance(value, SymInt):
        return resolved(value)
    if isinstance(value, SymBool):
        known = decide(value.condition, {})
        return value if known is None else known
    return value.here() if isinstance(value, (OptionalValue, ChoiceValue)) else value


def short_name(qualified: str) -> str:
    """`__torch__.model.Net.forward` as `Net.forward`, `__torch__.step` as `step`.

    A function is saved as the forward method of a class `PlaceholderModule`, which no user knows.
    """
    if qualified == "__torch__.PlaceholderModule.forward":
        return "the function"
    return ".".join(qualified.removeprefix("__torch__.").split(".")[-2:])
