"""Live PyTorch objects as programs to convert.

The trace of a plain module is read from PyTorch's own graph, its weights from the module itself.
What needs more than that (scripted objects, modules that hold or call scripted code, packed
weights) is saved to an archive in memory and read like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from exporter.archive import open_archive
from exporter.archive.reader import MAX_VERSION
from exporter.live.archives import to_archive
from exporter.live.floats import floats_written_as_ints
from exporter.live.graphs import GraphReader
from exporter.live.objects import ModuleObjects, NotPlainError
from exporter.live.tracers import traced_graph
from exporter.live.tracing import Call, traced
from exporter.torchscript.graph import Function
from exporter.torchscript.loaded import Loaded
from exporter.torchscript.program import Program

__all__ = ["LiveProgram", "to_program"]


class LiveProgram(NamedTuple):
    """A program, and the arguments that its method takes for those that were given."""

    loaded: Loaded
    content: Callable[[], bytes]
    """An archive of it, which PyTorch can load."""
    args: tuple[Any, ...] | None
    kwargs: dict[str, Any]
    warnings: list[str]
    names: Mapping[str, str]
    """What a trace's parameters are in the call that was given: `d_a` is `d.a`."""
    result_names: Sequence[str]
    """What the tensors of a trace's result are in what the module returned."""
    baked: frozenset[str]
    """The constants that a trace was made with, so that it has no such parameters."""
    written: Callable[[], Sequence[str]] = tuple
    """Which of the parameters that are not copied have been written to since."""


def to_program(call: Call, *, bound: bool = False) -> LiveProgram:
    """A live object as a program; a plain module is traced.

    The `bound` parameters of a plain module are not copied: they are the live ones' memory.
    """
    call.check()
    if isinstance(call.model, nn.Module) and not isinstance(call.model, torch.jit.ScriptModule):
        try:
            return _plain(call, call.model, bound=bound)
        except NotPlainError:
            baked = frozenset(call.constants)
    else:
        baked = frozenset()
    saved = to_archive(call)
    archive = open_archive(saved.content)
    archive.floats_written_as_ints = floats_written_as_ints(
        saved.program, call.method, archive.code.values()
    )
    return LiveProgram(
        Loaded.of(archive),
        lambda: saved.content,
        saved.args,
        saved.kwargs,
        saved.warnings,
        saved.names,
        saved.result_names,
        baked,
    )


def _plain(call: Call, model: nn.Module, *, bound: bool) -> LiveProgram:
    """The program of a module that is plain, its trace too; a NotPlainError otherwise."""
    objects = ModuleObjects(model, bound=bound)
    numbers = {module: str(number) for number, module in enumerate(objects.names)}
    found = traced(
        call,
        lambda a: traced_graph(model, call.method, objects.tensors, a.arguments, numbers),
    )
    objects.note_versions()
    # Only now the constants of the trace, too, are what they were.
    declared = objects.classes[objects.root.type_name]
    name = f"{declared.name}.{call.method}"
    scopes = {number: objects.names[module] for module, number in numbers.items()}
    parameters, result, graph = GraphReader(found.trace, scopes).read(
        name, declared.name, objects.places, list(found.names)
    )
    declared.methods[call.method] = Function(name, parameters, result, lambda _: graph)
    program = Program({}, classes=objects.classes)
    return LiveProgram(
        Loaded(type(model).__name__, MAX_VERSION, program, objects.root, dict),
        lambda: to_archive(call).content,
        found.args,
        {},
        found.warnings,
        found.names,
        found.result_names,
        frozenset(call.constants),
        objects.written if bound else tuple,
    )
