"""Strides of views: where the elements that a view shows lie, by the operator that took it.

Next door: `strides` has those of new tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exporter.conversion.values.tensors import TensorRef, dense_strides
from exporter.onnx_graph.symbolic import Dim, Shape
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

__all__ = ["view_strides"]

_RESHAPES = {
    "view", "reshape", "reshape_as", "flatten", "view_as", "unflatten", "_unsafe_view", "ravel",
    "atleast_1d", "atleast_2d", "atleast_3d",
}  # fmt: skip


@dataclass(frozen=True)
class _Taken:
    """A view of a shape, taken of a tensor with these sizes and strides."""

    sizes: Shape
    strides: Shape
    arguments: Mapping[str, Any]
    shape: Shape

    @property
    def rank(self) -> int:
        """The number of dims of the tensor."""
        return len(self.sizes)

    def dim(self, key: str = "dim") -> int:
        """A dim that is an argument, from the front."""
        return int(self.arguments[key]) % max(self.rank, 1)

    def dims(self, given: int | Sequence[int]) -> list[int]:
        """One dim or several, from the front."""
        return [int(d) % max(self.rank, 1) for d in ([given] if isinstance(given, int) else given)]


def view_strides(
    kind: str, base: TensorRef, g: Builder, arguments: Mapping[str, Any], value: Tensor
) -> Shape | None:
    """The strides of `value` as a view of `base` taken by `kind`; None where they aren't known."""
    strides, sizes = base.strides, base.read(g).shape
    if strides is None or sizes is None or value.shape is None:
        return None
    if not value.shape:
        return ()
    name = kind.removeprefix("aten::").removeprefix("unsafe_")
    if name in _RESHAPES:
        return dense_strides(value.shape) if base.is_contiguous(g) else None
    rule = _RULES.get(name)
    return None if rule is None else rule(_Taken(sizes, strides, arguments, value.shape))


def _same(view: _Taken) -> Shape:
    return view.strides


def _reversed(view: _Taken) -> Shape:
    return view.strides[::-1]


def _matrix_transposed(view: _Taken) -> Shape | None:
    if view.rank < 2:
        return None
    return (*view.strides[:-2], view.strides[-1], view.strides[-2])


def _swapped(view: _Taken) -> Shape:
    keys = [key for key in view.arguments if key.startswith(("dim", "axis"))]
    a, b = map(view.dim, keys[:2])
    swapped: list[Dim] = list(view.strides)
    if view.rank:
        swapped[a], swapped[b] = swapped[b], swapped[a]
    return tuple(swapped)


def _permuted(view: _Taken) -> Shape:
    return tuple(view.strides[d] for d in view.dims(view.arguments["dims"]))


def _without_dim(view: _Taken) -> Shape:
    return view.strides[: view.dim()] + view.strides[view.dim() + 1 :]


def _stepped(view: _Taken) -> Shape:
    dim, step = view.dim(), view.arguments.get("step", 1)
    return (*view.strides[:dim], view.strides[dim] * step, *view.strides[dim + 1 :])


def _unsqueezed(view: _Taken) -> Shape:
    """The new dim has the stride that the next one would have if it were one row more."""
    where = int(view.arguments["dim"]) % (view.rank + 1)
    inserted = view.sizes[where] * view.strides[where] if where < view.rank else 1
    return (*view.strides[:where], inserted, *view.strides[where:])


def _squeezed(view: _Taken) -> Shape | None:
    dims = view.dims(view.arguments.get("dim", range(view.rank)))
    left = [i for i, size in enumerate(view.sizes) if i not in dims or size != 1]
    return tuple(view.strides[i] for i in left) if len(left) == len(view.shape) else None


def _moved(view: _Taken) -> Shape:
    sources, places = (view.dims(view.arguments[key]) for key in ("source", "destination"))
    order = [i for i in range(view.rank) if i not in sources]
    for place, moved in sorted(zip(places, sources, strict=True)):
        order.insert(place, moved)
    return tuple(view.strides[i] for i in order)


def _expanded(view: _Taken) -> Shape | None:
    """What is repeated lies in one place; whether a size of run time is, only the run tells."""
    extra = len(view.shape) - view.rank
    kept: list[Dim] = []
    for old, new, stride in zip(view.sizes, view.shape[extra:], view.strides, strict=True):
        if old != new and old != 1:
            return None
        kept.append(stride if old == new else 0)
    return (*([0] * extra), *kept)


def _on_diagonal(view: _Taken) -> Shape:
    """A step along the diagonal is one along both dims."""
    return _of_diagonal(view, 0, 1)


def _on_last_diagonal(view: _Taken) -> Shape:
    return _of_diagonal(view, -2, -1)


def _of_diagonal(view: _Taken, first: int, second: int) -> Shape:
    pair = view.dims([view.arguments.get("dim1", first), view.arguments.get("dim2", second)])
    others = (stride for i, stride in enumerate(view.strides) if i not in pair)
    return (*others, view.strides[pair[0]] + view.strides[pair[1]])


def _windows(view: _Taken) -> Shape:
    """From window to window it is `step` elements, inside of one as many as in the tensor."""
    if view.rank == 0:
        return (1,)
    dim = view.dim("dimension")
    stride = view.strides[dim]
    return (*view.strides[:dim], stride * view.arguments["step"], *view.strides[dim + 1 :], stride)


def _given(view: _Taken) -> Shape:
    return tuple(view.arguments["stride"])


def _parts(view: _Taken) -> Shape:
    """Of a complex number, which takes the place of two real ones."""
    return tuple(stride * 2 for stride in view.strides)


def _pairs(view: _Taken) -> Shape:
    return (*_parts(view), 1)


def _of_pairs(view: _Taken) -> Shape | None:
    """The strides of real numbers, as far as they are known to be even, as those of pairs."""
    outer = [stride for stride in view.strides[:-1] if isinstance(stride, int)]
    known = len(outer) == len(view.strides) - 1
    return tuple(stride // 2 for stride in outer) if known else None


_RULES: dict[str, Callable[[_Taken], Shape | None]] = {
    **dict.fromkeys(("alias", "detach", "lift_fresh"), _same),
    **dict.fromkeys(("split", "split_with_sizes", "chunk", "narrow", "tensor_split"), _same),
    **dict.fromkeys(("hsplit", "vsplit", "dsplit"), _same),
    **dict.fromkeys(("t", "numpy_T"), _reversed),
    **dict.fromkeys(("mT", "mH", "adjoint", "matrix_H"), _matrix_transposed),
    **dict.fromkeys(("transpose", "swapaxes", "swapdims"), _swapped),
    "permute": _permuted,
    **dict.fromkeys(("select", "unbind"), _without_dim),
    "slice": _stepped,
    "unsqueeze": _unsqueezed,
    "squeeze": _squeezed,
    **dict.fromkeys(("movedim", "moveaxis"), _moved),
    **dict.fromkeys(("expand", "expand_as", "broadcast_to"), _expanded),
    "diagonal": _on_diagonal,
    "linalg_diagonal": _on_last_diagonal,
    "unfold": _windows,
    "as_strided": _given,
    "view_as_real": _pairs,
    "view_as_complex": _of_pairs,
    **dict.fromkeys(("real", "imag"), _parts),
}
