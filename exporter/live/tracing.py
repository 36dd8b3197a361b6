"""Traces a module: the operators that a call of it runs, as a TorchScript program."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.jit import _trace

__all__ = ["plain_operators", "recorded_notes", "traced_module"]


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
    return module


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
def _scopes(names: dict[nn.Module, str]) -> Iterator[None]:
    """Let the tracer note in which module an operator was called, by these names."""
    outer = _trace._trace_module_map
    _trace._trace_module_map = names
    try:
        yield
    finally:
        _trace._trace_module_map = outer


def _variable_names() -> Callable[[torch.Tensor], str]:
    """What the tracer asks for the names of tensors, which nobody reads here."""
    return lambda _: ""


@contextmanager
def plain_operators() -> Iterator[None]:
    """Trace operators that other runtimes know, and see into autograd functions.

    nn.TransformerEncoder and nn.MultiheadAttention have fused operators for inference, and a
    trace of a `torch.autograd.Function` is a call to Python, which no archive holds.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    apply = torch.autograd.Function.__dict__["apply"]
    torch.backends.mha.set_fastpath_enabled(False)
    torch.autograd.Function.apply = classmethod(_forward_of)
    try:
        yield
    finally:
        torch.autograd.Function.apply = apply
        torch.backends.mha.set_fastpath_enabled(fast)


class _Context:
    """What a `torch.autograd.Function` gets as `ctx`, where there is no backward pass."""

    def __init__(self, args: tuple[Any, ...]) -> None:
        self.needs_input_grad = (False,) * len(args)

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name in (
            "save_for_backward",
            "save_for_forward",
            "mark_dirty",
            "mark_non_differentiable",
            "set_materialize_grads",
        ):
            return lambda *_: None
        raise AttributeError(name)


def _forward_of(function: Any, *args: Any) -> Any:
    context = _Context(args)
    if function.setup_context is torch.autograd.Function.setup_context:
        return function.forward(context, *args)
    result = function.forward(*args)
    function.setup_context(context, args, result)
    return result


@contextmanager
def recorded_notes(notes: list[str]) -> Iterator[None]:
    """Collect what the tracer warns of; other warnings of the user's code are passed on."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        if issubclass(warning.category, torch.jit.TracerWarning):
            reason = str(warning.message).partition(" We can't record")[0]
            note = f"{warning.filename}:{warning.lineno}: {reason}"
            if note not in notes:
                notes.append(note)
        elif not issubclass(warning.category, DeprecationWarning):
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
