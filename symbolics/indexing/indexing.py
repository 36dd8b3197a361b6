"""Picking elements by tensors: index, gather, masks, nonzero, one_hot.

`index.Tensor` is NumPy's advanced indexing: its list has a tensor of integers, a mask or None for
each dim. Next door: `views` has slices, `scatter` writes to what is picked here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim, is_ge, sym_min
from exporter.onnx_graph.values import Number, Tensor
from symbolics.reductions.reduction import any_dim
from symbolics.registry import Raised, Unsupported, symbolic
from symbolics.rules import BOOL, INT64, element_count, is_bool, onnx_dtype, promote, wrapped_dim
from symbolics.views.shape import at_least, broadcast_tensors, expand_to, move_dims
from symbolics.views.views import slice_tensor

__all__ = ["Picked", "fitting", "flat", "in_range", "is_mask", "pick", "require_fit"]


# ------------------------------------------------------------ helpers


def is_mask(index: Tensor) -> bool:
    """Whether an index is a mask: bool, or uint8 as in old programs."""
    return is_bool(index.dtype) or index.dtype == onnx_dtype(0)


def flat(g: Builder, self: Tensor) -> Tensor:
    """All elements in one dim."""
    return g.reshape(self, [element_count(g, self)]) if self.rank != 1 else self


def fitting(g: Builder, index: Tensor, self: Tensor, axis: int) -> Tensor:
    """An index into a dim whose other dims are no larger than `self`'s, as ONNX wants them.

    In PyTorch an index without elements may be larger there: it is cut to nothing. Another one
    is left as it is, and fails.
    """
    sizes, own = index.require_shape(), self.require_shape()
    larger = [i for i, d in enumerate(sizes) if i != axis and is_ge(own[i], d) is not True]
    some = sym_min(element_count(g, index), 1)
    if not larger or some == 1:
        return index
    ends = [sizes[i] * some for i in larger]
    return g.Slice(index, starts=[0] * len(larger), ends=ends, axes=larger)


class Picked:
    """Which elements a list of indices picks.

    `dims`      the dims that have an index, counted from the front
    `indices`   [..., number of dims] int64, as GatherND and ScatterND want them
    `place`     where the dims of the indices go among the dims that are left: in place of the
                indexed dims if these are next to each other, else to the front
    """

    def __init__(self, dims: list[int], indices: Tensor) -> None:
        self.dims = dims
        self.indices = indices
        self.place = dims[0] if dims[-1] - dims[0] == len(dims) - 1 else 0

    @property
    def rank(self) -> int:
        """How many dims the indices have together."""
        return self.indices.require_rank() - 1

    def shape(self, self_shape: Sequence[Dim]) -> list[Dim]:
        """The shape of what is picked."""
        rest = [d for i, d in enumerate(self_shape) if i not in self.dims]
        return [*rest[: self.place], *self.indices.require_shape()[:-1], *rest[self.place :]]


def pick(g: Builder, self: Tensor, indices: Sequence[Tensor | None]) -> Picked | None:
    """The indices brought into one tensor; None if there are none.

    A mask of n dims stands for n dims, with the coordinates of its true elements as indices.
    """
    dims: list[int] = []
    columns: list[Tensor] = []
    given = [index for index in indices if index is not None]
    dim = 0
    for index in indices:
        if index is None:
            dim += 1
        elif is_mask(index):
            rank = _mask_rank(index)
            require_fit(self, index, dim)
            dims.extend(range(dim, dim + rank))
            coordinates = g.NonZero(g.cast(index, BOOL))
            if len(given) == 1 and not (self.rank is not None and dim + rank > self.rank):
                return Picked(dims, g.Transpose(coordinates, perm=[1, 0]))
            columns.extend(g.Gather(coordinates, g.constant(i, INT64), axis=0) for i in range(rank))
            dim += rank
        else:
            dims.append(dim)
            columns.append(g.cast(index, INT64))
            dim += 1
    if self.rank is not None and dim > self.rank:
        raise Raised(f"{dim} indices for a tensor of {self.rank} dims")
    if not dims:
        return None
    rows = [g.Unsqueeze(column, axes=[-1]) for column in _broadcast(g, columns)]
    return Picked(dims, g.Concat(*rows, axis=-1) if len(rows) > 1 else rows[0])


def _broadcast(g: Builder, columns: list[Tensor]) -> list[Tensor]:
    return columns if len(columns) == 1 else broadcast_tensors(g, columns)


def require_fit(self: Tensor, mask: Tensor, dim: int) -> None:
    """Fail where a mask certainly has other sizes than the dims it is for, from `dim` on."""
    if self.shape is None or mask.shape is None:
        return
    if dim + len(mask.shape) > len(self.shape):
        raise Raised(f"a mask of {mask.rank} dims for the {len(self.shape)} of a tensor")
    for given, size in zip(mask.shape, self.shape[dim:], strict=False):
        if isinstance(given, int) and isinstance(size, int) and given != size:
            raise Raised(f"a mask of size {given} for a dim of size {size}")


def _mask_rank(mask: Tensor) -> int:
    rank = mask.require_rank()
    if rank == 0:
        raise Unsupported("index with a 0-d mask among others")
    return rank


# ------------------------------------------------------------ index


@symbolic("aten::index.Tensor(Tensor self, Tensor?[] indices) -> Tensor")
def index_tensor(g: Builder, self: Tensor, indices: Sequence[Tensor | None]) -> Tensor:
    """Advanced indexing.

    One tensor of integers is a Gather, one mask a Compress. Several become one GatherND over the
    tensor with the indexed dims in front.
    """
    given = [(dim, index) for dim, index in enumerate(indices) if index is not None]
    if not given:
        return self
    if len(given) == 1:
        ((dim, index),) = given
        if is_mask(index):
            return _compressed(g, self, index, dim)
        if self.rank is not None and dim >= self.rank:
            raise Raised(f"{dim + 1} indices for a tensor of {self.rank} dims")
        return g.Gather(self, index, axis=dim)
    picked = pick(g, self, indices)
    assert picked is not None
    front = move_dims(g, self, picked.dims, range(len(picked.dims)))
    result = g.GatherND(front, picked.indices)
    rank = picked.rank
    return move_dims(g, result, range(rank), range(picked.place, picked.place + rank))


def _compressed(g: Builder, self: Tensor, mask: Tensor, dim: int) -> Tensor:
    rank = mask.require_rank()
    mask = g.cast(mask, BOOL)
    if rank == 0:
        # All of the tensor, in a dim of its own, or nothing of it.
        return g.Compress(g.Unsqueeze(self, axes=[dim]), g.reshape(mask, [1]), axis=dim)
    require_fit(self, mask, dim)
    if rank == 1:
        return g.Compress(self, mask, axis=dim)
    shape = self.require_shape()
    covered = element_count(g, self, range(dim, dim + rank))
    merged = g.reshape(self, [*shape[:dim], covered, *shape[dim + rank :]])
    return g.Compress(merged, flat(g, mask), axis=dim)


@symbolic("aten::index.Tensor_hacked_twin(Tensor self, Tensor[] indices) -> Tensor")
def index_hacked_twin(g: Builder, self: Tensor, indices: Sequence[Tensor | None]) -> Tensor:
    """`index` with a list that has no None."""
    return index_tensor(g, self, indices)


@symbolic("aten::_unsafe_index.Tensor(Tensor self, Tensor?[] indices) -> Tensor")
def _unsafe_index(g: Builder, self: Tensor, indices: Sequence[Tensor | None]) -> Tensor:
    """`index` without a check of the bounds."""
    return index_tensor(g, self, indices)


@symbolic("aten::_unsafe_index.Tensor_hacked_twin(Tensor self, Tensor[] indices) -> Tensor")
def _unsafe_index_hacked_twin(g: Builder, self: Tensor, indices: Sequence[Tensor | None]) -> Tensor:
    """`_unsafe_index` with a list that has no None."""
    return index_tensor(g, self, indices)


def in_range(g: Builder, self: Tensor, indices: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Integer indices clamped to what their dims have."""
    result: list[Tensor | None] = []
    for size, index in zip(self.require_shape(), indices, strict=False):
        if index is None or is_mask(index):
            result.append(index)
        else:
            index = g.cast(index, INT64)
            low, high = g.constant(-size, INT64), g.constant(size - 1, INT64)
            result.append(g.Clip(index, low, high))
    return result


@symbolic(
    "aten::_unsafe_masked_index(Tensor self, Tensor mask, Tensor?[] indices, Scalar fill) -> Tensor"
)
def _unsafe_masked_index(
    g: Builder, self: Tensor, mask: Tensor, indices: Sequence[Tensor | None], fill: Number
) -> Tensor:
    """`index` where a mask is true, a number elsewhere; there the indices may be out of range."""
    if 0 in self.require_shape():
        given = [g.Mul(g.cast(i, INT64), 0) for i in indices if i is not None]
        zeros = g.cast(mask, INT64)
        for index in given:
            zeros = g.Add(zeros, index)
        return expand_to(g, g.constant(fill, self.dtype), zeros.require_shape())
    picked = index_tensor(g, self, in_range(g, self, indices))
    return g.Where(g.cast(mask, BOOL), picked, g.constant(fill, self.dtype))


# ------------------------------------------------------------ along a dim


@symbolic("aten::index_select(Tensor self, int dim, Tensor index) -> Tensor")
def index_select(g: Builder, self: Tensor, dim: int, index: Tensor) -> Tensor:
    """The indices of a dim that a vector lists; a 0-d index picks one and keeps the dim."""
    if self.shape == ():
        return self
    return g.Gather(self, at_least(g, index, 1), axis=wrapped_dim(dim, self.require_rank()))


@symbolic("aten::gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor")
def gather(
    g: Builder, self: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False
) -> Tensor:
    """At each place of `index`, the element of `self` there but for the place in `dim`.

    A 0-d tensor counts as [1], and an empty index gives an empty result of its shape.
    """
    if max(self.require_rank(), 1) != max(index.require_rank(), 1):
        empty = index if 0 in index.require_shape() else nothing_like(g, index)
        return g.cast(empty, self.dtype)
    data, places = at_least(g, self, 1), at_least(g, index, 1)
    axis = wrapped_dim(dim, data.require_rank())
    places = fitting(g, places, data, axis)
    picked = g.GatherElements(data, places, axis=axis)
    return picked if places is index else g.reshape(picked, index.require_shape())


def nothing_like(g: Builder, tensor: Tensor) -> Tensor:
    """An empty tensor of the shape of one that is empty; the model stops where that is not."""
    return g.Reshape(g.constant([], INT64), g.shape(tensor), allowzero=1)


@symbolic("aten::take(Tensor self, Tensor index) -> Tensor")
def take(g: Builder, self: Tensor, index: Tensor) -> Tensor:
    """Elements by their place in the flattened tensor."""
    return g.Gather(flat(g, self), index, axis=0)


@symbolic("aten::take_along_dim(Tensor self, Tensor indices, int? dim=None) -> Tensor")
def take_along_dim(g: Builder, self: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """`gather`, where the other dims are broadcast; without a dim both are flattened."""
    if dim is None:
        return gather(g, flat(g, self), 0, flat(g, indices))
    if self.require_rank() != indices.require_rank():
        raise Raised("take_along_dim with another number of dims in the indices")
    at = wrapped_dim(dim, self.require_rank())
    self = _broadcast_beside(g, self, indices, at)
    indices = _broadcast_beside(g, indices, self, at)
    return gather(g, self, at, indices)


def _broadcast_beside(g: Builder, self: Tensor, other: Tensor, dim: int) -> Tensor:
    """Broadcast by another tensor of as many dims, but for one dim."""
    return expand_to(g, self, [1 if i == dim else d for i, d in enumerate(other.require_shape())])


# ------------------------------------------------------------ masks


@symbolic("aten::masked_select(Tensor self, Tensor mask) -> Tensor")
def masked_select(g: Builder, self: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask is true, as a vector; both are broadcast."""
    self, mask = broadcast_tensors(g, [self, mask])
    return g.Compress(flat(g, self), flat(g, g.cast(mask, BOOL)), axis=0)


@symbolic("aten::nonzero(Tensor self) -> Tensor")
def nonzero(g: Builder, self: Tensor) -> Tensor:
    """The coordinates of the elements that are not 0, a row each; ONNX has a column each.

    A 0-d tensor has no coordinates: the result is [1, 0] or [0, 0].
    """
    true = g.cast(self, BOOL)
    if self.shape == ():
        empty = g.Unsqueeze(g.constant([], INT64), axes=[0])
        return g.Compress(empty, g.reshape(true, [1]), axis=0)
    coordinates = g.NonZero(true)
    if self.shape is None:
        coordinates = g.Slice(coordinates, [0], g.Shape(g.Shape(self)), [0])
    return g.Transpose(coordinates, perm=[1, 0])


@symbolic("aten::argwhere(Tensor self) -> Tensor")
def argwhere(g: Builder, self: Tensor) -> Tensor:
    """NumPy's word for `nonzero`."""
    return nonzero(g, self)


@symbolic("aten::nonzero_numpy(Tensor self) -> Tensor[]")
def nonzero_numpy(g: Builder, self: Tensor) -> list[Tensor]:
    """The coordinates of the elements that are not 0, a vector for each dim; 0-d counts as [1]."""
    self = at_least(g, self, 1)
    coordinates = g.NonZero(g.cast(self, BOOL))
    return [g.Gather(coordinates, g.constant(i, INT64), axis=0) for i in range(self.require_rank())]


@symbolic("aten::nonzero_static(Tensor self, *, SymInt size, int fill_value=-1) -> Tensor")
def nonzero_static(g: Builder, self: Tensor, *, size: Dim, fill_value: int = -1) -> Tensor:
    """The first `size` rows of `nonzero`, filled up with `fill_value`."""
    filler = g.Expand(g.constant(fill_value, INT64), [size, self.require_rank()])
    return slice_tensor(g, g.Concat(nonzero(g, self), filler, axis=0), 0, 0, size)


# ------------------------------------------------------------ classes and sets


@symbolic("aten::one_hot(Tensor self, int num_classes=-1) -> Tensor")
def one_hot(g: Builder, self: Tensor, num_classes: Dim = -1) -> Tensor:
    """A new last dim that is 1 at the class and 0 elsewhere; -1 classes: as many as are needed."""
    classes = num_classes
    if not isinstance(num_classes, int):
        if not is_ge(num_classes, 0):
            # What the largest class needs counts only where it is asked for: there may be none.
            asked = g.constant(num_classes, INT64)
            largest = g.ReduceMax(g.Concat(flat(g, self), [-1], axis=0), keepdims=False)
            classes = g.integer(g.Where(g.Equal(asked, -1), g.Add(largest, 1), asked))
    elif num_classes == -1:
        classes = g.integer(g.Add(g.ReduceMax(self, keepdims=False), 1))
    elif self.array is not None and not np.all((self.array >= 0) & (self.array < num_classes)):
        raise Raised(f"one_hot of a class that is not among {num_classes}")
    rows = at_least(g, self, 1)
    result = g.OneHot(rows, g.constant(classes, INT64), g.constant([0, 1], INT64), axis=-1)
    return g.Squeeze(result, axes=[0]) if self.shape == () else result


def is_in(g: Builder, elements: Tensor | Number, test: Tensor | Number, invert: bool) -> Tensor:
    """Which elements are equal to any of the others."""
    left, right = promote(g, elements, test)
    found = any_dim(g, g.Equal(g.Unsqueeze(left, axes=[-1]), flat(g, right)), -1)
    return g.Not(found) if invert else found


@symbolic(
    "aten::isin.Tensor_Tensor(Tensor elements, Tensor test_elements, *, bool assume_unique=False, bool invert=False) -> Tensor"
)
def isin(
    g: Builder,
    elements: Tensor,
    test_elements: Tensor,
    *,
    assume_unique: bool = False,
    invert: bool = False,
) -> Tensor:
    """Which elements are among the others."""
    return is_in(g, elements, test_elements, invert)


@symbolic(
    "aten::isin.Tensor_Scalar(Tensor elements, Scalar test_element, *, bool assume_unique=False, bool invert=False) -> Tensor"
)
def isin_scalar(
    g: Builder,
    elements: Tensor,
    test_element: Number,
    *,
    assume_unique: bool = False,
    invert: bool = False,
) -> Tensor:
    """Which elements are equal to a number."""
    return is_in(g, elements, test_element, invert)


@symbolic(
    "aten::isin.Scalar_Tensor(Scalar element, Tensor test_elements, *, bool assume_unique=False, bool invert=False) -> Tensor"
)
def isin_element(
    g: Builder,
    element: Number,
    test_elements: Tensor,
    *,
    assume_unique: bool = False,
    invert: bool = False,
) -> Tensor:
    """Whether a number is among the elements."""
    return is_in(g, element, test_elements, invert)
