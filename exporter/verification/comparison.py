"""Whether two arrays agree: dtype, shape and values; and by how much they differ if not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from exporter.onnx_graph.complex_numbers import pairs_of
from exporter.verification.samples import Array

__all__ = ["Difference", "Tolerance", "compare"]

# Types with few digits, by the digits that they have: (rtol, atol).
_COARSE = {"float16": (1e-2, 1e-3), "bfloat16": (5e-2, 1e-2)}

# Of a quantized model: about six steps of an output of 7 bits.
_QUANTIZED = 5e-2


@dataclass(frozen=True)
class Tolerance:
    """Values agree if |actual - expected| <= atol * scale + rtol * |expected|.

    The scale is the largest finite expected value, at least 1: where large numbers were added up,
    the small ones that are left have lost digits. None means what suits the dtype: 1e-3 and 1e-5
    for float32 and float64, more for types with fewer digits, and for quantized models: what is
    rounded to 8 bits in each layer may go to the other side in each, and end a few steps apart.
    """

    rtol: float | None = None
    atol: float | None = None
    quantized: bool = False

    def for_model(self, operators: Collection[str]) -> Tolerance:
        """The tolerance for a model with these operators."""
        return replace(self, quantized="QuantizeLinear" in operators)

    def of(self, dtype: np.dtype[Any]) -> tuple[float, float]:
        """`rtol` and `atol` for a dtype."""
        rtol, atol = (1e-3, 1e-5)
        if dtype.name.startswith("float8"):
            rtol, atol = 0.25, 0.1
        rtol, atol = _COARSE.get(dtype.name, (rtol, atol))
        if self.quantized:
            atol = _QUANTIZED
        return (
            rtol if self.rtol is None else self.rtol,
            atol if self.atol is None else self.atol,
        )


@dataclass(frozen=True)
class Difference:
    """How one output compares; `problem` is None where it agrees.

    The errors are the largest over all elements that are finite on both sides.
    """

    output: str
    problem: str | None
    max_abs: float = 0.0
    max_rel: float = 0.0


def compare(name: str, expected: Array, actual: Array, tolerance: Tolerance) -> Difference:
    """Compare one output. Integers, booleans and strings must be equal; pairs may be complex."""
    if not isinstance(actual, np.ndarray):
        return Difference(name, f"is a {type(actual).__name__}, not a tensor")
    if expected.dtype.kind == "c" and actual.dtype.kind == "f":
        expected = pairs_of(expected)
    if expected.dtype != actual.dtype:
        return Difference(name, f"has dtype {actual.dtype}, expected {expected.dtype}")
    if expected.shape != actual.shape:
        return Difference(name, f"has shape {list(actual.shape)}, expected {list(expected.shape)}")
    if expected.dtype.kind in "biuSUO":
        return _compare_exactly(name, expected, actual)
    return _compare_closely(name, expected, actual, tolerance.of(expected.dtype))


def _compare_exactly(name: str, expected: Array, actual: Array) -> Difference:
    wrong = expected != actual
    count = int(np.count_nonzero(wrong))
    if count == 0:
        return Difference(name, None)
    index = _largest(wrong)
    return Difference(
        name,
        f"differs in {count} of {expected.size} elements, "
        f"first at {list(index)}: {actual[index]}, expected {expected[index]}",
    )


def _compare_closely(
    name: str, expected: Array, actual: Array, tolerance: tuple[float, float]
) -> Difference:
    wide = np.complex128 if expected.dtype.kind == "c" else np.float64
    want, have = expected.astype(wide), actual.astype(wide)
    both = np.isfinite(want) & np.isfinite(have)
    # NaN agrees with NaN, an infinity with itself.
    same = (np.isnan(want) & np.isnan(have)) | (want == have)
    if not want.size:
        return Difference(name, None)
    rtol, atol = tolerance
    error = np.abs(np.where(both, have - np.where(both, want, 0), 0))
    size = np.abs(np.where(both, want, 0))
    scale = max(1.0, float(size.max()))
    limit = atol * scale + rtol * size
    wrong = ~same & (~both | (error > limit))
    max_abs = float(error.max())
    nonzero = size > 0
    max_rel = float((error[nonzero] / size[nonzero]).max()) if nonzero.any() else 0.0
    if not wrong.any():
        return Difference(name, None, max_abs, max_rel)
    count = int(np.count_nonzero(wrong))
    worst = _largest(wrong & ~both) if (wrong & ~both).any() else _largest(error - limit)
    return Difference(
        name,
        f"differs in {count} of {want.size} elements: largest absolute error {max_abs:.3g}, "
        f"relative {max_rel:.3g} (rtol {rtol:g}, atol {atol:g}); "
        f"at {list(worst)}: {actual[worst]}, expected {expected[worst]}",
        max_abs,
        max_rel,
    )


def _largest(values: Array) -> tuple[int, ...]:
    """Where the largest element is; of flags the first that is set."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(values)), values.shape))
