"""Shape rules of the common ONNX operators, over dims that may be symbolic.

A rule takes a `Call` and returns one shape an output (a None dim: not known), or None to leave the
question to `onnx.shape_inference`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING, TypeAlias

from exporter.errors import RaisedError
from exporter.onnx_graph.indexing_rules import INDEXING_RULES
from exporter.onnx_graph.spatial_rules import SPATIAL_RULES
from exporter.onnx_graph.symbolic import Dim, Shape, SymInt, is_ge, refreshed
from exporter.onnx_graph.target_shapes import rest

if TYPE_CHECKING:
    from exporter.onnx_graph.call import Call

__all__ = ["RULES", "PartialShape", "Rule", "broadcast"]

PartialShape: TypeAlias = "tuple[Dim | None, ...] | None"
Rule = Callable[["Call"], Sequence[PartialShape] | None]


def broadcast(*shapes: Shape | None) -> PartialShape:
    """The shape of an elementwise result; a dim is None where it can't be told.

    Of two dims one must be 1 or both be equal. So a known dim other than 1 decides.
    """
    if any(s is None for s in shapes):
        return None
    rank = max((len(s) for s in shapes if s is not None), default=0)
    result: list[Dim | None] = []
    for i in range(-rank, 0):
        dims = {s[i] for s in shapes if s is not None and -i <= len(s)}
        dims.discard(1)
        if len(dims) > 1:
            dims = set(map(refreshed, dims)) - {1}
        fixed = [d for d in dims if isinstance(d, int)]
        if len(fixed) > 1:
            raise RaisedError(f"tensors of sizes {fixed[0]} and {fixed[1]} don't broadcast")
        # A size that certainly is above 1 decides as a known one does.
        above = [d for d in dims if isinstance(d, SymInt) and is_ge(d, 2)]
        if not dims:
            result.append(1)
        elif fixed:
            result.append(fixed[0])
        elif len(dims) == 1:
            result.append(next(iter(dims)))
        elif above:
            result.append(above[0])
        else:
            result.append(None)
    return tuple(result)


def _elementwise(call: Call) -> Sequence[PartialShape]:
    return [broadcast(*(t.shape for t in call.inputs if t is not None))]


def _same(call: Call) -> Sequence[PartialShape]:
    return [call.tensor(0).shape] * call.outputs


def _shape(call: Call) -> Sequence[PartialShape]:
    return [(call.tensor(0).rank,)]


def _reduce(call: Call) -> Sequence[PartialShape] | None:
    shape = call.tensor(0).shape
    keep = call.attributes.get("keepdims", 1)
    axes = call.ints(1, "axes")
    if shape is None:
        return [() if not keep and call.optional(1) is None and axes is None else None]
    if axes is None and call.optional(1) is not None:
        return [(None,) * len(shape) if keep else None]
    if not axes and call.attributes.get("noop_with_empty_axes"):
        return [shape]
    reduced = {a % len(shape) for a in axes} if axes else set(range(len(shape)))
    if keep:
        return [tuple(1 if i in reduced else d for i, d in enumerate(shape))]
    return [tuple(d for i, d in enumerate(shape) if i not in reduced)]


def _arg_reduce(call: Call) -> Sequence[PartialShape]:
    shape = call.tensor(0).shape
    if shape is None:
        return [None]
    axis = call.attributes.get("axis", 0) % len(shape)
    middle: tuple[Dim, ...] = (1,) if call.attributes.get("keepdims", 1) else ()
    return [shape[:axis] + middle + shape[axis + 1 :]]


def _transpose(call: Call) -> Sequence[PartialShape]:
    shape = call.tensor(0).shape
    if shape is None:
        return [None]
    perm = call.attributes.get("perm") or list(range(len(shape)))[::-1]
    return [tuple(shape[p] for p in perm)]


def _reshape(call: Call) -> Sequence[PartialShape]:
    source, target = call.tensor(0).shape, call.tensor(1)
    if target.elements is None:
        length = target.static_shape
        return [(None,) * length[0] if length else None]
    result: list[Dim | None] = []
    for i, dim in enumerate(target.elements):
        if dim == 0 and not call.attributes.get("allowzero"):
            result.append(source[i] if source is not None and i < len(source) else None)
        elif dim == -1 or (isinstance(dim, SymInt) and not is_ge(dim, 0)):
            result.append(None)
        else:
            result.append(dim)
    if result.count(None) == 1 and -1 in target.elements and source is not None:
        result[result.index(None)] = rest(source, result)
    return [tuple(result)]


def _flatten(call: Call) -> Sequence[PartialShape]:
    shape = call.tensor(0).shape
    if shape is None:
        return [(None, None)]
    axis = call.attributes.get("axis", 1)
    return [(prod(shape[:axis]), prod(shape[axis:]))]


def _unsqueeze(call: Call) -> Sequence[PartialShape] | None:
    shape, axes = call.tensor(0).shape, call.ints(1, "axes")
    if shape is None or axes is None:
        return [None]
    rank = len(shape) + len(axes)
    where = {a % rank for a in axes}
    rest = iter(shape)
    return [tuple(1 if i in where else next(rest) for i in range(rank))]


def _squeeze(call: Call) -> Sequence[PartialShape] | None:
    shape, axes = call.tensor(0).shape, call.ints(1, "axes")
    if shape is None:
        return [None]
    if axes is None:
        known = all(isinstance(d, int) for d in shape) and call.optional(1) is None
        return [tuple(d for d in shape if d != 1)] if known else [None]
    where = {a % len(shape) for a in axes} if shape else set()
    return [tuple(d for i, d in enumerate(shape) if i not in where)]


def _concat(call: Call) -> Sequence[PartialShape]:
    shapes = [t.shape for t in call.inputs if t is not None]
    known = [s for s in shapes if s is not None]
    if not known:
        return [None]
    rank = len(known[0])
    axis = call.attributes["axis"] % rank
    result: list[Dim | None] = []
    for i in range(rank):
        if i == axis:
            total: Dim | None = 0
            for s in shapes:
                total = None if total is None or s is None else total + s[i]
            result.append(total)
        else:
            result.append(min((s[i] for s in known), key=_complexity))
    return [tuple(result)]


def _complexity(dim: Dim) -> int:
    """A known size is simpler than one of run time, and that than what is computed from it."""
    return 0 if isinstance(dim, int) else 1 if dim.as_symbol() is not None else 2


def _gather(call: Call) -> Sequence[PartialShape]:
    shape, indices = call.tensor(0).shape, call.tensor(1).shape
    if shape is None or indices is None:
        return [None]
    axis = call.attributes.get("axis", 0) % len(shape)
    return [shape[:axis] + indices + shape[axis + 1 :]]


def _matmul(call: Call) -> Sequence[PartialShape]:
    left, right = call.tensor(0).shape, call.tensor(1).shape
    if left is None or right is None or not left or not right:
        return [None]
    rows = left[-2:-1] if len(left) > 1 else ()
    columns = right[-1:] if len(right) > 1 else ()
    batch = broadcast(left[:-2], right[:-2])
    return [None if batch is None else (*batch, *rows, *columns)]


def _gemm(call: Call) -> Sequence[PartialShape]:
    left, right = call.tensor(0).shape, call.tensor(1).shape
    if left is None or right is None:
        return [(None, None)]
    rows = left[1] if call.attributes.get("transA") else left[0]
    columns = right[0] if call.attributes.get("transB") else right[1]
    return [(rows, columns)]


def _expand(call: Call) -> Sequence[PartialShape]:
    shape, target = call.tensor(0).shape, call.tensor(1)
    if target.elements is not None:
        return [broadcast(shape, target.elements)]
    length = target.static_shape
    if shape is None or not length:
        return [None]
    return [(None,) * max(length[0], len(shape))]


def _constant_of_shape(call: Call) -> Sequence[PartialShape]:
    target = call.tensor(0)
    if target.elements is not None:
        return [target.elements]
    length = target.static_shape
    return [(None,) * length[0] if length else None]


RULES: dict[str, Rule] = {
    **INDEXING_RULES,
    **SPATIAL_RULES,
    **dict.fromkeys(
        (
            "Add",
            "Sub",
            "Mul",
            "Div",
            "Pow",
            "Mod",
            "And",
            "Or",
            "Xor",
            "Equal",
            "Greater",
            "Less",
            "GreaterOrEqual",
            "LessOrEqual",
            "Max",
            "Min",
            "Sum",
            "Mean",
            "Where",
            "BitShift",
            "BitwiseAnd",
            "BitwiseOr",
            "BitwiseXor",
            "PRelu",
        ),
        _elementwise,
    ),
    **dict.fromkeys(
        (
            "Abs",
            "Acos",
            "Acosh",
            "Asin",
            "Asinh",
            "Atan",
            "Atanh",
            "BitwiseNot",
            "Cast",
            "CastLike",
            "Ceil",
            "Celu",
            "Clip",
            "Cos",
            "Cosh",
            "Elu",
            "Erf",
            "Exp",
            "Floor",
            "Gelu",
            "HardSigmoid",
            "HardSwish",
            "Hardmax",
            "Identity",
            "InstanceNormalization",
            "IsInf",
            "IsNaN",
            "LeakyRelu",
            "Log",
            "LogSoftmax",
            "Mish",
            "Neg",
            "Not",
            "Reciprocal",
            "Relu",
            "Round",
            "Selu",
            "Shrink",
            "Sigmoid",
            "Sign",
            "Sin",
            "Sinh",
            "Softmax",
            "Softplus",
            "Softsign",
            "Sqrt",
            "Tan",
            "Tanh",
            "ThresholdedRelu",
            "Trilu",
            "CumSum",
            "ScatterElements",
            "ScatterND",
            "Scatter",
            "GroupNormalization",
            "EyeLike",
            "RandomNormalLike",
            "RandomUniformLike",
            "Bernoulli",
            "LRN",
            "LpNormalization",
            "ReverseSequence",
            "Swish",
            "RMSNormalization",
            "MeanVarianceNormalization",
            "QuantizeLinear",
            "DequantizeLinear",
        ),
        _same,
    ),
    **dict.fromkeys(
        (
            "ReduceSum",
            "ReduceMean",
            "ReduceMax",
            "ReduceMin",
            "ReduceProd",
            "ReduceL1",
            "ReduceL2",
            "ReduceLogSum",
            "ReduceLogSumExp",
            "ReduceSumSquare",
        ),
        _reduce,
    ),
    "ArgMax": _arg_reduce,
    "ArgMin": _arg_reduce,
    "Shape": _shape,
    "Size": lambda call: [()],  # noqa: ARG005
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Concat": _concat,
    "Gather": _gather,
    "GatherElements": lambda call: [call.tensor(1).shape],
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Expand": _expand,
    "ConstantOfShape": _constant_of_shape,
}
