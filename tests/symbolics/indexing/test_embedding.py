"""Embeddings and bags of them agree with PyTorch."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.symbolics.harness import check

torch.manual_seed(0)
TABLE = torch.randn(10, 4)
INDICES = torch.randint(0, 10, (12,))
OFFSETS = torch.tensor([0, 0, 3, 7, 12])


def test_embedding() -> None:
    """Indices of any rank and both integer types; a padding index changes nothing."""
    check(lambda i: F.embedding(i, TABLE, padding_idx=2), INDICES.reshape(3, 4))
    check(lambda i: F.embedding(i, TABLE), INDICES.int(), opsets=(20,), dynamic=True)
    check(lambda i: F.embedding(i, TABLE), torch.tensor(3), opsets=(20,))
    check(lambda i: F.embedding(i, TABLE), torch.zeros(0, 2, dtype=torch.long), opsets=(20,))


@pytest.mark.parametrize("norm", [1.0, 2.0])
def test_max_norm(norm: float) -> None:
    """Rows that are looked up are shortened first."""
    check(lambda t, i: F.embedding(i, t.clone(), max_norm=1.0, norm_type=norm), TABLE, INDICES[:4])


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding", [None, 2, -3])
@pytest.mark.parametrize("last", [False, True])
def test_bags(mode: str, padding: int | None, last: bool) -> None:
    """Empty bags are zero; what is padding does not count."""

    def bags(indices: Tensor, offsets: Tensor) -> Tensor:
        return F.embedding_bag(
            indices, TABLE, offsets, mode=mode, padding_idx=padding, include_last_offset=last
        )

    more = (INDICES[:7], torch.tensor([0, 2, 2, 7]))
    check(bags, INDICES, OFFSETS, opsets=(13, 18))
    check(bags, INDICES, OFFSETS, opsets=(20,), dynamic=True, calls=[more])


def test_bags_of_equal_size() -> None:
    """Two dims: a bag a row; weights scale the rows."""
    two = INDICES.reshape(4, 3)
    check(lambda i: F.embedding_bag(i, TABLE), two, dynamic=True, calls=[(two[:2],)])
    weights = torch.rand(4, 3)
    check(lambda i, w: F.embedding_bag(i, TABLE, per_sample_weights=w, mode="sum"), two, weights)
