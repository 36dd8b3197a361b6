"""Which dtype comes of others."""

import torch
from torch import Tensor

from tests.conversion.harness import check


def test_dtypes_of_results() -> None:
    def program(x: Tensor, y: Tensor, n: int):
        small = torch.zeros(1, dtype=torch.half)
        return [
            torch.result_type(x, n) == torch.int32,
            torch.result_type(x, 1.5) == torch.float32,
            torch.result_type(2.5, small) == torch.float16,
            torch.result_type(x, y) == torch.float64,
            torch.result_type(n, 1.5) == torch.float32,
            torch.promote_types(torch.uint8, torch.int8) == torch.int16,
            torch.can_cast(torch.float64, torch.int64),
            torch.can_cast(torch.int64, torch.float16),
        ]

    call = torch.ones(2, dtype=torch.int32), torch.ones(2, dtype=torch.float64), 3
    check(program, call)
