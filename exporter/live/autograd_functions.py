"""Traces see into `torch.autograd.Function`: what `forward` runs, and a gradient by `backward`.

PyTorch's tracer records such a function as a call of Python, which no archive holds, and behind it
the operators that ran. What it does not record is which of their results the function gave back: a
node of ours says that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch
from torch.autograd.function import BackwardCFunction

__all__ = ["RAISED", "RESULTS", "functions_seen_into"]

# The attribute of a node that ends a function: a 1 for each of its results that is an input of the
# node, a 0 for each that is no tensor. Nodes that print need no outputs, and stay.
RESULTS, RAISED = "results", "raised"

Method = Callable[..., Any]


@contextmanager
def functions_seen_into() -> Iterator[None]:
    """Record what functions give back while the tracer is on.

    `Function.apply` is not replaced: modules hold it as it was when they were imported
    (`ste = STE.apply`). But each call makes a context, in Python, before it looks `forward` up.
    """
    before = BackwardCFunction.__dict__.get("__init__")
    BackwardCFunction.__init__ = _made
    try:
        yield
    finally:
        if before is None:
            del BackwardCFunction.__init__
        else:
            BackwardCFunction.__init__ = before


def _made(context: Any, *args: Any, **kwargs: Any) -> None:
    """A context was made: the `forward` that is looked up next is to be noted."""
    super(BackwardCFunction, context).__init__(*args, **kwargs)
    # What a `vmap` makes of a function comes here in its turn.
    if torch._C._get_tracing_state() is None or torch._C._are_functorch_transforms_active():
        return
    function = context._forward_cls
    _once(function, "forward", _noted)
    if function.__module__ == "torch._functorch.autograd_function":
        # A `vmap` asks here for sizes of tensors that the tracer has not met.
        _once(function, "setup_context", _untraced)


def _once(function: Any, name: str, changed: Callable[[Method], Method]) -> None:
    """Let a static method be another one when it is called next."""
    own = function.__dict__.get(name)
    inner = getattr(function, name)

    # PyTorch asks for the signature, to know the defaults.
    @wraps(inner)
    def method(*args: Any, **kwargs: Any) -> Any:
        if own is None:
            delattr(function, name)
        else:
            setattr(function, name, own)
        return changed(inner)(*args, **kwargs)

    setattr(function, name, staticmethod(method))


def _noted(forward: Method) -> Method:
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            result = forward(*args, **kwargs)
        except BaseException:
            _note([], RAISED)
            raise
        several = result if isinstance(result, tuple) else (result,)
        tensors = [item for item in several if isinstance(item, torch.Tensor)]
        _note(tensors, "".join("01"[isinstance(item, torch.Tensor)] for item in several))
        return result

    return run


def _untraced(setup_context: Method) -> Method:
    def run(*args: Any, **kwargs: Any) -> Any:
        state = torch._C._get_tracing_state()
        torch._C._set_tracing_state(None)
        try:
            return setup_context(*args, **kwargs)
        finally:
            torch._C._set_tracing_state(state)

    return run


def _note(tensors: Sequence[torch.Tensor], results: str) -> None:
    state = torch._C._get_tracing_state()
    if state is not None:
        values = [torch._C._get_value_trace(tensor) for tensor in tensors]
        graph = state.graph()
        graph.insertNode(graph.create("prim::Print", values, 0).s_(RESULTS, results))
