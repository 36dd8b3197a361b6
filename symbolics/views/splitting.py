"""One tensor becomes several: split, chunk, unbind and NumPy's words for them.

How many pieces there are must be known. Next door: `joining` is the way back.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim, SymInt, sym_min
from exporter.onnx_graph.values import Tensor
from symbolics.registry import Raised, Unsupported, symbolic
from symbolics.rules import element_count, wrapped_dim
from symbolics.views.views import select, slice_tensor

__all__ = ["chunk_sizes", "section_sizes", "split_sizes"]


# ------------------------------------------------------------ sizes of the pieces


def split_sizes(total: Dim, size: Dim) -> list[Dim]:
    """The sizes of the pieces of `size`, of which the last may be smaller."""
    if isinstance(total, int) and isinstance(size, int):
        if size == 0:
            return [total]
        count = max((total + size - 1) // size, 1)
        return [*[size] * (count - 1), total - size * (count - 1)]
    if isinstance(size, SymInt):
        # Pieces of n of a size like 3 * n.
        monomial, factor = next(iter(size.terms.items()))
        whole = total.terms.get(monomial, 0) if isinstance(total, SymInt) else 0
        if whole and total == size * (whole // factor):
            return [size] * (whole // factor)
    raise Unsupported(f"split of size {total} into pieces of {size}: their number is not known")


def chunk_sizes(total: Dim, chunks: int) -> list[Dim]:
    """The sizes of at most `chunks` equal pieces, of which the last may be smaller.

    PyTorch gives fewer pieces if that many of the rounded up size are not needed. Where the total
    is only known at run time there are `chunks` pieces, and a last size below zero where PyTorch
    would have given fewer: then the model stops with an error.
    """
    if chunks <= 0:
        raise Unsupported(f"chunk into {chunks} pieces")
    size = (total + chunks - 1) // chunks
    if isinstance(total, int):
        return [0] * chunks if total == 0 else split_sizes(total, size)
    last = total - size * (chunks - 1)
    return [*[size] * (chunks - 1), last + sym_min(last, 1) - sym_min(size, 1)]


def section_sizes(total: Dim, sections: int) -> list[Dim]:
    """The sizes of exactly `sections` pieces, the first ones larger by 1 where it does not divide."""
    ends = [i * (total // sections) + sym_min(i, total % sections) for i in range(sections + 1)]
    return [b - a for a, b in itertools.pairwise(ends)]


def pieces(g: Builder, self: Tensor, sizes: Sequence[Dim], dim: int) -> list[Tensor]:
    """Consecutive parts of a dim."""
    if self.rank == 0:
        raise Raised("pieces of a 0-d tensor")
    at = dim if self.rank is None and dim >= 0 else wrapped_dim(dim, self.require_rank())
    if len(sizes) == 1:
        return [self]
    return list(g.Split(self, split=list(sizes), axis=at, outputs=len(sizes)))


# ------------------------------------------------------------ split and chunk


@symbolic("aten::split.Tensor(Tensor(a -> *) self, SymInt split_size, int dim=0) -> Tensor(a)[]")
def split(g: Builder, self: Tensor, split_size: Dim, dim: int = 0) -> list[Tensor]:
    """Pieces of one size, of which the last may be smaller."""
    at = wrapped_dim(dim, self.require_rank())
    return pieces(g, self, split_sizes(g.size(self, at), split_size), at)


@symbolic("aten::unsafe_split.Tensor(Tensor self, SymInt split_size, int dim=0) -> Tensor[]")
def unsafe_split(g: Builder, self: Tensor, split_size: Dim, dim: int = 0) -> list[Tensor]:
    """`split` that gradients don't look into."""
    return split(g, self, split_size, dim)


@symbolic(
    "aten::split_with_sizes(Tensor(a -> *) self, SymInt[] split_sizes, int dim=0) -> Tensor(a)[]"
)
def split_with_sizes(
    g: Builder, self: Tensor, split_sizes: Sequence[Dim], dim: int = 0
) -> list[Tensor]:
    """Pieces of the sizes given."""
    return pieces(g, self, split_sizes, dim)


@symbolic("aten::split.sizes(Tensor(a -> *) self, SymInt[] split_size, int dim=0) -> Tensor(a)[]")
def split_given_sizes(
    g: Builder, self: Tensor, split_size: Sequence[Dim], dim: int = 0
) -> list[Tensor]:
    """Another word for `split_with_sizes`."""
    return pieces(g, self, split_size, dim)


@symbolic("aten::split(Tensor(a -> *) self, int[] split_sizes, int dim=0) -> Tensor(a)[]")
def split_by_sizes(
    g: Builder, self: Tensor, split_sizes: Sequence[Dim], dim: int = 0
) -> list[Tensor]:
    """Another word for `split_with_sizes`."""
    return pieces(g, self, split_sizes, dim)


@symbolic("aten::unsafe_split_with_sizes(Tensor self, SymInt[] split_sizes, int dim=0) -> Tensor[]")
def unsafe_split_with_sizes(
    g: Builder, self: Tensor, split_sizes: Sequence[Dim], dim: int = 0
) -> list[Tensor]:
    """`split_with_sizes` that gradients don't look into."""
    return pieces(g, self, split_sizes, dim)


@symbolic("aten::chunk(Tensor(a -> *) self, int chunks, int dim=0) -> Tensor(a)[]")
def chunk(g: Builder, self: Tensor, chunks: int, dim: int = 0) -> list[Tensor]:
    """At most `chunks` equal pieces, of which the last may be smaller."""
    at = wrapped_dim(dim, self.require_rank())
    return pieces(g, self, chunk_sizes(g.size(self, at), chunks), at)


@symbolic("aten::unsafe_chunk(Tensor self, int chunks, int dim=0) -> Tensor[]")
def unsafe_chunk(g: Builder, self: Tensor, chunks: int, dim: int = 0) -> list[Tensor]:
    """`chunk` that gradients don't look into."""
    return chunk(g, self, chunks, dim)


@symbolic("aten::unbind.int(Tensor(a -> *) self, int dim=0) -> Tensor(a)[]")
def unbind(g: Builder, self: Tensor, dim: int = 0) -> list[Tensor]:
    """What lies at each index of a dim."""
    at = wrapped_dim(dim, self.require_rank())
    count = g.size(self, at)
    if isinstance(count, SymInt):
        raise Unsupported(f"unbind of a dim of size {count}: the number of tensors is not known")
    return [select(g, self, at, i) for i in range(count)]


# ------------------------------------------------------------ NumPy's splits


@symbolic(
    "aten::tensor_split.sections(Tensor(a -> *) self, SymInt sections, int dim=0) -> Tensor(a)[]"
)
def tensor_split(g: Builder, self: Tensor, sections: Dim, dim: int = 0) -> list[Tensor]:
    """Exactly `sections` pieces; where it does not divide, the first ones are larger by 1."""
    at = wrapped_dim(dim, self.require_rank())
    return pieces(g, self, section_sizes(g.size(self, at), int(sections)), at)


@symbolic(
    "aten::tensor_split.indices(Tensor(a -> *) self, SymInt[] indices, int dim=0) -> Tensor(a)[]"
)
def tensor_split_indices(
    g: Builder, self: Tensor, indices: Sequence[Dim], dim: int = 0
) -> list[Tensor]:
    """The slices between the indices; as slices they may be negative, out of range, or falling."""
    bounds = [0, *indices, None]
    return [slice_tensor(g, self, dim, start, end) for start, end in itertools.pairwise(bounds)]


@symbolic(
    "aten::tensor_split.tensor_indices_or_sections(Tensor(a -> *) self, Tensor tensor_indices_or_sections, int dim=0) -> Tensor(a)[]"
)
def tensor_split_tensor(
    g: Builder, self: Tensor, tensor_indices_or_sections: Tensor, dim: int = 0
) -> list[Tensor]:
    """`tensor_split` by a number of sections (0-d) or by indices (1-D) that are a tensor."""
    given = tensor_indices_or_sections
    if given.require_rank() == 0:
        return tensor_split(g, self, g.integer(given), dim)
    return tensor_split_indices(g, self, [g.integer(i) for i in unbind(g, given)], dim)


@symbolic("aten::hsplit.int(Tensor(a -> *) self, int sections) -> Tensor(a)[]")
def hsplit(g: Builder, self: Tensor, sections: int) -> list[Tensor]:
    """`tensor_split` along dim 1, of a vector along dim 0."""
    return tensor_split(g, self, sections, 0 if self.require_rank() == 1 else 1)


@symbolic("aten::hsplit.array(Tensor(a -> *) self, int[] indices) -> Tensor(a)[]")
def hsplit_array(g: Builder, self: Tensor, indices: Sequence[Dim]) -> list[Tensor]:
    """`tensor_split` along dim 1, of a vector along dim 0."""
    return tensor_split_indices(g, self, indices, 0 if self.require_rank() == 1 else 1)


@symbolic("aten::vsplit.int(Tensor(a -> *) self, int sections) -> Tensor(a)[]")
def vsplit(g: Builder, self: Tensor, sections: int) -> list[Tensor]:
    """`tensor_split` along dim 0."""
    return tensor_split(g, self, sections, 0)


@symbolic("aten::vsplit.array(Tensor(a -> *) self, int[] indices) -> Tensor(a)[]")
def vsplit_array(g: Builder, self: Tensor, indices: Sequence[Dim]) -> list[Tensor]:
    """`tensor_split` along dim 0."""
    return tensor_split_indices(g, self, indices, 0)


@symbolic("aten::dsplit.int(Tensor(a -> *) self, int sections) -> Tensor(a)[]")
def dsplit(g: Builder, self: Tensor, sections: int) -> list[Tensor]:
    """`tensor_split` along dim 2."""
    return tensor_split(g, self, sections, 2)


@symbolic("aten::dsplit.array(Tensor(a -> *) self, int[] indices) -> Tensor(a)[]")
def dsplit_array(g: Builder, self: Tensor, indices: Sequence[Dim]) -> list[Tensor]:
    """`tensor_split` along dim 2."""
    return tensor_split_indices(g, self, indices, 2)


@symbolic("aten::unflatten_dense_tensors(Tensor flat, Tensor[] tensors) -> Tensor[]")
def unflatten_dense_tensors(g: Builder, flat: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
    """A row of elements cut into tensors of the shapes of others."""
    counts = [element_count(g, t) for t in tensors]
    parts = split_with_sizes(g, flat, counts, 0)
    return [
        g.reshape(part, list(t.require_shape())) for part, t in zip(parts, tensors, strict=True)
    ]
