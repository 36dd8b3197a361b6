"""Takes the calls of autograd functions out of a trace, and leaves what they ran.

The tracer notes such a call as one of Python (`prim::PythonOp`); the nodes of all that ran follow,
and among them one that says which values the function gave back (`autograd_functions`).
"""

from __future__ import annotations

import torch

from exporter.live.autograd_functions import RAISED, RESULTS

__all__ = ["take_out_functions"]


def take_out_functions(graph: torch._C.Graph) -> None:
    """Let what follows use the values that functions gave back, in place of their calls."""
    calls: list[torch._C.Node] = []
    for node in list(graph.nodes()):
        kind = node.kind()
        if kind == "prim::PythonOp" and _is_function(node.pyobj()):
            calls.append(node)
        elif kind == "prim::Print" and node.hasAttribute(RESULTS) and calls:
            _take_out(calls.pop(), node)


def _is_function(called: object) -> bool:
    owner = getattr(called, "__self__", None)
    return isinstance(owner, type) and issubclass(owner, torch.autograd.Function)


def _take_out(call: torch._C.Node, note: torch._C.Node) -> None:
    """Replace a call's results: those of the node that takes its tuple apart, if it gives one."""
    results, given = note.s(RESULTS), iter(note.inputs())
    nodes = [call, note]
    if results != RAISED:
        giving = call
        if isinstance(call.output().type(), torch._C.TupleType):
            (use,) = call.output().uses()
            giving = use.user
            nodes.insert(0, giving)
        for value, result in zip(giving.outputs(), results, strict=True):
            if result == "1":
                value.replaceAllUsesWith(next(given))
    for node in nodes:
        node.destroy()
