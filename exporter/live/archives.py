"""Live PyTorch objects as archives in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, NamedTuple

import torch
from torch import nn

from exporter.conversion.boundary.specs import Fixed
from exporter.errors import ConversionError, InputError
from exporter.live.arrays import Examples, to_arrays
from exporter.live.calls import Adapter
from exporter.live.restoring import in_mode, noted_assignments, restored
from exporter.live.tracing import plain_operators, recorded_notes, traced_module

__all__ = ["Saved", "to_archive"]

MODES = ("eval", "preserve", "train")


class Saved(NamedTuple):
    """An archive, and the arguments that its method takes for those that were given.

    Tracing leaves out what is no tensor (None, strings) and passes the rest by position.
    """

    content: bytes
    args: tuple[Any, ...] | None
    kwargs: dict[str, Any]
    warnings: list[str]
    program: torch.jit.ScriptModule | torch.jit.ScriptFunction
    names: Mapping[str, str] = {}
    """What a trace's parameters are in the call that was given: `d_a` is `d.a`."""
    result_names: Sequence[str] = ()
    """What the tensors of a trace's result are in what the module returned."""
    baked: frozenset[str] = frozenset()
    """The constants that the trace was made with, so that it has no such parameters."""


def to_archive(
    model: object,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    training: str = "eval",
    method: str = "forward",
    constants: Mapping[str, Any] | None = None,
) -> Saved:
    """Save a live object in memory; a plain module is traced with the arguments first.

    `constants` are arguments of that call as well, whose values stay in the trace.

    Scripted and traced objects are saved as they are. The training flags in their archive are
    those of the object: whoever reads it sets them by `training`.
    """
    if training not in MODES:
        raise InputError(f"training is one of {', '.join(MODES)}, not {training!r}")
    if isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        raise InputError(
            f"a {type(model).__name__} can't be exported",
            ("export the module that it wraps: model.module",),
        )
    if isinstance(model, (torch.jit.ScriptModule, torch.jit.ScriptFunction)):
        given = None if args is None else tuple(to_arrays(args))
        named = dict(to_arrays(kwargs or {}))
        if isinstance(model, torch.jit.ScriptFunction):
            named |= _defaults(model, given or (), named)
        return Saved(_saved(model), given, named, [], model)
    if not isinstance(model, nn.Module):
        raise InputError(
            f"an object of type {type(model).__name__} can't be exported: give an nn.Module, "
            "a ScriptModule, a ScriptFunction, or the path, bytes or file object of an archive"
        )
    if args is None and not kwargs and not constants:
        raise InputError(
            f"{type(model).__name__} must be traced, and there are no arguments to trace it with",
            ("give example arguments, or script the module: torch.jit.script(module)",),
        )
    return _traced(
        model, tuple(args or ()), dict(kwargs or {}), training, method, dict(constants or {})
    )


def _defaults(
    function: torch.jit.ScriptFunction, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, Fixed]:
    """The defaults that a call leaves to a function: its archive doesn't have them."""
    return {
        parameter.name: Fixed(to_arrays(parameter.default_value))
        for parameter in function.schema.arguments[len(args) :]
        if parameter.has_default_value() and parameter.name not in kwargs
    }


def _traced(
    model: nn.Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    training: str,
    method: str,
    constants: dict[str, Any],
) -> Saved:
    if not callable(getattr(model, method, None)):
        raise InputError(f"{type(model).__name__} has no method {method!r}")
    examples = Examples()
    adapter = Adapter(model, method, examples.tensors(args), examples.tensors(kwargs), constants)
    notes: list[str] = []
    with (
        restored(model),
        in_mode(model, training),
        recorded_notes(notes),
        noted_assignments(model, notes),
    ):
        try:
            with plain_operators(), torch.no_grad(), adapter.installed():
                traced = traced_module(model, method, adapter.arguments, list(adapter.names))
        except Exception as error:
            reason = str(error).strip() or type(error).__name__
            raise ConversionError(
                f"tracing {type(model).__name__}.{method} failed: {reason.splitlines()[0]}",
                (
                    *(f"  {line}" for line in reason.splitlines()[1:12]),
                    "a module that can't be traced may still script: torch.jit.script(module)",
                ),
            ) from error
    # The traced module shares its tensors with the model: only now they are those of the start.
    return Saved(
        _saved(traced),
        examples.arrays(adapter.arguments),
        {},
        notes,
        traced,
        adapter.names,
        adapter.result_names,
        frozenset(constants),
    )


def _saved(model: torch.jit.ScriptModule | torch.jit.ScriptFunction) -> bytes:
    try:
        if hasattr(model, "save_to_buffer"):
            content: bytes = model.save_to_buffer()
            return content
        buffer = BytesIO()
        torch.jit.save(model, buffer)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()
        raise ConversionError(
            f"PyTorch can't save {type(model).__name__}: {reason[0]}", tuple(reason[1:12])
        ) from error
    return buffer.getvalue()
