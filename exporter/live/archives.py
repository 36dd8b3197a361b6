"""Live PyTorch objects as archives in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, NamedTuple

import torch
from torch import nn

from exporter.conversion.boundary.specs import Fixed
from exporter.errors import ConversionError
from exporter.live.arrays import to_arrays
from exporter.live.tracers import traced_module
from exporter.live.tracing import Call, traced

__all__ = ["Saved", "to_archive"]


class Saved(NamedTuple):
    """An archive, and the arguments that its method takes for those that were given."""

    content: bytes
    args: tuple[Any, ...] | None
    kwargs: dict[str, Any]
    warnings: list[str]
    program: torch.jit.ScriptModule | torch.jit.ScriptFunction | torch._C.ScriptModule
    names: Mapping[str, str] = {}
    """As `Traced` has them."""
    result_names: Sequence[str] = ()


def to_archive(call: Call) -> Saved:
    """Save a live object in memory; a plain module is traced first.

    Scripted and traced objects are saved as they are. The training flags in their archive are
    those of the object: whoever reads it sets them by `training`.
    """
    call.check()
    model = call.model
    if isinstance(model, (torch.jit.ScriptModule, torch.jit.ScriptFunction)):
        given = None if call.args is None else tuple(to_arrays(call.args))
        named = dict(to_arrays(call.kwargs))
        if isinstance(model, torch.jit.ScriptFunction):
            named |= _defaults(model, given or (), named)
        return Saved(_saved(model), given, named, [], model)
    assert isinstance(model, nn.Module)
    found = traced(call, lambda a: traced_module(model, call.method, a.arguments, list(a.names)))
    return Saved(
        _saved(found.trace),
        found.args,
        {},
        found.warnings,
        found.trace,
        found.names,
        found.result_names,
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


def _saved(
    model: torch.jit.ScriptModule | torch.jit.ScriptFunction | torch._C.ScriptModule,
) -> bytes:
    try:
        if hasattr(model, "save_to_buffer"):
            content: bytes = model.save_to_buffer()
            return content
        buffer = BytesIO()
        torch.jit.save(model, buffer)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()
        hints = list(reason[1:12])
        if "Python function call" in reason[0]:
            hints.append(
                "try  exporting the module that was traced: what its functions ran is seen"
            )
        raise ConversionError(
            f"PyTorch can't save {type(model).__name__}: {reason[0]}", tuple(hints)
        ) from error
    return buffer.getvalue()
