"""Nodes whose inputs are all constants are computed instead of emitted.

The common operators are computed with numpy, exactly as onnxruntime would: what might differ (an
integer division by zero, a float too large for the integer it becomes) stays in the graph. The long
tail is run in onnxruntime. A result much larger than its inputs is not stored, and big weights are
not copied. Operators with random results, bodies or sequences are never folded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from exporter.errors import UnsupportedError
from exporter.onnx_graph.indexing_rules import slice_bounds
from exporter.onnx_graph.shapes import single_node

if TYPE_CHECKING:
    from exporter.onnx_graph.call import Call

__all__ = ["convert", "fold", "folded_name", "number_array"]

# Inputs above this many bytes are left alone: computing with them would copy weights.
LARGEST_INPUT = 1 << 20
# A result may have this many bytes, or as many as the inputs.
LARGEST_GROWTH = 1 << 12


def folded_name(call: Call) -> str | None:
    """The name of what is computed from one weight: the weight's, a slash and the operator's."""
    names = [t.name for t in call.inputs if t is not None and t.name is not None]
    return f"{names[0]}/{call.op_type}" if len(names) == 1 else None


def fold(call: Call) -> list[np.ndarray] | None:
    """The values of a call's outputs, or None where it must be emitted."""
    if not call.inputs or call.inputs[0] is None or call.inputs[0].array is None:
        return None
    arrays = [None if t is None else t.array for t in call.inputs]
    if any(a is None and t is not None for a, t in zip(arrays, call.inputs, strict=True)):
        return None
    size = sum(a.nbytes for a in arrays if a is not None)
    if size > LARGEST_INPUT or not call.signature.deterministic:
        return None
    rule = _RULES.get(call.op_type) if not call.signature.domain else None
    if rule is not None and call.outputs == 1:
        try:
            with np.errstate(all="ignore"):
                result = rule(call, *arrays)
        except ValueError:  # their shapes do not fit, as is said where the node is emitted
            return None
        results = None if result is None else [np.asarray(result)]
    else:
        results = None if rule is not None else _run(call, arrays)
    if results is None or sum(r.nbytes for r in results) > max(LARGEST_GROWTH, size):
        return None
    return results


def convert(array: np.ndarray, dtype: ir.DataType) -> np.ndarray:
    """An array in another dtype, as PyTorch converts: floats truncate, ints wrap around."""
    with np.errstate(all="ignore"):
        return array.astype(dtype.numpy())


def number_array(value: object, dtype: ir.DataType) -> np.ndarray:
    """A Python number or list in a dtype, wrapping and saturating as PyTorch's conversion does."""
    array = np.array(value)
    if array.dtype == object:
        raise UnsupportedError(f"the number {value} does not fit into 64 bits")
    if array.dtype.kind == "c" and dtype not in (ir.DataType.COMPLEX64, ir.DataType.COMPLEX128):
        raise UnsupportedError(f"the complex number {value} as a {dtype.name.lower()}")
    return convert(array, dtype)


def _run(call: Call, arrays: list[np.ndarray | None]) -> list[np.ndarray] | None:
    """The results as onnxruntime computes them; None where it can't."""
    if call.signature.domain or call.op_type in NOT_RUN:
        return None
    if any(a is not None and a.dtype.kind not in "biuf" for a in arrays):
        return None
    import onnxruntime  # noqa: PLC0415  slow to import, and seldom needed here
    from onnxruntime.capi import onnxruntime_pybind11_state as state  # noqa: PLC0415  with it

    # Its errors have no base class of their own.
    refusals = (
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.NotImplemented,
        state.RuntimeException,
    )

    types = {f"i{i}": t for i, t in enumerate(call.inputs) if t is not None}
    inputs = [
        ir.Value(name=name, type=ir.TensorType(t.dtype), shape=ir.Shape(t.array.shape))
        for name, t in types.items()
        if t.array is not None
    ]
    by_name = {v.name: v for v in inputs}
    node = single_node(call, [by_name.get(f"i{i}") for i in range(len(call.inputs))])
    graph = ir.Graph(
        inputs, node.outputs, nodes=[node], opset_imports={"": call.opset}, name="node"
    )
    model = ir.serde.serialize_model(ir.Model(graph, ir_version=8))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        feeds = {name: t.array for name, t in types.items()}
        return list(session.run(None, feeds))
    except refusals:  # it has no kernel, or can't compute this: the node is emitted
        return None


# Bodies, sequences, and what is better left as it is.
NOT_RUN = frozenset(
    [
        "If",
        "Loop",
        "Scan",
        "SequenceMap",
        "SequenceAt",
        "SequenceConstruct",
        "SequenceEmpty",
        "SequenceErase",
        "SequenceInsert",
        "SequenceLength",
        "SplitToSequence",
        "ConcatFromSequence",
        "Optional",
        "OptionalGetElement",
        "OptionalHasElement",
        # A quantized weight stays small.
        "DequantizeLinear",
        "DynamicQuantizeLinear",
    ]
)


def _plain(compute: Callable[..., Any]) -> Callable[..., np.ndarray]:
    """A rule from a numpy function; the result keeps the dtype of the first input."""

    def rule(call: Call, *arrays: np.ndarray) -> np.ndarray:  # noqa: ARG001
        return np.asarray(compute(*arrays)).astype(arrays[0].dtype, copy=False)

    return rule


def _predicate(compute: Callable[..., Any]) -> Callable[..., np.ndarray]:
    def rule(call: Call, *arrays: np.ndarray) -> np.ndarray:  # noqa: ARG001
        return np.asarray(compute(*arrays), np.bool_)

    return rule


def _cast(call: Call, array: np.ndarray) -> np.ndarray | None:
    """Out-of-range floats become integers in ways that differ between machines: not folded."""
    dtype = ir.DataType(call.attributes["to"])
    target = dtype.numpy()
    if target.kind not in "biuf" and dtype != ir.DataType.BFLOAT16:
        return None
    if target.kind in "iu" and array.dtype.kind not in "biu":
        limits = np.iinfo(target)
        whole = np.trunc(array.astype(np.float64))
        # The largest int64 rounds up as a double, and is itself out of range.
        if not ((whole >= limits.min) & (whole < float(limits.max) + 1)).all():
            return None
    return convert(array, dtype)


def _div(call: Call, left: np.ndarray, right: np.ndarray) -> np.ndarray | None:  # noqa: ARG001
    """Integers truncate; the smallest by -1 overflows, and is left to the runtime like x / 0."""
    if left.dtype.kind not in "iu":
        return np.asarray(left / right, left.dtype)
    if (right == 0).any():
        return None
    if left.dtype.kind == "i" and ((left == np.iinfo(left.dtype).min) & (right == -1)).any():
        return None
    quotient = left // right
    rest = left - quotient * right
    rounded_down = (rest != 0) & ((left < 0) != (right < 0))
    return np.asarray(quotient + rounded_down, left.dtype)


def _mod(call: Call, left: np.ndarray, right: np.ndarray) -> np.ndarray | None:
    if left.dtype.kind in "iu" and (right == 0).any():
        return None
    if call.attributes.get("fmod", 0):
        return np.asarray(np.fmod(left, right), left.dtype)
    return np.asarray(np.mod(left, right), left.dtype) if left.dtype.kind in "iu" else None


def _extreme(compute: Callable[..., Any]) -> Callable[..., np.ndarray]:
    """Max and Min of any number of tensors; NaN wins, as in numpy."""

    def rule(call: Call, *arrays: np.ndarray) -> np.ndarray:  # noqa: ARG001
        result = arrays[0]
        for other in arrays[1:]:
            result = compute(result, other)
        return np.asarray(result, arrays[0].dtype)

    return rule


def _reduce(compute: Callable[..., Any]) -> Callable[..., np.ndarray | None]:
    """Sums and products of integers only: of floats, the order of the additions shows."""

    def rule(call: Call, array: np.ndarray, axes: np.ndarray | None = None) -> np.ndarray | None:
        if array.dtype.kind not in "iu" or array.size == 0:
            return None
        where = _axes(call, axes)
        if not where:
            if call.attributes.get("noop_with_empty_axes"):
                return array
            where = list(range(array.ndim))
        keep = bool(call.attributes.get("keepdims", 1))
        return np.asarray(compute(array, axis=tuple(where), keepdims=keep), array.dtype)

    return rule


def _tile(call: Call, array: np.ndarray, repeats: np.ndarray) -> np.ndarray | None:  # noqa: ARG001
    if array.nbytes * int(np.prod(repeats)) > LARGEST_GROWTH:
        return None
    return np.tile(array, [int(r) for r in repeats])


def _range(
    call: Call,  # noqa: ARG001
    start: np.ndarray,
    limit: np.ndarray,
    delta: np.ndarray,
) -> np.ndarray | None:
    """Start + i * delta, in the dtype itself; floats only where they are whole."""
    first, last, step = (a.item() for a in (start, limit, delta))
    if step == 0 or any(v != v or int(v) != v for v in (first, last, step)):
        return None
    count = max(-((int(first) - int(last)) // int(step)), 0)
    if count * start.itemsize > LARGEST_GROWTH:
        return None
    return (int(first) + np.arange(count) * int(step)).astype(start.dtype)


def _clip(
    call: Call, array: np.ndarray, low: np.ndarray | None = None, high: np.ndarray | None = None
) -> np.ndarray | None:
    if "min" in call.attributes or "max" in call.attributes:
        return None
    result = array if low is None else np.maximum(array, low)
    return np.asarray(result if high is None else np.minimum(result, high), array.dtype)


def _non_zero(call: Call, array: np.ndarray) -> np.ndarray:  # noqa: ARG001
    return np.array(np.nonzero(np.atleast_1d(array)), np.int64)


def _size(call: Call, array: np.ndarray) -> np.ndarray:  # noqa: ARG001
    return np.array(array.size, np.int64)


def _shape(call: Call, array: np.ndarray) -> np.ndarray:
    part = slice(call.attributes.get("start", 0), call.attributes.get("end"))
    return np.array(array.shape[part], np.int64)


def _is_inf(call: Call, array: np.ndarray) -> np.ndarray:
    negative = np.isneginf(array) & bool(call.attributes.get("detect_negative", 1))
    return np.asarray(
        negative | (np.isposinf(array) & bool(call.attributes.get("detect_positive", 1)))
    )


def _concat(call: Call, *arrays: np.ndarray) -> np.ndarray:
    return np.concatenate(arrays, call.attributes["axis"])


def _reshape(call: Call, array: np.ndarray, shape: np.ndarray) -> np.ndarray:
    target = [int(d) for d in shape]
    if not call.attributes.get("allowzero"):
        target = [array.shape[i] if d == 0 else d for i, d in enumerate(target)]
    return array.reshape(target)


def _axes(call: Call, array: np.ndarray | None) -> list[int] | None:
    if "axes" in call.attributes:
        return list(call.attributes["axes"])
    return None if array is None else [int(a) for a in array]


def _unsqueeze(call: Call, array: np.ndarray, axes: np.ndarray | None = None) -> np.ndarray:
    return np.expand_dims(array, tuple(_axes(call, axes) or ()))


def _squeeze(call: Call, array: np.ndarray, axes: np.ndarray | None = None) -> np.ndarray:
    where = _axes(call, axes)
    return np.squeeze(array, None if where is None else tuple(where))


def _gather(call: Call, array: np.ndarray, indices: np.ndarray) -> np.ndarray | None:
    axis = call.attributes.get("axis", 0)
    size = array.shape[axis]
    if ((indices < -size) | (indices >= size)).any():
        return None
    return np.asarray(np.take(array, indices, axis=axis))


def _slice(call: Call, array: np.ndarray, *rest: np.ndarray | None) -> np.ndarray | None:
    def part(index: int, name: str) -> list[int] | None:
        if name in call.attributes:
            return list(call.attributes[name])
        found = rest[index] if index < len(rest) else None
        return None if found is None else [int(v) for v in found]

    starts, ends = part(0, "starts"), part(1, "ends")
    assert starts is not None
    assert ends is not None
    axes = part(2, "axes") or list(range(len(starts)))
    steps = part(3, "steps") or [1] * len(starts)
    where = [slice(None)] * array.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = array.shape[axis]
        bounds = slice_bounds(start, end, step, size) if step != 0 else None
        if bounds is None:
            return None
        first, count = (int(b) for b in bounds)
        last = first + count * step
        where[axis] = slice(first, None if last < 0 else last, step)
    part_of: np.ndarray = array[tuple(where)]
    return part_of


def _expand(call: Call, array: np.ndarray, shape: np.ndarray) -> np.ndarray | None:  # noqa: ARG001
    target = np.broadcast_shapes(array.shape, tuple(int(d) for d in shape))
    if int(np.prod(target)) * array.itemsize > LARGEST_GROWTH:
        return None
    expanded: np.ndarray = np.broadcast_to(array, target).copy()
    return expanded


def _constant_of_shape(call: Call, shape: np.ndarray) -> np.ndarray | None:
    value = call.attributes.get("value")
    fill = np.zeros(1, np.float32) if value is None else np.asarray(value)
    if int(np.prod(shape)) * fill.itemsize > LARGEST_GROWTH:
        return None
    return np.full([int(d) for d in shape], fill.reshape(-1)[0], fill.dtype)


def _transpose(call: Call, array: np.ndarray) -> np.ndarray:
    return np.transpose(array, call.attributes.get("perm"))


def _where(call: Call, condition: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:  # noqa: ARG001
    return np.where(condition, left, right).astype(left.dtype, copy=False)


_RULES: dict[str, Callable[..., np.ndarray | None]] = {
    "Identity": _plain(lambda a: a),
    "Add": _plain(np.add),
    "Sub": _plain(np.subtract),
    "Mul": _plain(np.multiply),
    "Div": _div,
    "Neg": _plain(np.negative),
    "Abs": _plain(np.abs),
    "Sqrt": _plain(np.sqrt),
    "Floor": _plain(np.floor),
    "Ceil": _plain(np.ceil),
    "Exp": _plain(np.exp),
    "Log": _plain(np.log),
    "Sin": _plain(np.sin),
    "Cos": _plain(np.cos),
    "Tanh": _plain(np.tanh),
    "Reciprocal": _plain(np.reciprocal),
    "And": _predicate(np.logical_and),
    "Or": _predicate(np.logical_or),
    "Xor": _predicate(np.logical_xor),
    "Not": _predicate(np.logical_not),
    "Equal": _predicate(np.equal),
    "Greater": _predicate(np.greater),
    "Less": _predicate(np.less),
    "GreaterOrEqual": _predicate(np.greater_equal),
    "LessOrEqual": _predicate(np.less_equal),
    "Cast": _cast,
    "Concat": _concat,
    "Reshape": _reshape,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Gather": _gather,
    "Slice": _slice,
    "Expand": _expand,
    "ConstantOfShape": _constant_of_shape,
    "Transpose": _transpose,
    "Where": _where,
    "Shape": _shape,
    "Size": _size,
    "Mod": _mod,
    "Max": _extreme(np.maximum),
    "Min": _extreme(np.minimum),
    "Clip": _clip,
    "Sign": _plain(np.sign),
    "IsNaN": _predicate(np.isnan),
    "IsInf": _is_inf,
    "Round": _plain(np.rint),
    "ReduceSum": _reduce(np.sum),
    "ReduceProd": _reduce(np.prod),
    "ReduceMax": _reduce(np.max),
    "ReduceMin": _reduce(np.min),
    "Tile": _tile,
    "Range": _range,
    "NonZero": _non_zero,
    "BitwiseAnd": _plain(np.bitwise_and),
    "BitwiseOr": _plain(np.bitwise_or),
    "BitwiseXor": _plain(np.bitwise_xor),
    "BitwiseNot": _plain(np.invert),
}
