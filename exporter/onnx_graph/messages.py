"""The protobuf message that an ONNX file is, written in parts: weights are not copied in memory.

protobuf wants all of a message in memory, and again as bytes. But a message is no more than its
fields in any order, each with its number and, before a message within it, the length of that. So
what is not weights is left to protobuf, and the weights follow as they lie in memory or in a file:

    ModelProto      the other fields | graph: length
      GraphProto      the other fields | initializer: length, for each weight
        TensorProto     the other fields | raw_data: length, bytes

See "Protocol Buffers, Encoding" for the rules, `onnx.proto` for the fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, TypeAlias

import onnx_ir as ir

from exporter.errors import InputError

__all__ = ["write_message"]

# What a message may hold, by protobuf's rules and onnxruntime's.
_LIMIT = (1 << 31) - 1
# A tensor of fewer bytes is not worth the trouble.
_SMALLEST = 1024
_LENGTH_DELIMITED = 2

# What may be written apart; tensors that are external already stay so.
_Weight: TypeAlias = ir.Tensor[Any] | ir.LazyTensor


def write_message(
    model: ir.Model, file: BinaryIO, in_files: Mapping[str, ir.ExternalTensor]
) -> None:
    """Write a model into an open file.

    `in_files` has, by their names, initializers whose bytes lie in a file just as they are: they
    are copied from there, by the system where it can.

    Raises an `InputError`, before anything is written, for what is too large for one message.
    """
    apart = {
        name: value.const_value
        for name, value in model.graph.initializers.items()
        if isinstance(value.const_value, (ir.Tensor, ir.LazyTensor))
        and _is_weight(value.const_value)
    }
    with _left_out(model, apart):
        proto = ir.serde.serialize_model(model)
    graph = proto.graph
    weights: list[tuple[bytes, _Weight | ir.ExternalTensor]] = []
    others = []
    for tensor in graph.initializer:
        held = apart.get(tensor.name)
        if held is None:
            others.append(tensor)
            continue
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")
        fields = tensor.SerializeToString() + _field(tensor, "raw_data", held.nbytes)
        start = _field(graph, "initializer", len(fields) + held.nbytes) + fields
        weights.append((start, in_files.get(tensor.name, held)))
    del graph.initializer[:]
    graph.initializer.extend(others)
    body = graph.SerializeToString()
    size = len(body) + sum(len(start) + weight.nbytes for start, weight in weights)
    start_of_graph = _field(proto, "graph", size)
    proto.ClearField("graph")
    head = proto.SerializeToString() + start_of_graph
    whole = len(head) + size
    if whole > _LIMIT:
        raise InputError(
            f"the model takes {whole / 1e9:.1f} GB, and a file of ONNX holds at most 2 GiB",
            ("write the weights beside it: external_data=True, --weights external",),
        )
    file.write(head)
    file.write(body)
    for start, weight in weights:
        file.write(start)
        weight.tofile(file)


def _is_weight(tensor: _Weight) -> bool:
    """Whether its data are so many bytes in a row."""
    in_bytes = tensor.dtype != ir.DataType.STRING and tensor.dtype.bitwidth >= 8
    return in_bytes and tensor.nbytes >= _SMALLEST


@contextmanager
def _left_out(model: ir.Model, tensors: Mapping[str, _Weight]) -> Iterator[None]:
    """Have tensors of the graph written without their data: as if they lay elsewhere."""
    initializers = model.graph.initializers
    for name, tensor in tensors.items():
        initializers[name].const_value = ir.ExternalTensor(
            "",
            None,
            tensor.nbytes,
            tensor.dtype,
            shape=ir.Shape(tensor.shape.numpy()),
            name=name,
            doc_string=tensor.doc_string,
            metadata_props=dict(tensor.metadata_props),
        )
    try:
        yield
    finally:
        for name, tensor in tensors.items():
            initializers[name].const_value = tensor


def _field(message: Any, name: str, length: int) -> bytes:
    """What stands before the bytes of a field: its number, that a length follows, the length."""
    number = message.DESCRIPTOR.fields_by_name[name].number
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(length)


def _varint(number: int) -> bytes:
    """A natural number in groups of seven bits, the lowest first."""
    result = bytearray()
    while number > 127:
        result.append(number & 127 | 128)
        number >>= 7
    result.append(number)
    return bytes(result)
