"""Reductions of consecutive rows."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.symbolics.harness import check, refuses

ROWS = torch.tensor([[1.0, 5.0], [float("nan"), 2.0], [-3.0, 4.0], [0.5, 0.25], [2.0, -1.0]])
LENGTHS = torch.tensor([2, 0, 3])


@pytest.mark.parametrize("reduce", ["sum", "mean", "prod", "max", "min"])
@pytest.mark.parametrize("initial", [None, 1.5])
def test_segments(reduce: str, initial: float | None) -> None:
    """By lengths and by borders, the empty one included."""

    def function(x: Tensor, lengths: Tensor) -> Any:
        borders = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
        return (
            torch.segment_reduce(x, reduce, lengths=lengths, axis=0, initial=initial),
            torch.segment_reduce(x, reduce, offsets=borders, axis=0, initial=initial),
        )

    calls = [(ROWS[:3], torch.tensor([1, 1, 1, 0]))]
    check(function, ROWS, LENGTHS, opsets=(13, 20), dynamic=True, calls=calls)


def test_lengths_of_each_row() -> None:
    refuses(
        lambda x, lengths: torch.segment_reduce(x, "sum", lengths=lengths, axis=1),
        torch.ones(2, 3),
        torch.tensor([[1, 2], [3, 0]]),
        match="segment_reduce along dim 1",
    )
