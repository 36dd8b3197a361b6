"""Tensors of the archive as constants of the graph: views of the mapped file, never copies.

Quantized tensors keep their integers, scales and zero points; packed weights become what they were
before they were packed.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from exporter.archive import PerTensor, ScriptObject, TensorData
from exporter.archive.packed_params import (
    CellParams,
    ClampedParams,
    ConvParams,
    EmbeddingParams,
    LinearParams,
    PackedParams,
    packed_params,
)
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import UnsupportedError
from exporter.onnx_graph import quantized
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.packed_weights import (
    PackedCell,
    PackedClamped,
    PackedConv,
    PackedEmbedding,
    PackedLinear,
    PackedWeights,
)
from exporter.onnx_graph.values import Tensor

__all__ = ["packed_object", "tensor_from_archive"]


def tensor_from_archive(g: Builder, data: TensorData, name: str | None) -> TensorRef:
    """A stored tensor; `name` is what its initializer will be called."""
    ref = TensorRef.fresh(_constant(g, data, name), dense=False)
    ref.strides = tuple(data.strides)
    ref.require_grad(data.requires_grad)
    return ref


def _constant(g: Builder, data: TensorData, name: str | None) -> Tensor:
    integers = g.constant(data.numpy(), data.dtype, name=name)
    meaning = data.quantization
    if meaning is None:
        return integers
    if isinstance(meaning, PerTensor):
        scale = g.constant(meaning.scale, ir.DataType.DOUBLE)
        return quantized.whole(integers, scale, g.constant(meaning.zero_point))
    scales = g.constant(np.ascontiguousarray(meaning.scales.numpy()))
    zero_points = g.constant(np.ascontiguousarray(meaning.zero_points.numpy()))
    return quantized.whole(integers, scales, zero_points, meaning.axis)


def packed_object(g: Builder, data: ScriptObject, name: str) -> PackedWeights:
    """An object of a C++ class, of which packed weights alone mean something here."""
    packed = packed_params(data)
    if packed is None:
        raise UnsupportedError(f"{name}: an object of the C++ class {data.type_name}")
    return packed_from_archive(g, packed, name)


def packed_from_archive(g: Builder, data: PackedParams, name: str) -> PackedWeights:
    """Packed weights; their initializers are called `name` and what they are, dotted."""
    if isinstance(data, CellParams):
        first = _linear(g, data.input, f"{name}.input")
        return PackedCell(first, _linear(g, data.hidden, f"{name}.hidden"), data.reduce_range)
    if isinstance(data, ClampedParams):
        return PackedClamped(_layer(g, data.layer, name), data.minimum, data.maximum)
    if isinstance(data, EmbeddingParams):
        return PackedEmbedding(_constant(g, data.weight, f"{name}.weight"))
    return _layer(g, data, name)


def _layer(g: Builder, data: LinearParams | ConvParams, name: str) -> PackedLinear | PackedConv:
    if isinstance(data, LinearParams):
        return _linear(g, data, name)
    return PackedConv(
        _constant(g, data.weight, f"{name}.weight"),
        _bias(g, data.bias, name),
        data.stride,
        data.padding,
        data.output_padding,
        data.dilation,
        data.groups,
        data.transposed,
    )


def _linear(g: Builder, data: LinearParams, name: str) -> PackedLinear:
    return PackedLinear(_constant(g, data.weight, f"{name}.weight"), _bias(g, data.bias, name))


def _bias(g: Builder, data: TensorData | None, name: str) -> Tensor | None:
    return None if data is None else _constant(g, data, f"{name}.bias")
