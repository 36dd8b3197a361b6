"""The `*_scatter` operators: a copy of a tensor with one view of it replaced.

They are writes through views (`view_writes`) under a name of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Tensor
from symbolics.registry import Raised, symbolic
from symbolics.views.view_writes import write_diagonal, write_select, write_slice, write_strided

__all__: list[str] = []


@symbolic("aten::select_scatter(Tensor self, Tensor src, int dim, SymInt index) -> Tensor")
def select_scatter(g: Builder, self: Tensor, src: Tensor, dim: int, index: Dim) -> Tensor:
    """`self` with `select(dim, index)` replaced."""
    _check_dims(src, self.require_rank() - 1)
    return write_select(g, self, g.cast(src, self.dtype), dim, index)


def _check_dims(source: Tensor, wanted: int) -> None:
    if source.require_rank() != wanted:
        raise Raised(f"a source with {source.rank} dims in the place of {wanted}")


@symbolic(
    "aten::slice_scatter(Tensor self, Tensor src, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1) -> Tensor"
)
def slice_scatter(
    g: Builder,
    self: Tensor,
    src: Tensor,
    dim: int = 0,
    start: Dim | None = None,
    end: Dim | None = None,
    step: Dim = 1,
) -> Tensor:
    """`self` with a slice replaced."""
    _check_dims(src, self.require_rank())
    return write_slice(g, self, g.cast(src, self.dtype), dim, start, end, step)


@symbolic(
    "aten::diagonal_scatter(Tensor self, Tensor src, int offset=0, int dim1=0, int dim2=1) -> Tensor"
)
def diagonal_scatter(
    g: Builder, self: Tensor, src: Tensor, offset: Dim = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """`self` with a diagonal replaced."""
    return write_diagonal(g, self, g.cast(src, self.dtype), offset, dim1, dim2)


@symbolic(
    "aten::as_strided_scatter(Tensor self, Tensor src, SymInt[] size, SymInt[] stride, SymInt? storage_offset=None) -> Tensor"
)
def as_strided_scatter(
    g: Builder,
    self: Tensor,
    src: Tensor,
    size: Sequence[Dim],
    stride: Sequence[Dim],
    storage_offset: Dim | None = None,
) -> Tensor:
    """`self` with elements replaced by their place in memory."""
    return write_strided(g, self, g.cast(src, self.dtype), size, stride, storage_offset)
