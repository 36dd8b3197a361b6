"""Attributes that share memory: what is written to one would be seen in the other.

A tensor that is held under two names is one value, and becomes one state. Two views of one storage
are two values, which this conversion does not keep in step: writing to one of them is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from exporter.archive import ScriptObject, TensorData

__all__ = ["overlapping"]

# Whether strided views overlap can be a hard question; so much work is spent on it.
_WORK = 10_000


def overlapping(root: ScriptObject) -> dict[str, str]:
    """The tensors that share memory with another view of it, and what that one is called."""
    by_storage: dict[int, dict[int, tuple[str, TensorData]]] = {}
    for path, tensor in _tensors(root, "", set()):
        by_storage.setdefault(id(tensor.storage), {}).setdefault(id(tensor), (path, tensor))
    found: dict[str, str] = {}
    for views in by_storage.values():
        for (first, a), (second, b) in combinations(views.values(), 2):
            if _share(a, b):
                found.setdefault(first, second)
                found.setdefault(second, first)
    return found


def _share(a: TensorData, b: TensorData) -> bool:
    try:
        return np.shares_memory(a.numpy(), b.numpy(), max_work=_WORK)  # type: ignore[arg-type]  # numpy's stubs know two of the numbers
    except np.exceptions.TooHardError:
        return True


def _tensors(value: object, path: str, seen: set[int]) -> Iterator[tuple[str, TensorData]]:
    if isinstance(value, TensorData):
        if value.has_data and value.size:
            yield path, value
        return
    if isinstance(value, ScriptObject):
        if id(value) in seen:
            return
        seen.add(id(value))
        items = list(value.attributes.items())
    elif isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, (list, tuple)):
        items = [(str(i), item) for i, item in enumerate(value)]
    else:
        return
    for name, item in items:
        yield from _tensors(item, f"{path}.{name}" if path else str(name), seen)
