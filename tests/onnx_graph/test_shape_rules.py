"""Inferred shapes hold for every size: what was inferred once is evaluated, and the model is run.

`run` compares each inferred dim, evaluated at the inputs' sizes, with the real one. Here each
operator's expression must besides be known (no new symbol), and is tried at several sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.shape_rules import broadcast
from exporter.onnx_graph.values import Tensor
from tests.onnx_graph.running import evaluate, graph_input, session

SEVERAL = settings(max_examples=12, deadline=None)


def check(
    function: Callable[..., Any],
    shapes: Sequence[Sequence[int]],
    *,
    sizes: Sequence[Sequence[int]] = (),
    known: Sequence[tuple[int, int]] = (),
    opset: int = 20,
    dtype: str = "f4",
    exact: bool = True,
) -> None:
    """Infer with named sizes, then run with `shapes` and the other `sizes` of the first input."""
    g = Builder(opset)
    inputs = [
        graph_input(
            g, f"x{i}", np.zeros(s, dtype), dynamic=True, known=[d for j, d in known if i == j]
        )
        for i, s in enumerate(shapes)
    ]
    found = function(g, *inputs)
    outputs: list[Tensor] = list(found) if isinstance(found, (tuple, list)) else [found]
    runner = session(g, inputs, outputs)
    for first in [shapes[0], *sizes]:
        actual = [first, *shapes[1:]]
        feeds = {f"x{i}": np.ones(s, dtype) for i, s in enumerate(actual)}
        bindings = {f"x{i}_{d}": n for i, s in enumerate(actual) for d, n in enumerate(s)}
        for tensor, result in zip(outputs, runner.run(None, feeds), strict=True):
            assert tensor.shape is not None
            values = [evaluate(d, bindings) for d in tensor.shape]
            if exact:
                assert None not in values, tensor
            assert all(v in (None, n) for v, n in zip(values, result.shape, strict=True)), (
                tensor,
                result.shape,
            )


@SEVERAL
@given(
    kernel=st.integers(1, 3),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    pads=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    sizes=st.lists(st.integers(5, 12), min_size=2, max_size=3),
)
def test_convolutions(
    kernel: int, stride: int, dilation: int, pads: tuple[int, int], sizes: list[int]
) -> None:
    weight = np.zeros((4, 2, kernel), "f4")
    back = np.zeros((2, 4, kernel), "f4")
    options = {"strides": [stride], "dilations": [dilation], "pads": list(pads)}
    others = [(2, 2, n) for n in sizes]
    check(
        lambda g, x: (
            g.Conv(x, weight, **options),
            g.ConvTranspose(x, back, **options, output_padding=[0]),
        ),
        [(1, 2, 7)],
        sizes=others,
        known=[(0, 1)],
    )


@SEVERAL
@given(
    op_type=st.sampled_from(["MaxPool", "AveragePool"]),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 4),
    pads=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    ceil=st.booleans(),
    sizes=st.lists(st.integers(4, 13), min_size=2, max_size=4),
)
def test_pools(
    op_type: str, kernel: int, stride: int, pads: tuple[int, int], ceil: bool, sizes: list[int]
) -> None:
    assume(max(pads) < kernel)
    check(
        lambda g, x: g.op(
            op_type,
            x,
            kernel_shape=[kernel],
            strides=[stride],
            pads=list(pads),
            ceil_mode=int(ceil),
        ),
        [(1, 2, 9)],
        sizes=[(1, 1, n) for n in sizes],
        exact=not ceil,
    )


@SEVERAL
@given(
    start=st.integers(-7, 7),
    end=st.integers(-7, 7) | st.sampled_from([2**63 - 1, -(2**63)]),
    step=st.sampled_from([1, 2, 3, -1, -2]),
    sizes=st.lists(st.integers(0, 9), min_size=3, max_size=4),
)
def test_slices(start: int, end: int, step: int, sizes: list[int]) -> None:
    check(
        lambda g, x: g.Slice(x, [start], [end], [1], [step]),
        [(2, 5)],
        sizes=[(1, n) for n in sizes],
        # Runtimes differ in what the largest integer means for a step backwards.
        exact=not (step < 0 and end > 7),
    )


@SEVERAL
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=4))
def test_slices_by_sizes(sizes: list[tuple[int, int]]) -> None:
    """Bounds whose sign is not known when the graph is built."""
    check(
        lambda g, x: (
            g.Slice(x, [g.size(x, 1) - 3], [g.size(x, 1) - 1], [0]),
            g.Slice(x, [0], [g.size(x, 0) - g.size(x, 1)], [1]),
        ),
        [(4, 5)],
        sizes=sizes,
    )


ONE_TENSOR: dict[str, Callable[..., Any]] = {
    "Pad": lambda g, x: g.Pad(x, [1, 2], None, [-1]),
    "Pad by a size": lambda g, x: g.Pad(x, [0, g.size(x, 0), 0, 1]),
    "Tile": lambda g, x: g.Tile(x, [2, g.size(x, 0)]),
    "Expand": lambda g, x: g.Expand(g.Unsqueeze(x, [0]), [3, g.size(x, 0), g.size(x, 1)]),
    "Split": lambda g, x: g.Split(x, [1, g.size(x, 1) - 1], axis=1, outputs=2),
    "Concat": lambda g, x: g.Concat(x, g.Pad(x, [0, 0, 1, 0]), axis=0),
    "Reshape": lambda g, x: g.reshape(x, [-1]),
    "Reshape two": lambda g, x: g.reshape(x, [g.size(x, 1), 1, -1]),
    "Flatten": lambda g, x: g.Flatten(g.Unsqueeze(x, [0]), axis=2),
    "TopK": lambda g, x: g.TopK(x, [2], axis=1, outputs=2),
    "Range": lambda g, x: g.Range(g.constant(0), g.constant(g.size(x, 0)), g.constant(2)),
    "OneHot": lambda g, x: g.OneHot(g.cast(x, 7), [5], g.constant([0, 1]), axis=1),
    "GatherND": lambda g, x: g.GatherND(x, [[0], [1], [0]]),
    "Gather": lambda g, x: g.Gather(x, [[0, 1]], axis=1),
    "Einsum": lambda g, x: g.Einsum(x, x, equation="ij,kj->ki"),
    "ReduceSum": lambda g, x: g.ReduceSum(x, axes=[-1], keepdims=0),
    "ArgMax": lambda g, x: g.ArgMax(x, axis=1, keepdims=0),
    "Transpose": lambda g, x: g.Transpose(x, perm=[1, 0]),
    "MatMul": lambda g, x: g.MatMul(x, g.Transpose(x, perm=[1, 0])),
    "LayerNormalization": lambda g, x: g.LayerNormalization(
        g.Expand(x, [g.size(x, 0), g.size(x, 1)]), g.constant(1.0), outputs=3
    ),
    "DFT": lambda g, x: g.DFT(g.Unsqueeze(x, [2]), axis=1, onesided=1),
    "Resize sizes": lambda g, x: g.Resize(
        g.Unsqueeze(x, [0, 1]), None, None, [1, 1, g.size(x, 0) * 3, 7]
    ),
    "Resize scales": lambda g, x: g.Resize(
        g.Unsqueeze(x, [0, 1]), None, np.array([1, 1, 2, 0.5], "f4")
    ),
    "DepthToSpace": lambda g, x: g.DepthToSpace(
        g.Expand(g.Unsqueeze(x, [0, 1]), [1, 8, 1, 1]), blocksize=2
    ),
    "Compress": lambda g, x: g.Compress(x, g.constant(np.array([True, False, True])), axis=0),
    "Trilu": lambda g, x: g.Trilu(x),
    "ConstantOfShape": lambda g, x: g.ConstantOfShape(g.Shape(x)),
    "STFT": lambda g, x: g.STFT(g.Pad(x, [0, 4, 0, 4]), g.constant(2), None, g.constant(4)),
    "GridSample": lambda g, x: g.GridSample(
        g.Unsqueeze(x, [0, 1]), g.Unsqueeze(g.Slice(x, [0], [2], [1]), [0, 1])
    ),
}


@pytest.mark.parametrize("name", ONE_TENSOR)
def test_rules_of_one_tensor(name: str) -> None:
    check(ONE_TENSOR[name], [(3, 4)], sizes=[(3, 2), (5, 7), (4, 4)])


UNKNOWN: dict[str, Callable[..., Any]] = {
    "NonZero": lambda g, x: g.NonZero(x),
    "Unique": lambda g, x: g.Unique(x, outputs=4),
    "Unique axis": lambda g, x: g.Unique(x, axis=1, outputs=4),
    "Compress": lambda g, x: g.Compress(x, g.Greater(g.reshape(x, [-1]), 0)),
    "Resize fraction": lambda g, x: g.Resize(
        g.Unsqueeze(x, [0, 1]), None, np.array([1, 1, 1.7, 0.3], "f4")
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_sizes_that_the_data_decide(name: str) -> None:
    check(UNKNOWN[name], [(3, 4)], sizes=[(3, 5), (6, 7)], exact=False)


@pytest.mark.parametrize("op_type", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
def test_recurrent_layers(op_type: str, direction: str) -> None:
    gates, ways = {"LSTM": 4, "GRU": 3, "RNN": 1}[op_type], 1 + (direction != "forward")
    weight, back = np.zeros((ways, gates * 5, 3), "f4"), np.zeros((ways, gates * 5, 5), "f4")
    check(
        lambda g, x: g.op(
            op_type,
            x,
            weight,
            back,
            hidden_size=5,
            direction=direction,
            outputs=3 if op_type == "LSTM" else 2,
        ),
        [(4, 2, 3)],
        sizes=[(1, 1, 3), (7, 3, 3)],
        known=[(0, 2)],
    )


@SEVERAL
@given(st.lists(st.sampled_from([1, 4]), min_size=2, max_size=2))
def test_a_symbol_may_be_one_when_it_broadcasts(sizes: list[int]) -> None:
    """Neither of two names decides; a known size other than 1 does."""
    check(
        lambda g, x, y: (g.Add(x, y), g.Mul(x, np.ones(4, "f4"))),
        [(4,), (4,)],
        sizes=[(n,) for n in sizes],
        exact=False,
    )


def test_broadcast() -> None:
    g = Builder()
    n, m = g.symbol("n"), g.symbol("m")
    assert broadcast((n, 3), (1, 1)) == (n, 3)
    assert broadcast((n,), (m,)) == (None,)
    assert broadcast((n,), (m + 2,)) == (m + 2,)
    assert broadcast((n,), (n,), (5, 1)) == (5, n)
    assert broadcast((n,), None) is None
