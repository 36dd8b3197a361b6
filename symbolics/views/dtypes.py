"""Questions about dtypes, which have an answer while converting. Conversions are in `conversion`."""

from __future__ import annotations

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.values import Number, Tensor
from symbolics import rules
from symbolics.registry import symbolic
from symbolics.rules import category, common_dtype, onnx_dtype, scalar_type

__all__: list[str] = []


@symbolic("aten::result_type.Tensor(Tensor tensor, Tensor other) -> ScalarType")
def result_type(g: Builder, tensor: Tensor, other: Tensor) -> int:
    """What the two are promoted to."""
    return scalar_type(rules.result_type(tensor, other))


@symbolic("aten::result_type.Scalar(Tensor tensor, Scalar other) -> ScalarType")
def result_type_scalar(g: Builder, tensor: Tensor, other: Number) -> int:
    """What the two are promoted to."""
    return scalar_type(rules.result_type(tensor, other))


@symbolic("aten::result_type.Scalar_Tensor(Scalar scalar, Tensor tensor) -> ScalarType")
def result_type_scalar_tensor(g: Builder, scalar: Number, tensor: Tensor) -> int:
    """What the two are promoted to."""
    return scalar_type(rules.result_type(scalar, tensor))


@symbolic("aten::result_type.Scalar_Scalar(Scalar scalar1, Scalar scalar2) -> ScalarType")
def result_type_scalar_scalar(g: Builder, scalar1: Number, scalar2: Number) -> int:
    """What the two are promoted to."""
    return scalar_type(rules.result_type(scalar1, scalar2))


@symbolic("aten::promote_types(ScalarType type1, ScalarType type2) -> ScalarType")
def promote_types(g: Builder, type1: int, type2: int) -> int:
    """The smallest dtype for both."""
    return scalar_type(common_dtype(onnx_dtype(type1), onnx_dtype(type2)))


@symbolic("aten::can_cast(ScalarType from_, ScalarType to) -> bool")
def can_cast(g: Builder, from_: int, to: int) -> bool:
    """Whether results of one dtype may be written to a tensor of another, signs aside."""
    return category(onnx_dtype(from_)) <= category(onnx_dtype(to))
