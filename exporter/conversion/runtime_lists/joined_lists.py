"""One tensor of all tensors of a list of run-time length: `cat`, `stack` and their relatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from exporter.conversion.builtins.builtin import builtin
from exporter.conversion.runtime_lists.runtime_lists import length, sequence, stacked
from exporter.conversion.values.objects import ListValue, Value
from exporter.conversion.values.runtime_contents import RuntimeList, TensorRows
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import RaisedError, UnsupportedError
from exporter.onnx_graph.control_flow import emit_if, takes_sequences
from exporter.onnx_graph.sequences import filtered, mapped
from exporter.onnx_graph.shapes import OutputType
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Tensor
from symbolics.rules import wrapped_dim
from symbolics.views.joining import left_out

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter
    from exporter.onnx_graph.builder import Builder

__all__: list[str] = []


def _runtime(tensors: Value) -> RuntimeList | None:
    return tensors.runtime if isinstance(tensors, ListValue) else None


@builtin("aten::stack", "aten::_stack")
def stack(interpreter: Interpreter, tensors: Value, dim: Value = 0, **kw: Value) -> Value:
    """`torch.stack` of a list of tensors of run-time length. Else: the operator."""
    runtime = _runtime(tensors)
    if kw or runtime is None:
        return NotImplemented
    return TensorRef.fresh(_joined(interpreter.g, runtime, dim, new_dim=True))


@builtin("aten::cat", "aten::concat", "aten::concatenate")
def cat(interpreter: Interpreter, tensors: Value, dim: Value = 0, **kw: Value) -> Value:
    """`torch.cat` of a list of tensors of run-time length. Else: the operator."""
    runtime = _runtime(tensors)
    if kw or runtime is None:
        return NotImplemented
    return TensorRef.fresh(_joined(interpreter.g, runtime, dim, new_dim=False))


def _joined(g: Builder, self: RuntimeList, dim: int, *, new_dim: bool) -> Tensor:
    if isinstance(self, TensorRows):
        if self.ends is None:
            return _joined_rows(g, self, dim, new_dim=new_dim)
        rank = self.value.require_rank()
        if self.whole and not new_dim and wrapped_dim(dim, rank) == self.dim:
            return self.ref.read(g)
    shape: list[Dim | None] | None = None
    if self.shape is not None:
        shape = list(self.shape)
        dim = wrapped_dim(dim, len(shape) + new_dim)
        if new_dim:
            shape.insert(dim, None)
        elif shape:
            shape[dim] = None
    tensors = sequence(g, self).value
    if shape is None and not new_dim and takes_sequences(g):
        return _without_empty(g, tensors, dim)
    result = g.ConcatFromSequence(tensors, axis=dim, new_axis=int(new_dim))
    return g.assume(result, None if shape is None else tuple(shape))


def _without_empty(g: Builder, tensors: Tensor, dim: int) -> Tensor:
    """`cat` of tensors of any numbers of dims: empty 1-D ones are left out, unless all are such."""
    others = filtered(g, tensors, lambda item: g.Not(left_out(g, g.Shape(item))))
    with g.body("some") as some:
        joined = g.ConcatFromSequence(others, axis=dim, new_axis=0)
    with g.body("none") as none:
        first = g.SequenceAt(tensors, 0)
    are_some = g.Greater(g.SequenceLength(others), 0)
    types = [OutputType(joined.dtype, None)]
    return emit_if(g, are_some, (some, [joined]), (none, [first]), types)[0]


def _joined_rows(g: Builder, self: TensorRows, dim: int, *, new_dim: bool) -> Tensor:
    """Slices put together again: a transposition, and for `cat` two dims that become one."""
    tensor = stacked(g, self)
    shape = tensor.require_shape()
    rank = len(shape)
    if not new_dim and rank == 1:
        raise RaisedError("zero-dimensional tensors cannot be concatenated")
    target = wrapped_dim(dim, rank if new_dim else rank - 1)
    order = [d for d in range(rank) if d != self.dim]
    order.insert(target, self.dim)
    if order != list(range(rank)):
        tensor = g.Transpose(tensor, perm=order)
        shape = tensor.require_shape()
    if new_dim:
        return tensor
    merged = shape[target] * shape[target + 1]
    return g.reshape(tensor, [*shape[:target], merged, *shape[target + 2 :]])


# How items of 0, 1, ... dims are put together: the dim, whether it is a new one, and where dims of
# size 1 are added to the result. Items of more dims are concatenated along the last dim named.
_Step: TypeAlias = tuple[int, bool, list[int]]
_STACKING: dict[str, tuple[list[_Step], int]] = {
    "hstack": ([(0, True, []), (0, False, [])], 1),
    "vstack": ([(0, True, [1]), (0, True, [])], 0),
    "row_stack": ([(0, True, [1]), (0, True, [])], 0),
    "dstack": ([(0, True, [0, 1]), (1, True, [0]), (2, True, [])], 2),
    "column_stack": ([(0, True, [0]), (1, True, [])], 1),
}


def _stacking(name: str, steps: Sequence[_Step], dim: int) -> None:
    def run(interpreter: Interpreter, tensors: Value, **kw: Value) -> Value:
        runtime = _runtime(tensors)
        if kw or runtime is None:
            return NotImplemented
        if runtime.shape is None:
            raise UnsupportedError(f"{name} of tensors whose number of dims is not known")
        g, rank = interpreter.g, len(runtime.shape)
        along, new_dim, ones = steps[rank] if rank < len(steps) else (dim, False, [])
        found = _joined(g, runtime, along, new_dim=new_dim)
        return TensorRef.fresh(g.Unsqueeze(found, ones) if ones else found)

    builtin(f"aten::{name}")(run)


for _name, (_steps, _dim) in _STACKING.items():
    _stacking(_name, _steps, _dim)


@builtin("aten::pad_sequence")
def pad_sequence(
    interpreter: Interpreter,
    sequences: Value,
    batch_first: Value = False,
    padding_value: Value = 0.0,
    padding_side: Value = "right",
) -> Value:
    """The items padded to the longest one and stacked. Else: the operator.

    1. The lengths of all items, and the longest.
    2. Each item padded to it: the rows of the result.
    """
    runtime = _runtime(sequences)
    if runtime is None or not isinstance(batch_first, bool):
        return NotImplemented
    g = interpreter.g
    if isinstance(runtime, TensorRows) and runtime.ends is None:
        return TensorRef.fresh(_joined(g, runtime, 0 if batch_first else 1, new_dim=True))
    if runtime.shape is None:
        raise UnsupportedError("pad_sequence of tensors whose number of dims is not known")
    source, count = sequence(g, runtime), length(g, runtime)

    def item(index: Tensor) -> Tensor:
        return g.assume(g.SequenceAt(source.value, index), source.shape)

    (sizes,) = mapped(g, count, lambda index: [g.scalar(g.size(item(index), 0))])
    # Of no items there is no first one: an error at run time, as in PyTorch.
    longest = g.integer(g.Max(g.ReduceMax(sizes, keepdims=False), g.Gather(sizes, 0)))
    others = len(runtime.shape) - 1

    def row(index: Tensor) -> list[Tensor]:
        tensor = item(index)
        missing = longest - g.size(tensor, 0)
        pair = [missing, 0] if padding_side == "left" else [0, missing]
        pads = ListValue([0] * (2 * others) + pair)
        given = [TensorRef.fresh(tensor), pads, padding_value]
        wide = interpreter.call("aten::constant_pad_nd", given, {}).read(g)
        return [g.reshape(wide, [longest, *wide.require_shape()[1:]])]

    (rows,) = mapped(g, count, row)
    if not batch_first:
        rows = g.Transpose(rows, perm=[1, 0, *range(2, others + 2)])
    return TensorRef.fresh(rows)
