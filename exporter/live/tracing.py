"""Traces a module and leaves it as it was: what must hold meanwhile, and what a call becomes."""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import nn

from exporter.errors import ConversionError, InputError
from exporter.live.arrays import Examples
from exporter.live.autograd_functions import functions_seen_into
from exporter.live.calls import Adapter
from exporter.live.restoring import in_mode, restored
from exporter.live.unrecorded import copies_recorded

__all__ = ["Call", "Traced", "traced"]

MODES = ("eval", "preserve", "train")
# What PyTorch says where `torch.autograd.grad` finds nothing recorded.
NO_GRADIENT = "does not require grad and does not have a grad_fn"

T = TypeVar("T")


class Call(NamedTuple):
    """What is exported: the method of an object, with the arguments that it is called with."""

    model: object
    args: Sequence[Any] | None = None
    kwargs: Mapping[str, Any] = {}
    training: str = "eval"
    method: str = "forward"
    constants: Mapping[str, Any] = {}
    """Arguments as well, whose values stay in a trace."""

    def check(self) -> None:
        """Raise an error for what can't be exported, whatever it does."""
        model, name = self.model, type(self.model).__name__
        if self.training not in MODES:
            raise InputError(f"training is one of {', '.join(MODES)}, not {self.training!r}")
        wrapped = _wrapped(model)
        if wrapped is not None:
            raise InputError(
                f"a module in a {name} can't be exported",
                (f"export the module that it wraps: model.{wrapped}",),
            )
        if isinstance(model, (torch.jit.ScriptModule, torch.jit.ScriptFunction)):
            return
        if not isinstance(model, nn.Module):
            raise InputError(
                f"an object of type {name} can't be exported: give an nn.Module, "
                "a ScriptModule, a ScriptFunction, or the path, bytes or file object of an archive"
            )
        entry = getattr(model, self.method, None)
        if not callable(entry):
            raise InputError(f"{name} has no method {self.method!r}")
        given = self.args is not None or self.kwargs or self.constants
        if not given and not _takes_nothing(entry):
            raise InputError(
                f"{name} must be traced, and there are no arguments to trace it with",
                ("give example arguments, or script the module: torch.jit.script(module)",),
            )
        if any(nn.parameter.is_lazy(parameter) for parameter in model.parameters()):
            raise InputError(
                f"{name} has parameters that its first call makes", ("call it once before",)
            )


def _wrapped(model: object) -> str | None:
    """The attribute that holds the module around which this only puts something, if it does."""
    if isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        return "module"
    # Whoever has one has imported this, which takes seconds.
    compiling = sys.modules.get("torch._dynamo.eval_frame")
    compiled = compiling is not None and isinstance(model, compiling.OptimizedModule)
    return "_orig_mod" if compiled else None


def _takes_nothing(function: Callable[..., object]) -> bool:
    """Whether a function can be called without arguments."""
    try:
        inspect.signature(function).bind()
    except TypeError:
        return False
    return True


class Traced(NamedTuple, Generic[T]):
    """A trace, and the arguments that it takes for those that were given.

    It leaves out what is no tensor (None, strings) and takes the rest by position.
    """

    trace: T
    args: tuple[Any, ...]
    warnings: list[str]
    names: Mapping[str, str]
    """What its parameters are in the call that was given: `d_a` is `d.a`."""
    result_names: Sequence[str]
    """What the tensors of its result are in what the module returned."""


def traced(call: Call, tracer: Callable[[Adapter], T]) -> Traced[T]:
    """Trace a plain module; afterwards it is what it was.

    The tracer calls the module with the adapter's arguments. What it returns shares its tensors
    with the module, so they have their values of the start only from then on. Nothing is recorded
    for gradients, unless the module asks for one without saying `torch.enable_grad()`.
    """
    try:
        return _traced(call, tracer, torch.no_grad())
    except ConversionError as error:
        if NO_GRADIENT not in str(error):
            raise
    return _traced(call, tracer, torch.enable_grad())


def _traced(
    call: Call, tracer: Callable[[Adapter], T], mode: AbstractContextManager[None]
) -> Traced[T]:
    model, method = call.model, call.method
    assert isinstance(model, nn.Module)
    examples = Examples()
    adapter = Adapter(
        model,
        method,
        examples.tensors(tuple(call.args or ())),
        examples.tensors(dict(call.kwargs)),
        dict(call.constants),
    )
    notes: list[str] = []
    with (
        restored(model, notes),
        in_mode(model, call.training),
        recorded_notes(notes),
    ):
        try:
            with (
                plain_operators(),
                functions_seen_into(),
                copies_recorded(),
                mode,
                adapter.installed(),
            ):
                trace = tracer(adapter)
        except Exception as error:
            reason = str(error).strip() or type(error).__name__
            raise ConversionError(
                f"tracing {type(model).__name__}.{method} failed: {reason.splitlines()[0]}",
                (
                    *(f"  {line}" for line in reason.splitlines()[1:12]),
                    "a module that can't be traced may still script: torch.jit.script(module)",
                ),
            ) from error
    return Traced(
        trace, examples.arrays(adapter.arguments), notes, adapter.names, adapter.result_names
    )


@contextmanager
def plain_operators() -> Iterator[None]:
    """Trace operators that other runtimes know, not the fused ones that only PyTorch has.

    nn.TransformerEncoder and nn.MultiheadAttention call such ones for inference.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


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
