"""Dtypes and shapes of what an operator returns.

Output dtypes follow from the type variables of the operator's schema, but for the few operators
that name theirs in an attribute. Output shapes come from rules of our own for the common operators
(`shape_rules`), else from `onnx.shape_inference`, whose named dims are matched to our symbols.
A dim that a rule leaves as None becomes a new symbol, read from the output itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import onnx
import onnx_ir as ir

from exporter.errors import UnsupportedError
from exporter.onnx_graph.complex_numbers import is_complex, part_dtype
from exporter.onnx_graph.shape_rules import RULES
from exporter.onnx_graph.symbolic import Dim, SymInt

if TYPE_CHECKING:
    from exporter.onnx_graph.call import Call
    from exporter.onnx_graph.values import Tensor

__all__ = [
    "OutputType",
    "PartialShape",
    "infer",
    "single_node",
]

PartialShape: TypeAlias = "tuple[Dim | None, ...] | None"


@dataclass(frozen=True)
class OutputType:
    """dtype and shape of an output; a None dim is not known yet, a None shape has no known rank."""

    dtype: ir.DataType
    shape: PartialShape
    is_sequence: bool = False
    is_optional: bool = False

    @staticmethod
    def of(tensor: Tensor) -> OutputType:
        """The type of an existing tensor."""
        type_ = None if tensor.value is None else tensor.value.type
        is_optional = isinstance(type_, ir.OptionalType)
        held = type_.elem_type if isinstance(type_, ir.OptionalType) else type_
        is_sequence = isinstance(held, ir.SequenceType)
        return OutputType(tensor.dtype, tensor.shape, is_sequence, is_optional)

    def pair(self) -> OutputType:
        """Of a complex tensor, the type of the real one that it is in the graph."""
        shape = None if self.shape is None else (*self.shape, 2)
        return replace(self, dtype=part_dtype(self.dtype), shape=shape)

    def ir_type(self) -> ir.TypeProtocol:
        """As an onnx_ir type."""
        type_: ir.TensorType | ir.SequenceType = ir.TensorType(self.dtype)
        if self.is_sequence:
            type_ = ir.SequenceType(type_)
        return ir.OptionalType(type_) if self.is_optional else type_


def infer(call: Call) -> list[OutputType]:
    """The types of a call's outputs."""
    dtypes = _dtypes(call)
    if any(dtype is not None and is_complex(dtype) for dtype in dtypes):
        raise UnsupportedError(f"{call.op_type} of complex numbers")
    rule = RULES.get(call.op_type) if call.signature.domain == "" else None
    shapes: Sequence[PartialShape] | None = rule(call) if rule else None
    if shapes is None and call.signature.domain == "":
        inferred = _onnx_inference(call)
        if inferred is not None:
            shapes = [shape for _, shape in inferred]
            dtypes = [d or t for d, (t, _) in zip(dtypes, inferred, strict=True)]
    if shapes is None:
        shapes = [None] * call.outputs
    result = []
    for i, shape in zip(range(call.outputs), shapes, strict=True):
        dtype = dtypes[i]
        if dtype is None:
            raise ValueError(f"{call.op_type}: the dtype of output {i} is not known")
        result.append(OutputType(dtype, shape, call.op_type in _GIVES_SEQUENCE))
    return result


# The attribute that names the dtype of the output.
_DTYPE_ATTRIBUTE = {
    "Cast": "to",
    "EyeLike": "dtype",
    "RandomNormal": "dtype",
    "RandomUniform": "dtype",
    "RandomNormalLike": "dtype",
    "RandomUniformLike": "dtype",
    "Multinomial": "dtype",
    "Bernoulli": "dtype",
    "SequenceEmpty": "dtype",
    "BlackmanWindow": "output_datatype",
    "HannWindow": "output_datatype",
    "HammingWindow": "output_datatype",
}


def _dtypes(call: Call) -> list[ir.DataType | None]:
    bound: dict[str, ir.DataType] = {}
    parameters = call.signature.inputs
    for i, tensor in enumerate(call.inputs):
        if tensor is not None and parameters:
            bound.setdefault(parameters[min(i, len(parameters) - 1)].type_variable, tensor.dtype)
    named = call.attributes.get(_DTYPE_ATTRIBUTE.get(call.op_type, ""))
    result: list[ir.DataType | None] = []
    for i in range(call.outputs):
        parameter = call.signature.outputs[min(i, len(call.signature.outputs) - 1)]
        legal = call.signature.dtypes[parameter.type_variable]
        if named:
            result.append(ir.DataType(named))
        elif parameter.type_variable in bound:
            result.append(bound[parameter.type_variable])
        elif len(legal) == 1:
            result.append(next(iter(legal)))
        elif call.op_type == "LayerNormalization":
            result.append(ir.DataType(call.attributes.get("stash_type", 1)))
        elif call.op_type in _DEFAULT_DTYPE:
            result.append(_DEFAULT_DTYPE[call.op_type])
        elif call.op_type == "ConstantOfShape":
            value = call.attributes.get("value")
            result.append(ir.DataType.FLOAT if value is None else ir.tensor(value).dtype)
        elif "Sequence" in call.op_type or (call.op_type in _DTYPE_ATTRIBUTE and call.inputs):
            result.append(call.tensor(0).dtype)
        else:
            result.append(None)
    return result


_GIVES_SEQUENCE = {
    "SequenceEmpty",
    "SequenceConstruct",
    "SequenceInsert",
    "SequenceErase",
    "SplitToSequence",
}

_DEFAULT_DTYPE = {
    # Of a float32 scale, as all are here.
    "DequantizeLinear": ir.DataType.FLOAT,
    "Multinomial": ir.DataType.INT32,
    "RandomNormal": ir.DataType.FLOAT,
    "RandomUniform": ir.DataType.FLOAT,
    "SequenceEmpty": ir.DataType.FLOAT,
    "BlackmanWindow": ir.DataType.FLOAT,
    "HannWindow": ir.DataType.FLOAT,
    "HammingWindow": ir.DataType.FLOAT,
}


def _onnx_inference(call: Call) -> list[tuple[ir.DataType | None, PartialShape]] | None:
    """Ask onnx for one node; symbols travel as dim_params."""
    schema = onnx.defs.get_schema(call.op_type, call.opset, call.signature.domain)
    names = [f"i{i}" if t is not None else "" for i, t in enumerate(call.inputs)]
    outputs = [f"o{i}" for i in range(call.outputs)]
    lone = single_node(call, [ir.Value(name=n) if n else None for n in names])
    node = ir.serde.serialize_node(lone)
    symbols: dict[str, SymInt] = {}
    types, data = {}, {}
    for name, tensor in zip(names, call.inputs, strict=True):
        if tensor is None:
            continue
        types[name] = _type_proto(tensor, symbols)
        if tensor.array is not None and tensor.array.size <= 64:
            data[name] = ir.serde.serialize_tensor(ir.Tensor(tensor.array, dtype=tensor.dtype))
    try:
        inferred = onnx.shape_inference.infer_node_outputs(schema, node, types, data)
    except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError):
        return None
    return [_from_proto(inferred.get(name), symbols) for name in outputs]


def single_node(call: Call, inputs: Sequence[ir.Value | None]) -> ir.Node:
    """A call as a node by itself, with outputs o0, o1, ..."""
    return ir.Node(
        call.signature.domain,
        call.op_type,
        inputs,
        [_attribute(call, name, value) for name, value in call.attributes.items()],
        outputs=[ir.Value(name=f"o{i}") for i in range(call.outputs)],
        version=call.opset,
    )


def _attribute(call: Call, name: str, value: object) -> ir.Attr:
    kind = call.signature.attributes[name]
    if kind == ir.AttributeType.TENSOR:
        return ir.AttrTensor(name, ir.tensor(value))
    return ir.Attr(name, kind, value)


def _type_proto(tensor: Tensor, symbols: dict[str, SymInt]) -> onnx.TypeProto:
    proto = onnx.TypeProto()
    proto.tensor_type.elem_type = int(tensor.dtype)
    if tensor.shape is not None:
        proto.tensor_type.shape.SetInParent()
        for dim in tensor.shape:
            entry = proto.tensor_type.shape.dim.add()
            if isinstance(dim, int):
                entry.dim_value = dim
            else:
                entry.dim_param = str(dim)
                symbols[str(dim)] = dim
    return proto


def _from_proto(
    proto: onnx.TypeProto | None, symbols: dict[str, SymInt]
) -> tuple[ir.DataType | None, PartialShape]:
    if proto is None or not proto.HasField("tensor_type"):
        return None, None
    tensor = proto.tensor_type
    dtype = ir.DataType(tensor.elem_type) if tensor.elem_type else None
    if not tensor.HasField("shape"):
        return dtype, None
    shape: list[Dim | None] = []
    for entry in tensor.shape.dim:
        if entry.HasField("dim_value"):
            shape.append(int(entry.dim_value))
        else:
            shape.append(symbols.get(entry.dim_param) if entry.dim_param else None)
    return dtype, tuple(shape)
