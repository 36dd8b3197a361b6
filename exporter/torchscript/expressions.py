"""Lowers expressions of archive code to nodes: operators, calls, attributes, containers."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING

from exporter.errors import ScriptError
from exporter.torchscript.annotations import annotation, dotted_name
from exporter.torchscript.graph import Block, Node, Value
from exporter.torchscript.literals import NOT_LITERAL, scalar_literal
from exporter.torchscript.record import CodeRecord
from exporter.torchscript.types import Type

if TYPE_CHECKING:
    from exporter.torchscript.program import Program

__all__ = ["Callee", "ExpressionLowering"]

# Operators that archive code spells like Python's builtins; most by now go as `torch.name`.
_BUILTINS = {
    "int": "aten::Int",
    "float": "aten::Float",
    "bool": "aten::Bool",
    "complex": "aten::Complex",
    "str": "aten::str",
    "print": "prim::Print",
    "unchecked_unwrap_optional": "prim::unchecked_unwrap_optional",
    "abs": "prim::abs",
    "max": "prim::max",
    "min": "prim::min",
}
_BUILTINS |= {
    name: f"aten::{name}"
    for name in (
        *("all", "any", "bin", "chr", "dict", "divmod", "format", "hash", "hex", "len", "list"),
        *("oct", "ord", "pow", "round", "sorted", "sum"),
    )
}

# The two operators whose names have a dot.
_AUTOGRAD = {
    "torch.autograd.backward": "aten::backward",
    "torch.autograd.grad": "aten::grad",
}

# Builtins whose first argument is a type.
_TYPED = {
    "unchecked_cast": "prim::unchecked_cast",
    "uninitialized": "prim::Uninitialized",
    "annotate": "prim::annotate",
}

# What the builtins that are no operators take at least.
_ARGUMENTS = {
    **dict.fromkeys(("annotate", "unchecked_cast", "isinstance", "getattr", "hasattr"), 2),
    **dict.fromkeys(("uninitialized", "fork", "awaitable"), 1),
}

# Calls that run in the future, or when somebody asks for the result.
_DEFERRED = {"fork": "prim::fork", "awaitable": "prim::awaitable"}


class Callee:
    """A function bound to a name, of which no value is needed as long as it is only called."""

    def __init__(self, name: str) -> None:
        self.name = name


class ExpressionLowering:
    """What the names mean, where nodes go, and how expressions become nodes."""

    def __init__(self, program: Program, record: CodeRecord) -> None:
        self._program = program
        self._record = record
        self._block = Block()
        self._body = self._block  # of the function or closure, where `return` may stand
        self._constants: list[Node] = []
        self._constant_values: dict[object, Value] = {}
        self._names: dict[str, Value | Callee] = {}
        self._trail: list[tuple[str, Value | Callee | None]] = []
        self._closures: dict[str, ast.FunctionDef] = {}
        self._position: ast.stmt | ast.expr | None = None
        self._value_names: dict[str, int] = {}

    # Names

    def _bind(self, name: str, value: Value | Callee) -> None:
        self._trail.append((name, self._names.get(name)))
        self._names[name] = value

    def _mark(self) -> int:
        return len(self._trail)

    def _take_back(self, mark: int) -> dict[str, Value | Callee]:
        """Undo all bindings since `mark`; returns what they were."""
        taken = {name: self._names[name] for name, _ in self._trail[mark:]}
        while len(self._trail) > mark:
            name, former = self._trail.pop()
            if former is None:
                del self._names[name]
            else:
                self._names[name] = former
        return taken

    def _new_value(self, name: str) -> Value:
        """A value whose name no other value of the graph has."""
        count = self._value_names.get(name)
        if count is None:
            self._value_names[name] = 1
            return Value(name)
        while f"{name}.{count}" in self._value_names:
            count += 1
        self._value_names[name] = count + 1
        self._value_names[f"{name}.{count}"] = 1
        return Value(f"{name}.{count}")

    # Nodes

    def _new_node(
        self,
        kind: str,
        inputs: Sequence[Value] = (),
        attributes: dict[str, object] | None = None,
        keywords: tuple[str, ...] = (),
        at: ast.stmt | ast.expr | None = None,
    ) -> Node:
        place = self._position if at is None else at
        offset = 0
        if place is not None:
            offset = self._record.line_offsets[place.lineno - 1] + place.col_offset
        return Node(kind, inputs, keywords, attributes, self._record, offset)

    def _emit(
        self,
        kind: str,
        inputs: Sequence[Value] = (),
        attributes: dict[str, object] | None = None,
        keywords: tuple[str, ...] = (),
        at: ast.stmt | ast.expr | None = None,
    ) -> Node:
        node = self._new_node(kind, inputs, attributes, keywords, at)
        self._block.nodes.append(node)
        return node

    def _output(self, node: Node, name: str, type: Type | None = None) -> Value:  # noqa: A002
        value = self._new_value(name)
        value.node = node
        value.type = type
        node.outputs.append(value)
        return value

    def _constant(self, value: object, at: ast.expr | None = None) -> Value:
        """A constant; equal scalars share a node, where 0, 0.0, -0.0 and False are not equal."""
        key: object = id(value)
        if value is None or isinstance(value, (bool, int, str, float, complex)):
            key = (type(value), repr(value))
        found = self._constant_values.get(key)
        if found is None:
            node = self._new_node("prim::Constant", (), {"value": value}, at=at)
            self._constants.append(node)
            found = self._constant_values[key] = self._output(node, "constant")
        return found

    def _none(self) -> Value:
        return self._constant(None)

    def _materialize(self, value: Value | Callee) -> Value:
        """A function that is used as a value after all."""
        if isinstance(value, Value):
            return value
        node = self._emit("prim::Function", (), {"name": value.name})
        return self._output(node, value.name.rpartition(".")[2])

    def _in_block(self, block: Block, value: Value | Callee) -> Value:
        outer, self._block = self._block, block
        result = self._materialize(value)
        self._block = outer
        return result

    def _unreadable(self, node: ast.AST) -> ScriptError:
        line = getattr(node, "lineno", 0)
        return ScriptError(
            f"archive code that is not TorchScript: {ast.unparse(node).splitlines()[0]}",
            (f"at {self._record.module}, line {line} of the code record",),
        )

    # Expressions

    def _lower(self, expression: ast.expr) -> Value:
        """The value of an expression."""
        return self._materialize(self._lower_callable(expression))

    def _lower_named(self, expression: ast.expr, name: str) -> Value | Callee:
        """The value of an expression that the code assigns to `name`, and calls so if it is new."""
        self._name_hint = name
        try:
            return self._lower_callable(expression)
        finally:
            self._name_hint = "result"

    _name_hint = "result"

    def _result(self, node: Node, name: str, type: Type | None = None) -> Value:  # noqa: A002
        return self._output(node, name, type)

    def _lower_callable(self, expression: ast.expr) -> Value | Callee:
        hint, self._name_hint = self._name_hint, "result"
        if isinstance(expression, ast.Name):
            bound = self._names.get(expression.id)
            if bound is not None:
                return bound
        elif isinstance(expression, ast.Call):
            return self._call(expression, hint)
        elif isinstance(expression, ast.Attribute):
            found = self._attribute(expression, hint)
            if found is not None:
                return found
        elif isinstance(expression, ast.Subscript):
            return self._subscript(expression, hint)
        elif isinstance(expression, (ast.Tuple, ast.List, ast.Dict)):
            return self._container(expression, hint, None)
        value = scalar_literal(expression, self._program.constants, self._text(expression))
        if value is NOT_LITERAL:
            if isinstance(expression, ast.Name):
                raise ScriptError(
                    f"{expression.id!r} is used before it is defined",
                    (f"at {self._record.module}, line {expression.lineno} of the code record",),
                )
            raise self._unreadable(expression)
        return self._constant(value, expression)

    def _text(self, expression: ast.expr) -> str:
        """The text of a string literal with unusual characters; nothing else needs its text."""
        if (
            isinstance(expression, ast.Constant)
            and isinstance(expression.value, str)
            and not expression.value.isascii()
        ):
            return self._record.segment(expression)
        return ""

    def _container(
        self,
        expression: ast.Tuple | ast.List | ast.Dict,
        hint: str,
        type: Type | None,  # noqa: A002
    ) -> Value:
        if isinstance(expression, ast.Dict):
            keys = [key for key in expression.keys if key is not None]
            if len(keys) != len(expression.values):
                raise self._unreadable(expression)
            pairs = zip(keys, expression.values, strict=True)
            inputs = [self._lower(part) for pair in pairs for part in pair]
            kind = "prim::DictConstruct"
        else:
            inputs = [self._lower(element) for element in expression.elts]
            is_tuple = isinstance(expression, ast.Tuple)
            kind = "prim::TupleConstruct" if is_tuple else "prim::ListConstruct"
        return self._output(self._emit(kind, inputs, at=expression), hint, type)

    def _attribute(self, expression: ast.Attribute, hint: str) -> Value | Callee | None:
        """`x.name`, an enum's member, a function's qualified name; None for a stored constant."""
        name = dotted_name(expression)
        root = name.partition(".")[0] if name is not None else ""
        if name is None or root in self._names:
            base = self._lower(expression.value)
            node = self._emit("prim::GetAttr", [base], {"name": expression.attr}, at=expression)
            return self._output(node, hint)
        if root == "__torch__":
            owner = name.rpartition(".")[0]
            if self._program.is_enum(owner):
                attributes: dict[str, object] = {"name": owner, "member": expression.attr}
                node = self._emit("prim::EnumMember", (), attributes, at=expression)
                return self._output(node, hint)
            return Callee(name)
        return None

    def _subscript(self, expression: ast.Subscript, hint: str) -> Value:
        base = self._lower(expression.value)
        index = expression.slice
        if isinstance(index, ast.Slice):
            bounds = [
                self._none() if bound is None else self._lower(bound)
                for bound in (index.lower, index.upper)
            ]
            step = self._constant(1) if index.step is None else self._lower(index.step)
            node = self._emit("aten::slice", [base, *bounds, step], at=expression)
        else:
            node = self._emit("aten::__getitem__", [base, self._lower(index)], at=expression)
        return self._output(node, hint)

    # Calls

    def _operator_kind(self, expression: ast.expr) -> str | None:
        """`aten::add` for a call of `torch.add`, `ns::name` for `ops.ns.name`, else None."""
        if not isinstance(expression, ast.Call) or not isinstance(expression.func, ast.Attribute):
            return None
        parts = []
        part: ast.expr = expression.func
        while isinstance(part, ast.Attribute):
            parts.append(part.attr)
            part = part.value
        if not isinstance(part, ast.Name) or part.id in self._names:
            return None
        if part.id == "torch" and len(parts) == 1:
            return f"aten::{parts[0]}"
        if part.id == "ops" and len(parts) == 2:
            return f"{parts[1]}::{parts[0]}"
        return _AUTOGRAD.get(dotted_name(expression.func) or "")

    def _call_node(
        self,
        kind: str,
        call: ast.Call,
        receiver: Sequence[Value] = (),
        attributes: dict[str, object] | None = None,
        skip: int = 0,
    ) -> Node:
        inputs = [*receiver, *(self._lower(argument) for argument in call.args[skip:])]
        keywords = tuple(keyword.arg for keyword in call.keywords if keyword.arg is not None)
        if len(keywords) != len(call.keywords):
            raise self._unreadable(call)
        inputs += [self._lower(keyword.value) for keyword in call.keywords]
        return self._emit(kind, inputs, attributes, keywords, at=call)

    def _call(self, call: ast.Call, hint: str) -> Value:
        kind = self._operator_kind(call)
        if kind is not None:
            return self._output(self._call_node(kind, call), hint)
        function = call.func
        if isinstance(function, ast.Name):
            bound = self._names.get(function.id)
            if bound is None:
                return self._builtin(function.id, call, hint)
            if isinstance(bound, Callee):
                return self._call_function(bound.name, call, hint)
            return self._output(self._call_node("prim::CallValue", call, [bound]), hint)
        if isinstance(function, ast.Attribute):
            name = dotted_name(function)
            if name is not None and name.startswith("__torch__."):
                return self._call_qualified(name, call, hint)
            if name is not None and name.partition(".")[0] in ("torch", "ops"):
                raise self._unreadable(call)
            node = self._call_node(
                "prim::CallMethod", call, [self._lower(function.value)], {"name": function.attr}
            )
            return self._output(node, hint)
        node = self._call_node("prim::CallValue", call, [self._lower(function)])
        return self._output(node, hint)

    def _call_qualified(self, name: str, call: ast.Call, hint: str) -> Value:
        """A function, a named tuple, or the `__new__` of a class."""
        owner, _, method = name.rpartition(".")
        if method == "__new__":
            node = self._emit("prim::CreateObject", (), {"name": owner}, at=call)
            return self._output(node, hint)
        return self._call_function(name, call, hint)

    def _call_function(self, name: str, call: ast.Call, hint: str) -> Value:
        is_class = self._program.has_class(name)
        kind = "prim::NamedTupleConstruct" if is_class else "prim::CallFunction"
        return self._output(self._call_node(kind, call, (), {"name": name}), hint)

    def _builtin(self, name: str, call: ast.Call, hint: str) -> Value:
        if name in _BUILTINS:
            return self._output(self._call_node(_BUILTINS[name], call), hint)
        arguments = call.args
        if len(arguments) < _ARGUMENTS.get(name, 0):
            raise self._unreadable(call)
        if name == "annotate":
            return self._materialize(self._lower_as(arguments[1], arguments[0], hint, call))
        if name in _TYPED:
            declared = annotation(arguments[0])
            node = self._call_node(_TYPED[name], call, (), {"type": declared}, skip=1)
            return self._output(node, hint, declared)
        if name == "isinstance":
            choices = arguments[1].elts if isinstance(arguments[1], ast.Tuple) else [arguments[1]]
            types = tuple(annotation(choice) for choice in choices)
            node = self._emit(
                "prim::isinstance", [self._lower(arguments[0])], {"types": types}, at=call
            )
            return self._output(node, hint)
        if name in ("getattr", "hasattr"):
            kind = "prim::GetAttr" if name == "getattr" else "prim::HasAttr"
            attribute = scalar_literal(arguments[1], self._program.constants)
            base = self._lower(arguments[0])
            return self._output(self._emit(kind, [base], {"name": attribute}, at=call), hint)
        if name in _DEFERRED and isinstance(arguments[0], ast.Name):
            closure = self._closures.get(arguments[0].id)
            if closure is not None:
                return self._deferred(_DEFERRED[name], closure, call, hint)
        raise self._unreadable(call)

    def _deferred(self, kind: str, closure: ast.FunctionDef, call: ast.Call, hint: str) -> Value:
        """`fork(f)`: the body of the closure is a block, which simply uses what it captured."""
        node = self._new_node(kind, at=call)
        block = Block()
        node.blocks.append(block)
        outer, self._block = self._block, block
        body, self._body = self._body, block
        mark = self._mark()
        self._statements(closure.body)
        self._take_back(mark)
        self._block, self._body = outer, body
        self._block.nodes.append(node)
        return self._output(node, hint)

    def _statements(self, body: Sequence[ast.stmt]) -> None:
        """Lower statements; `lowering.py` knows how."""
        raise NotImplementedError

    def _lower_as(
        self,
        expression: ast.expr,
        declared: ast.expr,
        hint: str = "result",
        at: ast.expr | None = None,
    ) -> Value | Callee:
        """An expression whose type the code states.

        A container takes the type: an empty one has no other. A call of `tolist` needs it to
        run. What an assignment declares of anything else says nothing new; `annotate` (`at`
        is given) may convert, a tensor to an int for one, and is a node.
        """
        type = annotation(declared)  # noqa: A001
        if isinstance(expression, (ast.List, ast.Dict)):
            return self._container(expression, hint, type)
        if (
            isinstance(expression, ast.Call)
            and isinstance(expression.func, ast.Attribute)
            and expression.func.attr == "tolist"
            and self._operator_kind(expression) is None
        ):
            receiver = self._lower(expression.func.value)
            node = self._emit("prim::tolist", [receiver], {"type": type}, at=expression)
            return self._output(node, hint, type)
        if at is None:
            return self._lower_callable(expression)
        node = self._emit("prim::annotate", [self._lower(expression)], {"type": type}, at=at)
        return self._output(node, hint, type)
