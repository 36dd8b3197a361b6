"""Distances between all pairs of rows: `cdist` and `pdist`."""

from __future__ import annotations

import math

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import is_ge
from exporter.onnx_graph.values import Tensor
from symbolics.reductions.norms import vector_norm
from symbolics.registry import symbolic
from symbolics.rules import BOOL, FLOAT, promote
from symbolics.views.shape import mT

__all__ = ["cdist"]

# PyTorch's own limit: above it, compute_mode None multiplies matrices.
FEW_ROWS = 25


@symbolic("aten::cdist(Tensor x1, Tensor x2, float p=2., int? compute_mode=None) -> Tensor")
def cdist(
    g: Builder, x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: int | None = None
) -> Tensor:
    """The p-norm of the difference of each row of `x1` and each of `x2`.

    As in PyTorch, many rows (or compute_mode 1, but not 2) take the Euclidean norm from
    |a|^2 + |b|^2 - 2ab by one matrix product. Row counts known at run time alone take the
    differences, which is exact for any count.
    """
    x1, x2 = promote(g, x1, x2)
    rows = g.size(x1, -2), g.size(x2, -2)
    many = any(isinstance(r, int) and r > FEW_ROWS for r in rows)
    empty = 0 in (*x1.require_shape(), *x2.require_shape())
    if p == 2 and not empty and (compute_mode == 1 or (compute_mode in (None, 0) and many)):
        return _euclidean_dist(g, x1, x2)
    left = g.Unsqueeze(x1, axes=[-2])
    right = g.Unsqueeze(x2, axes=[-3])
    return _norms(g, g.Sub(left, right), p)


def _norms(g: Builder, differences: Tensor, p: float) -> Tensor:
    """The p-norms over the last dim. Of no numbers the largest is 0, too."""
    result = vector_norm(g, differences, p, -1, False)
    if p == math.inf and not is_ge(g.size(differences, -1), 1):
        result = g.Max(result, 0)
    return result


@symbolic("aten::_cdist_forward(Tensor x1, Tensor x2, float p, int? compute_mode) -> Tensor")
def _cdist_forward(
    g: Builder, x1: Tensor, x2: Tensor, p: float, compute_mode: int | None
) -> Tensor:
    """Another name of `cdist`."""
    return cdist(g, x1, x2, p, compute_mode)


@symbolic("aten::_euclidean_dist(Tensor x1, Tensor x2) -> Tensor")
def _euclidean_dist(g: Builder, x1: Tensor, x2: Tensor) -> Tensor:
    """The root of |a|^2 + |b|^2 - 2ab, which rounding may push below zero: zero then."""
    left = g.ReduceSumSquare(x1, axes=[x1.require_rank() - 1], keepdims=True)
    right = g.ReduceSumSquare(x2, axes=[x2.require_rank() - 1], keepdims=True)
    product = g.MatMul(g.Mul(x1, -2), mT(g, x2))
    squares = g.Add(g.Add(product, left), mT(g, right))
    return g.Sqrt(g.Max(squares, 0))


@symbolic("aten::_pdist_forward(Tensor self, float p=2.) -> Tensor")
@symbolic("aten::pdist(Tensor self, float p=2.) -> Tensor")
def pdist(g: Builder, self: Tensor, p: float = 2.0) -> Tensor:
    """The p-norm of the difference of each row and each later one, in reading order."""
    rows = g.size(self, 0)
    every = g.Expand(g.constant(1, FLOAT), [rows, rows])
    pairs = g.NonZero(g.cast(g.Trilu(every, 1, upper=1), BOOL))
    first, second = (g.Gather(pairs, i, axis=0) for i in (0, 1))
    difference = g.Sub(g.Gather(self, first, axis=0), g.Gather(self, second, axis=0))
    return _norms(g, difference, p)
