"""Finished models, and files that appear whole or not at all."""

from __future__ import annotations

import io
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest

from exporter.errors import InputError
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.model import finish, ir_version, weight_bytes, write
from exporter.onnx_graph.values import Tensor
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


def test_external_data(tmp_path: Path) -> None:
    """Beside the model, under the model's name, and nothing else is left in the folder."""
    path = tmp_path / "net.onnx"
    assert write(small_model(), path, external_data=True) == [path, tmp_path / "net.onnx.data"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.onnx", "net.onnx.data"]
    assert path.stat().st_size < 1000
    np.testing.assert_array_equal(run(path)[0], WEIGHT.sum(0))
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for file in (path, tmp_path / "net.onnx.data"):
        file.rename(moved / file.name)
    np.testing.assert_array_equal(run(moved / "net.onnx")[0], WEIGHT.sum(0))


def test_a_model_too_large_for_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.onnx_graph.model.LARGEST_MESSAGE", 1000)
    write(small_model(), tmp_path / "net.onnx")
    assert (tmp_path / "net.onnx.data").stat().st_size == WEIGHT.nbytes
    with pytest.raises(InputError, match="needs a path"):
        write(small_model(), io.BytesIO())


@pytest.mark.parametrize("external", [False, True])
def test_a_failed_write_leaves_what_was_there(tmp_path: Path, external: bool) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"before")
    model = small_model()

    class Broken(ir.Tensor):
        def tofile(self, file: object) -> None:
            raise OSError("disk full")

        def tobytes(self) -> bytes:
            raise OSError("disk full")

    model.graph.initializers["layer.weight"].const_value = Broken(WEIGHT, name="layer.weight")
    with pytest.raises((OSError, ir.serde.SerdeError)):
        write(model, path, external_data=external)
    assert path.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


def test_links_and_pipes_stay_what_they_are(tmp_path: Path) -> None:
    """What a link leads to is written; a pipe gets the bytes."""
    model = small_model()
    file, link, pipe = tmp_path / "file", tmp_path / "link", tmp_path / "pipe"
    file.write_bytes(b"before")
    link.symlink_to(file)
    write(model, link)
    assert link.is_symlink()
    onnx.checker.check_model(onnx.load(file))
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write(model, pipe)
    assert os.read(reader, 1 << 16) == file.read_bytes()
    os.close(reader)
    assert pipe.is_fifo()
    with pytest.raises(InputError, match="external data needs a folder"):
        write(model, pipe, external_data=True)


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
