"""Traces see what Python's `copy` and `deepcopy` do with tensors.

PyTorch copies the storage and makes a tensor for it, which no trace sees: what follows would be
about a tensor of nothing. So while a trace is taken, tensors copy themselves by operators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partialmethod
from typing import Any

import torch

__all__ = ["copies_seen"]


@contextmanager
def copies_seen() -> Iterator[None]:
    """Record the copies of tensors. A class of tensors of the user's own has ways of its own."""
    deepcopy = torch.Tensor.__deepcopy__
    torch.Tensor.__deepcopy__ = partialmethod(_deep_copy, deepcopy)
    torch.Tensor.__copy__ = _shallow_copy
    try:
        yield
    finally:
        del torch.Tensor.__copy__
        torch.Tensor.__deepcopy__ = deepcopy


def _deep_copy(
    tensor: torch.Tensor,
    original: Callable[[torch.Tensor, dict[int, Any]], torch.Tensor],
    memo: dict[int, Any],
) -> torch.Tensor:
    """The elements in new memory; once in a `deepcopy` that meets the tensor several times.

    Tensors that share memory share it in the copy, too, for which there is no operator.
    """
    if not _plain(tensor):
        return original(tensor, memo)
    if id(tensor) not in memo:
        memory: Any = ("memory", tensor.untyped_storage()._cdata)
        if memory in memo:
            raise NotImplementedError("deepcopy of several tensors that share their memory")
        memo[memory] = memo[id(tensor)] = tensor.clone()
    copied: torch.Tensor = memo[id(tensor)]
    return copied


def _shallow_copy(tensor: torch.Tensor) -> torch.Tensor:
    """Another tensor of the same memory."""
    if _plain(tensor):
        alias: torch.Tensor = torch.ops.aten.alias(tensor)
        return alias
    make, arguments = tensor.__reduce_ex__(4)
    copied: torch.Tensor = make(*arguments)
    return copied


def _plain(tensor: torch.Tensor) -> bool:
    return type(tensor) is torch.Tensor and tensor.layout == torch.strided
