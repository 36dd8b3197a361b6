"""What is in an archive, gathered for `ts2onnx inspect`: methods, modules, operators."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from types import CodeType, FunctionType
from typing import Any

import onnx.defs

import symbolics  # noqa: F401  registers the operators
from exporter.archive import Archive, ScriptObject, TensorData
from exporter.conversion import interpreter  # noqa: F401  registers the builtins
from exporter.conversion.builtins.builtin import BUILTINS
from exporter.conversion.calls.operators import has_symbolic
from exporter.conversion.prims import PRIMS
from exporter.errors import ScriptError
from exporter.onnx_graph.lowerings import find_lowering
from exporter.torchscript.graph import Function, Node, Value
from exporter.torchscript.printing import format_type
from exporter.torchscript.program import Program
from exporter.torchscript.types import ClassRef
from symbolics.registry import overloads

__all__ = ["ModuleRow", "Operator", "module_rows", "operators", "signature"]

OPSETS = range(9, 27)

_FUNCTIONS = ("prim::CallFunction", "prim::Function")


def signature(function: Function, program: Program) -> str:
    """A method as one would call it: `forward(Tensor x, int n=2) -> Tensor`."""
    parts = []
    for parameter in function.parameters[1:]:
        default = f"={parameter.default!r}" if parameter.has_default else ""
        parts.append(f"{format_type(parameter.type, program)} {parameter.name}{default}")
    name = function.name.rpartition(".")[2]
    return f"{name}({', '.join(parts)}) -> {format_type(function.return_type, program)}"


@dataclass
class ModuleRow:
    """A module of the tree: its path, its class as the user named it, what it holds itself."""

    path: str
    class_name: str
    parameters: int = 0
    parameter_bytes: int = 0
    buffers: int = 0
    total_parameters: int = 0
    others: list[str] = field(default_factory=list)
    """Attributes that are neither tensors nor modules, but for the training flag."""


def module_rows(archive: Archive, program: Program) -> list[ModuleRow]:
    """The module tree, depth-first. A tensor that is held in two places counts once in a total."""
    rows: list[ModuleRow] = []
    _add_module(archive.root, "", program, rows)
    return rows


def _add_module(
    module: ScriptObject, path: str, program: Program, rows: list[ModuleRow]
) -> dict[int, int]:
    row = ModuleRow(path, module.type_name.removeprefix("__torch__."))
    rows.append(row)
    declared = _class_parameters(module, program)
    # By the tensor, so that tied weights are counted once.
    counted: dict[int, int] = {}
    for name, value in module.attributes.items():
        where = f"{path}.{name}" if path else name
        if isinstance(value, ScriptObject):
            counted |= _add_module(value, where, program, rows)
        elif isinstance(value, TensorData) and name in declared:
            row.parameters += math.prod(value.shape)
            row.parameter_bytes += value.nbytes
            counted[id(value)] = math.prod(value.shape)
        elif isinstance(value, TensorData):
            row.buffers += math.prod(value.shape)
        elif name != "training" and value is not None:
            row.others.append(name)
    row.total_parameters = sum(counted.values())
    return counted


def _class_parameters(module: ScriptObject, program: Program) -> list[str]:
    try:
        return program.class_type(module.type_name).parameters
    except ScriptError:  # a class written in C++ has no code
        return []


@dataclass
class Operator:
    """An operator that the archive's code names.

    `first_opset` is the lowest opset at which all that its symbolic may emit exists: None where
    there is no symbolic. An operator that is computed while converting needs no opset.
    """

    name: str
    count: int
    first_opset: int | None
    newest_ops: list[str] = field(default_factory=list)
    """The ONNX operators that decide it."""
    places: list[str] = field(default_factory=list)


def operators(archive: Archive, program: Program, method: str | None = None) -> list[Operator]:
    """All operators that the methods of the module tree can reach, or one method of its root."""
    counts: Counter[str] = Counter()
    places: dict[str, list[str]] = {}
    for node in _reachable(archive, program, method):
        if node.kind in PRIMS:
            continue
        counts[node.kind] += 1
        source = node.source
        if source is not None:
            place = f"{source.filename}:{source.line}"
            if place not in places.setdefault(node.kind, []):
                places[node.kind].append(place)
    found = []
    for name, count in sorted(counts.items()):
        first, newest = _support(name)
        found.append(Operator(name, count, first, newest, places.get(name, [])))
    return found


def _reachable(archive: Archive, program: Program, method: str | None) -> Iterator[Node]:
    """The nodes of the root's methods, or of one, and of all that they call, once per module."""
    methods = program.class_type(archive.root.type_name).methods
    pending: list[tuple[Function, ScriptObject | None]] = [
        (function, archive.root) for name, function in methods.items() if method in (None, name)
    ]
    seen: set[tuple[str, int]] = set()
    while pending:
        function, owner = pending.pop()
        if (function.name, id(owner)) in seen:
            continue
        seen.add((function.name, id(owner)))
        # What the values of the graph are, as far as they are modules of the tree.
        modules: dict[Value, object] = dict.fromkeys(function.graph.block.inputs[:1], owner)
        for node in function.graph.walk():
            name = str(node.attributes.get("name", ""))
            receiver = modules.get(node.inputs[0]) if node.inputs else None
            if node.kind == "prim::GetAttr" and isinstance(receiver, ScriptObject):
                modules[node.outputs[0]] = receiver.attributes.get(name)
            elif node.kind == "prim::CallMethod":
                called = _method(program, node.inputs[0], receiver, name)
                if called is not None:
                    pending.append(
                        (called, receiver if isinstance(receiver, ScriptObject) else None)
                    )
            elif program.has_function(name) and node.kind in (
                "prim::CallFunction",
                "prim::Function",
            ):
                pending.append((program.function(name), None))
            yield node


def _method(program: Program, value: Value, receiver: object, name: str) -> Function | None:
    """The method that is called; None for an interface's, which only the object would tell."""
    if isinstance(receiver, ScriptObject):
        class_name = receiver.type_name
    elif isinstance(value.type, ClassRef):
        class_name = value.type.name
    else:
        return None
    if not program.has_class(class_name) or program.class_type(class_name).kind == "interface":
        return None
    return program.class_type(class_name).methods.get(name)


def _support(kind: str) -> tuple[int | None, list[str]]:
    """The first opset for an operator, and which ONNX operators decide it."""
    if not has_symbolic(kind):
        return (OPSETS[0], []) if kind in BUILTINS else (None, [])
    base = kind if overloads(kind) else kind.removesuffix("_")
    first, deciding = OPSETS[0], []
    for op in sorted(set().union(*(_emitted(o.function) for o in overloads(base)))):
        opset = _first_opset(op)
        if opset > first:
            first, deciding = opset, [op]
        elif opset == first > OPSETS[0]:
            deciding.append(op)
    return first, deciding


@cache
def _first_opset(op: str) -> int:
    """The lowest supported opset at which the builder can emit an ONNX operator."""
    for opset in OPSETS:
        if find_lowering(op, opset) is not None:
            return opset
        try:
            onnx.defs.get_schema(op, opset)
        except onnx.defs.SchemaError:
            continue
        return opset
    return OPSETS[-1]


def _emitted(function: Any, seen: frozenset[Any] = frozenset()) -> set[str]:
    """The ONNX operators that a symbolic's code names, those of the functions it calls included."""
    if not isinstance(function, FunctionType) or function in seen:
        return set()
    names = _names(function.__code__)
    found = {name for name in names if name[:1].isupper() and name in _onnx_operators()}
    for name in names:
        callee = function.__globals__.get(name)
        if isinstance(callee, FunctionType) and callee.__module__.startswith("symbolics."):
            found |= _emitted(callee, seen | {function})
    return found


def _names(code: CodeType) -> set[str]:
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*map(_names, inner))


@cache
def _onnx_operators() -> frozenset[str]:
    return frozenset(s.name for s in onnx.defs.get_all_schemas() if s.domain == "")
