"""What to say of operators that have no symbolic: their schemas, all of a model together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from exporter.conversion.builtins.builtin import BUILTINS
from exporter.conversion.calls.binding import bind
from exporter.conversion.calls.operators import MissingSymbolicError, functional_name, has_symbolic
from exporter.conversion.prims import PRIMS
from exporter.conversion.values.objects import ObjectValue, Value, type_name
from exporter.errors import UnsupportedOperatorError
from exporter.torchscript.graph import Function, Node
from exporter.torchscript.graph import Value as IrValue
from exporter.torchscript.program import Program
from exporter.torchscript.schemas import schemas_of

__all__ = ["described", "missing_operators"]


def described(kind: str, args: Sequence[Value], kwargs: Mapping[str, Value]) -> str:
    """An operator by the schema that the arguments fit, else by the arguments' types."""
    for name in (kind, functional_name(kind)):
        for schema in schemas_of(name) if name else ():
            bound, _ = bind(schema, args, kwargs)
            if bound is not None:
                return str(schema)
    given = [type_name(a) for a in args]
    given += [f"{type_name(v)} {k}" for k, v in kwargs.items()]
    return f"{kind}({', '.join(given)})"


def missing_operators(
    error: MissingSymbolicError, program: Program, root: ObjectValue, method: str
) -> UnsupportedOperatorError:
    """One error for all operators without a symbolic that the method's code names."""
    first = [error.message, *error.notes]
    others: dict[str, list[str]] = {}
    for path, function, node in _reachable(program, root, root.type.methods[method], set()):
        known = node.kind in PRIMS or node.kind in BUILTINS or has_symbolic(node.kind)
        if known or node.kind == error.kind:
            continue
        places = others.setdefault(node.kind, [])
        source = node.source
        where = f"{source.filename}:{source.line}" if source else function.name
        text = f"    {source.text.strip()}" if source and source.text else ""
        places.append(f"  at   {where}{text}   in {path or 'the model itself'}")
    notes = list(first[1:])
    for kind, places in others.items():
        schemas = schemas_of(kind)
        notes.append(f"also no symbolic for {schemas[0] if schemas else kind}")
        notes.extend(places[:3])
        if len(places) > 3:
            notes.append(f"  and at {len(places) - 3} more places")
    reason = next((r for names, r in _REASONS.items() if error.kind in names), None)
    if reason is not None:
        notes.append(f"why  {reason}")
    else:
        notes.append(
            f'try  register one: exporter.register_symbolic("{error.kind}(...) -> ...", function)'
            "   (docs: custom operators)"
        )
    return UnsupportedOperatorError(first[0], tuple(notes))


# What nobody can register something right for.
_REASONS = {
    (
        "aten::manual_seed", "aten::seed", "aten::initial_seed", "aten::Generator",
    ): "ONNX draws random numbers from the runtime's generator, which no operator can seed; "
       "draw without a generator, or make the numbers an input",
    ("aten::save", "aten::from_file"): "an ONNX model can't read or write files",
    ("aten::hash",): "hashes differ from one process to the next; compare the values themselves",
    (
        "aten::to_sparse", "aten::to_sparse_csr", "aten::sparse_coo_tensor",
        "aten::sparse_csr_tensor", "aten::_coalesced", "aten::coalesce",
    ): "ONNX operators take no sparse tensors; keep it dense",
    (
        "prim::rpc_async", "prim::rpc_sync", "prim::rpc_remote", "aten::to_here",
        "aten::local_value", "aten::is_owner",
    ): "an ONNX model runs in one place and can't call others",
}  # fmt: skip


def _reachable(
    program: Program, owner: ObjectValue | None, function: Function, seen: set[tuple[int, int]]
) -> Iterator[tuple[str, Function, Node]]:
    """(module path, function, node) of all operator nodes of a function and what it calls."""
    key = (id(function), id(owner))
    if key in seen:
        return
    seen.add(key)
    known: dict[IrValue, object] = {}
    inputs = function.graph.block.inputs
    if owner is not None and inputs:
        known[inputs[0]] = owner
    for path, node in _placed(function.graph.block.nodes, owner.path if owner else ""):
        receiver = known.get(node.inputs[0]) if node.inputs else None
        name = str(node.attributes.get("name", ""))
        if node.kind == "prim::GetAttr" and isinstance(receiver, ObjectValue):
            if name in receiver.attributes:
                known[node.outputs[0]] = receiver.attributes[name]
        elif node.kind == "prim::CallMethod" and isinstance(receiver, ObjectValue):
            if name in receiver.type.methods:
                yield from _reachable(program, receiver, receiver.type.methods[name], seen)
        elif node.kind == "prim::CallFunction" and program.has_function(name):
            yield from _reachable(program, None, program.function(name), seen)
        elif not node.kind.startswith("prim::"):
            yield path, function, node


def _placed(nodes: Sequence[Node], path: str) -> Iterator[tuple[str, Node]]:
    """All nodes, those in blocks too, with the path of the module that they are run in."""
    for node in nodes:
        yield path, node
        inner = str(node.attributes["path"]) if node.kind == "prim::TracedModuleForward" else path
        for block in node.blocks:
            yield from _placed(block.nodes, inner)
