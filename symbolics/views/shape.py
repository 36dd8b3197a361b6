"""Other shapes for the same elements: reshape, transpose, squeeze, expand and their like.

Next door: `views` takes parts of a tensor, `rearranging` moves and repeats elements, `joining` and
`splitting` go between one tensor and several, `view_writes` says how to write through a view.
"""

from __future__ import annotations

from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.shape_rules import broadcast
from exporter.onnx_graph.symbolic import Dim, SymInt, is_ge
from exporter.onnx_graph.values import Tensor
from symbolics.registry import Raised, Unsupported, symbolic
from symbolics.rules import element_count, onnx_dtype, wrapped_dim, wrapped_dims

__all__ = [
    "at_least",
    "expand_to",
    "move_dims",
    "moved",
    "permuted",
    "reshape_to",
    "squeeze_where_one",
    "swapped",
]


# ------------------------------------------------------------ helpers


def reshape_to(g: Builder, self: Tensor, size: Sequence[Dim] | Tensor) -> Tensor:
    """The elements in another shape, in which one size may be -1; a tensor where only the run tells."""
    if isinstance(size, Tensor):
        return g.Reshape(self, size, allowzero=1)
    if self.shape is None or any(isinstance(d, SymInt) and not is_ge(d, 0) for d in size):
        # An integer of run time may be the -1 itself, so the written form has to stay.
        return g.Reshape(self, list(size), allowzero=1)
    if -1 not in size:
        return g.reshape(self, size)
    return g.reshape(self, _resolved(self, size))


def _resolved(self: Tensor, size: Sequence[Dim]) -> list[Dim]:
    """A shape with -1 replaced by what the other sizes leave of the element count.

    Sizes that both shapes have cancel out first, so that `x.view(n, -1)` needs no division by n.
    """
    kept = [d for d in size if d != -1]
    total: Dim = 1
    for dim in self.require_shape():
        if dim in kept:
            kept.remove(dim)
        else:
            total = total * dim
    divisor: Dim = 1
    for dim in kept:
        divisor = divisor * dim
    if divisor == 0:
        raise Unsupported(f"size -1 among {list(size)} is ambiguous where another size is 0")
    rest = total if divisor == 1 else total // divisor
    return [rest if d == -1 else d for d in size]


def permuted(g: Builder, self: Tensor, perm: Sequence[int]) -> Tensor:
    """The dims in another order; the tensor itself where they stay."""
    if list(perm) == list(range(len(perm))):
        return self
    return g.Transpose(self, perm=list(perm))


def move_dims(
    g: Builder, self: Tensor, source: Sequence[int], destination: Sequence[int]
) -> Tensor:
    """Dims moved to other places, the rest in their order; both counted from the front."""
    return permuted(g, self, moved(self.require_rank(), source, destination))


def moved(rank: int, source: Sequence[int], destination: Sequence[int]) -> list[int]:
    """The permutation that moves dims to other places."""
    if len(set(source)) != len(source) or len(set(destination)) != len(destination):
        raise Raised(f"dims {list(source)} to {list(destination)}: a dim is there twice")
    perm = [-1] * rank
    for src, dst in zip(source, destination, strict=True):
        perm[dst] = src
    rest = iter(d for d in range(rank) if d not in source)
    return [next(rest) if p == -1 else p for p in perm]


def swapped(rank: int, dim0: int, dim1: int) -> list[int]:
    """The permutation that swaps two dims."""
    first, second = wrapped_dims((dim0, dim1), rank)
    perm = list(range(rank))
    if rank:
        perm[first], perm[second] = second, first
    return perm


def squeeze_where_one(g: Builder, self: Tensor, dims: Sequence[int]) -> Tensor:
    """Drop those of the dims that have size 1.

    A size that is 1 or not at run time decides over the number of dims. Then the new shape is
    computed: the sizes that are not 1, and those of the dims that stay anyway.
    """
    if self.shape is None:
        return _squeezed_of_any_rank(g, self, dims)
    shape = self.shape
    dims = wrapped_dims(dims, len(shape))
    candidates = [d for d in dims if shape and is_ge(shape[d], 2) is not True and shape[d] != 0]
    ones = [d for d in candidates if shape[d] == 1]
    if len(ones) == len(candidates):
        return g.Squeeze(self, axes=sorted(ones)) if ones else self
    stays = [i not in candidates for i in range(len(shape))]
    sizes = g.shape(self)
    kept = g.Or(g.Not(g.Equal(sizes, 1)), stays)
    result = g.Reshape(self, g.Compress(sizes, kept, axis=0), allowzero=1)
    if len(candidates) - len(ones) == 1 and result.shape is None:
        fewest = tuple(size for size, stay in zip(shape, stays, strict=True) if stay)
        result.possible = (fewest, tuple(size for i, size in enumerate(shape) if i not in ones))
    return result


def _squeezed_of_any_rank(g: Builder, self: Tensor, dims: Sequence[int]) -> Tensor:
    """`squeeze_where_one` where the run tells which dims there are."""
    sizes = g.Shape(self)
    rank = g.Size(sizes)
    place = g.Range(g.constant(0), rank, g.constant(1))
    stays: Tensor = g.constant(True)
    for dim in dims:
        stays = g.And(stays, g.Not(g.Equal(place, dim if dim >= 0 else g.Add(rank, dim))))
    kept = g.Or(g.Not(g.Equal(sizes, 1)), stays)
    return g.Reshape(self, g.Compress(sizes, kept, axis=0), allowzero=1)


def expand_to(g: Builder, self: Tensor, size: Sequence[Dim]) -> Tensor:
    """Broadcast to a shape, in which -1 keeps a size.

    A size that certainly stays is written 1, for ONNX broadcasts in both directions.
    """
    if self.shape is None:
        return g.Expand(self, [1 if d == -1 else d for d in size])
    lead = len(size) - len(self.shape)
    if lead < 0:
        raise Raised(f"can't expand {len(self.shape)} dims to the {len(size)} sizes {list(size)}")
    shape = self.require_shape()
    target: list[Dim] = list(size[:lead])
    for own, wanted in zip(shape, size[lead:], strict=True):
        stays = wanted == -1 or wanted == own or (own != 1 and isinstance(own, int))
        target.append(1 if stays else wanted)
    if not lead and all(d == 1 for d in target):
        return self
    return g.Expand(self, target)


def at_least(g: Builder, self: Tensor, rank: int) -> Tensor:
    """With size-1 dims added until there are `rank`, where `atleast_Nd` adds them."""
    own = self.require_rank()
    if own >= rank:
        return self
    if rank == 1:
        axes = [0]
    elif rank == 2:
        axes = [0, 1] if own == 0 else [0]
    else:
        axes = [[0, 1, 2], [0, 2], [2]][own]
    return g.Unsqueeze(self, axes=axes)


# ------------------------------------------------------------ reshape


@symbolic("aten::view(Tensor(a) self, SymInt[] size) -> Tensor(a)")
def view(g: Builder, self: Tensor, size: Sequence[Dim] | Tensor) -> Tensor:
    """The elements in another shape; that the strides allow it is the program's business."""
    return reshape_to(g, self, size)


@symbolic("aten::view.dtype(Tensor(a) self, ScalarType dtype) -> Tensor(a)")
def view_dtype(g: Builder, self: Tensor, dtype: int) -> Tensor:
    """The bits read as another dtype."""
    if onnx_dtype(dtype) != self.dtype:
        raise Unsupported(
            f"view of {self.dtype.name} as {onnx_dtype(dtype).name}: bits are not reinterpreted"
        )
    return self


@symbolic("aten::_unsafe_view(Tensor self, SymInt[] size) -> Tensor")
def _unsafe_view(g: Builder, self: Tensor, size: Sequence[Dim] | Tensor) -> Tensor:
    """`view` of a tensor that nobody else holds."""
    return reshape_to(g, self, size)


@symbolic("aten::reshape(Tensor(a) self, SymInt[] shape) -> Tensor(a)")
def reshape(g: Builder, self: Tensor, shape: Sequence[Dim] | Tensor) -> Tensor:
    """`view`, or a copy where the strides do not allow one."""
    return reshape_to(g, self, shape)


@symbolic("aten::_reshape_alias(Tensor(a) self, SymInt[] size, SymInt[] stride) -> Tensor(a)")
def _reshape_alias(g: Builder, self: Tensor, size: Sequence[Dim], stride: Sequence[Dim]) -> Tensor:
    """`view` with the strides that it has anyway."""
    return reshape_to(g, self, size)


@symbolic("aten::view_as(Tensor(a) self, Tensor other) -> Tensor(a)")
def view_as(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """The elements in another tensor's shape."""
    return (
        g.Reshape(self, g.Shape(other), allowzero=1)
        if other.shape is None
        else g.reshape(self, other.shape)
    )


@symbolic("aten::reshape_as(Tensor(a) self, Tensor other) -> Tensor(a)")
def reshape_as(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """The elements in another tensor's shape."""
    return view_as(g, self, other)


@symbolic("aten::flatten.using_ints(Tensor(a) self, int start_dim=0, int end_dim=-1) -> Tensor(a)")
def flatten(g: Builder, self: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dims start_dim to end_dim, both included, become one; a 0-d tensor becomes 1-D."""
    if self.shape is None:
        if start_dim == 0 and end_dim == -1:
            return g.Reshape(self, [-1])
        if start_dim < 0 or end_dim != -1:
            raise Unsupported(
                "flatten of these dims: the number of dims of the tensor is not known"
            )
        return g.Reshape(self, [*[0] * start_dim, -1])
    rank = len(self.shape)
    start, end = wrapped_dims((start_dim, end_dim), rank)
    if start > end:
        raise Raised(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    if start == 1 and end == rank - 1 and self.static_shape is None:
        # Unlike a Reshape to [0, -1], it also takes a tensor without elements.
        return g.Flatten(self, axis=1)
    middle = element_count(g, self, range(start, min(end + 1, rank)))
    return g.reshape(self, (*self.shape[:start], middle, *self.shape[end + 1 :]))


@symbolic("aten::unflatten.int(Tensor(a) self, int dim, SymInt[] sizes) -> Tensor(a)")
def unflatten(g: Builder, self: Tensor, dim: int, sizes: Sequence[Dim]) -> Tensor:
    """One dim becomes several, of which one size may be -1."""
    shape = self.require_shape()
    at = wrapped_dim(dim, len(shape))
    if -1 in sizes:
        part = Tensor(self.dtype, shape[at : at + 1])
        sizes = _resolved(part, sizes)
    return reshape_to(g, self, (*shape[:at], *sizes, *shape[at + 1 :]))


@symbolic("aten::ravel(Tensor(a) self) -> Tensor(a)")
def ravel(g: Builder, self: Tensor) -> Tensor:
    """All elements in one dim."""
    return flatten(g, self)


# ------------------------------------------------------------ order of dims


@symbolic("aten::transpose.int(Tensor(a) self, int dim0, int dim1) -> Tensor(a)")
def transpose(g: Builder, self: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dims swapped; a 0-d tensor stays as it is."""
    return permuted(g, self, swapped(self.require_rank(), dim0, dim1))


@symbolic("aten::swapaxes(Tensor(a) self, int axis0, int axis1) -> Tensor(a)")
def swapaxes(g: Builder, self: Tensor, axis0: int, axis1: int) -> Tensor:
    """NumPy's word for `transpose`."""
    return transpose(g, self, axis0, axis1)


@symbolic("aten::swapdims(Tensor(a) self, int dim0, int dim1) -> Tensor(a)")
def swapdims(g: Builder, self: Tensor, dim0: int, dim1: int) -> Tensor:
    """Another word for `transpose`."""
    return transpose(g, self, dim0, dim1)


@symbolic("aten::t(Tensor(a) self) -> Tensor(a)")
def t(g: Builder, self: Tensor) -> Tensor:
    """A matrix transposed; with fewer dims the tensor itself."""
    if self.shape is None:
        return numpy_T(g, self)
    rank = self.require_rank()
    if rank > 2:
        raise Raised(f"t of a tensor with {rank} dims: it takes at most 2")
    return permuted(g, self, range(rank)[::-1])


@symbolic("aten::numpy_T(Tensor(a) self) -> Tensor(a)")
def numpy_T(g: Builder, self: Tensor) -> Tensor:  # noqa: N802
    """All dims in reverse, for any number of them, as ONNX Transpose does unasked."""
    if self.shape is None:
        return g.Transpose(self)
    return permuted(g, self, range(self.require_rank())[::-1])


@symbolic("aten::mT(Tensor(a) self) -> Tensor(a)")
def mT(g: Builder, self: Tensor) -> Tensor:  # noqa: N802
    """The last two dims swapped; a 0-d tensor stays as it is."""
    return self if self.rank == 0 else transpose(g, self, -2, -1)


@symbolic("aten::permute(Tensor(a) self, int[] dims) -> Tensor(a)")
def permute(g: Builder, self: Tensor, dims: Sequence[int]) -> Tensor:
    """The dims in the order given, each of them once."""
    order = wrapped_dims(dims, self.require_rank())
    if sorted(order) != list(range(self.require_rank())):
        raise Raised(f"permute of {self.require_rank()} dims to {list(dims)}")
    return permuted(g, self, order)


@symbolic("aten::movedim.int(Tensor(a) self, int source, int destination) -> Tensor(a)")
def movedim_int(g: Builder, self: Tensor, source: int, destination: int) -> Tensor:
    """One dim at another place, the rest in their order."""
    return movedim(g, self, [source], [destination])


@symbolic("aten::movedim.intlist(Tensor(a) self, int[] source, int[] destination) -> Tensor(a)")
def movedim(g: Builder, self: Tensor, source: Sequence[int], destination: Sequence[int]) -> Tensor:
    """Dims at other places, the rest in their order."""
    rank = self.require_rank()
    if rank == 0:
        return self
    return move_dims(g, self, wrapped_dims(source, rank), wrapped_dims(destination, rank))


@symbolic("aten::moveaxis.int(Tensor(a) self, int source, int destination) -> Tensor(a)")
def moveaxis_int(g: Builder, self: Tensor, source: int, destination: int) -> Tensor:
    """NumPy's word for `movedim`."""
    return movedim(g, self, [source], [destination])


@symbolic("aten::moveaxis.intlist(Tensor(a) self, int[] source, int[] destination) -> Tensor(a)")
def moveaxis(g: Builder, self: Tensor, source: Sequence[int], destination: Sequence[int]) -> Tensor:
    """NumPy's word for `movedim`."""
    return movedim(g, self, source, destination)


# ------------------------------------------------------------ dims of size 1


@symbolic("aten::squeeze(Tensor(a) self) -> Tensor(a)")
def squeeze(g: Builder, self: Tensor) -> Tensor:
    """Drop all dims of size 1."""
    if self.shape is None:
        return g.Squeeze(self)
    return squeeze_where_one(g, self, range(len(self.shape)))


@symbolic("aten::squeeze.dim(Tensor(a) self, int dim) -> Tensor(a)")
def squeeze_dim(g: Builder, self: Tensor, dim: int) -> Tensor:
    """Drop a dim if it has size 1; else nothing happens, where ONNX has an error."""
    return squeeze_where_one(g, self, [dim])


@symbolic("aten::squeeze.dims(Tensor(a) self, int[] dim) -> Tensor(a)")
def squeeze_dims(g: Builder, self: Tensor, dim: Sequence[int]) -> Tensor:
    """Drop those of the dims that have size 1; no dims means none, not all."""
    return squeeze_where_one(g, self, dim)


@symbolic("aten::unsqueeze(Tensor(a) self, int dim) -> Tensor(a)")
def unsqueeze(g: Builder, self: Tensor, dim: int) -> Tensor:
    """A dim of size 1 put in at `dim`; negative counts in the result."""
    if self.shape is not None:
        dim = wrapped_dim(dim, len(self.shape) + 1)
    return g.Unsqueeze(self, axes=[dim])


@symbolic("aten::atleast_1d(Tensor self) -> Tensor")
def atleast_1d(g: Builder, self: Tensor) -> Tensor:
    """A 0-d tensor as [1]."""
    return at_least(g, self, 1)


@symbolic("aten::atleast_2d(Tensor self) -> Tensor")
def atleast_2d(g: Builder, self: Tensor) -> Tensor:
    """Fewer dims as a matrix of one row."""
    return at_least(g, self, 2)


@symbolic("aten::atleast_3d(Tensor self) -> Tensor")
def atleast_3d(g: Builder, self: Tensor) -> Tensor:
    """Fewer dims as [1, n, 1], a matrix as [n, m, 1]."""
    return at_least(g, self, 3)


@symbolic("aten::atleast_1d.Sequence(Tensor[] tensors) -> Tensor[]")
def atleast_1d_sequence(g: Builder, tensors: Sequence[Tensor]) -> list[Tensor]:
    """`atleast_1d` of each."""
    return [at_least(g, tensor, 1) for tensor in tensors]


@symbolic("aten::atleast_2d.Sequence(Tensor[] tensors) -> Tensor[]")
def atleast_2d_sequence(g: Builder, tensors: Sequence[Tensor]) -> list[Tensor]:
    """`atleast_2d` of each."""
    return [at_least(g, tensor, 2) for tensor in tensors]


@symbolic("aten::atleast_3d.Sequence(Tensor[] tensors) -> Tensor[]")
def atleast_3d_sequence(g: Builder, tensors: Sequence[Tensor]) -> list[Tensor]:
    """`atleast_3d` of each."""
    return [at_least(g, tensor, 3) for tensor in tensors]


# ------------------------------------------------------------ broadcasting


@symbolic("aten::expand(Tensor(a) self, SymInt[] size, *, bool implicit=False) -> Tensor(a)")
def expand(g: Builder, self: Tensor, size: Sequence[Dim], *, implicit: bool = False) -> Tensor:
    """Broadcast to `size`, in which -1 keeps a size."""
    return expand_to(g, self, size)


@symbolic("aten::expand_as(Tensor(a) self, Tensor other) -> Tensor(a)")
def expand_as(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """Broadcast to another tensor's shape."""
    if other.shape is None:
        return g.Expand(self, g.Shape(other))
    return expand_to(g, self, other.shape)


@symbolic("aten::broadcast_to(Tensor(a) self, SymInt[] size) -> Tensor(a)")
def broadcast_to(g: Builder, self: Tensor, size: Sequence[Dim]) -> Tensor:
    """Another word for `expand`."""
    return expand_to(g, self, size)


@symbolic("aten::broadcast_tensors(Tensor[] tensors) -> Tensor[]")
def broadcast_tensors(g: Builder, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Each in the shape that all broadcast to.

    Where that can't be told from the sizes, each is broadcast by the shape of every other.
    """
    common = broadcast(*(tensor.shape for tensor in tensors))
    if common is not None and None not in common:
        return [expand_to(g, tensor, [d for d in common if d is not None]) for tensor in tensors]
    results = []
    for tensor in tensors:
        for other in tensors:
            if other is not tensor and other.shape != ():
                tensor = g.Expand(tensor, g.shape(other))
        results.append(tensor)
    return results


# ------------------------------------------------------------ the same tensor


@symbolic("aten::alias(Tensor(a) self) -> Tensor(a)")
def alias(g: Builder, self: Tensor) -> Tensor:
    """The tensor itself."""
    return self
