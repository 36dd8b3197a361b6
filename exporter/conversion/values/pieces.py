"""The views that one call gives, such as those of `unbind`, of one tensor.

    for x, y in zip(xs.unbind(0), ys.unbind(0)):
        x -= y

Each write changes the tensor that all pieces are taken from. But pieces that have no element in
common keep their values when another one is written, so that a program that writes its pieces one
after another does not take all of them again for each: the model has one node for a write, not one
for each pair of pieces.
"""

from __future__ import annotations

from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.values import Tensor

__all__ = ["Pieces"]


class Pieces:
    """The values of all pieces of a tensor, for the value of the tensor that they belong to."""

    def __init__(self, values: Sequence[Tensor] = (), *, disjoint: bool = True) -> None:
        self.disjoint = disjoint
        self._whole: Tensor | None = None
        self._values = list(values)

    def note(self, whole: Tensor, values: Sequence[Tensor]) -> None:
        """Keep the pieces that were taken from a value of the tensor."""
        self._whole, self._values = whole, list(values)

    def of(self, g: Builder, whole: Tensor, index: int) -> Tensor | None:
        """A piece of a value of the tensor; None where it is not known here."""
        if whole is not self._whole or index >= len(self._values):
            return None
        return self._values[index] if g.scope.sees(self._values[index]) else None

    def written(self, before: Tensor, after: Tensor, index: int, new: Tensor) -> None:
        """One piece was put into a value of the tensor, which gave the next."""
        if self.disjoint and before is self._whole:
            self._whole = after
            self._values[index] = new
