"""Products of groups of rows, columns or what is summed, against PyTorch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.symbolics.harness import check, refuses

torch.manual_seed(0)

ENDS = [torch.tensor(ends, dtype=torch.int32) for ends in ([2, 5, 8], [0, 8, 8], [8, 8, 8])]
SIDES = {
    "rows": (torch.rand(8, 8), torch.rand(3, 8, 4)),
    "columns": (torch.rand(3, 4, 8), torch.rand(8, 8)),
    "summed": (torch.rand(4, 8), torch.rand(8, 4)),
}


def grouped(a: Tensor, b: Tensor, ends: Tensor) -> Tensor:
    return torch._grouped_mm(a, b, offs=ends)


@pytest.mark.parametrize("divided", SIDES)
def test_groups(divided: str) -> None:
    """Also groups that are empty."""
    a, b = SIDES[divided]
    check(grouped, a, b, ENDS[0], calls=[(a, b, ends) for ends in ENDS[1:]])


def test_rows_of_run_time() -> None:
    """A weight that is known; and as many rows as come."""
    weight = SIDES["rows"][1]

    def experts(x: Tensor, ends: Tensor) -> Tensor:
        return torch._grouped_mm(x, weight.transpose(1, 2).contiguous().transpose(1, 2), offs=ends)

    ends = torch.tensor([2, 2, 3], dtype=torch.int32)
    check(
        experts,
        SIDES["rows"][0],
        ENDS[0],
        dynamic={"x0": {0: "n"}},
        calls=[(torch.rand(3, 8), ends)],
    )


def test_rows_behind_the_last_group() -> None:
    """They are there; in PyTorch they hold anything."""

    def masked(a: Tensor, b: Tensor, ends: Tensor) -> Tensor:
        return torch.where(torch.arange(8)[:, None] < ends[2], grouped(a, b, ends), 0)

    ends = torch.tensor([1, 3, 5], dtype=torch.int32)
    check(masked, *SIDES["rows"], ends)


def test_stacks() -> None:
    check(lambda a, b: torch._grouped_mm(a, b), torch.rand(3, 4, 8), torch.rand(3, 8, 4))


def test_a_number_of_groups_of_run_time() -> None:
    refuses(grouped, *SIDES["rows"], ENDS[0], dynamic=True, match="only known at run time")
