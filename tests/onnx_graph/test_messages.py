"""Models written in parts: the same messages as protobuf writes in one, without copies."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
import pytest

from exporter.errors import InputError
from exporter.onnx_graph.messages import write_message

N = 600


def weights() -> dict[str, ir.TensorProtocol]:
    """Tensors of many dtypes and layouts, large and small, and such as are made when written."""
    numbers = np.arange(4 * N).reshape(N, 4)
    halves = numbers.astype(np.uint8) % 16
    given: dict[str, ir.TensorProtocol] = {
        "float": ir.tensor(numbers.astype(np.float32)),
        "transposed": ir.tensor(numbers.astype(np.float64).T),
        "reversed": ir.tensor(numbers[::-1, ::2]),
        "bool": ir.tensor(numbers % 3 == 0),
        "complex": ir.tensor(numbers.astype(np.complex64) * 1j),
        "bfloat16": ir.tensor(numbers.astype(ml_dtypes.bfloat16)),
        "float8": ir.tensor(numbers.astype(ml_dtypes.float8_e4m3fn)),
        "int4": ir.tensor(halves.astype(ml_dtypes.uint4)),
        "packed": ir.PackedTensor(
            halves[:, ::2] | halves[:, 1::2] << 4, ir.DataType.UINT4, shape=[N, 4]
        ),
        "strings": ir.StringTensor([b"a" * N, b"b"], shape=ir.Shape([2])),
        "small": ir.tensor(np.float32(3)),
        "empty": ir.tensor(np.zeros((0, N), np.float32)),
        "lazy": ir.LazyTensor(
            lambda: ir.tensor(numbers.astype(np.float32) + 1),
            dtype=ir.DataType.FLOAT,
            shape=ir.Shape([N, 4]),
        ),
        "external": ir.ExternalTensor(
            "weights.bin", 8, 4 * N, ir.DataType.FLOAT, shape=ir.Shape([N]), name="external"
        ),
    }
    for name, tensor in given.items():
        tensor.name = name
    given["float"].metadata_props["from"] = "a test"
    given["float"].doc_string = "numbers"
    return given


def model_with(tensors: dict[str, ir.TensorProtocol]) -> ir.Model:
    """A model with a node, and these initializers."""
    values = [
        ir.Value(name=name, type=ir.TensorType(t.dtype), shape=ir.Shape(t.shape), const_value=t)
        for name, t in tensors.items()
    ]
    node = ir.node("Identity", [values[0]])
    graph = ir.Graph(
        [], node.outputs, nodes=[node], initializers=values, opset_imports={"": 20}, name="main"
    )
    model = ir.Model(graph, ir_version=10, producer_name="a test")
    model.metadata_props["state"] = "none"
    return model


def written(model: ir.Model) -> onnx.ModelProto:
    content = io.BytesIO()
    write_message(model, content, {})
    result = onnx.ModelProto()
    result.ParseFromString(content.getvalue())
    return result


def test_it_is_the_message_that_protobuf_writes() -> None:
    """But for the order of the initializers; and the model has its tensors afterwards."""
    tensors = weights()
    model = model_with(tensors)
    found, wanted = written(model), ir.serde.serialize_model(model)
    for message in (found, wanted):
        message.graph.initializer.sort(key=lambda tensor: tensor.name)
    assert found == wanted
    for name, tensor in tensors.items():
        assert model.graph.initializers[name].const_value is tensor


def test_bytes_that_lie_in_a_file(tmp_path: Path) -> None:
    """They are taken from there."""
    numbers = np.arange(N, dtype=np.float32)
    (tmp_path / "archive").write_bytes(b"start" + numbers.tobytes() + b"end")
    model = model_with({"w": ir.tensor(np.zeros_like(numbers), name="w")})
    place = ir.ExternalTensor(
        "archive", 5, numbers.nbytes, ir.DataType.FLOAT, shape=ir.Shape([N]), name="w",
        base_dir=tmp_path,
    )  # fmt: skip
    for target in ("model.onnx", None):
        content = io.BytesIO() if target is None else (tmp_path / target).open("wb+")
        with content:
            write_message(model, content, {"w": place})
            content.seek(0)
            found = onnx.load_model_from_string(content.read())
        np.testing.assert_array_equal(
            onnx.numpy_helper.to_array(found.graph.initializer[0]), numbers
        )


def test_weights_are_not_copied(tmp_path: Path) -> None:
    """Neither where they are whole arrays nor where they are mapped."""
    large = np.zeros((1 << 22, 2), np.float32)
    model = model_with({"w": ir.tensor(large, name="w")})
    with (tmp_path / "model.onnx").open("wb") as file:
        tracemalloc.start()
        write_message(model, file, {})
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < large.nbytes / 20
    assert (tmp_path / "model.onnx").stat().st_size > large.nbytes


def test_too_large_for_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written then."""
    monkeypatch.setattr("exporter.onnx_graph.messages._LIMIT", 3000)
    write_message(
        model_with({"w": ir.tensor(np.zeros(600, np.float32), name="w")}), io.BytesIO(), {}
    )
    content = io.BytesIO()
    with pytest.raises(InputError, match=r"takes 0\.0 GB, and a file of ONNX holds at most 2 GiB"):
        write_message(
            model_with({"w": ir.tensor(np.zeros(900, np.float32), name="w")}), content, {}
        )
    assert not content.getvalue()
