"""What programs do with tensors past the tracer: `x.data`, `copy`, `deepcopy`, `apply_`.

PyTorch makes a tensor of the same memory or of a copy of it, which its tracer has not met: what is
read from it would be a constant, and what is written to it lost, without a warning. So while a
trace is taken, tensors do this by operators, or refuse it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partialmethod
from typing import Any

import torch

__all__ = ["copies_recorded"]

_DATA = torch.Tensor.data
# They write what a function of Python's gives for each element, for which there is no operator.
_ELEMENT_BY_ELEMENT = ("apply_", "map_", "map2_")


@contextmanager
def copies_recorded() -> Iterator[None]:
    """Record these as operators. A class of tensors of the user's own has ways of its own."""
    deepcopy = torch.Tensor.__deepcopy__
    torch.Tensor.__deepcopy__ = partialmethod(_deep_copy, deepcopy)
    torch.Tensor.__copy__ = _shallow_copy
    torch.Tensor.data = property(_data, _set_data)
    for name in _ELEMENT_BY_ELEMENT:
        setattr(torch.Tensor, name, partialmethod(_refuse, name))
    try:
        yield
    finally:
        for name in _ELEMENT_BY_ELEMENT:
            delattr(torch.Tensor, name)
        del torch.Tensor.data
        del torch.Tensor.__copy__
        torch.Tensor.__deepcopy__ = deepcopy


def _refuse(tensor: torch.Tensor, name: str, *args: object) -> None:
    raise NotImplementedError(f"Tensor.{name} calls Python for each element; use operators")


def _data(tensor: torch.Tensor) -> torch.Tensor:
    """The same memory, without a gradient."""
    if _plain(tensor):
        return tensor.detach()
    data: torch.Tensor = _DATA.__get__(tensor)
    return data


def _set_data(tensor: torch.Tensor, data: torch.Tensor) -> None:
    """The tensor is one of the memory of another from here on."""
    if _plain(tensor) and _plain(data) and tensor.dtype == data.dtype:
        tensor.set_(data)
    else:
        _DATA.__set__(tensor, data)


def _deep_copy(
    tensor: torch.Tensor,
    original: Callable[[torch.Tensor, dict[int, Any]], torch.Tensor],
    memo: dict[int, Any],
) -> torch.Tensor:
    """The elements in new memory; once in a `deepcopy` that meets the tensor several times.

    Tensors that share memory share it in the copy, too, for which there is no operator.
    """
    if not _plain(tensor) or isinstance(tensor, torch.nn.Parameter):
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
    if _plain(tensor) and not isinstance(tensor, torch.nn.Parameter):
        alias: torch.Tensor = torch.ops.aten.alias(tensor)
        return alias
    make, arguments = tensor.__reduce_ex__(4)
    copied: torch.Tensor = make(*arguments)
    return copied


def _plain(tensor: torch.Tensor) -> bool:
    known = type(tensor) in (torch.Tensor, torch.nn.Parameter)
    return known and tensor.layout == torch.strided
