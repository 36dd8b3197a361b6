"""Live PyTorch objects: modules are traced and saved to an archive in memory. Imports torch."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import torch

__all__ = ["to_archive", "to_arrays"]


def to_archive(
    model: Any,
    args: Sequence[Any] | None,
    kwargs: Mapping[str, Any],
    *,
    training: str = "eval",
    method: str = "forward",
) -> bytes:
    """The archive that `torch.jit.save` writes for a live object."""
    if not isinstance(model, (torch.jit.ScriptModule, torch.jit.ScriptFunction)):
        model = torch.jit.trace(model, tuple(args or ()), example_kwarg_inputs=dict(kwargs) or None, check_trace=False)
    buffer = io.BytesIO()
    torch.jit.save(model, buffer)
    return buffer.getvalue()


def to_arrays(value: Any) -> Any:
    """Tensors in nested arguments as arrays."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().numpy()
    if isinstance(value, tuple):
        return tuple(to_arrays(v) for v in value)
    if isinstance(value, list):
        return [to_arrays(v) for v in value]
    if isinstance(value, Mapping):
        return {k: to_arrays(v) for k, v in value.items()}
    return value
