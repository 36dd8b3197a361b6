"""A Reshape holds for all sizes, empty ones too, and is a constant where it can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from exporter.onnx_graph.builder import Builder
from tests.onnx_graph.running import graph_input, run, session

# (what is asked for, the same in numpy), for an input of four dynamic dims.
ROWS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "last two": (
        lambda g, x, b, c, h, w: g.reshape(x, [b, c, h * w]),
        lambda x: x.reshape(x.shape[0], x.shape[1], x.shape[2] * x.shape[3]),
    ),
    "middle two": (
        lambda g, x, b, c, h, w: g.reshape(x, [b, c * h, w]),
        lambda x: x.reshape(x.shape[0], x.shape[1] * x.shape[2], x.shape[3]),
    ),
    "first two": (
        lambda g, x, b, c, h, w: g.reshape(x, [b * c, h, w]),
        lambda x: x.reshape(x.shape[0] * x.shape[1], *x.shape[2:]),
    ),
    "all but one": (
        lambda g, x, b, c, h, w: g.reshape(x, [b, c * h * w]),
        lambda x: x.reshape(x.shape[0], int(np.prod(x.shape[1:]))),
    ),
    "apart": (
        lambda g, x, b, c, h, w: g.reshape(x, [b, 1, -1, h, w]),
        lambda x: x.reshape(x.shape[0], 1, *x.shape[1:]),
    ),
    "all": (lambda g, x, b, c, h, w: g.reshape(x, [-1]), lambda x: x.reshape(x.size)),
}


@pytest.mark.parametrize("opset", [14, 20, 26])
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_empty_dims(row: tuple[Callable[..., Any], Callable[..., Any]], opset: int) -> None:
    """One model, fed with each dim empty in turn."""
    function, expected = row
    g = Builder(opset)
    x = graph_input(g, "x", np.zeros((2, 3, 4, 5), "f4"), dynamic=True)
    model = session(g, [x], [function(g, x, *x.require_shape())])
    for shape in [(2, 3, 4, 5), (0, 3, 4, 5), (2, 0, 4, 5), (2, 3, 0, 5), (2, 3, 4, 0), (0,) * 4]:
        array = np.arange(np.prod(shape), dtype="f4").reshape(shape)
        (found,) = model.run(None, {"x": array})
        np.testing.assert_array_equal(found, expected(array))


def operators(known: set[int], target: Callable[..., Any], opset: int = 20) -> list[str]:
    """The operators of a reshape of a tensor of which these dims are known."""
    g = Builder(opset)
    x = graph_input(g, "x", np.zeros((2, 3, 4, 5), "f4"), dynamic=True, known=known)
    g.reshape(x, target(*x.require_shape()))
    return [node.op_type for node in g.scope.nodes]


def test_one_node_where_nothing_can_be_empty_or_left() -> None:
    """A dynamic batch stays; two dims are flat; what is left beside known dims is found."""
    assert operators({1, 2, 3}, lambda b, c, h, w: [b, c, h * w]) == ["Reshape"]
    assert operators(set(), lambda b, c, h, w: [b, c * h * w]) == ["Flatten"]
    assert operators({3}, lambda b, c, h, w: [b * c * h, w]) == ["Reshape"]
    assert operators(set(), lambda b, c, h, w: [b, c, h * w], opset=13) == ["Reshape"]


def test_a_size_is_read_off_a_tensor_that_has_it() -> None:
    """Rather than computed through all the layers before, from the input's."""
    g = Builder(20)
    x = graph_input(g, "x", np.zeros((2, 3, 40, 50), "f4"), dynamic=True, known={1})
    y = x
    for _ in range(4):
        y = g.MaxPool(y, kernel_shape=[3, 3], strides=[2, 2])
    b, c, h, w = y.require_shape()
    result = g.reshape(y, [b, c, h * w])
    assert "Div" not in [node.op_type for node in g.scope.nodes]
    model = session(g, [x], [result])
    for shape in [(2, 3, 40, 50), (0, 3, 31, 64)]:
        (found,) = model.run(None, {"x": np.zeros(shape, "f4")})
        assert found.shape == (shape[0], 3, {40: 1 * 2, 31: 1 * 3}[shape[2]])


def test_a_true_zero() -> None:
    """A 0 that is asked for copies no dim, at any opset."""
    for opset in (9, 13, 14, 20):
        (found,) = run(lambda g, x: g.reshape(x, [0, 7]), np.zeros((3, 0), "f4"), opset=opset)
        assert found.shape == (0, 7)
