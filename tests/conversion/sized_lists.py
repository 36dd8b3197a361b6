"""How lists of run-time length are tested: one program at several lengths and opsets.

    at_sizes(program, 2)      # called with 5, 2, 1 and 0 rows of X, and with 2

The programs make their lists of the rows of `x`: as views (`unbind`), as an ONNX Sequence (items of
several shapes that a loop appends), or of numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from tests.conversion.harness import Program, check

__all__ = ["OPSETS", "X", "at_sizes"]

X = torch.tensor(
    [[2.0, -2.0, 1.0], [0.0, 0.5, 3.0], [-1.0, 4.0, 2.0], [2.0, 0.5, 7.0], [1.0, 9.0, -3.0]]
)
# A sequence leaves a Loop from opset 13 on.
OPSETS = (13, 20)


def at_sizes(
    program: Program,
    *rest: Any,
    sizes: Sequence[int] = (5, 2, 1, 0),
    opsets: Sequence[int] = OPSETS,
    **options: Any,
) -> None:
    """Check a program of so many rows, and of what else it takes; each of `rest` in turn if a list."""
    turns = rest if rest and isinstance(rest[0], tuple) else [rest]
    calls = [(X[:n].clone(), *more) for n in sizes for more in turns]
    for opset in opsets:
        check(program, *calls, dynamic=True, opset_version=opset, **options)
