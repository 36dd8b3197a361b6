"""Products of groups of rows or columns, whose borders are only known at run time.

Mixtures of experts sort their tokens by expert and multiply the rows of each by its own matrix.
"""

from __future__ import annotations

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.values import Tensor
from symbolics.linear_algebra.matmul import bmm
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import INT64

__all__ = ["grouped_product"]


@symbolic(
    "aten::_grouped_mm(Tensor self, Tensor mat2, Tensor? offs=None, Tensor? bias=None, ScalarType? out_dtype=None) -> Tensor"
)
def grouped_product(
    g: Builder,
    self: Tensor,
    mat2: Tensor,
    offs: Tensor | None = None,
    bias: Tensor | None = None,
    out_dtype: int | None = None,
) -> Tensor:
    """A product for each group; `offs` has where each ends along the dim that is divided.

    That dim is of the side that is one matrix for all groups: the rows of the left one, the columns
    of the right one, or, of two, what is summed. What is behind the last group has no result in
    PyTorch: whatever the memory held, and zeros here.
    """
    if bias is not None:
        raise Unsupported("a grouped product with a bias: PyTorch has none")
    if offs is None:
        return bmm(g, self, mat2)
    groups = offs.require_shape()[0]
    if not isinstance(groups, int):
        raise Unsupported("a grouped product of groups whose number is only known at run time")
    ends = g.cast(offs, INT64)
    bounds = [g.constant([0], INT64), *(g.Slice(ends, [i], [i + 1], [0]) for i in range(groups))]
    summed = self.rank == mat2.rank
    lefts = _parts(g, self, bounds, 1 if summed else 0)
    rights = _parts(g, mat2, bounds, 0 if summed else 1)
    products = [g.MatMul(a, b) for a, b in zip(lefts, rights, strict=True)]
    if summed:
        return g.Concat(*(g.Unsqueeze(p, axes=[0]) for p in products), axis=0)
    axis, divided = (0, self) if self.rank == 2 else (1, mat2)
    rest = g.Sub(g.reshape(g.constant(g.size(divided, axis), INT64), [1]), bounds[-1])
    pads = [g.constant([0, 0], INT64), g.constant([0], INT64)]
    pads.insert(1 + axis, rest)
    return g.Pad(g.Concat(*products, axis=axis), g.Concat(*pads, axis=0))


def _parts(g: Builder, side: Tensor, bounds: list[Tensor], axis: int) -> list[Tensor]:
    """The matrix of each group: the next of a stack, or the next part of one matrix."""
    groups = range(len(bounds) - 1)
    if side.rank == 3:
        return [g.Gather(side, g.constant(i, INT64), axis=0) for i in groups]
    return [g.Slice(side, bounds[i], bounds[i + 1], [axis]) for i in groups]
