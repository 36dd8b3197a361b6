"""Sequences of run-time length: built item by item, mapped, split off a tensor of any dtype."""

import numpy as np
import pytest

from exporter.errors import UnsupportedError
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.sequences import built, mapped
from tests.onnx_graph.running import graph_input, run


def rows(dtype: str, count: int = 3) -> np.ndarray:
    return (np.arange(count * 2).reshape(count, 2) - 2).astype(dtype)


@pytest.mark.parametrize("count", [0, 1, 4])
@pytest.mark.parametrize("opset", [13, 20])
def test_built(count: int, opset: int) -> None:
    """The items of the start, then one for each trip."""

    def squares(g, x):
        start = g.SequenceConstruct(x)
        found = built(g, start, g.size(x, 0), lambda i: g.Mul(x, g.cast(i, x.dtype)))
        return g.ConcatFromSequence(found, axis=0, new_axis=1), g.SequenceLength(found)

    x = rows("float32", count)
    stacked, length = run(squares, x, opset=opset, dynamic=True)
    np.testing.assert_array_equal(stacked, np.stack([x, *(x * i for i in range(count))]))
    assert length == count + 1


@pytest.mark.parametrize("opset", [11, 20])
def test_mapped(opset: int) -> None:
    """Several results, of items of a sequence outside of the loop."""

    def program(g, x):
        pieces = g.SplitToSequence(x, axis=0, keepdims=0)

        def step(index):
            item = g.assume(g.SequenceAt(pieces, index), x.require_shape()[1:])
            return [g.ReduceSum(item, keepdims=False), g.Mul(item, 2)]

        return tuple(mapped(g, g.size(x, 0), step))

    for count in (1, 3):
        x = rows("float32", count)
        sums, doubled = run(program, x, opset=opset, dynamic=True)
        np.testing.assert_array_equal(sums, x.sum(1))
        np.testing.assert_array_equal(doubled, x * 2)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint64", "float16", "bool", "int64"])
def test_split_of_any_dtype(dtype: str) -> None:
    """What onnxruntime has no kernel for is converted item by item."""

    def program(g, x):
        pieces = g.SplitToSequence(x, g.constant([2, 1]), axis=0)
        return g.SequenceAt(pieces, 0), g.SequenceAt(pieces, -1)

    x = rows(dtype)
    first, last = run(program, x, opset=13)
    np.testing.assert_array_equal(first, x[:2])
    np.testing.assert_array_equal(last, x[2:])
    assert first.dtype == last.dtype == x.dtype


def test_items_are_of_one_dtype() -> None:
    """Nothing is converted to fit."""
    g = Builder(20)
    x, y = (graph_input(g, n, rows(d), dynamic=True) for n, d in (("x", "float32"), ("y", "int64")))
    for make in (
        lambda: g.SequenceConstruct(x, y),
        lambda: g.SequenceInsert(g.SequenceConstruct(x), y),
    ):
        with pytest.raises(UnsupportedError, match="a list of FLOAT and INT64 tensors"):
            make()


def test_an_old_opset_says_what_it_lacks() -> None:
    g = Builder(11)
    x = graph_input(g, "x", rows("float32"), dynamic=True)
    start = g.SequenceEmpty(dtype=x.dtype)
    with pytest.raises(UnsupportedError, match=r"opset 11 lets no sequence .* out of Loop"):
        built(g, start, g.size(x, 0), lambda _: x)
