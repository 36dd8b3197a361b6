"""Nodes whose inputs are all constants are computed instead of emitted.

The common operators are computed with numpy. What isn't listed stays in the graph. A result much
larger than its inputs is not stored, and big weights are not copied.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Call

__all__ = ["convert", "fold"]

# Inputs above this many bytes are left alone: computing with them would copy weights.
LARGEST_INPUT = 1 << 20
# A result may have this many bytes, or as many as the inputs.
LARGEST_GROWTH = 1 << 12


def fold(call: Call) -> list[np.ndarray] | None:
    """The values of a call's outputs, or None where it must be emitted."""
    rule = _RULES.get(call.op_type)
    if rule is None or call.outputs != 1 or not call.inputs:
        return None
    arrays = [None if t is None else t.array for t in call.inputs]
    if any(a is None and t is not None for a, t in zip(arrays, call.inputs, strict=True)):
        return None
    size = sum(a.nbytes for a in arrays if a is not None)
    if size > LARGEST_INPUT:
        return None
    with np.errstate(all="ignore"):
        result = rule(call, *arrays)
    if result is None:
        return None
    if result.nbytes > max(LARGEST_GROWTH, size):
        return None
    return [result]


def convert(array: np.ndarray, dtype: ir.DataType) -> np.ndarray:
    """An array in another dtype, as PyTorch converts: floats truncate, ints wrap around."""
    with np.errstate(all="ignore"):
        return array.astype(dtype.numpy())


def _plain(compute: Callable[..., Any]) -> Callable[..., np.ndarray]:
    """A rule from a numpy function; the result keeps the dtype of the first input."""

    def rule(call: Call, *arrays: np.ndarray) -> np.ndarray:  # noqa: ARG001
        return np.asarray(compute(*arrays)).astype(arrays[0].dtype, copy=False)

    return rule


def _predicate(compute: Callable[..., Any]) -> Callable[..., np.ndarray]:
    def rule(call: Call, *arrays: np.ndarray) -> np.ndarray:  # noqa: ARG001
        return np.asarray(compute(*arrays), np.bool_)

    return rule


def _cast(call: Call, array: np.ndarray) -> np.ndarray:
    return convert(array, ir.DataType(call.attributes["to"]))


def _div(call: Call, left: np.ndarray, right: np.ndarray) -> np.ndarray | None:  # noqa: ARG001
    if left.dtype.kind in "iu":
        if (right == 0).any():
            return None
        quotient = np.abs(left) // np.abs(right)
        return np.asarray(quotient * np.sign(left) * np.sign(right), left.dtype)
    return np.asarray(left / right, left.dtype)


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


def _gather(call: Call, array: np.ndarray, indices: np.ndarray) -> np.ndarray:
    return np.asarray(np.take(array, indices, axis=call.attributes.get("axis", 0)))


def _slice(call: Call, array: np.ndarray, *rest: np.ndarray | None) -> np.ndarray:
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
        stop = None if step < 0 and end < -size else end
        where[axis] = slice(start, stop, step)
    return array[tuple(where)]


def _expand(call: Call, array: np.ndarray, shape: np.ndarray) -> np.ndarray | None:  # noqa: ARG001
    target = np.broadcast_shapes(array.shape, tuple(int(d) for d in shape))
    if int(np.prod(target)) * array.itemsize > LARGEST_GROWTH:
        return None
    return np.broadcast_to(array, target).copy()


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
    "Shape": lambda call, array: np.array(array.shape, np.int64),  # noqa: ARG005
}
