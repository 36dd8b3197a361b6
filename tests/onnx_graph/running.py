"""Builds a small graph with the builder and runs it in onnxruntime; no torch here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime as ort

from exporter.onnx_graph import shapes
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.values import Tensor


def graph_input(
    g: Builder, name: str, array: np.ndarray, *, dynamic: bool, known: Collection[int] = ()
) -> Tensor:
    """A model input like this array, with all its dims but the `known` named if `dynamic`."""
    names = [array.shape[i] if i in known else f"{name}_{i}" for i in range(array.ndim)]
    dtype = ir.DataType.from_numpy(array.dtype)
    shape = ir.Shape(names if dynamic else array.shape)
    value = ir.Value(name=name, type=ir.TensorType(dtype), shape=shape)
    tensor = Tensor(dtype, array.shape, value=value, scope=g.scope)
    if dynamic:
        tensor.shape = tuple(
            n if isinstance(n, int) else g.symbol(n, tensor, i) for i, n in enumerate(names)
        )
    return tensor


def outputs_of(g: Builder, tensors: Sequence[Tensor]) -> list[ir.Value]:
    """Values fit for graph outputs: each the result of an Identity of its own."""
    return [
        g.emit("Identity", [g.value(t)], {}, [shapes.OutputType.of(t)])[0].value for t in tensors
    ]


def session(
    g: Builder, inputs: Sequence[Tensor], outputs: Sequence[Tensor]
) -> ort.InferenceSession:
    """The graph so far as an onnxruntime session that optimizes nothing."""
    values = outputs_of(g, outputs)
    graph = ir.Graph(
        [t.value for t in inputs],
        values,
        nodes=g.scope.nodes,
        initializers=list(g.initializers.values()),
        opset_imports={"": g.opset, **g.domains},
        name="graph",
    )
    model = ir.serde.serialize_model(ir.Model(graph, ir_version=10))
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    return ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def run(
    function: Callable[..., Any],
    *arrays: np.ndarray,
    opset: int = 20,
    dynamic: bool = False,
    fold: bool = True,
    known: Collection[tuple[int, int]] = (),
) -> list[np.ndarray]:
    """What `function(g, *tensors)` computes; dtypes and shapes must be as inferred."""
    g = Builder(opset, fold=fold)
    inputs = [
        graph_input(g, f"x{i}", a, dynamic=dynamic, known=[d for j, d in known if j == i])
        for i, a in enumerate(arrays)
    ]
    found = function(g, *inputs)
    tensors = list(found) if isinstance(found, (tuple, list)) else [found]
    # Copies: onnxruntime's BatchNormalization writes its running statistics into its inputs.
    feeds = {f"x{i}": a.copy() for i, a in enumerate(arrays)}
    bindings = {
        d.as_symbol().name: array.shape[i]
        for tensor, array in zip(inputs, arrays, strict=True)
        for i, d in enumerate(tensor.shape)
        if not isinstance(d, int)
    }
    results = session(g, inputs, tensors).run(None, feeds)
    for tensor, result in zip(tensors, results, strict=True):
        assert ir.DataType.from_numpy(result.dtype) == tensor.dtype
        if tensor.shape is not None:
            assert len(tensor.shape) == result.ndim, (tensor, result.shape)
            for dim, size in zip(tensor.shape, result.shape, strict=True):
                expected = evaluate(dim, bindings)
                assert expected is None or expected == size, (tensor, result.shape)
    return results


def evaluate(dim: Any, bindings: dict[str, int]) -> int | None:
    """The value of a dim for sizes by name; None if it has a symbol without one."""
    if isinstance(dim, int):
        return dim
    if any(s.name not in bindings for s in dim.symbols()):
        return None
    total = 0
    for monomial, factor in dim.terms.items():
        for atom in monomial:
            factor *= _atom(atom, bindings)
        total += factor
    return total


def _atom(atom: Any, bindings: dict[str, int]) -> int:
    if hasattr(atom, "name"):
        return bindings[atom.name]
    arguments = [evaluate(a, bindings) for a in atom.arguments]
    if atom.operator == "floordiv":
        return arguments[0] // arguments[1]
    if atom.operator == "let":
        return arguments[0]
    return max(arguments) if atom.operator == "max" else min(arguments)
