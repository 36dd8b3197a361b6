"""Splits of a tensor whose number of pieces is only known at run time.

    parts = x.split(n)        views of x: where each piece starts and ends, as two 1-D tensors
    a, b = x.split(n)         two pieces: one ONNX Split

Calls of which the number is known are left to the symbolics. So are the pieces that the program
unpacks into so many variables: the list remembers how it is made of a known number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import onnx_ir as ir

from exporter.conversion.builtins import string_methods
from exporter.conversion.builtins.builtin import builtin
from exporter.conversion.control_flow.undecided import call_decided
from exporter.conversion.runtime_lists import runtime_lists
from exporter.conversion.values.objects import ListValue, Value
from exporter.conversion.values.runtime_contents import TensorRows
from exporter.conversion.values.tensors import TensorRef
from exporter.onnx_graph.symbolic import Dim, SymInt, is_ge, sym_max, sym_min
from exporter.onnx_graph.values import Tensor
from exporter.torchscript.types import TensorType

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter
    from exporter.onnx_graph.builder import Builder

__all__: list[str] = []

_INT64 = ir.DataType.INT64
_LARGEST = 2**63 - 1

Unpacked: TypeAlias = Callable[[int], Value]


@builtin("aten::unbind")
def unbind(interpreter: Interpreter, self: Value, dim: Value = 0) -> Value:
    """The slices along a dim whose size is only known at run time. Else: the operator."""
    place = _place(interpreter, self, dim)
    if place is None or isinstance(place[1], int):
        return NotImplemented
    return runtime_lists.rows(interpreter, self, place[0])


@builtin("aten::split", "aten::unsafe_split")
def split(interpreter: Interpreter, self: Value, *args: Value, **kwargs: Value) -> Value:
    """Pieces of one size, or of the sizes given; of a string its words."""
    if isinstance(self, str):
        return string_methods.split(self, *args, **kwargs)
    return _split_tensor(interpreter, self, *args, **kwargs)


def _split_tensor(
    interpreter: Interpreter,
    self: Value,
    size: Value,
    dim: Value = 0,
) -> Value:
    if isinstance(size, ListValue):
        return split_with_sizes(interpreter, self, size, dim)
    place = _place(interpreter, self, dim)
    if place is None or not isinstance(size, (int, SymInt)):
        return NotImplemented
    at, total = place
    if _known_count(total, size):
        return NotImplemented
    return _of_one_size(interpreter, self, at, size, _count(total, size))


@builtin("aten::chunk", "aten::unsafe_chunk")
def chunk(interpreter: Interpreter, self: Value, chunks: Value, dim: Value = 0) -> Value:
    """At most so many equal pieces: fewer where that many of the rounded up size are not needed."""
    place = _place(interpreter, self, dim)
    if place is None:
        return NotImplemented
    at, total = place
    if isinstance(chunks, int) and (isinstance(total, int) or total % chunks == 0):
        return NotImplemented
    g = interpreter.g
    size = (total + chunks - 1) // chunks
    count = _count(total, size)
    if not is_ge(total, 1):
        # Of nothing there are all the pieces, each of size 0.
        nothing = g.Equal(g.scalar(total), 0)
        count = g.integer(g.Where(nothing, g.scalar(chunks), g.scalar(count)))
    return _of_one_size(interpreter, self, at, size, count, chunks)


@builtin("aten::split_with_sizes", "aten::unsafe_split_with_sizes")
def split_with_sizes(interpreter: Interpreter, self: Value, sizes: Value, dim: Value = 0) -> Value:
    """Pieces of the sizes in a list of run-time length."""
    place = _place(interpreter, self, dim)
    if place is None or not isinstance(sizes, ListValue) or sizes.runtime is None:
        return NotImplemented
    g, runtime = interpreter.g, sizes.runtime
    ends = g.CumSum(runtime.value, 0)

    def unpacked(count: int) -> Value:
        known = ListValue([runtime_lists.get(interpreter, runtime, i) for i in range(count)])
        return call_decided(interpreter, "aten::split_with_sizes", [self, known, dim], {})

    starts = g.Sub(ends, runtime.value)
    return _pieces(interpreter, self, place[0], starts, ends, unpacked)


@builtin("aten::tensor_split")
def tensor_split(interpreter: Interpreter, self: Value, where: Value, dim: Value = 0) -> Value:
    """So many pieces, the first ones larger by 1; or the slices between indices."""
    place = _place(interpreter, self, dim)
    if place is None:
        return NotImplemented
    at, total = place
    g = interpreter.g
    if isinstance(where, TensorRef):
        given = where.read(g)
        if given.rank == 0:
            where = g.integer(given)
        elif given.rank == 1 and not isinstance(given.require_shape()[0], int):
            return _between(interpreter, self, at, total, given)
    if isinstance(where, ListValue) and where.runtime is not None:
        return _between(interpreter, self, at, total, where.runtime.value)
    if not isinstance(where, SymInt):
        return NotImplemented
    numbers = _numbers(g, 1, where + 1)
    larger = g.Min(numbers, g.scalar(total % where))
    ends = g.Add(g.Mul(numbers, g.scalar(total // where)), larger)

    def unpacked(count: int) -> Value:
        return call_decided(interpreter, "aten::tensor_split", [self, count, dim], {})

    return _pieces(interpreter, self, at, _shifted(g, ends), ends, unpacked)


def _between(
    interpreter: Interpreter, self: TensorRef, at: int, total: Dim, indices: Tensor
) -> ListValue:
    """The slices between the indices; as slices they may be negative, out of range, or falling."""
    g = interpreter.g
    size = g.scalar(total)
    indices = g.cast(indices, _INT64)
    from_start = g.Where(g.Less(indices, 0), g.Add(indices, size), indices)
    inside = g.Min(g.Max(from_start, 0), size)
    starts = g.Concat(g.constant([0], _INT64), inside, axis=0)
    ends = g.Max(starts, g.Concat(inside, g.reshape(size, [1]), axis=0))
    result = _pieces(interpreter, self, at, starts, ends, None)
    assert isinstance(result.runtime, TensorRows)
    result.runtime.whole = False
    return result


def _along(name: str, dim: int) -> None:
    """`hsplit` and its like are `tensor_split` along a dim."""

    def run(interpreter: Interpreter, self: Value, where: Value) -> Value:
        place = _place(interpreter, self, 0)
        if place is None:
            return NotImplemented
        along = 0 if name == "hsplit" and self.read(interpreter.g).rank == 1 else dim
        return tensor_split(interpreter, self, where, along)

    builtin(f"aten::{name}")(run)


_along("hsplit", 1)
_along("vsplit", 0)
_along("dsplit", 2)


# ---------------------------------------------------------------- where the pieces are


def _place(interpreter: Interpreter, self: Value, dim: Value) -> tuple[int, Dim] | None:
    """The dim, counted from 0, and its size, where the tensor's rank is known."""
    if not isinstance(self, TensorRef) or not isinstance(dim, int):
        return None
    shape = self.read(interpreter.g).shape
    if not shape or not -len(shape) <= dim < len(shape):
        return None
    return dim % len(shape), shape[dim]


def _known_count(total: Dim, size: Dim) -> bool:
    """Whether the number of pieces of a size is known: of ints, and of n out of 3 * n."""
    if isinstance(total, int) and isinstance(size, int):
        return True
    if not isinstance(size, SymInt) or not isinstance(total, SymInt):
        return False
    monomial, factor = next(iter(size.terms.items()))
    return total == size * (total.terms.get(monomial, 0) // factor)


def _count(total: Dim, size: Dim) -> Dim:
    """The number of pieces of a size; of nothing there is one."""
    size = sym_max(size, 1)
    return sym_max((total + size - 1) // size, 1)


def _numbers(g: Builder, start: int, end: Dim) -> Tensor:
    return g.Range(g.constant(start, _INT64), g.scalar(end), g.constant(1, _INT64))  # type: ignore[no-any-return]


def _shifted(g: Builder, ends: Tensor) -> Tensor:
    """Where pieces start of which each follows the one before."""
    return g.Concat(g.constant([0], _INT64), g.Slice(ends, [0], [-1], [0]), axis=0)  # type: ignore[no-any-return]


def _of_one_size(
    interpreter: Interpreter,
    self: TensorRef,
    at: int,
    size: Dim,
    count: Dim,
    chunks: Dim | None = None,
) -> ListValue:
    """Pieces of one size, of which the last may be smaller; `chunks` were asked for."""
    g = interpreter.g
    total = self.read(g).require_shape()[at]
    ends = g.Min(g.Mul(_numbers(g, 1, count + 1), g.scalar(size)), g.scalar(total))

    def unpacked(wanted: int) -> Value:
        if wanted == chunks:
            return call_decided(interpreter, "aten::chunk", [self, chunks, at], {})
        last = total - size * (wanted - 1)
        if wanted > 1:
            # Of a total that makes more or fewer pieces no sizes are right: an error at run time.
            last = sym_min(last, size) + sym_min(last, 1) - 1
        sizes = ListValue([*[size] * (wanted - 1), last])
        return call_decided(interpreter, "aten::split_with_sizes", [self, sizes, at], {})

    return _pieces(interpreter, self, at, _shifted(g, ends), ends, unpacked)


def _pieces(
    interpreter: Interpreter,
    self: TensorRef,
    at: int,
    starts: Tensor,
    ends: Tensor,
    unpacked: Unpacked | None,
) -> ListValue:
    """Views from each start to its end, which are all of the tensor."""
    pieces = TensorRows(self.all_of_it(), at, self.read(interpreter.g), starts, ends, whole=True)
    pieces.unpacked = unpacked
    return ListValue.holding(pieces, TensorType())
