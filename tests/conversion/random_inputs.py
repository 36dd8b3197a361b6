"""The arguments of random programs: shapes, dtypes and values, and which values are kept small.

All tensors hold small whole numbers, so that results agree exactly whatever the order of sums.
"""

import copy
import random
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import torch

from tests.conversion.random_classes import Holder

__all__ = [
    "Inputs",
    "bounded",
    "copied",
    "inputs",
    "limited",
    "other_sizes",
    "random_shapes",
]

LARGEST = 1e5
LARGEST_HALF = 1024
# Of numbers, which sizes and trip counts are made of.
LARGEST_NUMBER = 40
MOST_ELEMENTS = 500
MOST_ITEMS = 30
MOST_LINES = 1000

Inputs = dict[str, Any]
Shapes = tuple[tuple[int, ...], ...]


def random_shapes(rng: random.Random, *, zero: bool) -> Shapes:
    """Shapes for `x`, `y` and the indices `i`, with a size of 0 at times if `zero`."""
    rank = rng.choice([1, 1, 2, 2, 2, 3])
    first = tuple(rng.choice([0 if zero else 1, 1, 2, 3, 3, 4, 5]) for _ in range(rank))
    second = first if rng.random() < 0.7 else first[1:]
    return first, second, (rng.choice([1, 2, 2, 3]),)


def other_sizes(rng: random.Random, shapes: Shapes, *, zero: bool) -> list[Shapes]:
    """The same shapes with other sizes, equal ones staying equal; 1 among them, and 0 if `zero`."""
    least = 0 if zero else 1
    others = {size: rng.randint(least, 5) for size in range(6)}
    mixed = {size: rng.choice([least, 1, max(size, least)]) for size in range(6)}
    return [
        tuple(tuple(sizes[d] for d in shape) for shape in shapes)
        for sizes in (others, mixed, dict.fromkeys(range(6), 1))
    ]


def inputs(rng: random.Random, shapes: Shapes, dtypes: tuple[torch.dtype, ...]) -> Inputs:
    """Arguments of a program."""
    x, y = (_tensor(rng, s, d) for s, d in zip(shapes[:2], dtypes, strict=True))
    size = max(1, min(shapes[0], default=1))
    picked = [rng.randint(0, size - 1) for _ in range(shapes[2][0])]
    return {
        "x": x,
        "y": y,
        "i": torch.tensor(picked, dtype=torch.int64),
        "n": rng.randint(0, 4),
        "r": rng.randint(-4, 4) / 2,
        "flag": rng.random() < 0.5,
    }


def _tensor(rng: random.Random, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    low = 0 if dtype in (torch.uint8, torch.bool) else -4
    count = int(torch.tensor(shape).prod()) if shape else 1
    values = [rng.randint(low, 4) for _ in range(count)]
    return torch.tensor(values, dtype=torch.int64).to(dtype).reshape(shape)


def copied(value: Any) -> Any:
    """An argument as it is before the call."""
    return value.clone() if isinstance(value, torch.Tensor) else copy.copy(value)


def bounded(value: Any) -> bool:
    """Whether a value is small enough to be held exactly by its dtype, whatever the order of sums."""
    if isinstance(value, Holder):
        value = vars(value)
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return len(value) < MOST_ITEMS and all(map(bounded, value))
    if isinstance(value, torch.Tensor):
        # Of no elements, PyTorch lets `expand` make dims below 0.
        if value.numel() >= MOST_ELEMENTS or min(value.shape, default=0) < 0:
            return False
        if not value.numel() or value.dtype == torch.bool:
            return True
        limit = LARGEST_HALF if value.dtype == torch.float16 else LARGEST
        parts = value.double() * 8
        return bool(parts.abs().max() < limit * 8) and bool((parts == parts.round()).all())
    if isinstance(value, float):
        return abs(value) < LARGEST_NUMBER and value * 8 == round(value * 8)
    return not isinstance(value, int) or abs(value) < LARGEST_NUMBER


class TooMuchError(Exception):
    """A program runs too long, or what it holds gets too large."""


def limited(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a program, watched line by line: loops may make what they hold larger at each trip."""
    lines = 0

    def watch(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal lines
        if not frame.f_code.co_filename.startswith("<"):
            return None
        lines += event == "line"
        if lines > MOST_LINES or any(map(_huge, frame.f_locals.values())):
            raise TooMuchError
        return watch

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        return function(*args, **kwargs)
    finally:
        sys.settrace(before)


def _huge(value: object) -> bool:
    if isinstance(value, torch.Tensor):
        return value.numel() > 10 * MOST_ELEMENTS
    if isinstance(value, (list, tuple)):
        return len(value) > 10 * MOST_ITEMS
    return isinstance(value, int) and abs(value) > 100 * LARGEST_NUMBER
