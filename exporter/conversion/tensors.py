"""Tensors as the program sees them: handles onto storages, with views and writes.

Tensors that share storage share a `Cell`. A view remembers its base and how it was taken; reading
a view after its base was written takes it again, writing to a view puts the new value into the
base. So in-place operators are their functional form plus a write.

Whether `reshape`, `contiguous` and the like return a view depends on strides. Where those are not
known the result is a copy, and the two cells are *twins*: if one is written, reading the other is
an error instead of a guess.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from exporter.conversion.journal import Journal, Mutable
from exporter.errors import UnsupportedError
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim, Shape, sym_max
from exporter.onnx_graph.values import Tensor

__all__ = ["Cell", "TensorRef", "View", "dense_strides"]


# So many values of a view, taken from states of its base, are kept.
KEPT = 4


class Cell(Mutable):
    """A storage: the current value of the tensor that owns it."""

    __slots__ = ("poison", "twins", "value")

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.value = value
        self.twins: list[Cell] = []
        self.poison: str | None = None

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
                twin.poison = (
                    "this tensor may share memory with one that was written in place; whether it "
                    "does depends on the path that is taken, or on strides that are not known"
                )

    def read(self) -> Tensor:
        """The value, unless nobody can know it any more."""
        if self.poison is not None:
            raise UnsupportedError(self.poison)
        return self.value

    def pair(self, other: Cell, journal: Journal) -> None:
        """Make two cells twins."""
        if other is not self and other not in self.twins:
            journal.touch(self)
            journal.touch(other)
            self.twins.append(other)
            other.twins.append(self)

    def descend(self, other: Cell, journal: Journal) -> None:
        """Make this, a new cell, the twin of another and of all that one may share memory with."""
        for twin in (other, *other.twins):
            self.pair(twin, journal)


class View:
    """How a view is taken from its base, and how a new value is put back into the base."""

    __slots__ = ("put", "take")

    def __init__(
        self,
        take: Callable[[Builder, Tensor], Tensor],
        put: Callable[[Builder, Tensor, Tensor], Tensor],
    ) -> None:
        self.take = take
        self.put = put


class TensorRef(Mutable):
    """A tensor of the program: a storage of its own, or a view of another tensor.

    `strides` in elements, None where they are not known. As a `Mutable` this is the handle, which
    only the few operators change that give a tensor other dims in place (`unsqueeze_`).
    """

    __slots__ = ("_taken", "_views", "base", "cell", "strides", "view")

    def __init__(self, cell: Cell, base: TensorRef | None = None, view: View | None = None) -> None:
        super().__init__()
        self.cell = cell
        self._views: list[TensorRef] = []
        if base is not None:
            base._views.append(self)
        self.base = base
        self.view = view
        self.strides: Shape | None = None
        self._taken: tuple[tuple[Tensor, Tensor], ...] = ()

    def snapshot(self) -> Any:
        """What the handle points to."""
        return self.base, self.view, self.strides

    def restore(self, state: Any) -> None:
        """Point to what a snapshot says."""
        if self.base is not None:
            self.base._views.remove(self)
        self.base, self.view, self.strides = state
        if self.base is not None:
            self.base._views.append(self)
        self._taken = ()

    def origin(self) -> TensorRef:
        """The tensor as it is now, for when the handle is going to be changed.

        Views of this tensor hang on the origin from then on.
        """
        origin = TensorRef(self.cell, self.base, self.view)
        origin.strides = self.strides
        origin._taken = self._taken
        origin._views, self._views = self._views, []
        for view in origin._views:
            view.base = origin
        return origin

    def become(self, other: TensorRef, journal: Journal) -> None:
        """Point to what another handle, onto the same storage, points to."""
        assert other.cell is self.cell
        journal.touch(self)
        self.restore(other.snapshot())
        # What may be this very tensor (an item of a run-time list) has other dims now, too.
        self.cell.lose_twins(journal)

    @staticmethod
    def fresh(value: Tensor, *, dense: bool = True) -> TensorRef:
        """A tensor with a new storage; `dense` if it certainly is contiguous."""
        ref = TensorRef(Cell(value))
        if dense and value.shape is not None:
            ref.strides = dense_strides(value.shape)
        return ref

    def is_contiguous(self, g: Builder) -> bool | None:
        """Whether the elements lie in row-major order; None where that is not known."""
        if self.strides is None:
            return None
        shape = self.read(g).shape
        if shape is None:
            return None
        unsure = False
        for size, stride, dense in zip(shape, self.strides, dense_strides(shape), strict=True):
            if stride == dense or size == 1:
                continue
            if isinstance(stride, int) and isinstance(dense, int) and isinstance(size, int):
                return 0 in shape
            unsure = True
        return None if unsure else True

    def read(self, g: Builder) -> Tensor:
        """The current value."""
        if self.base is None:
            return self.cell.read()
        assert self.view is not None
        base = self.base.read(g)
        for state, value in self._taken:
            if state is base and g.scope.sees(value):
                return value
        value = self.view.take(g, base)
        self.seed(base, value)
        return value

    def seed(self, base: Tensor, value: Tensor) -> None:
        """Note a value already taken from this state of the base.

        What a branch writes is undone, and the base is again what it was: so is what is known of
        the value that was taken from it before.
        """
        self._taken = ((base, value), *self._taken[: KEPT - 1])

    def write(self, g: Builder, journal: Journal, value: Tensor) -> None:
        """Replace the value, in the base too where this is a view."""
        if self.base is None:
            self.cell.write(journal, value)
            return
        assert self.view is not None
        self.base.write(g, journal, self.view.put(g, self.base.read(g), value))
        self.seed(self.base.read(g), value)


def dense_strides(shape: Shape) -> Shape:
    """The strides, in elements, of a contiguous tensor."""
    strides: list[Dim] = []
    step: Dim = 1
    for size in reversed(shape):
        strides.append(step)
        # A dim of size 0 counts as 1, as in PyTorch.
        step = step * sym_max(size, 1)
    return tuple(reversed(strides))
