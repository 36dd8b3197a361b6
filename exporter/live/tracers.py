"""Runs a module under PyTorch's tracer: as a graph, or as a program of modules to save."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.jit import _trace

from exporter.live.recorded_functions import take_out_functions
from exporter.live.unseen_tensors import refuse_unseen

__all__ = ["traced_graph", "traced_module"]


def traced_graph(
    model: nn.Module,
    method: str,
    tensors: Sequence[torch.Tensor],
    arguments: tuple[Any, ...],
    scopes: Mapping[nn.Module, str],
) -> torch._C.Graph:
    """All that a call runs, as one graph of the tensors that the modules hold and the arguments.

    Its nodes have the scopes of the modules that ran them.
    """
    entry = model if method == "forward" else getattr(model, method)
    count = len(tensors)
    with _scopes(scopes):
        # What is given is a view of an argument where that is a tensor of the module, too.
        graph, _ = torch._C._create_graph_by_tracing(
            lambda *given: entry(*given[count:]),
            (*tensors, *arguments),
            _variable_names(),
            False,
            False,
        )
    take_out_functions(graph)
    refuse_unseen(graph, tensors)
    return graph


def traced_module(
    model: nn.Module, method: str, arguments: tuple[Any, ...], names: Sequence[str]
) -> torch._C.ScriptModule:
    """What `torch.jit.trace_module` makes: a program with a method for each module that is called.

    PyTorch compiles each module's class to get there, attributes and properties that no trace has
    among it, which takes longer than the trace. Here the modules get just what a trace can refer
    to. They live in a compilation unit of their own, so that they go when the trace does.
    """
    module = _module_for(model, torch._C.CompilationUnit())
    entry = model if method == "forward" else getattr(model, method)
    paths = {part: f"__module.{name}" for name, part in model.named_modules() if name}
    with _scopes(paths):
        module._create_method_from_trace(
            method, entry, arguments, _variable_names(), False, False, list(names), True
        )
    for part in _made(module, model):
        for name in part._method_names():
            graph = part._get_method(name).graph
            take_out_functions(graph)
            refuse_unseen(graph, (*model.parameters(), *model.buffers()))
    return module


def _made(module: torch._C.ScriptModule, model: nn.Module) -> Iterator[torch._C.ScriptModule]:
    """The modules that stand for live ones, which have no methods but those of the trace."""
    if not isinstance(model, torch.jit.ScriptModule):
        yield module
        for name, part in model._modules.items():
            if part is not None:
                yield from _made(module.getattr(name), part)


def _module_for(model: nn.Module, unit: torch._C.CompilationUnit) -> torch._C.ScriptModule:
    """A module of a program, with the tensors, packed weights and modules of a live one."""
    if isinstance(model, torch.jit.ScriptModule):
        return model._c
    name = torch._jit_internal._qualified_name(type(model))
    module = torch._C.ScriptModule(name, unit, True)
    for held in (model._parameters, model._buffers):
        for name, tensor in held.items():
            if tensor is not None:
                module._register_attribute(name, torch._C.TensorType.get(), tensor)
    for name, part in model._modules.items():
        if part is not None:
            inner = _module_for(part, unit)
            module._register_attribute(name, inner._type(), inner)
    module._register_attribute("training", torch._C.BoolType.get(), model.training)
    for name, value in model.__dict__.items():
        if torch._C._jit_is_script_object(value) and not module.hasattr(name):
            module._register_attribute(name, torch._C._jit_try_infer_type(value).type(), value)
    return module


@contextmanager
def _scopes(names: Mapping[nn.Module, str]) -> Iterator[None]:
    """Let the tracer note in which module an operator was called, by these names."""
    outer = _trace._trace_module_map
    _trace._trace_module_map = dict(names)
    try:
        yield
    finally:
        _trace._trace_module_map = outer


def _variable_names() -> Callable[[torch.Tensor], str]:
    """What the tracer asks for the names of tensors, which nobody reads here."""
    return lambda _: ""
