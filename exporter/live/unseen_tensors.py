"""Refuses traces in which a gradient reads what PyTorch's tracer has not seen.

An operator that is made of others (`linear`, `max_pool2d`) is one node of a trace. A tensor that it
made on the way and kept for its gradient would be a constant there, with the values that the
example gave it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import torch

from exporter.archive.source_ranges import SourceRange, traced_range
from exporter.errors import ConversionError

__all__ = ["refuse_unseen"]

_ENGINE = re.compile(r"torch[/\\]autograd[/\\](graph|__init__)\.py$")
# What Python's numbers are in a trace.
_NUMBERS = (torch.float64, torch.int64, torch.bool, torch.complex128)


def refuse_unseen(graph: torch._C.Graph, own: Iterable[torch.Tensor]) -> None:
    """An error for a constant that came up while a gradient was computed.

    Numbers are none such, and neither are views of the module's `own` tensors.
    """
    memory: set[int] | None = None
    for node in graph.findAllNodes("prim::Constant"):
        if not isinstance(node.output().type(), torch._C.TensorType):
            continue
        place = traced_range(node.sourceRange())
        if place is None or not _is_of_the_engine(place):
            continue
        tensor = node.t("value")
        if tensor.dim() == 0 and tensor.dtype in _NUMBERS:
            continue
        if memory is None:
            memory = {part.untyped_storage().data_ptr() for part in own}
        if tensor.untyped_storage().data_ptr() not in memory:
            raise ConversionError(
                "a gradient reads a tensor that PyTorch's tracer has not seen, "
                "which would be a constant",
                (f"  at {place.filename}:{place.line}",),
            )


def _is_of_the_engine(place: SourceRange) -> bool:
    """Whether the engine that computes gradients ran it, or called the `backward` that did."""
    return any(_ENGINE.search(frame.filename) for frame in place.stack)
