"""Inputs that are made up: by dtype and shape, or like an example but of another size.

Floats are standard normal. Integers made from nothing are 0 or 1, which are valid indices and
token numbers nearly everywhere; made from an example they are drawn from its values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from exporter.conversion.boundary.specs import numpy_dtype

__all__ = ["Array", "Sample", "array_for", "list_for", "made_up_size", "relisted", "resized"]

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

Sample: TypeAlias = "Array | list[Array] | None"
"""A value for an input: a list for a sequence, None for an optional one that is not there."""

MADE_UP_LENGTH = 2
# Dims of a tensor of which nothing is declared.
_ANY_SHAPE = ("rows", "columns")


def made_up_size(label: str) -> int:
    """A size for a dim that is just a name; the same name always gets the same one.

    Not 1, which broadcasts, and small.
    """
    return 2 + sum(label.encode()) % 3


def array_for(dtype: str, shape: Sequence[int | str] | None, seed: int = 0) -> Array:
    """Values for an input that is known by dtype and shape alone."""
    dims = _ANY_SHAPE if shape is None else shape
    sizes = tuple(made_up_size(dim) if isinstance(dim, str) else dim for dim in dims)
    return _drawn(numpy_dtype(dtype), sizes, np.random.default_rng(seed))


def list_for(dtype: str, shape: Sequence[int | str] | None, seed: int = 0) -> list[Array]:
    """Tensors for a list that is known by what it holds."""
    return [array_for(dtype, shape, seed + i) for i in range(MADE_UP_LENGTH)]


def relisted(example: list[Array], length: int, seed: int = 0) -> list[Array]:
    """A list like the example, but of this length."""
    first = example[:length]
    more = [resized(example[0], example[0].shape, seed + i) for i in range(length - len(first))]
    return [*first, *more]


def resized(example: Array, shape: tuple[int, ...], seed: int = 0) -> Array:
    """Values for an input that is like the example, but of this shape."""
    rng = np.random.default_rng(seed)
    if example.dtype.kind in "iub" and example.size:
        return np.asarray(rng.choice(example.reshape(-1), shape))
    return _drawn(example.dtype, shape, rng)


def _drawn(dtype: np.dtype[Any], shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    drawn: Any
    if dtype.kind == "b":
        drawn = rng.random(shape) < 0.5
    elif dtype.kind in "iu":
        drawn = rng.integers(0, 2, shape)
    elif dtype.kind == "c":
        drawn = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    else:
        drawn = rng.standard_normal(shape)
    # Of no dims the generator gives a number, which onnxruntime does not take for a bool.
    return np.asarray(drawn, dtype)
