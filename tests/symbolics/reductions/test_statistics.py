"""Deviations of numbers whose squares are no numbers of their dtype."""

from __future__ import annotations

import pytest
import torch

from tests.symbolics.harness import check

INF, NAN = float("inf"), float("nan")
ROWS = torch.tensor(
    [[1e30, 2e30, -3e30], [1e-30, 2e-30, 4e-30], [3e38, 3e38, -3e38], [1, 2, INF], [1, NAN, 3]]
)


@pytest.mark.parametrize("dynamic", [False, True])
def test_std_of_what_is_far_and_near(dynamic: bool) -> None:
    calls = [(ROWS[:2],), (ROWS[:, :1],), (ROWS[:0],)] if dynamic else []
    check(lambda x: x.std(1) * 1, ROWS, atol=1e-36, opsets=(9, 20), dynamic=dynamic, calls=calls)
    check(lambda x: torch.std_mean(x, 0), ROWS[:2], opsets=(20,), dynamic=dynamic)
    check(lambda x: x.std(1, unbiased=False), ROWS.half(), opsets=(20,), dynamic=dynamic)
