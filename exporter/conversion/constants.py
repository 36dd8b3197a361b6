"""Tensors of the archive as constants of the graph: views of the mapped file, never copies."""

from __future__ import annotations

from exporter.archive import TensorData
from exporter.conversion.tensors import TensorRef
from exporter.errors import UnsupportedError
from exporter.onnx_graph.builder import Builder

__all__ = ["tensor_from_archive"]


def tensor_from_archive(g: Builder, data: TensorData, name: str | None) -> TensorRef:
    """A stored tensor; `name` is what its initializer will be called."""
    if data.quantization is not None:
        raise UnsupportedError(f"the quantized tensor {name or data!r}")
    ref = TensorRef.fresh(g.constant(data.numpy(), data.dtype, name=name), dense=False)
    ref.strides = tuple(data.strides)
    return ref
