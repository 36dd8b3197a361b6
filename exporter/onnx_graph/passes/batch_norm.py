"""Conv + BatchNormalization -> Conv."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

__all__ = ["FoldBatchNormPass"]


class FoldBatchNormPass(ir.passes.InPlacePass):
    """Fold a BatchNormalization into the weights of the convolution before it.

    With s = scale / sqrt(variance + epsilon) for each channel,
    BN(conv(x, W) + b) = conv(x, W * s) + (b - mean) * s + bias,
    computed in float64 and rounded once.

    1. the BatchNormalization is not in training mode, its four statistics are initializers
    2. nothing else uses the convolution's result, and weight and bias are initializers
    3. the weight keeps its name where nothing else uses it
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Fold each pair of the main graph and its bodies."""
        modified = False
        for node in list(ir.traversal.RecursiveGraphIterator(model.graph)):
            if node.op_type == "BatchNormalization" and not node.domain:
                modified |= _fold(model.graph, node)
        return ir.passes.PassResult(model, modified)


def _fold(graph: ir.Graph, node: ir.Node) -> bool:
    before = node.inputs[0]
    conv = before.producer() if before is not None else None
    if conv is None or conv.op_type not in ("Conv", "ConvTranspose") or before is None:
        return False
    training = node.attributes.get("training_mode")
    if (training is not None and training.as_int()) or any(o.uses() for o in node.outputs[1:]):
        return False
    if before.is_graph_output() or len(before.uses()) != 1 or conv.graph is not node.graph:
        return False
    statistics = [_array(v) for v in node.inputs[1:5]]
    weight, bias = _array(conv.inputs[1]), None
    has_bias = len(conv.inputs) > 2 and conv.inputs[2] is not None
    if has_bias:
        bias = _array(conv.inputs[2])
    if weight is None or (has_bias and bias is None) or any(s is None for s in statistics):
        return False
    group = conv.attributes.get("group")
    if conv.op_type == "ConvTranspose" and group is not None and group.as_int() != 1:
        return False
    scale, shift, mean, variance = (s.astype(np.float64) for s in statistics if s is not None)
    epsilon = node.attributes.get("epsilon")
    scale = scale / np.sqrt(variance + (1e-5 if epsilon is None else epsilon.as_float()))
    channels = [1] * weight.ndim
    channels[1 if conv.op_type == "ConvTranspose" else 0] = -1
    # As wide as the weight: what is converted to double and back takes longer than all the rest.
    wide = np.promote_types(weight.dtype, np.float32)
    factors = scale.reshape(channels).astype(wide)
    moved = ((0.0 if bias is None else bias.astype(np.float64)) - mean) * scale + shift
    if not (np.isfinite(scale).all() and np.isfinite(moved).all()):
        return False

    def folded() -> ir.TensorProtocol:
        """The product, computed when the model is written: until then it takes no memory."""
        return ir.Tensor(np.multiply(weight, factors).astype(weight.dtype, copy=False))

    lazy = ir.LazyTensor(
        folded, dtype=ir.DataType.from_numpy(weight.dtype), shape=ir.Shape(weight.shape)
    )
    weight_value = _replaced(graph, conv, 1, lazy, "")
    base = (weight_value.name or "weight").rsplit(".", 1)[0]
    _replaced(graph, conv, 2, ir.Tensor(moved.astype(weight.dtype)), f"{base}.bias")
    result, made = node.outputs[0], conv.outputs[0]
    name, shape = result.name, result.shape
    result.replace_all_uses_with(made, replace_graph_outputs=True)
    assert node.graph is not None
    node.graph.remove(node, safe=True)
    if made.is_graph_output():
        made.name = name
    made.shape = made.shape or shape
    return True


def _array(value: ir.Value | None) -> np.ndarray | None:
    """An initializer's array, unless it may be replaced by an input of the model."""
    if value is None or not value.is_initializer() or value.is_graph_input():
        return None
    return None if value.const_value is None else value.const_value.numpy()


def _replaced(
    graph: ir.Graph, conv: ir.Node, index: int, tensor: ir.TensorProtocol, name: str
) -> ir.Value:
    """Another tensor for an input: in place if only this node uses it, else a new initializer."""
    old = conv.inputs[index] if index < len(conv.inputs) else None
    if old is not None and len(old.uses()) == 1 and not old.is_graph_output():
        tensor.name = old.name
        old.const_value = tensor
        return old
    base = name or f"{old.name if old is not None else 'weight'}.folded"
    name, count = base, 1
    while name in graph.initializers:
        name, count = f"{base}_{count}", count + 1
    tensor.name = name
    value = ir.Value(
        name=name,
        type=ir.TensorType(tensor.dtype),
        shape=ir.Shape(tensor.shape.numpy()),
        const_value=tensor,
    )
    graph.register_initializer(value)
    if index >= len(conv.inputs):
        conv.resize_inputs(index + 1)
    conv.replace_input_with(index, value)
    return value
