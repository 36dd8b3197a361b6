"""Nodes that compute integers known as expressions: sizes, and what was computed from them.

The shape of a tensor is read by one `Shape` node in each graph, its sizes by `Gather`; an
expression is computed once in each graph, or read off a tensor of that size. The nodes are emitted
as they are, past the propagation that would defer them again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from exporter.errors import UnsupportedError
from exporter.onnx_graph import shapes
from exporter.onnx_graph.arguments import plain_attribute
from exporter.onnx_graph.signatures import place
from exporter.onnx_graph.symbolic import Apply, Atom, Dim, Symbol, SymInt
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

__all__ = ["expression", "materialize", "product"]


def materialize(g: Builder, tensor: Tensor) -> Tensor:
    """Nodes for a tensor of symbolic integers."""
    assert tensor.elements is not None
    elements = tensor.elements
    result = g.scalar(elements[0]) if tensor.shape == () else _vector(g, elements)
    if tensor.dtype != ir.DataType.INT64:
        result = _cast_node(g, result, tensor.dtype)
    return result


def _cast_node(g: Builder, tensor: Tensor, dtype: ir.DataType) -> Tensor:
    out = shapes.OutputType(dtype, tensor.shape)
    kinds = {"to": ir.AttributeType.INT}
    return g.emit("Cast", [g.value(tensor)], {"to": int(dtype)}, [out], kinds=kinds)[0]


def _vector(g: Builder, elements: Sequence[Dim]) -> Tensor:
    """A 1-D tensor: runs of known ints as constants, runs of sizes by one Gather each."""
    pieces: list[Tensor] = []
    i = 0
    while i < len(elements):
        element = elements[i]
        j = i + 1
        if isinstance(element, int):
            while j < len(elements) and isinstance(elements[j], int):
                j += 1
            pieces.append(g.constant(np.array(elements[i:j], np.int64)))
        else:
            source = _dim_source(g, element)
            if source is None:
                axes = g.constant([0], ir.DataType.INT64)
                pieces.append(_node(g, "Unsqueeze", [g.scalar(element), axes], (1,)))
            else:
                tensor, axis = source
                indices = [axis]
                while j < len(elements):
                    following = _dim_source(g, elements[j])
                    if following is None or following[0] is not tensor:
                        break
                    indices.append(following[1])
                    j += 1
                picked = g.constant(np.array(indices, np.int64))
                pieces.append(_node(g, "Gather", [_shape_node(g, tensor), picked], (len(indices),)))
        i = j
    if len(pieces) == 1:
        return pieces[0]
    return _node(g, "Concat", pieces, (len(elements),), axis=0)


def _node(
    g: Builder, op_type: str, inputs: Sequence[Tensor], shape: tuple[int, ...], **attributes: int
) -> Tensor:
    """An int64 node emitted as it is, past the propagation that would defer it again."""
    signature, placed = place(op_type, "", g.opset, inputs, attributes)
    values = [g.value(t) for t in placed.inputs if isinstance(t, Tensor)]
    attrs = {k: plain_attribute(g.opset, signature, k, v) for k, v in placed.attributes.items()}
    out = shapes.OutputType(ir.DataType.INT64, shape)
    return g.emit(op_type, values, attrs, [out], kinds=signature.attributes)[0]


def _shape_node(g: Builder, tensor: Tensor) -> Tensor:
    key = ("shape", id(tensor))
    cached = g.scope.cached(key)
    if cached is None:
        cached = g.emit("Shape", [g.value(tensor)], {}, [_shape_type(tensor)])[0]
        g.scope.cache[key] = cached
        g.scope.cache[("keep", id(tensor))] = tensor
    return cached


def _size_node(g: Builder, tensor: Tensor, axis: int) -> Tensor:
    index = g.constant(axis, ir.DataType.INT64)
    return _node(g, "Gather", [_shape_node(g, tensor), index], ())


def _shape_type(tensor: Tensor) -> shapes.OutputType:
    """The type of a shape; it has a dim of its own where the number of dims is not known."""
    return shapes.OutputType(ir.DataType.INT64, (tensor.rank,))


def _dim_source(g: Builder, value: Dim) -> tuple[Tensor, int] | None:
    """The visible tensor and axis a size can be read from, if it is the size of one."""
    if not isinstance(value, SymInt):
        return None
    symbol = value.as_symbol()
    if symbol is None:
        return g.scope.sized(value)
    for tensor, axis in symbol.sources:
        if axis is not None and g.scope.sees(tensor):
            return tensor, axis
    return None


def expression(g: Builder, value: SymInt) -> Tensor:
    """Nodes that compute an expression as a 0-d int64 tensor."""
    source = None if value.as_symbol() else _dim_source(g, value)
    if source is not None:
        return _size_node(g, *source)
    total: Tensor | None = None
    for monomial, factor in value.terms.items():
        term: Tensor | None = None
        for atom in monomial:
            part = _atom(g, atom)
            term = part if term is None else _node(g, "Mul", [term, part], ())
        if term is None:
            term = g.constant(factor, ir.DataType.INT64)
        elif factor != 1:
            term = _node(g, "Mul", [term, g.constant(factor, ir.DataType.INT64)], ())
        total = term if total is None else _node(g, "Add", [total, term], ())
    assert total is not None
    return total


def product(g: Builder, value: SymInt, factors: Sequence[Dim]) -> None:
    """Compute an expression as the product of these, for where it will be needed."""
    if g.scope.cached(value) is None:
        total = g.scalar(factors[0])
        for factor in factors[1:]:
            total = _node(g, "Mul", [total, g.scalar(factor)], ())
        g.scope.cache[value] = total


def _atom(g: Builder, atom: Atom) -> Tensor:
    if isinstance(atom, Symbol):
        for tensor, axis in atom.sources:
            if g.scope.sees(tensor):
                return tensor if axis is None else _size_node(g, tensor, axis)
        raise UnsupportedError(f"the size {atom.name} can't be read here")
    source = _dim_source(g, SymInt.of(atom))
    if source is not None:
        return _size_node(g, *source)
    arguments = [g.scalar(a) for a in atom.arguments]
    if atom.operator == "let":
        return arguments[0]
    if atom.operator in ("max", "min"):
        return _int64_extreme(g, atom, arguments)
    return _floor_division(g, atom, arguments)


def _int64_extreme(g: Builder, atom: Apply, arguments: Sequence[Tensor]) -> Tensor:
    if g.opset >= 12:
        return _node(g, "Max" if atom.operator == "max" else "Min", arguments, ())
    # Max and Min take int64 from opset 12 on.
    left, right = arguments
    op_type = "Greater" if atom.operator == "max" else "Less"
    return g.Where(getattr(g, op_type)(left, right), left, right)  # type: ignore[no-any-return]


def _floor_division(g: Builder, atom: Apply, arguments: Sequence[Tensor]) -> Tensor:
    left, right = arguments
    low = [a.bounds()[0] if isinstance(a, SymInt) else a for a in atom.arguments]
    # onnxruntime 1.31 makes c / b of 1 / b * c, for integers too, so no Div starts with a 1 here.
    if all(v is not None and v >= 0 for v in low) and atom.arguments[0] != 1:
        return _node(g, "Div", [left, right], ())
    # ONNX Div truncates; subtracting the remainder of the floored division first makes it exact.
    rest = _node(g, "Mod", [left, right], ()) if g.opset >= 10 else g.Mod(left, right)
    return _node(g, "Div", [_node(g, "Sub", [left, rest], ()), right], ())
