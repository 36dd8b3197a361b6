"""Results that share memory with an argument: the argument itself, or a view of it.

Which results do is what the schema's alias annotations say; which of several things they are here
(the argument, a view, a copy) hangs on the operator and on strides.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from exporter.conversion.calls.invocation import by_parameter, invoke
from exporter.conversion.values.objects import ListValue, Value
from exporter.conversion.values.pieces import Pieces
from exporter.conversion.values.strides import is_kept, regrouped
from exporter.conversion.values.tensors import TensorRef, View
from exporter.conversion.values.view_strides import view_strides
from exporter.errors import UnsupportedError
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Shape
from exporter.onnx_graph.values import Tensor
from exporter.torchscript.types import TensorType
from symbolics.registry import Overload

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__ = ["SELF_OR_COPY", "aliased_result", "numbered", "possible_view", "shaped_like"]

# A view where strides allow it, else a copy.
_VIEW_OR_COPY = {
    "aten::reshape",
    "aten::reshape_as",
    "aten::flatten",
    "aten::ravel",
}
# The same elements in other dims, and never a copy: where strides don't allow it, it is an error.
_OTHER_DIMS = {
    "aten::view",
    "aten::view_as",
    "aten::unflatten",
    "aten::atleast_2d",
    "aten::atleast_3d",
}
# Views that are slices between any indices, so that two of them may overlap.
_OVERLAPPING_PIECES = {
    "aten::tensor_split",
    "aten::hsplit",
    "aten::vsplit",
    "aten::dsplit",
}
# Views that may show an element in several places.
_OVERLAPPING = {
    "aten::unfold",
    "aten::as_strided",
    "aten::expand",
    "aten::expand_as",
    "aten::broadcast_to",
}
# The argument itself, where there is nothing to do.
SELF_OR_COPY = {
    "aten::to",
    "aten::type_as",
    "aten::dropout",
    "aten::feature_dropout",
    "aten::alpha_dropout",
    "aten::feature_alpha_dropout",
    "aten::contiguous",
    "aten::_autocast_to_reduced_precision",
    "aten::_autocast_to_full_precision",
    "aten::float",
    "aten::expand",
    "aten::expand_as",
    "aten::broadcast_to",
    "aten::cpu",
    "aten::cuda",
    "aten::view_as",
    "aten::conj_physical",
    "aten::sum_to_size",
    "aten::cartesian_prod",
}
# The argument itself, and no view of it, where there is nothing to do.
_SELF_OR_VIEW = {
    "aten::flatten",
    "aten::positive",
    "aten::real",
    "aten::conj",
    "aten::resolve_conj",
    "aten::resolve_neg",
    "aten::adjoint",
    "aten::mH",
    "aten::matrix_H",
    "aten::atleast_1d",
    "aten::atleast_2d",
    "aten::atleast_3d",
}
# A view even where there is nothing to do, so that the dims of one stay when the other's change.
_NEW_HANDLE = {"aten::expand", "aten::expand_as", "aten::broadcast_to", "aten::view_as"}


def aliased_result(
    interpreter: Interpreter,
    kind: str,
    overload: Overload,
    arguments: dict[str, Any],
    base: TensorRef,
    source: str,
    value: Any,
    new: Callable[[Tensor], TensorRef],
) -> Value:
    """Results of an operator whose schema says that they are views of `base`."""
    g = interpreter.g
    current = arguments[source]
    if kind in SELF_OR_COPY:
        kept = is_kept(g, kind, base, arguments) if value is current else False
        if kept:
            return base.all_of_it() if kind in _NEW_HANDLE else base
        if kind not in _NEW_HANDLE:
            return possible_view(interpreter, base, new(value), unsure=kept is None)
    if kind in _SELF_OR_VIEW and value is current:
        return base
    strides: Shape | None = None
    if kind in _VIEW_OR_COPY | _OTHER_DIMS and base.is_contiguous(g) is not True:
        is_view, strides = _regrouped(g, kind, base, value)
        if kind in _VIEW_OR_COPY and not is_view:
            copy = TensorRef.fresh(value, dense=is_view is False)
            return possible_view(interpreter, base, copy, unsure=is_view is None)
    rest = {k: v for k, v in arguments.items() if k != source}
    if isinstance(value, list):
        pieces = Pieces(disjoint=kind not in _OVERLAPPING_PIECES)
        pieces.note(current, value)
        return ListValue(
            [
                _view(interpreter, kind, overload, base, source, rest, v, i, pieces)
                for i, v in enumerate(value)
            ],
            TensorType(),
        )
    view = _view(interpreter, kind, overload, base, source, rest, value)
    if strides is not None:
        view.strides = strides
    return view


def possible_view(
    interpreter: Interpreter, base: TensorRef, copy: TensorRef, *, unsure: bool
) -> TensorRef:
    """A tensor of its own, unless it is the base itself or a view of it, which is not known."""
    if unsure:
        for cell in base.cells():
            copy.cell.descend(cell, interpreter.journal)
    return copy


def _regrouped(
    g: Builder, kind: str, base: TensorRef, value: Tensor
) -> tuple[bool | None, Shape | None]:
    """Whether other dims of what is not certainly contiguous are a view, and the view's strides.

    None is what is not known.
    """
    if kind == "aten::ravel":
        return (False if base.is_contiguous(g) is False else None), None
    shape, target, strides = base.read(g).shape, value.shape, base.strides
    if shape is None or target is None:
        return None, None
    if shape == target:
        return True, strides
    if strides is None:
        return None, None
    # Dims that stay as they are hinder nothing, whatever their sizes.
    first = _common(shape, target)
    last = _common(shape[first:][::-1], target[first:][::-1])
    middle, new = shape[first : len(shape) - last], target[first : len(target) - last]
    sizes, wanted = _known(middle), _known(new)
    if sizes is None or wanted is None or math.prod(sizes) != math.prod(wanted):
        return None, None
    steps = strides[first : len(shape) - last]
    found = regrouped(sizes, steps, wanted)
    if found is None:
        return (None if _known(steps) is None else False), None
    return True, (*strides[:first], *found, *strides[len(shape) - last :])


def _known(dims: Shape) -> list[int] | None:
    ints = [d for d in dims if isinstance(d, int)]
    return ints if len(ints) == len(dims) else None


def _common(one: Shape, other: Shape) -> int:
    """How many dims are the same from the start."""
    return len(list(itertools.takewhile(bool, map(operator.eq, one, other))))


def _view(
    interpreter: Interpreter,
    kind: str,
    overload: Overload,
    base: TensorRef,
    source: str,
    rest: dict[str, Any],
    value: Tensor,
    index: int | None = None,
    pieces: Pieces | None = None,
) -> TensorRef:
    """A view of `base`; with an index the one of the `pieces` that a call gave."""

    def made(given: Mapping[str, Any], pieces: Pieces | None = None) -> View:
        named = by_parameter(given)

        def take(g: Any, tensor: Tensor) -> Tensor:
            if index is None:
                return invoke(g, overload, {source: tensor, **given})  # type: ignore[no-any-return]
            piece = None if pieces is None else pieces.of(g, tensor, index)
            if piece is not None:
                return piece
            taken = invoke(g, overload, {source: tensor, **given})
            if index >= len(taken):
                raise UnsupportedError(
                    f"a part of a tensor whose dims, and with them the number of parts that {kind} "
                    "gives, depend on the data"
                )
            if pieces is not None:
                pieces.note(tensor, taken)
            return taken[index]  # type: ignore[no-any-return]

        def put(g: Any, tensor: Tensor, new: Tensor) -> Tensor:
            if overload.write is None:
                return scatter_through_indices(g, tensor, new, take)
            if index is None:
                return overload.write(g, tensor, new, **named)  # type: ignore[no-any-return]
            written: Tensor = overload.write(g, tensor, new, **named, index=index)
            if pieces is not None:
                pieces.written(tensor, written, index, new)
            return written

        view = View(take, put)
        view.operator = (overload.schema.qualified_name, index)
        view.overlaps = kind in _OVERLAPPING
        view.arguments, view.with_arguments = given, made
        return view

    ref = TensorRef(base.cell, base, made(rest, pieces))
    ref.seed(value)
    ref.strides = view_strides(kind, base, interpreter.g, rest, value)
    return ref


def scatter_through_indices(g: Any, base: Tensor, new: Tensor, take: Any) -> Tensor:
    """Write through any view: take the same view of the element numbers and scatter there."""
    places = take(g, numbered(g, base))
    flat = g.reshape(base, [-1])
    updates = g.reshape(new, [-1])
    written = g.ScatterElements(flat, g.reshape(places, [-1]), updates, axis=0)
    return shaped_like(g, written, base)


def numbered(g: Any, base: Tensor) -> Tensor:
    """The numbers of a tensor's elements, in its shape."""
    return shaped_like(g, g.Range(g.constant(0), g.Size(base), g.constant(1)), base)


def shaped_like(g: Any, flat: Tensor, base: Tensor) -> Tensor:
    """A flat tensor in the shape of another."""
    if base.shape is not None:
        return g.reshape(flat, base.shape)  # type: ignore[no-any-return]
    return g.Reshape(flat, g.shape(base), allowzero=1)  # type: ignore[no-any-return]
