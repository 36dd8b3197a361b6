"""Finished models, and files that appear whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.model import finish, ir_version
from exporter.onnx_graph.values import Tensor
from exporter.onnx_graph.writing import weight_bytes, write
from tests.onnx_graph.running import graph_input

WEIGHT = np.arange(3000, dtype="f4").reshape(3, 1000)


def small_model(opset: int = 20, **options: bool) -> ir.Model:
    g = Builder(opset)
    x = graph_input(g, "x", np.zeros((2, 3), "f4"), dynamic=True)
    place = SimpleNamespace(filename="net.py", line=3, text="y = f(x)")
    g.source = SimpleNamespace(source=place)
    result = g.MatMul(x, g.constant(WEIGHT, name="layer.weight"))
    return finish(g, [x.value], [g.value(result)], metadata={"key": "value"}, **options)


def run(path: Path | bytes, **feeds: np.ndarray) -> np.ndarray:
    source = path if isinstance(path, bytes) else str(path)
    session = ort.InferenceSession(source, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": np.ones((2, 3), "f4"), **feeds})[0]


@pytest.mark.parametrize("opset", range(9, 27))
def test_every_opset_is_valid_and_runs(opset: int) -> None:
    file = io.BytesIO()
    write(small_model(opset), file)
    onnx.checker.check_model(onnx.load_from_string(file.getvalue()), full_check=True)
    np.testing.assert_array_equal(run(file.getvalue())[0], WEIGHT.sum(0))


def test_the_oldest_ir_version_of_an_opset() -> None:
    assert [ir_version(o) for o in (9, 13, 17, 20, 22, 26)] == [4, 7, 8, 9, 10, 11]


def test_weights_as_inputs() -> None:
    """Without a value they must be given; as inputs with a default they may be."""
    without, beside = io.BytesIO(), io.BytesIO()
    write(small_model(export_params=False), without)
    write(small_model(keep_initializers_as_inputs=True), beside)
    given = {"layer.weight": WEIGHT * 2}
    assert weight_bytes(small_model(export_params=False)) == 0
    np.testing.assert_array_equal(run(without.getvalue(), **given)[0], WEIGHT.sum(0) * 2)
    np.testing.assert_array_equal(run(beside.getvalue())[0], WEIGHT.sum(0))
    np.testing.assert_array_equal(run(beside.getvalue(), **given)[0], WEIGHT.sum(0) * 2)


def test_metadata_and_source_locations() -> None:
    model = small_model(source_locations=True)
    assert dict(model.metadata_props) == {"key": "value"}
    assert [n.doc_string for n in model.graph] == ["net.py:3  y = f(x)"]
    assert model.producer_name == "ts2onnx"


def test_a_discarded_body_leaves_no_initializer() -> None:
    """A body that was staged and given up is no reason to keep what it used."""
    g = Builder(20)
    value = ir.Value(name="x", type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape([2]))
    x = Tensor(ir.DataType.FLOAT, (2,), value=value, scope=g.scope)
    with g.body("given up"):
        g.Add(x, g.constant(np.array([3.5, 4.5], np.float32), name="unused"))
    result = g.Relu(x)
    model = finish(g, [value], [g.value(result)])
    assert list(model.graph.initializers) == []
