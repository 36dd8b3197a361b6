"""What a program can change, and the journal that lets a change be undone.

Cells (tensor storages), lists, dicts and objects are `Mutable`: before one is changed it is
`touch`ed, which records its state in the innermost open frame. A branch or a loop body is staged in
a frame of its own; closing the frame tells what was touched and puts the state back, so that the
other branch starts from the same point and a discarded round leaves no trace.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from exporter.errors import UnsupportedError

if TYPE_CHECKING:
    from exporter.torchscript.graph import Node

__all__ = ["Container", "Frame", "Journal", "Loss", "Mutable", "SharedContainerError"]

_serial = itertools.count()


class Mutable:
    """Something that a program can change in place; compared by identity."""

    __slots__ = ("born",)

    def __init__(self) -> None:
        self.born = next(_serial)

    def snapshot(self) -> Any:
        """The state, as a value that later changes don't reach."""
        raise NotImplementedError

    def restore(self, state: Any) -> None:
        """Go back to a snapshot."""
        raise NotImplementedError


class Loss:
    """Why it can't be told what something holds: `node` changed what may be the same thing."""

    __slots__ = ("node",)

    def __init__(self, node: Node | None) -> None:
        self.node = node

    def notes(self) -> tuple[str, ...]:
        """Where the change is, for a message."""
        return () if self.node is None else (f"changed at {self.node.place}",)


class SharedContainerError(UnsupportedError):
    """A container is asked after one was changed that it may be."""


class Container(Mutable):
    """A list, dict or object; `kin` are those that it may be, as the run decides (`sharing`).

    `lost` says that one of those was changed since: what this one holds can't be told any more.
    A frozen copy knows the one that it was taken of as its `origin`.
    """

    __slots__ = ("kin", "lost", "origin")

    def __init__(self) -> None:
        super().__init__()
        self.kin: tuple[Container, ...] = ()
        self.lost: Loss | None = None
        self.origin: Container = self

    def contents(self) -> Any:
        """What it holds, as a value that later changes don't reach."""
        raise NotImplementedError

    def fill(self, contents: Any) -> None:
        """Hold what `contents` gave."""
        raise NotImplementedError

    def snapshot(self) -> Any:
        """The contents, and whether they are lost. Kin that a branch made are of no harm later."""
        return self.contents(), self.lost

    def restore(self, state: Any) -> None:
        """Go back to a snapshot."""
        contents, self.lost = state
        self.fill(contents)

    def relate(self, other: Container) -> None:
        """Make this one and another kin."""
        if other is not self and other not in self.kin:
            self.kin = (*self.kin, other)
            other.kin = (*other.kin, self)

    def require(self) -> None:
        """Raise if what it holds can't be told."""
        if self.lost is not None:
            raise SharedContainerError(
                "a list, dict or object that may be another one, which was changed since; "
                "which one it is depends on the data: change a copy",
                self.lost.notes(),
            )


class Frame:
    """The states at the frame's start of what was touched since; `start` is when that was."""

    def __init__(self) -> None:
        self.start = next(_serial)
        self.before: dict[Mutable, Any] = {}

    def outer(self) -> list[Mutable]:
        """What was touched and is older than the frame."""
        return [m for m in self.before if m.born < self.start]


class Journal:
    """The open frames, innermost last; `node` is what runs and makes the changes."""

    def __init__(self) -> None:
        self.frames: list[Frame] = [Frame()]
        self.node: Node | None = None

    def now(self) -> int:
        """A moment that what was made before is older than, and what is made later younger."""
        return next(_serial)

    def touch(self, mutable: Mutable) -> None:
        """Record the state of something that is about to change."""
        self._record(mutable)
        if isinstance(mutable, Container):
            for other in mutable.kin:
                self.lose(other, Loss(self.node))

    def _record(self, mutable: Mutable) -> None:
        before = self.frames[-1].before
        if mutable not in before:
            before[mutable] = mutable.snapshot()

    def lose(self, container: Container, loss: Loss) -> None:
        """Note that a container may have changed under another name."""
        if container.lost is None:
            self._record(container)
            container.lost = loss

    def open(self) -> Frame:
        """Start a frame."""
        frame = Frame()
        self.frames.append(frame)
        return frame

    def undo(self, frame: Frame) -> None:
        """Close the innermost frame and put everything back as it was when it was opened."""
        assert self.frames.pop() is frame
        for mutable, state in frame.before.items():
            mutable.restore(state)

    def keep(self, frame: Frame) -> None:
        """Close the innermost frame; what was touched in it counts as touched in the one around."""
        assert self.frames.pop() is frame
        around = self.frames[-1].before
        for mutable, state in frame.before.items():
            around.setdefault(mutable, state)
