"""Conversions and copies."""

from __future__ import annotations

import pytest
import torch

from tests.symbolics.harness import check

X = torch.tensor([[0.0, 1.9, -1.9], [250.0, 0.4, 7.0]])
DTYPES = [
    torch.float16,
    torch.float64,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.bool,
]


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype: torch.dtype) -> None:
    check(lambda x: (x.to(dtype), x.type(dtype)), X)
    check(lambda x: x.to(dtype).float() + x.to(torch.int32).to(dtype), X.clamp(-100, 100))


def test_forms() -> None:
    y = torch.tensor([1, 2])
    check(lambda x, z: (x.to(z), x.type_as(z), x.to("cpu"), x.to("cpu", torch.float64)), X, y)
    check(lambda x: (x.half(), x.double(), x.long(), x.bool(), x.int(), x.contiguous().clone()), X)
    check(lambda x: (x.detach() + 1, x.cpu() * 2), X)


def test_numbers_of_a_trace_stay_numbers() -> None:
    """Tracing records 2.5 as a 0-d double that promotion takes for a number, until detached."""
    check(lambda x: (x + 2.5, x.sum() * 2.5, x.bool() * 2), torch.tensor([1, 2]))
    check(lambda x: x + torch.tensor(2.5, dtype=torch.float64), torch.tensor([1, 2]))
