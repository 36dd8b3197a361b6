"""Tensors as the program sees them: handles onto storages, with views and writes.

Tensors that share storage share a `Cell`. A view remembers its base and how it was taken; reading
a view after its base was written takes it again, writing to a view puts the new value into the
base. So in-place operators are their functional form plus a write.

Whether `reshape`, `contiguous` and the like return a view depends on strides. Where those are not
known the result is a copy, and the two cells are *twins*: if one is written, reading the other is
an error instead of a guess.

A name may stand for one of two tensors, as a condition of the run decides. Such a handle has a
`Choice` (see `either`) in the place of a storage.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, Protocol, overload

from exporter.conversion.values.journal import Journal, Loss, Mutable
from exporter.errors import UnsupportedError
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim, Shape, refreshed, sym_max
from exporter.onnx_graph.values import Tensor

__all__ = [
    "CONTIGUOUS",
    "INNERMOST",
    "Cell",
    "Choice",
    "RowMajor",
    "SharedMemoryError",
    "TensorRef",
    "View",
    "dense_strides",
]


class SharedMemoryError(UnsupportedError):
    """A tensor is read after one was written that it may share memory with."""


# Memory formats: the ordinary one, and the order of the dims in others, from the innermost.
CONTIGUOUS = 0
INNERMOST = {2: (1, 3, 2, 0), 3: (1, 4, 3, 2, 0)}

# So many values of a view, taken from states of its base, are kept.
KEPT = 4


class Cell(Mutable):
    """A storage: the current value of the tensor that owns it.

    `requires_grad` says that some handle for it was made to require gradients. A twin of itself is
    what was joined from an expanded tensor: two of its elements may be one. The cell of a copy that
    stands for a tensor of an undone path knows the `family` of that one (see `aliasing`).
    """

    __slots__ = ("family", "poison", "requires_grad", "twins", "value")

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.value = value
        self.twins: list[Cell] = []
        self.poison: Loss | None = None
        self.requires_grad = False
        self.family: Any = None

    def snapshot(self) -> Any:
        """Value, twins and poison."""
        return self.value, list(self.twins), self.poison

    def restore(self, state: Any) -> None:
        """Go back to a snapshot."""
        self.value, self.twins, self.poison = state[0], list(state[1]), state[2]

    def write(self, journal: Journal, value: Tensor) -> None:
        """Replace the value."""
        journal.touch(self)
        self.value = value
        self.lose_twins(journal)

    def lose_twins(self, journal: Journal) -> None:
        """What may share memory with this can't be read any more."""
        for twin in self.twins:
            if twin.poison is None:
                journal.touch(twin)
                twin.poison = Loss(journal.node)

    def read(self) -> Tensor:
        """The value, unless nobody can know it any more."""
        if self.poison is not None:
            raise SharedMemoryError(
                "this tensor may share memory with one that was written in place; whether it does "
                "depends on the path that is taken, or on strides that are not known",
                (*self.poison.notes(), "try  clone() one of the two before that"),
            )
        return self.value

    def pair(self, other: Cell, journal: Journal) -> None:
        """Make two cells twins."""
        if other is not self and other not in self.twins:
            journal.touch(self)
            journal.touch(other)
            self.twins.append(other)
            other.twins.append(self)

    @property
    def overlaps(self) -> bool:
        """Whether two of its elements may be one: its own value is lost where it is written."""
        return self in self.twins

    def overlap(self, journal: Journal) -> None:
        """Make this cell a twin of itself."""
        if not self.overlaps:
            journal.touch(self)
            self.twins.append(self)

    def descend(self, other: Cell, journal: Journal) -> None:
        """Make this, a new cell, the twin of another and of all that one may share memory with."""
        for twin in (other, *other.twins):
            self.pair(twin, journal)
        if other.overlaps:
            self.overlap(journal)


class View:
    """How a view is taken from its base, and how a new value is put back into the base.

    `operator` and `arguments` say which view it is, and `with_arguments` makes the one with others:
    that is what joins two views of one tensor. Without an operator there is nothing to compare.
    `overlaps` says that an element of the base may be seen in several places.
    """

    __slots__ = ("arguments", "operator", "overlaps", "put", "take", "with_arguments")

    def __init__(
        self,
        take: Callable[[Builder, Tensor], Tensor],
        put: Callable[[Builder, Tensor, Tensor], Tensor],
    ) -> None:
        self.take = take
        self.put = put
        self.operator: Hashable = None
        self.overlaps = False
        self.arguments: Mapping[str, Any] = {}
        self.with_arguments: Callable[[Mapping[str, Any]], View] | None = None


class Choice(Protocol):
    """One of two tensors, as a condition of the run decides."""

    then: TensorRef
    other: TensorRef

    def chosen(self) -> TensorRef | None:
        """The one of the two that it is here, where a branch tells."""

    def read(self) -> Tensor:
        """The value."""

    def write(self, value: Tensor) -> None:
        """Replace the value of the one that it is."""

    def each(self, run: Callable[[TensorRef], object]) -> None:
        """Do something with the one that it is."""


class TensorRef(Mutable):
    """A tensor of the program: a storage of its own, a view of another tensor, or one of two.

    `strides` in elements, None where they are not known. As a `Mutable` this is the handle, which
    only the few operators change that give a tensor other dims in place (`unsqueeze_`). `described`
    is what another handle was (see `either`), of which this is but the value. `remade` says
    where it was taken from: other handles may stand for the very same tensor, so that its dims
    can't be changed.
    `requires_grad` is the tensor's own flag, None where the path decides it.
    """

    __slots__ = (
        "_strides",
        "_taken",
        "_views",
        "base",
        "cell",
        "choice",
        "described",
        "remade",
        "requires_grad",
        "view",
    )

    def __init__(self, cell: Cell, base: TensorRef | None = None, view: View | None = None) -> None:
        super().__init__()
        self.cell = cell
        self._views: list[TensorRef] = []
        if base is not None:
            base._views.append(self)
        self.base = base
        self.view = view
        self.choice: Choice | None = None
        self._strides: Shape | RowMajor | None = None
        self.described: object = None
        self.remade = ""
        self.requires_grad: bool | None = False
        self._taken: tuple[tuple[tuple[object, ...], Tensor], ...] = ()

    @staticmethod
    def one_of(choice: Choice, cell: Cell) -> TensorRef:
        """A handle for a tensor that is one of two; `cell` is the storage that it brings along."""
        ref = TensorRef(cell)
        ref.choice = choice
        return ref

    @property
    def strides(self) -> Shape | None:
        """The strides, those of a choice as long as both sides have the same."""
        if self.choice is None:
            held = self._strides
            return held.strides if isinstance(held, RowMajor) else held
        strides = self.choice.then.strides
        return strides if strides == self.choice.other.strides else None

    @strides.setter
    def strides(self, strides: Shape | RowMajor | None) -> None:
        self._strides = strides

    def snapshot(self) -> Any:
        """What the handle points to."""
        return self.cell, self.base, self.view, self.choice, self._strides

    def restore(self, state: Any) -> None:
        """Point to what a snapshot says."""
        if self.base is not None:
            self.base._views.remove(self)
        self.cell, self.base, self.view, self.choice, self._strides = state
        if self.base is not None:
            self.base._views.append(self)
        self._taken = ()

    def twin_handle(self) -> TensorRef:
        """Another handle for the same tensor, that stays as it is when this one is changed."""
        handle = TensorRef(self.cell, self.base, self.view)
        handle.choice, handle.strides = self.choice, self._strides
        handle.requires_grad = self.requires_grad
        handle._taken = self._taken
        return handle

    def origin(self) -> TensorRef:
        """The tensor as it is now, for when the handle is going to be changed.

        Views of this tensor hang on the origin from then on.
        """
        origin = self.twin_handle()
        origin._views, self._views = self._views, []
        for view in origin._views:
            view.base = origin
        return origin

    def become(self, other: TensorRef, journal: Journal) -> None:
        """Point to what another handle points to."""
        if self.remade:
            raise UnsupportedError(
                f"the dims of a view are changed in place that was taken {self.remade}",
                ("try  the operator that gives a new view: unsqueeze for unsqueeze_",),
            )
        journal.touch(self)
        # What may be this very tensor (an item of a run-time list) has other dims now, too.
        self.cell.lose_twins(journal)
        self.restore(other.snapshot())

    @property
    def has_views(self) -> bool:
        """Whether views were taken from this one, which may not be in use any more."""
        return bool(self._views)

    def move_to(self, place: TensorRef, journal: Journal) -> None:
        """Become a view in another storage, and all the views that hang on this one with it."""
        self.become(place, journal)
        pending = list(self._views)
        while pending:
            view = pending.pop()
            journal.touch(view)
            view.cell = place.cell
            pending += view._views

    def become_one_of(self, choice: Choice, journal: Journal) -> None:
        """Point to one of two handles onto the same storage."""
        journal.touch(self)
        self.restore((self.cell, None, None, choice, None))
        self.cell.lose_twins(journal)

    def cells(self) -> Iterator[Cell]:
        """The storages that this may be a part of."""
        ref = self
        while ref.base is not None:
            ref = ref.base
        if ref.choice is None:
            yield ref.cell
        else:
            yield from ref.choice.then.cells()
            yield from ref.choice.other.cells()

    @staticmethod
    def fresh(value: Tensor, *, dense: bool = True) -> TensorRef:
        """A tensor with a new storage; `dense` if it certainly is contiguous."""
        ref = TensorRef(Cell(value))
        if dense and value.shape is not None:
            ref.strides = RowMajor(value.shape)
        return ref

    def require_grad(self, wanted: bool | None) -> None:
        """Set the tensor's own flag."""
        self.requires_grad = wanted
        self.cell.requires_grad |= wanted is not False

    def all_of_it(self) -> TensorRef:
        """A view of all of this tensor, which keeps its dims when this one's are changed."""
        view = View(lambda _, tensor: tensor, lambda _, _tensor, new: new)
        view.operator, view.with_arguments = "the same", lambda _: view
        ref = TensorRef(self.cell, self, view)
        ref.strides = self._strides
        return ref

    def is_contiguous(self, g: Builder, memory_format: int = CONTIGUOUS) -> bool | None:
        """Whether the elements lie in the order of a memory format; None where it is not known."""
        if self.choice is not None:
            options = (self.choice.then, self.choice.other)
            sides = {side.is_contiguous(g, memory_format) for side in options}
            return sides.pop() if len(sides) == 1 else None
        held = self._strides
        shape = None if held is None else self.read(g).shape
        if shape is None:
            return None
        if isinstance(held, RowMajor) and memory_format == CONTIGUOUS and shape == held.shape:
            return True
        if self.strides is None:
            return None
        expected = dense_strides(shape, memory_format)
        if expected is None:
            return False
        if expected is self.strides:
            return True
        unsure = False
        for size, stride, dense in zip(shape, self.strides, expected, strict=True):
            if stride == dense or size == 1 or refreshed(stride) == refreshed(dense):
                continue
            if isinstance(stride, int) and isinstance(dense, int) and isinstance(size, int):
                return 0 in shape
            unsure = True
        return None if unsure else True

    def read(self, g: Builder) -> Tensor:
        """The current value."""
        if self.choice is not None:
            chosen = self.choice.chosen()
            if chosen is not None:
                return chosen.read(g)
        elif self.base is None:
            return self.cell.read()
        source = self._source()
        for state, value in self._taken:
            if _is_same(state, source) and g.scope.sees(value):
                return value
        if self.choice is not None:
            value = self.choice.read()
        else:
            assert self.view is not None
            assert self.base is not None
            value = self.view.take(g, self.base.read(g))
        self._note(source, value)
        return value

    def _source(self) -> tuple[object, ...]:
        """What the value is made from: the same objects mean the same value."""
        if self.choice is not None:
            chosen = self.choice.chosen()
            if chosen is not None:
                return chosen._source()
            return (self.choice, *self.choice.then._source(), *self.choice.other._source())
        if self.base is None:
            return (self.cell.read(),)
        return (self.view, *self.base._source())

    def seed(self, value: Tensor) -> None:
        """Note the value that was taken or written just now."""
        self._note(self._source(), value)

    def _note(self, source: tuple[object, ...], value: Tensor) -> None:
        """Keep a value with what it is made from.

        What a branch writes is undone, and the base is again what it was: so is what is known of
        the value that was taken from it before.
        """
        self._taken = ((source, value), *self._taken[: KEPT - 1])

    def write(self, g: Builder, journal: Journal, value: Tensor) -> None:
        """Replace the value, in the base too where this is a view."""
        if self.choice is not None:
            chosen = self.choice.chosen()
            if chosen is not None:
                chosen.write(g, journal, value)
                return
            self.choice.write(value)
        elif self.base is None:
            self.cell.write(journal, value)
            return
        else:
            assert self.view is not None
            self.base.write(g, journal, self.view.put(g, self.base.read(g), value))
        if not self.overlaps:
            self.seed(value)

    @property
    def overlaps(self) -> bool:
        """Whether an element may be seen in several places, all of which a write changes."""
        if self.choice is not None:
            return self.choice.then.overlaps or self.choice.other.overlaps
        if self.base is None or self.view is None:
            return self.cell.overlaps
        return self.view.overlaps or self.base.overlaps


def _is_same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


class RowMajor:
    """The strides of a tensor whose elements lie in the order of its dims: made when asked for.

    Of sizes of run time they are long expressions, and most tensors are never asked.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    @cached_property
    def strides(self) -> Shape:
        """In elements."""
        return dense_strides(self.shape)


@overload
def dense_strides(shape: Shape) -> Shape: ...
@overload
def dense_strides(shape: Shape, memory_format: int) -> Shape | None: ...
def dense_strides(shape: Shape, memory_format: int = CONTIGUOUS) -> Shape | None:
    """The strides, in elements, of a contiguous tensor; None if it can't have the memory format."""
    if memory_format == CONTIGUOUS and all(type(size) is int for size in shape):
        return _contiguous_strides(shape)
    order: Sequence[int] = range(len(shape))[::-1]
    if memory_format != CONTIGUOUS:
        order = INNERMOST.get(memory_format, ())
    if len(order) != len(shape):
        return None
    return _strides(shape, order)


@lru_cache(maxsize=1024)
def _contiguous_strides(shape: Shape) -> Shape:
    """Those of a shape of known sizes; weights ask often, and for few."""
    return _strides(shape, range(len(shape))[::-1])


def _strides(shape: Shape, order: Sequence[int]) -> Shape:
    strides: list[Dim] = [1] * len(shape)
    step: Dim = 1
    for dim in order:
        strides[dim] = step
        # A dim of size 0 counts as 1, as in PyTorch.
        step = step * sym_max(shape[dim], 1)
    return tuple(strides)
