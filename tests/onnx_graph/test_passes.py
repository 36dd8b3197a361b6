"""What the passes change, and what they must leave alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest

from exporter.onnx_graph import shapes
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.model import finish
from exporter.onnx_graph.values import Tensor
from tests.onnx_graph.running import graph_input

RNG = np.random.default_rng(0)


def floats(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype("f4")


def model_of(
    function: Callable[..., Any], *arrays: np.ndarray, opset: int = 20, **options: Any
) -> ir.Model:
    """The function's graph, finished."""
    g = Builder(opset)
    inputs = [graph_input(g, f"x{i}", a, dynamic=False) for i, a in enumerate(arrays)]
    found = function(g, *inputs)
    outputs = list(found) if isinstance(found, (list, tuple)) else [found]
    return finish(g, [t.value for t in inputs], [g.value(t) for t in outputs], **options)


def run(model: ir.Model, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    data = ir.serde.serialize_model(model).SerializeToString()
    session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
    return session.run(None, {f"x{i}": a for i, a in enumerate(arrays)})


def ops(model: ir.Model) -> Counter[str]:
    return Counter(n.op_type for n in ir.traversal.RecursiveGraphIterator(model.graph))


def identity(g: Builder, x: Tensor) -> Tensor:
    """An Identity node, which the builder itself would not emit here."""
    return g.emit("Identity", [g.value(x)], {}, [shapes.OutputType.of(x)])[0]


def branches(g: Builder, condition: Tensor, then: Any, other: Any) -> Tensor:
    graphs = {}
    for name, make in (("then_branch", then), ("else_branch", other)):
        with g.body(name) as scope:
            graphs[name] = g.close(scope, [], [make()])
    kind = shapes.OutputType(ir.DataType.FLOAT, (2,))
    return g.emit("If", [g.value(condition)], graphs, [kind])[0]


def test_equal_nodes_are_merged_also_from_bodies() -> None:
    """A body sees what comes before it outside; its own nodes are not visible to others."""

    def build(g: Builder, x: Tensor) -> Tensor:
        first = g.Exp(x)
        condition = g.reshape(g.Greater(g.ReduceSum(x, keepdims=0), 0), [])
        result = branches(
            g, condition, lambda: g.Add(g.Exp(x), g.Sin(x)), lambda: g.Sub(g.Sin(x), g.Exp(x))
        )
        return g.Add(result, g.Mul(g.Exp(x), first))

    x = floats(2)
    model = model_of(build, x)
    assert ops(model)["Exp"] == 1
    assert ops(model)["Sin"] == 2
    expected = np.exp(x) ** 2 + (np.exp(x) + np.sin(x) if x.sum() > 0 else np.sin(x) - np.exp(x))
    np.testing.assert_allclose(run(model, [x])[0], expected, rtol=1e-5)


@pytest.mark.parametrize("op_type", ["RandomUniformLike", "Bernoulli"])
def test_random_numbers_are_not_merged(op_type: str) -> None:
    model = model_of(lambda g, x: g.Sub(g.op(op_type, x), g.op(op_type, x)), floats(4))
    assert ops(model)[op_type] == 2


def test_equal_results_stay_two_outputs() -> None:
    x = floats(3)
    model = model_of(lambda g, x: (g.Exp(x), g.Exp(x)), x)
    assert len({v.name for v in model.graph.outputs}) == 2
    first, second = run(model, [x])
    np.testing.assert_array_equal(first, second)


def test_a_body_that_returns_an_outer_value_keeps_its_identity() -> None:
    def build(g: Builder, x: Tensor) -> Tensor:
        outer = g.Exp(x)
        condition = g.reshape(g.Greater(g.ReduceSum(x, keepdims=0), 0), [])
        return branches(g, condition, lambda: outer, lambda: g.Neg(outer))

    x = floats(2)
    model = model_of(build, x)
    np.testing.assert_allclose(
        run(model, [x])[0], np.exp(x) * (1 if x.sum() > 0 else -1), rtol=1e-6
    )


def test_identities_inside_go_and_names_of_outputs_stay() -> None:
    def build(g: Builder, x: Tensor) -> Tensor:
        result = identity(g, g.Exp(identity(g, x)))
        result.value.name = "answer"
        return result

    model = model_of(build, floats(3))
    assert ops(model) == {"Exp": 1}
    assert [v.name for v in model.graph.outputs] == ["answer"]


def test_an_input_that_is_an_output_keeps_its_identity() -> None:
    x = floats(3)
    model = model_of(identity, x)
    np.testing.assert_array_equal(run(model, [x])[0], x)


def test_cast_chains() -> None:
    """There and back through a wider dtype is nothing; through a narrower one it is rounding."""
    wide = model_of(
        lambda g, x: g.Neg(g.cast(g.cast(x, ir.DataType.DOUBLE), ir.DataType.FLOAT)), floats(3)
    )
    assert ops(wide) == {"Neg": 1}
    narrow = model_of(
        lambda g, x: g.Neg(g.cast(g.cast(x, ir.DataType.FLOAT16), ir.DataType.FLOAT)), floats(3)
    )
    assert ops(narrow)["Cast"] == 2


@pytest.mark.parametrize("middle", ["FLOAT16", "BFLOAT16", "UINT16", "INT16", "INT64", "FLOAT"])
def test_a_body_sees_through_casts_that_change_nothing(middle: str) -> None:
    """onnxruntime takes both out, and left the body without its value."""
    wide, byte, single = ir.DataType[middle], ir.DataType.UINT8, ir.DataType.FLOAT

    def build(g: Builder, x: Tensor) -> Tensor:
        same = g.native("Cast", g.native("Cast", x, to=wide), to=byte)
        condition = g.Greater(g.ReduceSum(g.cast(x, single), keepdims=0), 9.0)
        return branches(
            g, condition, lambda: g.cast(same, single), lambda: g.Neg(g.cast(same, single))
        )

    for x in (np.array([0, 255], "u1"), np.array([1, 2], "u1")):
        expected = x.astype("f4") * (1 if x.sum() > 9 else -1)
        np.testing.assert_array_equal(run(model_of(build, x), [x])[0], expected)


@pytest.mark.parametrize(
    ("op_type", "constant", "left", "gone"),
    [
        ("Add", np.zeros((), "i4"), False, True),
        ("Add", np.zeros((1, 1), "i4"), True, True),
        ("Add", np.zeros((), "f4"), False, False),
        ("Sub", np.zeros(1, "f4"), False, True),
        ("Sub", np.full(1, -0.0, "f4"), False, False),
        ("Sub", np.zeros((), "i4"), True, False),
        ("Mul", np.ones(1, "f4"), True, True),
        ("Mul", np.ones((1, 1, 1), "f4"), False, False),
        ("Mul", np.ones(3, "f4"), False, False),
        ("Div", np.ones((), "i4"), False, True),
        ("Div", np.ones((), "f4"), True, False),
    ],
)
def test_neutral_operands(op_type: str, constant: np.ndarray, left: bool, gone: bool) -> None:
    def build(g: Builder, x: Tensor) -> Tensor:
        operand = g.constant(constant)
        return g.Abs(g.native(op_type, *((operand, x) if left else (x, operand))))

    x = np.array([[-0.0, 1, 2], [3, -4, 5]]).astype(constant.dtype)
    for fold in (True, False):
        model = model_of(build, x, fold_weights=fold)
        assert ops(model)[op_type] == (0 if gone and fold else 1)
    same = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.true_divide}[op_type]
    with np.errstate(divide="ignore"):
        expected = np.abs(same(constant, x) if left else same(x, constant))
    np.testing.assert_array_equal(run(model_of(build, x), [x])[0], expected)


def test_a_body_sees_through_casts_around_a_neutral_operand() -> None:
    """onnxruntime takes all three nodes out, and left the body without its value."""

    def build(g: Builder, x: Tensor) -> Tensor:
        same = g.cast(g.Mul(g.cast(x, ir.DataType.DOUBLE), 1), ir.DataType.FLOAT)
        condition = g.reshape(g.Greater(g.ReduceSum(x, keepdims=0), 0), [])
        wide = ir.DataType.DOUBLE
        return branches(
            g,
            condition,
            lambda: g.Exp(same),
            lambda: g.cast(g.Sin(g.cast(same, wide)), ir.DataType.FLOAT),
        )

    for x in (np.array([1, 2], "f4"), np.array([-1, -2], "f4")):
        expected = np.exp(x) if x.sum() > 0 else np.sin(x)
        np.testing.assert_allclose(run(model_of(build, x), [x])[0], expected, rtol=1e-5)


def conv_bn(bias: bool, transposed: bool = False) -> tuple[Callable[..., Any], np.ndarray]:
    weight = floats(4, 3, 3, 3) if not transposed else floats(3, 4, 3, 3)
    statistics = [floats(4), floats(4), floats(4), floats(4) ** 2 + 0.1]

    def build(g: Builder, x: Tensor) -> Tensor:
        names = ("scale", "bias", "mean", "var")
        inputs = [g.constant(weight, name="conv.weight")]
        if bias:
            inputs.append(g.constant(floats(4), name="conv.bias"))
        made = g.op("ConvTranspose" if transposed else "Conv", x, *inputs)
        rest = [g.constant(s, name=f"bn.{n}") for n, s in zip(names, statistics, strict=True)]
        return g.BatchNormalization(made, *rest)

    return build, floats(2, 3, 6, 6)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("transposed", [False, True])
def test_batch_normalization_is_folded(bias: bool, transposed: bool) -> None:
    global RNG
    build, x = conv_bn(bias, transposed)
    state = RNG.bit_generator.state
    folded = model_of(build, x)
    RNG.bit_generator.state = state
    plain = model_of(build, x, fold_weights=False)
    assert ops(plain)["BatchNormalization"] == 1
    assert ops(folded)["BatchNormalization"] == 0
    assert set(folded.graph.initializers) == {"conv.weight", "conv.bias"}
    np.testing.assert_allclose(run(folded, [x])[0], run(plain, [x])[0], rtol=1e-4, atol=1e-5)


def test_a_shared_weight_is_not_changed() -> None:
    weight = floats(3, 3, 1, 1)
    statistics = [floats(3), floats(3), floats(3), floats(3) ** 2 + 0.1]

    def build(g: Builder, x: Tensor) -> Tensor:
        first = g.BatchNormalization(g.Conv(x, g.constant(weight, name="w")), *statistics)
        return g.Conv(first, g.constant(weight, name="w"))

    x = floats(1, 3, 2, 2)
    model = model_of(build, x)
    assert ops(model)["BatchNormalization"] == 0
    np.testing.assert_allclose(
        run(model, [x])[0], run(model_of(build, x, fold_weights=False), [x])[0], rtol=1e-4
    )


def test_a_convolution_used_twice_keeps_its_batch_normalization() -> None:
    weight, ones = floats(3, 3, 1, 1), np.ones(3, "f4")

    def build(g: Builder, x: Tensor) -> Tensor:
        made = g.Conv(x, g.constant(weight, name="w"))
        return g.Add(g.BatchNormalization(made, ones, ones, ones, ones), made)

    assert ops(model_of(build, floats(1, 3, 2, 2)))["BatchNormalization"] == 1
