"""The graphs under construction: the main one and the bodies of `If` and `Loop`.

A value emitted in a body is not visible outside it; outer values are visible inside. Whatever is
cached (a size as a tensor, a cast) is cached in the scope where it was emitted and falls out of
sight with it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING

import onnx_ir as ir

if TYPE_CHECKING:
    from exporter.onnx_graph.symbolic import Dim, SymInt
    from exporter.onnx_graph.values import Tensor

__all__ = ["Scope"]


class Scope:
    """One graph under construction: its nodes, their outputs, and what is cached in it."""

    def __init__(self, parent: Scope | None = None, name: str = "main") -> None:
        self.parent = parent
        self.name = name
        self.nodes: list[ir.Node] = []
        self.values: set[ir.Value] = set()
        self.cache: dict[Hashable, Tensor] = {}
        # Sizes that would take many nodes to compute, and the last tensor and axis of each: what
        # stands before, such as a convolution to be fused with what follows, has no other user.
        self.sizes: dict[SymInt, tuple[Tensor, int]] = {}
        self.merged: Scope | None = None
        # Whether gradients pass through what is emitted, for each context that was entered; None
        # where the program has not said it, and they may.
        self.recording: list[bool | None] = [None] if parent is None else parent.recording[-1:]

    def chain(self) -> Iterator[Scope]:
        """The scope and those around it, from the inside out."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def sees(self, tensor: Tensor) -> bool:
        """Whether a tensor can be used here."""
        home = tensor.scope
        while home is not None and home.merged is not None:
            home = home.merged
        return home is None or any(s is home for s in self.chain())

    def reads(self, dim: Dim) -> bool:
        """Whether a size can be told here: one that an operator in a body decided can't, outside.

        Of a tensor of unknown rank a size can be read on some paths only.
        """
        return isinstance(dim, int) or all(
            any(
                self.sees(t) and (axis is None or t.shape is not None) for t, axis in symbol.sources
            )
            for symbol in dim.symbols()
        )

    def merge(self) -> None:
        """Become part of the scope around: what was emitted here now stands there."""
        around = self.parent
        assert around is not None
        around.nodes.extend(self.nodes)
        around.values |= self.values
        around.cache.update(self.cache)
        around.sizes.update(self.sizes)
        self.merged = around

    def sized(self, size: SymInt) -> tuple[Tensor, int] | None:
        """A tensor in sight, and its axis, that is known for a size of this form."""
        for scope in self.chain():
            found = scope.sizes.get(size)
            if found is not None:
                return found
        return None

    def cached(self, key: Hashable) -> Tensor | None:
        """What was cached under this key, here or in a scope around this one."""
        for scope in self.chain():
            found = scope.cache.get(key)
            if found is not None:
                return found
        return None
