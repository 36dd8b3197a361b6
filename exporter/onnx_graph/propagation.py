"""Integers that are known as expressions, carried through shape arithmetic.

`Shape`, `Gather`, `Concat`, `Add` and their like on small integer tensors with known elements give
a tensor with known elements, and no node. So sizes computed with tensors, as traced models do,
stay as exact as those computed with Python integers.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING

import onnx_ir as ir

from exporter.onnx_graph.symbolic import Atom, Dim, Symbol, is_ge, sym_max, sym_min

if TYPE_CHECKING:
    from exporter.onnx_graph.call import Call

__all__ = ["MAX_ELEMENTS", "propagate"]

MAX_ELEMENTS = 64
INTEGERS = (ir.DataType.INT64, ir.DataType.INT32)

Known = tuple[ir.DataType, tuple[int, ...], tuple[Dim, ...]]


def propagate(call: Call) -> Known | None:
    """(dtype, shape, elements) of the only output, or None where they are not known."""
    rule = _RULES.get(call.op_type)
    known = rule(call) if rule else None
    if known is not None and known[0] == ir.DataType.INT32 and not all(map(_fits, known[2])):
        return None
    return known


def _fits(value: Dim) -> bool:
    """Whether 32 bits hold a number, so that it does not wrap around.

    Sizes are taken to fit, and sums of them; products of sizes, and numbers that are computed from
    the data, may be anything.
    """
    if isinstance(value, int):
        return -(1 << 31) <= value < 1 << 31
    low, high = value.bounds()
    if low is not None and high is not None:
        return _fits(low) and _fits(high)
    return all(len(monomial) < 2 and all(map(_is_small, monomial)) for monomial in value.terms)


def _is_small(atom: Atom) -> bool:
    if isinstance(atom, Symbol):
        return any(axis is not None for _, axis in atom.sources)
    return all(map(_fits, atom.arguments))


def _shape(call: Call) -> Known | None:
    shape = call.tensor(0).shape
    if shape is None or len(shape) > MAX_ELEMENTS:
        return None
    start, end = call.attributes.get("start", 0), call.attributes.get("end")
    part = shape[slice(start, end)]
    return ir.DataType.INT64, (len(part),), part


def _size(call: Call) -> Known | None:
    shape = call.tensor(0).shape
    if shape is None:
        return None
    return ir.DataType.INT64, (), (prod(shape),)


def _binary(compute: Callable[[Dim, Dim], Dim | None]) -> Callable[[Call], Known | None]:
    def rule(call: Call) -> Known | None:
        if len(call.inputs) != 2:
            return None
        left, right = call.tensor(0), call.tensor(1)
        if left.elements is None or right.elements is None or left.dtype not in INTEGERS:
            return None
        a, b = left.elements, right.elements
        if len(a) != len(b):
            if len(a) == 1:
                a = a * len(b)
            elif len(b) == 1:
                b = b * len(a)
            else:
                return None
        if len(a) == 0:
            return None
        result = []
        for x, y in zip(a, b, strict=True):
            element = compute(x, y)
            if element is None:
                return None
            result.append(element)
        shape = (len(result),) if left.shape != () or right.shape != () else ()
        return left.dtype, shape, tuple(result)

    return rule


def _divide(left: Dim, right: Dim) -> Dim | None:
    """ONNX Div truncates, which is floor division for numbers that aren't negative."""
    if isinstance(right, int) and right == 0:
        return None
    if is_ge(left, 0) and is_ge(right, 1):
        return left // right
    return None


def _comparison(compute: Callable[[Dim, Dim], bool | None]) -> Callable[[Call], Known | None]:
    """Numbers that compare one way for all sizes."""
    decided = _binary(compute)

    def rule(call: Call) -> Known | None:
        known = decided(call)
        return None if known is None else (ir.DataType.BOOL, known[1], known[2])

    return rule


def _equal(left: Dim, right: Dim) -> bool | None:
    if left == right:
        return True
    return False if is_ge(left, right + 1) or is_ge(right, left + 1) else None


def _keep(call: Call) -> Known | None:
    tensor = call.tensor(0)
    if tensor.elements is None:
        return None
    return tensor.dtype, (() if tensor.shape == () else (len(tensor.elements),)), tensor.elements


def _cast(call: Call) -> Known | None:
    target = ir.DataType(call.attributes["to"])
    known = _keep(call)
    if known is None or target not in INTEGERS or call.tensor(0).dtype not in INTEGERS:
        return None
    return target, known[1], known[2]


def _concat(call: Call) -> Known | None:
    elements: list[Dim] = []
    for tensor in call.inputs:
        if tensor is None or tensor.elements is None or tensor.rank != 1:
            return None
        elements.extend(tensor.elements)
    if len(elements) > MAX_ELEMENTS:
        return None
    return call.tensor(0).dtype, (len(elements),), tuple(elements)


def _gather(call: Call) -> Known | None:
    data, indices = call.tensor(0), call.tensor(1)
    if data.elements is None or data.rank != 1 or indices.array is None or indices.array.ndim > 1:
        return None
    picked = [int(i) for i in indices.array.reshape(-1)]
    if any(not -len(data.elements) <= i < len(data.elements) for i in picked):
        return None
    return data.dtype, indices.array.shape, tuple(data.elements[i] for i in picked)


def _unsqueeze(call: Call) -> Known | None:
    tensor = call.tensor(0)
    if tensor.elements is None or tensor.rank != 0:
        return None
    axes = call.ints(1, "axes")
    return (tensor.dtype, (1,), tensor.elements) if axes in ([0], [-1]) else None


def _squeeze(call: Call) -> Known | None:
    tensor = call.tensor(0)
    if tensor.elements is None or tensor.shape != (1,):
        return None
    return tensor.dtype, (), tensor.elements


def _reshape(call: Call) -> Known | None:
    tensor, shape = call.tensor(0), call.optional(1)
    if tensor.elements is None or shape is None or shape.array is None:
        return None
    target = shape.array.tolist()
    if target == [] and len(tensor.elements) == 1:
        return tensor.dtype, (), tensor.elements
    if target in ([-1], [len(tensor.elements)]) and tensor.elements:
        return tensor.dtype, (len(tensor.elements),), tensor.elements
    return None


def _slice(call: Call) -> Known | None:
    tensor = call.tensor(0)
    if tensor.elements is None or tensor.rank != 1:
        return None
    starts, ends = call.ints(1, "starts"), call.ints(2, "ends")
    steps = call.ints(4, "steps") or [1]
    if starts is None or ends is None or len(starts) != 1 or steps[0] <= 0:
        return None
    part = tensor.elements[starts[0] : ends[0] : steps[0]]
    return tensor.dtype, (len(part),), part


def _reduce_prod(call: Call) -> Known | None:
    tensor = call.tensor(0)
    if tensor.elements is None or call.attributes.get("keepdims", 1):
        return None
    return tensor.dtype, (), (prod(tensor.elements),)


_RULES: dict[str, Callable[[Call], Known | None]] = {
    "Shape": _shape,
    "Size": _size,
    "Add": _binary(lambda a, b: a + b),
    "Sub": _binary(lambda a, b: a - b),
    "Mul": _binary(lambda a, b: a * b),
    "Div": _binary(_divide),
    "Max": _binary(sym_max),
    "Min": _binary(sym_min),
    "Less": _comparison(lambda a, b: is_ge(b, a + 1)),
    "LessOrEqual": _comparison(lambda a, b: is_ge(b, a)),
    "Greater": _comparison(lambda a, b: is_ge(a, b + 1)),
    "GreaterOrEqual": _comparison(is_ge),
    "Equal": _comparison(_equal),
    "Identity": _keep,
    "Cast": _cast,
    "Concat": _concat,
    "Gather": _gather,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Reshape": _reshape,
    "Slice": _slice,
    "ReduceProd": _reduce_prod,
}
