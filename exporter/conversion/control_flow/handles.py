"""What dims a tensor has, as a value: for tensors that are given other dims in a loop.

    for i in range(n):          the handle x is a view of its storage: x = storage[places],
        x.unsqueeze_(0)         and `places`, an integer tensor, is what the loop carries

Which elements of its storage a tensor sees, and in which shape, is a tensor of element numbers.
Other views of the storage are not touched by it, and writes go through it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.conversion.calls.aliased_results import numbered, shaped_like
from exporter.conversion.values.storage import owner_of
from exporter.conversion.values.tensors import Cell, TensorRef, View
from exporter.errors import UnsupportedError
from exporter.onnx_graph.complex_numbers import is_complex
from exporter.onnx_graph.shapes import OutputType
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__ = ["places_of", "put_places"]


def places_of(interpreter: Interpreter, handle: TensorRef) -> Tensor:
    """The numbers of the elements that a handle sees: its views, taken of all numbers."""
    g, journal = interpreter.g, interpreter.journal
    cell = _storage(handle)
    stored = cell.read()
    if OutputType.of(stored).is_sequence or not _moves_only(stored, handle.read(g)):
        raise UnsupportedError(
            "a loop that changes the dims of a tensor outside it in place, where the tensor is a "
            "view that does more than move elements"
        )
    frame = journal.open()
    try:
        journal.touch(cell)
        cell.value = numbered(g, stored)
        return handle.read(g)
    finally:
        journal.undo(frame)


def put_places(interpreter: Interpreter, handle: TensorRef, places: Tensor) -> None:
    """Let a handle see these elements of its storage; its views stay what they are."""
    owner = TensorRef(_storage(handle))
    before = owner_of(handle)
    if before.choice is None:
        owner.strides = before.strides
    handle.origin()
    interpreter.journal.touch(handle)
    handle.restore((owner.cell, owner, _at_places(places), None, None))


def _storage(handle: TensorRef) -> Cell:
    cells = set(handle.cells())
    if len(cells) != 1:
        raise UnsupportedError(
            "a loop that changes the dims of a tensor outside it in place, where the tensor is a "
            "view of one of several, as the data decides"
        )
    return cells.pop()


def _moves_only(stored: Tensor, seen: Tensor) -> bool:
    """Whether a view sees the elements as they are: not the real parts, nor conjugated ones."""
    return stored.dtype == seen.dtype and not is_complex(stored.dtype)


def _at_places(places: Tensor) -> View:
    def take(g: Any, tensor: Tensor) -> Tensor:
        taken: Tensor = g.Gather(g.reshape(tensor, [-1]), places, axis=0)
        if taken.shape is None:
            taken.possible = places.possible
        return taken

    def put(g: Any, tensor: Tensor, new: Tensor) -> Tensor:
        flat, indices, updates = (g.reshape(t, [-1]) for t in (tensor, places, new))
        return shaped_like(g, g.ScatterElements(flat, indices, updates, axis=0), tensor)

    view = View(take, put)
    view.arguments = {"places": places}
    # An expanded tensor sees an element in several places.
    view.overlaps = True
    return view
