"""Traces see into `torch.autograd.Function`: what `forward` runs, and a gradient by `backward`.

PyTorch's tracer records such a function as a call of Python, which no archive holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch
from torch.autograd.function import Function, _SingleLevelFunction

__all__ = ["functions_seen_into"]


@contextmanager
def functions_seen_into() -> Iterator[None]:
    """Record what functions run while the tracer is on.

    `Function.apply` itself is not replaced: modules hold it as it was when they were imported
    (`ste = STE.apply`). What it calls is looked up on the class below. From PyTorch 2.14 on it
    calls nothing that Python looks up: only what finds it by name is seen, the rest stays in the
    trace (`recorded_functions`).
    """
    apply = Function.__dict__["apply"]
    if isinstance(apply, classmethod):
        _SingleLevelFunction.apply = classmethod(_applied)
    else:
        Function.apply = classmethod(_applied)
    try:
        yield
    finally:
        if isinstance(apply, classmethod):
            del _SingleLevelFunction.apply
        else:
            Function.apply = apply


def _applied(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Apply the function where the tracer doesn't look, but for what its `forward` does.

    The results are then tensors that the tracer has not met: they are what `forward` gave back.
    What a `vmap` makes of a function comes here in its turn.
    """
    if torch._C._are_functorch_transforms_active():
        return super(_SingleLevelFunction, function).apply(*args, **kwargs)
    state = torch._C._get_tracing_state()
    found: list[Any] = []

    # PyTorch asks for the signature, to know the defaults.
    @wraps(function.forward)
    def forward(*given: Any, **named: Any) -> Any:
        with _tracing(state):
            result = function.forward(*given, **named)
            if state is not None:
                found.extend(map(_traced_as, _several(result)))
            return result

    seen = type(function.__name__, (function,), {"forward": staticmethod(forward)})
    with _tracing(None):
        result = super(_SingleLevelFunction, seen).apply(*args, **kwargs)
    for tensor, value in zip(_several(result), found, strict=False):
        if value is not None:
            torch._C._set_value_trace(tensor, value)
    return result


@contextmanager
def _tracing(state: Any) -> Iterator[None]:
    before = torch._C._get_tracing_state()
    torch._C._set_tracing_state(state)
    try:
        yield
    finally:
        torch._C._set_tracing_state(before)


def _several(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)


def _traced_as(value: Any) -> Any:
    return torch._C._get_value_trace(value) if isinstance(value, torch.Tensor) else None
