"""What a staged block did to the things around it: their states as values that can be joined.

The state of a cell is its tensor; of a list, dict or object, its contents; of a tensor that was
given other dims in place, which elements of its storage it sees. After both branches (or after a
loop's body) the states are joined like any other values and put back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.conversion.control_flow.either import Either, choices_in, handle_at_end
from exporter.conversion.control_flow.handles import places_of, put_places
from exporter.conversion.values.journal import Container, Frame, Journal, Loss, Mutable
from exporter.conversion.values.objects import (
    DictValue,
    ListValue,
    NotAppendOnlyError,
    ObjectValue,
    Value,
)
from exporter.conversion.values.runtime_contents import RuntimeList
from exporter.conversion.values.tensors import Cell, TensorRef
from exporter.errors import UnsupportedError
from exporter.onnx_graph.scope import Scope
from exporter.onnx_graph.shapes import OutputType
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__ = ["OTHER_STORAGE", "Effects", "put_state", "state_of"]

OTHER_STORAGE = (
    "a branch or loop that gives a tensor outside it another storage (set_, resize_, out=)"
)


def state_of(interpreter: Interpreter, mutable: Mutable) -> Value:
    """The state as a value: a `Tensor`, or a container of its own that holds the contents."""
    if isinstance(mutable, TensorRef):
        return places_of(interpreter, mutable)
    if isinstance(mutable, Cell):
        if not OutputType.of(mutable.value).is_sequence:
            return mutable.value
        # What holds the items of a list of run-time length.
        return ListValue.holding(RuntimeList("tensor", mutable.value))
    if isinstance(mutable, ListValue):
        content = ListValue(list(mutable.items), mutable.element_type)
        content.runtime = mutable.runtime
        return content
    if isinstance(mutable, DictValue):
        return mutable.alike()
    assert isinstance(mutable, ObjectValue)
    return DictValue(dict(mutable.attributes))


def put_state(interpreter: Interpreter, mutable: Mutable, state: Value) -> None:
    """Give something the state that `state_of` (or a join of two) described."""
    if isinstance(mutable, TensorRef):
        places = state if isinstance(state, Tensor) else state.read(interpreter.g)
        put_places(interpreter, mutable, places)
        return
    interpreter.journal.touch(mutable)
    if isinstance(mutable, Cell):
        if isinstance(state, ListValue):
            assert state.runtime is not None
            mutable.value = state.runtime.value
        else:
            mutable.value = state if isinstance(state, Tensor) else state.read(interpreter.g)
    elif isinstance(mutable, ListValue):
        mutable.items, mutable.runtime = list(state.items), state.runtime
    elif isinstance(mutable, DictValue):
        mutable.fill(state.contents())
    else:
        assert isinstance(mutable, ObjectValue)
        mutable.attributes = dict(state.items)


def _grows_here(grown: ListValue, frame: Frame) -> bool:
    """Whether the frame is that of the loop that the list grows in, not one inside it."""
    return frame.before[grown][0][2] is None


def _require_storage(handle: TensorRef, frame: Frame, at_end: TensorRef | None) -> None:
    """Refuse a tensor that has another storage than before, if that can't be said outside."""
    before = TensorRef(handle.cell)
    before.restore(frame.before[handle])
    now = set(handle.cells())
    if set(before.cells()) != now and (
        at_end is None or any(cell.born >= frame.start for cell in now)
    ):
        raise UnsupportedError(OTHER_STORAGE)


@dataclass
class Effects:
    """What a staged block changed of what is older than it: states, and how cells are tied.

    `handles` are the tensors that a branch gave other dims in place, as they were at its end, if
    that can be said outside of it; else, and in a loop, they are among the states. `lost` are the
    containers of which it can't be told any more what they hold.
    """

    states: dict[Mutable, Value]
    handles: dict[TensorRef, TensorRef]
    poisoned: dict[Cell, Loss]
    twins: list[tuple[Cell, Cell]]
    lost: dict[Container, Loss]
    start: int

    def choices(self, outer: Scope) -> list[Either]:
        """What decides on the tensors of other dims by conditions that `outer` doesn't see."""
        found = [c for handle in self.handles.values() for c in choices_in(handle, self.start)]
        return [choice for choice in found if not outer.sees(choice.condition.tensor)]

    @staticmethod
    def of(
        interpreter: Interpreter, frame: Frame, outer: Scope, *, in_loop: bool = False
    ) -> Effects:
        """The effects so far of the innermost frame; `outer` is the graph around the block's."""
        states: dict[Mutable, Value] = {}
        handles: dict[TensorRef, TensorRef] = {}
        poisoned: dict[Cell, Loss] = {}
        twins: list[tuple[Cell, Cell]] = []
        lost: dict[Container, Loss] = {}
        for mutable in frame.outer():
            if isinstance(mutable, Container) and mutable.lost is not None:
                lost[mutable] = mutable.lost
                continue
            if isinstance(mutable, TensorRef):
                at_end = None if in_loop else handle_at_end(mutable, frame.start, outer)
                _require_storage(mutable, frame, at_end)
                if at_end is not None:
                    handles[mutable] = at_end
                    continue
            if isinstance(mutable, Cell):
                if mutable.poison is not None:
                    poisoned[mutable] = mutable.poison
                twins += [(mutable, t) for t in mutable.twins if t.born < frame.start]
                if mutable.value is frame.before[mutable][0]:
                    continue
            elif isinstance(mutable, ListValue) and mutable.growing is not None:
                if not _grows_here(mutable, frame):
                    raise NotAppendOnlyError(
                        "a list that grows in a loop does so in a branch", mutable
                    )
                continue
            states[mutable] = state_of(interpreter, mutable)
        return Effects(states, handles, poisoned, twins, lost, frame.start)

    def tie(self, journal: Journal) -> None:
        """Put back, after the block was undone, what may share memory or is lost."""
        for cell, twin in self.twins:
            if twin not in cell.twins:
                cell.pair(twin, journal)
        for cell, loss in self.poisoned.items():
            if cell.poison is None:
                journal.touch(cell)
                cell.poison = loss
        for container, loss in self.lost.items():
            journal.lose(container, loss)
