"""Index grids: the identity, triangles, `meshgrid`.

Plain ranges are in `creation`, cutting triangles out of a tensor (`tril`, `triu`) in
`rearranging`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Tensor
from symbolics.creation.creation import LDP
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import FLOAT, INT64, onnx_dtype

__all__ = ["eye", "eye_m", "meshgrid_indexing"]


@symbolic(f"aten::eye.m(SymInt n, SymInt m, *, ScalarType? dtype=None, {LDP}) -> Tensor")
def eye_m(
    g: Builder,
    n: Dim,
    m: Dim,
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """Ones on the diagonal, zeros elsewhere."""
    target = FLOAT if dtype is None else onnx_dtype(dtype)
    if isinstance(n, int) and isinstance(m, int) and n * m <= 1024:
        return g.constant(np.eye(n, m), target)
    rows = g.reshape(consecutive(g, n), [n, 1])
    return g.cast(g.Equal(rows, consecutive(g, m)), target)


@symbolic(f"aten::eye(SymInt n, *, ScalarType? dtype=None, {LDP}) -> Tensor")
def eye(
    g: Builder,
    n: Dim,
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """The identity matrix."""
    return eye_m(g, n, n, dtype=dtype)


def triangle(g: Builder, row: Dim, col: Dim, offset: Dim, lower: bool) -> Tensor:
    """The (2, count) positions on one side of a diagonal, row by row."""
    if isinstance(row, int) and isinstance(col, int) and isinstance(offset, int):
        indices = np.tril_indices(row, offset, col) if lower else np.triu_indices(row, offset, col)
        return g.constant(np.stack(indices).astype(np.int64))
    difference = g.Sub(consecutive(g, col), g.reshape(consecutive(g, row), [row, 1]))
    compare = g.LessOrEqual if lower else g.GreaterOrEqual
    return g.NonZero(compare(difference, offset))


@symbolic("aten::tril_indices(int row, int col, int offset=0, *, ScalarType? dtype=4, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor")  # fmt: skip
def tril_indices(
    g: Builder,
    row: Dim,
    col: Dim,
    offset: Dim = 0,
    *,
    dtype: int | None = 4,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """The positions on and below a diagonal."""
    target = INT64 if dtype is None else onnx_dtype(dtype)
    return g.cast(triangle(g, row, col, offset, True), target)


@symbolic("aten::triu_indices(int row, int col, int offset=0, *, ScalarType? dtype=4, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor")  # fmt: skip
def triu_indices(
    g: Builder,
    row: Dim,
    col: Dim,
    offset: Dim = 0,
    *,
    dtype: int | None = 4,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """The positions on and above a diagonal."""
    target = INT64 if dtype is None else onnx_dtype(dtype)
    return g.cast(triangle(g, row, col, offset, False), target)


@symbolic("aten::meshgrid.indexing(Tensor[] tensors, *, str indexing) -> Tensor[]")
def meshgrid_indexing(g: Builder, tensors: Sequence[Tensor], *, indexing: str) -> list[Tensor]:
    """Each list along a dim of its own, repeated along the others; "xy" swaps the first two dims.

    A 0-d tensor counts as a list of one.
    """
    if indexing not in ("ij", "xy"):
        raise Unsupported(f"indexing = {indexing!r}")
    lists = [g.reshape(t, [1]) if t.require_rank() == 0 else t for t in tensors]
    order = list(range(len(lists)))
    if indexing == "xy" and len(lists) > 1:
        order[:2] = [1, 0]
    dims = [g.size(lists[i], 0) for i in order]
    result = []
    for i, tensor in enumerate(lists):
        where = [g.size(tensor, 0) if k == order.index(i) else 1 for k in range(len(lists))]
        result.append(g.Expand(g.reshape(tensor, where), g.constant(dims, INT64)))
    return result


@symbolic("aten::meshgrid(Tensor[] tensors) -> Tensor[]")
def meshgrid(g: Builder, tensors: Sequence[Tensor]) -> list[Tensor]:
    """See `meshgrid_indexing`; "ij"."""
    return meshgrid_indexing(g, tensors, indexing="ij")
