"""Index grids."""

from __future__ import annotations

import pytest
import torch

from tests.symbolics.harness import check

X = torch.randn(3)


@pytest.mark.parametrize("dtype", [None, torch.int64, torch.bool, torch.float64])
def test_eye(dtype: torch.dtype | None) -> None:
    check(lambda x: (torch.eye(3, dtype=dtype), torch.eye(2, 4, dtype=dtype), x), X)
    check(lambda x: (torch.eye(50, dtype=dtype), x), X)


@pytest.mark.parametrize("offset", [-1, 0, 2])
def test_triangles(offset: int) -> None:
    check(lambda x: (torch.tril_indices(3, 4, offset), torch.triu_indices(4, 3, offset), x), X)


def test_triangles_of_an_inputs_size() -> None:
    def triangles(x: torch.Tensor) -> list[torch.Tensor]:
        return [torch.tril_indices(x.size(0), 3), torch.triu_indices(x.size(0), x.size(0), 1)]

    check(triangles, X, mode="script", dynamic=True, calls=[(torch.ones(5),), (torch.ones(0),)])


@pytest.mark.parametrize("indexing", ["ij", "xy"])
def test_meshgrid(indexing: str) -> None:
    def grid(*lists: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return torch.meshgrid(*lists, indexing=indexing)

    check(grid, X, torch.arange(2.0), torch.tensor(1.0))
    check(grid, X, dynamic=True, calls=[(torch.ones(5),)])
    check(grid, X, torch.rand(2), dynamic=True, calls=[(torch.ones(5), torch.rand(1))])
