"""Branches on data: results that differ in rank, and functions that call each other.

The functions are module-level, so that PyTorch finds their source and the archive their names.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.sample import Sample, normal, scripted, seeded, traced


class BranchShapes(nn.Module):
    """A vector in one branch and a matrix in the other."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(10, 20))

    def forward(self, x: Tensor) -> Tensor:
        """Multiply where the sum is positive, else add."""
        if x.sum() > 0:  # noqa: SIM108  (a conditional expression is another TorchScript form)
            out = self.weight.mv(x)
        else:
            out = self.weight + x
        return out


def foo(x: Tensor, y: Tensor) -> Tensor:
    """Return the argument with the greater maximum."""
    if x.max() > y.max():  # noqa: SIM108  (a conditional expression is another TorchScript form)
        r = x
    else:
        r = y
    return r


def branch_shapes() -> Sample:
    """Build the module whose result has a rank that depends on the data."""
    x = normal(1, 20).abs()
    with seeded():
        return Sample(BranchShapes(), [(x,), (-x,)])


def max_gate(size: int = 224) -> Sample:
    """Build the function alone: either side wins, and another batch size of x alone."""
    x, y = normal(1, 10, 1, size, size), normal(2, 10, 1, size, size) + 9
    return Sample(foo, [(x, y), (y, x), (y[:4], x), (x[:4], y)])


def gate_and_add() -> Sample:
    """Build a function, to be traced, that calls the scripted one."""
    scripted_foo = scripted(foo)

    def bar(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        return scripted_foo(x, y) + z

    x, y, z = normal(1, 3, 4), normal(2, 3, 4) + 9, normal(3, 3, 4)
    return Sample(bar, [(x, y, z), (y, x, z), (y[:2], x[:2], z[:2])])


def gate_of_same() -> Sample:
    """Build a function, to be scripted, that calls a trace of the Python one.

    The trace took the path where y wins, and `x.max() > x.max()` never holds: x comes back.
    """
    example = (normal(1, 3), normal(2, 3) + 9)
    traced_foo = traced(foo, example)

    def bar(x):  # type: ignore[no-untyped-def]
        return traced_foo(x, x)

    return Sample(bar, [(normal(3, 3, 4),), (normal(4, 5, 4),)])
