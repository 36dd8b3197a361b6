"""How a model's results are flattened and compared with those of onnxruntime.

Kept apart from the exporter's own verification on purpose: what judges the exporter shares no code
with it. Imports no PyTorch; tensors are recognised by what they can do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

_SCALAR_DTYPES = {bool: np.bool_, int: np.int64, float: np.float32}


def flat_arrays(value: object) -> list[np.ndarray]:
    """Tensors, arrays and numbers of a nested value, in order; a float counts as float32."""
    if isinstance(value, np.ndarray):
        return [value]
    if type(value) in _SCALAR_DTYPES:
        return [np.asarray(value, _SCALAR_DTYPES[type(value)])]
    if isinstance(value, Mapping):
        return [array for item in value.values() for array in flat_arrays(item)]
    if isinstance(value, (list, tuple)):
        return [array for item in value for array in flat_arrays(item)]
    if hasattr(value, "detach"):
        # A copy: state that is written in place must not change what was recorded.
        return [np.array(value.detach().cpu().numpy())]
    raise TypeError(f"no arrays can be made of {type(value).__name__}")


def difference(
    expected: Sequence[np.ndarray],
    actual: Sequence[np.ndarray],
    *,
    rtol: float = 1e-3,
    atol: float = 1e-5,
) -> str | None:
    """Say how the results differ in number, shape, dtype or value; None where they agree.

    `atol` is relative to the largest finite expected value where that is above one. Integers and
    booleans must be equal.
    """
    if len(expected) != len(actual):
        return f"{len(expected)} outputs expected, {len(actual)} returned"
    for index, (want, have) in enumerate(zip(expected, actual, strict=True)):
        have = np.asarray(have)
        if want.shape != have.shape:
            return f"output {index}: shape {want.shape} expected, {have.shape} returned"
        if want.dtype != have.dtype:
            return f"output {index}: dtype {want.dtype} expected, {have.dtype} returned"
        if want.dtype.kind != "f":
            if not np.array_equal(want, have):
                return f"output {index}: {int((want != have).sum())} of {want.size} differ"
            continue
        finite = np.abs(want[np.isfinite(want)])
        scale = max(1.0, float(finite.max(initial=0.0)))
        if not np.allclose(have, want, rtol, atol * scale, equal_nan=True):
            with np.errstate(invalid="ignore"):
                worst = float(np.nanmax(np.abs(want - have)))
            return f"output {index}: values differ by up to {worst:.3g}"
    return None
