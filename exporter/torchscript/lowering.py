"""Lowers the syntax tree of one function to a graph.

Names are values in SSA form: an assignment binds a name to the value that an expression produced,
and nothing is ever written. Where control flow joins, the names that were assigned on the way and
are still needed (`liveness.py`) become outputs of the `prim::If` or `prim::Loop`.

Constants are collected at the start of the graph, one node for each value, as TorchScript's own
constant pooling does.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING

from exporter.errors import ScriptError
from exporter.torchscript.annotations import annotation
from exporter.torchscript.expressions import Callee, ExpressionLowering
from exporter.torchscript.graph import Block, Function, Graph, Node, Value
from exporter.torchscript.liveness import live_names
from exporter.torchscript.record import CodeRecord
from exporter.torchscript.types import Type

if TYPE_CHECKING:
    from exporter.torchscript.program import Program

__all__ = ["lower"]

_NO_LIMIT = 2**63 - 1
"""The trip count of a `while` loop."""


def lower(
    program: Program, function: Function, record: CodeRecord, definition: ast.FunctionDef
) -> Graph:
    """The graph of a function."""
    return _FunctionLowering(program, function, record, definition).run()


class _FunctionLowering(ExpressionLowering):
    """Statements of one function. Expressions are in `expressions.py`."""

    def __init__(
        self,
        program: Program,
        function: Function,
        record: CodeRecord,
        definition: ast.FunctionDef,
    ) -> None:
        super().__init__(program, record)
        self._function = function
        self._definition = definition
        self._live = live_names(definition.body)
        self._declared: dict[str, Type] = {}

    def run(self) -> Graph:
        """Lower the whole function."""
        for parameter in self._function.parameters:
            value = self._new_value(parameter.name)
            value.type = parameter.type
            self._block.inputs.append(value)
            self._bind(parameter.name, value)
        try:
            self._statements(self._definition.body)
        except ScriptError as error:
            error.notes.append(f"in {self._function.name}")
            raise
        except RecursionError as error:
            raise ScriptError(f"{self._function.name}: blocks are nested too deeply") from error
        self._block.nodes[:0] = self._constants
        return Graph(self._function.name, self._block)

    def _statements(self, body: Sequence[ast.stmt]) -> None:
        for statement in body:
            self._position = statement
            if isinstance(statement, ast.Assign):
                self._assign(statement)
            elif isinstance(statement, ast.Return):
                self._return(statement)
            elif isinstance(statement, ast.If):
                self._if(statement)
            elif isinstance(statement, ast.For):
                self._for(statement)
            elif isinstance(statement, ast.While):
                self._while(statement)
            elif isinstance(statement, ast.Expr):
                self._expression_statement(statement.value)
            elif isinstance(statement, ast.AnnAssign):
                self._annotated(statement)
            elif isinstance(statement, ast.With):
                self._with(statement)
            elif isinstance(statement, ast.FunctionDef):
                self._closure(statement)
            elif not isinstance(statement, ast.Pass):
                raise self._unreadable(statement)

    # Assignments

    def _assign(self, statement: ast.Assign) -> None:
        if len(statement.targets) != 1:
            raise self._unreadable(statement)
        target, value = statement.targets[0], statement.value
        if isinstance(target, ast.Name):
            self._bind(target.id, self._lower_named(value, target.id))
        elif isinstance(target, ast.Tuple):
            self._assign_several(target, value)
        elif isinstance(target, ast.Attribute):
            self._set_attribute(target, self._lower(value))
        else:
            raise self._unreadable(statement)

    def _annotated(self, statement: ast.AnnAssign) -> None:
        """`x : Optional[Tensor] = value`: the type that `x` has where the branches join."""
        if statement.value is None:
            return
        value = self._lower_as(statement.value, statement.annotation)
        if isinstance(statement.target, ast.Name):
            self._bind(statement.target.id, value)
            self._declared[statement.target.id] = annotation(statement.annotation)
        elif isinstance(statement.target, ast.Attribute):
            self._set_attribute(statement.target, self._materialize(value))
        else:
            raise self._unreadable(statement)

    def _assign_several(self, target: ast.Tuple, value: ast.expr) -> None:
        """`a, b = 1, x` binds each, `a, b = torch.max(...)` is one node with two results.

        A comma after the last target says that the one result is a tuple or list to unpack.
        """
        names = [self._target_name(element) for element in target.elts]
        unpacks = target.end_col_offset != target.elts[-1].end_col_offset
        if isinstance(value, ast.Tuple) and len(value.elts) == len(names) and not unpacks:
            values = [self._lower_callable(element) for element in value.elts]
        elif not unpacks and (kind := self._operator_kind(value)) is not None:
            assert isinstance(value, ast.Call)
            node = self._call_node(kind, value)
            values = [self._output(node, name) for name in names]
        else:
            node = self._emit("prim::TupleUnpack", [self._lower(value)])
            values = [self._output(node, name) for name in names]
        for name, result in zip(names, values, strict=True):
            self._bind(name, result)

    def _target_name(self, target: ast.expr) -> str:
        if isinstance(target, ast.Name):
            return target.id
        raise self._unreadable(target)

    def _set_attribute(self, target: ast.Attribute, value: Value) -> None:
        self._emit("prim::SetAttr", [self._lower(target.value), value], {"name": target.attr})

    def _return(self, statement: ast.Return) -> None:
        """Returns come last: early ones have been turned into branches before printing."""
        if self._block is not self._body or self._block.outputs:
            raise self._unreadable(statement)
        value = self._none() if statement.value is None else self._lower(statement.value)
        self._block.outputs.append(value)

    def _expression_statement(self, expression: ast.expr) -> None:
        value = self._lower(expression)
        if value.node is not None and isinstance(expression, ast.Call):
            value.node.outputs.clear()

    # Control flow

    def _if(self, statement: ast.If) -> None:
        node = self._new_node("prim::If", [self._lower(statement.test)])
        ends = [self._branch(node, body) for body in (statement.body, statement.orelse)]
        live = self._live[statement]
        names = [name for name in dict.fromkeys([*ends[0], *ends[1]]) if name in live]
        for name in names:
            values = [end.get(name) or self._names.get(name) for end in ends]
            if None in values:
                continue  # defined on one path only: nothing reads it on the other
            for block, value in zip(node.blocks, values, strict=True):
                if value is not None:
                    block.outputs.append(self._in_block(block, value))
            self._bind(name, self._output(node, name, self._declared.get(name)))
        self._block.nodes.append(node)

    def _branch(self, node: Node, body: Sequence[ast.stmt]) -> dict[str, Value | Callee]:
        """Lower a block; what it assigned is taken back and returned."""
        block = Block()
        node.blocks.append(block)
        outer, self._block = self._block, block
        mark = self._mark()
        self._statements(body)
        assigned = self._take_back(mark)
        self._block = outer
        return assigned

    def _for(self, statement: ast.For) -> None:
        """`for i in range(n)` is the only form of `for` that is ever written."""
        call = statement.iter
        if not (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Name)
            and call.func.id == "range"
            and len(call.args) == 1
        ):
            raise self._unreadable(statement)
        trips = self._lower(call.args[0])
        self._loop(statement, trips, self._constant(True), self._target_name(statement.target))

    def _while(self, statement: ast.While) -> None:
        """`while c:`; a `for` that may end early counts its trips in a variable of its own."""
        condition = self._lower(statement.test)
        self._loop(statement, self._constant(_NO_LIMIT), condition, None)

    def _loop(
        self, statement: ast.For | ast.While, trips: Value, condition: Value, index: str | None
    ) -> None:
        node = self._new_node("prim::Loop", [trips, condition])
        block = Block()
        node.blocks.append(block)
        counter = self._new_value(index or "i")
        block.inputs.append(counter)

        live = self._live[statement]
        stored = dict.fromkeys(_stored_names(statement.body))
        carried = [name for name in stored if name in live and name in self._names]
        node.inputs += [self._materialize(self._names[name]) for name in carried]

        outer, self._block = self._block, block
        mark = self._mark()
        if index is not None:
            self._bind(index, counter)
        for name in carried:
            value = self._new_value(name)
            block.inputs.append(value)
            self._bind(name, value)
        self._statements(statement.body)
        goes_on = condition
        if isinstance(statement, ast.While):
            self._position = statement
            goes_on = self._lower(statement.test)
        block.outputs = [goes_on, *(self._materialize(self._names[name]) for name in carried)]
        self._take_back(mark)
        self._block = outer

        for name in carried:
            self._bind(name, self._output(node, name, self._declared.get(name)))
        self._block.nodes.append(node)

    def _with(self, statement: ast.With) -> None:
        """Context managers are entered and left around the body; their scope is the function's."""
        managers = []
        for item in statement.items:
            manager = self._lower(item.context_expr)
            managers.append(manager)
            entered = self._emit("prim::Enter", [manager])
            if item.optional_vars is not None:
                name = self._target_name(item.optional_vars)
                self._bind(name, self._output(entered, name))
        self._statements(statement.body)
        for manager in reversed(managers):
            self._emit("prim::Exit", [manager])

    def _closure(self, statement: ast.FunctionDef) -> None:
        """`def __forked_function():` directly before the `fork` that takes it."""
        self._closures[statement.name] = statement
        self._live.update(live_names(statement.body))


def _stored_names(body: Sequence[ast.stmt]) -> list[str]:
    """Names that a block assigns, inner blocks included, in order."""
    names: list[str] = []
    for statement in body:
        if isinstance(statement, ast.Assign):
            target = statement.targets[0]
            elements = target.elts if isinstance(target, ast.Tuple) else [target]
            names += [element.id for element in elements if isinstance(element, ast.Name)]
        elif isinstance(statement, ast.AnnAssign):
            if isinstance(statement.target, ast.Name):
                names.append(statement.target.id)
        elif isinstance(statement, ast.With):
            names += [
                item.optional_vars.id
                for item in statement.items
                if isinstance(item.optional_vars, ast.Name)
            ]
            names += _stored_names(statement.body)
        elif isinstance(statement, (ast.If, ast.While)):
            names += _stored_names(statement.body) + _stored_names(statement.orelse)
        elif isinstance(statement, ast.For):
            names += _stored_names(statement.body)
    return names
