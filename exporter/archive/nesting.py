"""Checks that a value read from a pickle can be walked by plain recursive code.

A few bytes of pickle can describe a tuple that is a million levels deep, a list that contains
itself, or a tuple of the same tuple twice, thirty times over, which is small in memory and endless
to walk.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from exporter.archive.values import (
    Device,
    EnumMember,
    ScriptObject,
    SparseTensorData,
    TensorData,
)
from exporter.errors import ArchiveError

__all__ = ["MAX_DEPTH", "MAX_WALK", "check_value"]

MAX_DEPTH = 200
"""Levels of modules and containers within one another. Real models have tens."""
MAX_WALK = 100_000_000
"""Values met when what is shared is walked each time that it is met."""

_LEAVES = frozenset(
    {type(None), bool, int, float, complex, str, Device, TensorData, SparseTensorData}
)


def check_value(root: object, name: str) -> None:
    """Raise for nesting that is too deep, endless walks, and names in place of values.

    Script objects may refer to themselves, so whoever walks them must remember where it has been.
    """
    measured: dict[int, tuple[int, int]] = {}  # id: (levels, values met on a walk)
    path: list[object] = []
    on_path: set[int] = set()
    pending = [root]
    while pending:
        value = pending[-1]
        key = id(value)
        if key in measured:
            pending.pop()
        elif key not in on_path:
            path.append(value)
            on_path.add(key)
            for child in _children(value, name):
                if type(child) in _LEAVES:
                    continue
                if id(child) not in on_path:
                    pending.append(child)
                elif not _cycle_has_object(path, child):
                    raise ArchiveError(f"{name} is damaged: a list, dict or tuple contains itself")
        else:
            pending.pop()
            path.pop()
            on_path.remove(key)
            levels, walk = 0, 1
            for child in _children(value, name):
                child_levels, child_walk = measured.get(id(child), (0, 1))
                levels = max(levels, child_levels)
                walk += child_walk
            measured[key] = (levels + 1, walk)
            if levels >= MAX_DEPTH:
                raise ArchiveError(f"{name} is damaged: values are nested over {MAX_DEPTH} deep")
            if walk > MAX_WALK:
                raise ArchiveError(f"{name} is damaged: it repeats itself over {MAX_WALK} times")


def _children(value: object, name: str) -> Iterable[object]:
    kind = type(value)
    if kind is tuple or kind is list:
        return cast("Iterable[object]", value)
    if kind is dict:
        return cast("dict[object, object]", value).values()
    if isinstance(value, ScriptObject):
        return (value.state,) if value.has_state else value.attributes.values()
    if isinstance(value, EnumMember):
        return (value.value,)
    if kind in _LEAVES:
        return ()
    raise ArchiveError(f"{name} is damaged: it holds a name where a value belongs")


def _cycle_has_object(path: list[object], target: object) -> bool:
    for value in reversed(path):
        if isinstance(value, ScriptObject):
            return True
        if value is target:
            return False
    return False
